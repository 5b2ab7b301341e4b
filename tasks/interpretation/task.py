"""The Prefect task around the interpreter: one timeline entry, diagnostics in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from errors import InputError, InterpretationError
from tasks.interpretation.compiler import include_options, interpret
from tasks.interpretation.context import Context
from tasks.interpretation.diagnostics import Diagnostic, Findings
from tasks.interpretation.pipeline import Pipeline
from tasks.interpretation.predefined import predefined_variables
from tasks.source.includes import IncludeOptions
from tasks.source.model import CI_FILE, Commit, Snapshot

_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


@dataclass(frozen=True)
class InterpretationOptions:
    """What a deployment adds to the project's own text.

    Attributes:
        environment_name: Our Environment's name, CI_ENVIRONMENT_NAME.
        image_name: The image to be built, ``host:port/path`` without tag, CI_REGISTRY_IMAGE.
        run_deploy_jobs: Keep jobs that deploy by themselves.
        overrides: Variables stronger than those of the text.
        strict: Make warnings errors.
    """

    environment_name: str | None = None
    image_name: str | None = None
    run_deploy_jobs: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False


def include_decisions(commit: Commit, options: InterpretationOptions | None = None) -> IncludeOptions:
    """How `read_source` decides variables and rules of includes as the interpretation will, before it."""
    return include_options(_context(commit, options or InterpretationOptions(), CI_FILE), Findings())


def _context(commit: Commit, options: InterpretationOptions, ci_path: str) -> Context:
    variables = predefined_variables(commit, options.environment_name, options.image_name, ci_path=ci_path)
    return Context(variables, overrides=options.overrides, run_deploy_jobs=options.run_deploy_jobs)


@task(name="interpret pipeline", cache_policy=NO_CACHE)
async def interpret_pipeline(snapshot: Snapshot, options: InterpretationOptions | None = None) -> Pipeline:
    """Interpret the pipeline definition of a snapshot for the commit it was taken at.

    Raises:
        InterpretationError: The text has errors; carries all diagnostics.
    """
    options = options or InterpretationOptions()
    context = _context(snapshot.commit, options, snapshot.ci_path)
    context = replace(context, tree=snapshot.tree, absent=snapshot.absent)
    try:
        pipeline = interpret(snapshot.files, context, entry=snapshot.ci_path)
    except InterpretationError as error:
        _log([d for d in error.diagnostics if isinstance(d, Diagnostic)])
        raise
    _log(pipeline.diagnostics)
    return _checked(pipeline, options.strict)


def _checked(pipeline: Pipeline, strict: bool) -> Pipeline:
    warnings = [d for d in pipeline.diagnostics if d.severity == "warning"]
    if strict and warnings:
        text = "\n".join(str(d) for d in warnings)
        raise InterpretationError(
            f"{len(warnings)} warning(s), which are errors here:\n{text}", diagnostics=pipeline.diagnostics
        )
    if not pipeline.created:
        found = next(d for d in pipeline.diagnostics if d.code == "workflow-never")
        raise InputError(str(found))
    return pipeline


def _log(diagnostics: tuple[Diagnostic, ...] | list[Diagnostic]) -> None:
    logger = get_run_logger()
    for diagnostic in diagnostics:
        logger.log(_LEVELS[diagnostic.severity], "%s", diagnostic)
    if not diagnostics:
        logger.info("Interpreted without a finding.")
