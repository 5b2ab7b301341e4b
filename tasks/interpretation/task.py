"""The Prefect task around the interpreter: one timeline entry, diagnostics in the log."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from errors import InputError, InterpretationError
from tasks.interpretation.compiler import include_options, interpret
from tasks.interpretation.context import Context
from tasks.interpretation.diagnostics import Diagnostic, Findings, Span
from tasks.interpretation.pipeline import Pipeline
from tasks.interpretation.predefined import predefined_variables
from tasks.source.ci_variables import CIVariables
from tasks.source.include_options import IncludeOptions
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
        return dataclasses.replace(
            self,
            overrides={**variables.plain, **self.overrides},
            raw_overrides=frozenset((variables.raw & variables.plain.keys()) - self.overrides.keys()),
            secrets={name: value for name, value in secrets.items() if name not in self.overrides},
            unreadable=variables.unreadable,
        )


def include_decisions(commit: Commit, options: InterpretationOptions | None = None) -> IncludeOptions:
    """How `read_source` decides variables and rules of includes as the interpretation will, before it."""
    return include_options(context_of(commit, options or InterpretationOptions(), CI_FILE), Findings())


def context_of(commit: Commit, options: InterpretationOptions, ci_path: str) -> Context:
    """For whom the pipeline of a commit is interpreted."""
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
    pipeline = interpret_snapshot(snapshot, options)
    found = settle(snapshot, options, pipeline.diagnostics, pipeline.created)
    return replace(pipeline, diagnostics=found)


def snapshot_context(snapshot: Snapshot, options: InterpretationOptions) -> Context:
    """The same, with what is known of the commit's files."""
    context = context_of(snapshot.commit, options, snapshot.ci_path)
    return replace(context, tree=snapshot.tree, trees=snapshot.trees, absent=snapshot.absent)


def interpret_snapshot(snapshot: Snapshot, options: InterpretationOptions) -> Pipeline:
    """Interpret; the diagnostics of a text with errors are logged.

    Raises:
        InterpretationError: The text has errors; carries all diagnostics.
    """
    try:
        return interpret(snapshot.files, snapshot_context(snapshot, options), entry=snapshot.ci_path)
    except InterpretationError as error:
        report([d for d in error.diagnostics if isinstance(d, Diagnostic)])
        raise


def settle(
    snapshot: Snapshot, options: InterpretationOptions, diagnostics: Sequence[Diagnostic], created: bool
) -> tuple[Diagnostic, ...]:
    """Log what there is to say, with what the interpreter cannot know; whether there is something to build.

    Raises:
        InterpretationError: There are warnings of the text, and `strict` makes them errors.
        InputError: ``workflow:rules`` create no pipeline.
    """
    found = (*_unread(options, snapshot), *diagnostics)
    report(found)
    _check(diagnostics, options.strict, created)
    return found


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


def _check(diagnostics: Sequence[Diagnostic], strict: bool, created: bool) -> None:
    warnings = [d for d in diagnostics if d.severity == "warning"]
    if strict and warnings:
        text = "\n".join(str(d) for d in warnings)
        raise InterpretationError(
            f"{len(warnings)} warning(s), which are errors here:\n{text}", diagnostics=diagnostics
        )
    if not created:
        found = next(d for d in diagnostics if d.code == "workflow-never")
        raise InputError(str(found))


def report(diagnostics: Sequence[Diagnostic]) -> None:
    """Write them into the run's log."""
    logger = get_run_logger()
    for diagnostic in diagnostics:
        logger.log(_LEVELS[diagnostic.severity], "%s", diagnostic)
    if not diagnostics:
        logger.info("Interpreted without a finding.")
