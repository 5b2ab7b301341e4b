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
from tasks.interpretation.diagnostics import Diagnostic, Findings, Span
from tasks.interpretation.pipeline import Pipeline
from tasks.interpretation.predefined import predefined_variables
from tasks.source.ci_variables import CIVariables
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
        raw_overrides: Names of those that are not expanded.
        secrets: Variables, as strong, that decide rules and show nowhere.
        unreadable: Whose CI/CD variables could not be read; None = all were.
        strict: Make warnings errors.
    """

    environment_name: str | None = None
    image_name: str | None = None
    run_deploy_jobs: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    raw_overrides: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    unreadable: str | None = None

    def given(self, variables: CIVariables) -> InterpretationOptions:
        """These options with the project's CI/CD variables."""
        secrets = {name: variable.value for name, variable in variables.secret.items()}
        return replace(
            self,
            overrides={**variables.plain, **self.overrides},
            raw_overrides=(variables.raw & variables.plain.keys()) - self.overrides.keys(),
            secrets={name: value for name, value in secrets.items() if name not in self.overrides},
            unreadable=variables.unreadable,
        )


def include_decisions(commit: Commit, options: InterpretationOptions | None = None) -> IncludeOptions:
    """How `read_source` decides variables and rules of includes as the interpretation will, before it."""
    return include_options(_context(commit, options or InterpretationOptions(), CI_FILE), Findings())


def _context(commit: Commit, options: InterpretationOptions, ci_path: str) -> Context:
    variables = predefined_variables(commit, options.environment_name, options.image_name, ci_path=ci_path)
    return Context(
        variables,
        overrides=options.overrides,
        raw_overrides=options.raw_overrides,
        secrets=options.secrets,
        run_deploy_jobs=options.run_deploy_jobs,
    )


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
    found = (*_unread(options, snapshot), *pipeline.diagnostics)
    _log(found)
    _checked(pipeline, options.strict)
    return replace(pipeline, diagnostics=found)


def _unread(options: InterpretationOptions, snapshot: Snapshot) -> tuple[Diagnostic, ...]:
    """A word about variables that are missing. It is nothing of the text's, so it is no error under `strict`."""
    if options.unreadable is None:
        return ()
    findings = Findings()
    message = (
        f"The CI/CD variables of {options.unreadable} could not be read with this token, so the build does without "
        "them."
    )
    findings.add("variables-unreadable", message, Span(snapshot.ci_path))
    return findings.ordered()


def _checked(pipeline: Pipeline, strict: bool) -> None:
    warnings = [d for d in pipeline.diagnostics if d.severity == "warning"]
    if strict and warnings:
        text = "\n".join(str(d) for d in warnings)
        raise InterpretationError(
            f"{len(warnings)} warning(s), which are errors here:\n{text}", diagnostics=pipeline.diagnostics
        )
    if not pipeline.created:
        found = next(d for d in pipeline.diagnostics if d.code == "workflow-never")
        raise InputError(str(found))


def _log(diagnostics: tuple[Diagnostic, ...] | list[Diagnostic]) -> None:
    logger = get_run_logger()
    for diagnostic in diagnostics:
        logger.log(_LEVELS[diagnostic.severity], "%s", diagnostic)
    if not diagnostics:
        logger.info("Interpreted without a finding.")
