"""The Prefect task of this step: have a remote interpreter make the Jenkinsfile, and say what Jenkins builds."""

from __future__ import annotations

import asyncio

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.interpreter_server import InterpreterServer
from errors import InputError, InterpretationError
from tasks.interpretation.diagnostics import Diagnostic, Findings, Span
from tasks.interpretation.pipeline import Pipeline
from tasks.interpretation.task import InterpretationOptions, interpret_snapshot, report, settle, snapshot_context
from tasks.jenkins_build.jenkinsfile import guarded
from tasks.jenkins_build.rendered import Rendered
from tasks.jenkins_build.specification import Specification, Wanted, check_image, render_settings, specification
from tasks.logs import task_logger
from tasks.remote_interpretation.exchange import make_order
from tasks.remote_interpretation.plain import plain_text, runnable
from tasks.remote_interpretation.server import Interpreter
from tasks.retrying import TRANSIENT

_COMMIT, _KEY, _URL = "COMMIT_SHA", "BUILD_KEY", "REPO_URL"
_TOLD = ("CI_COMMIT_BRANCH", "CI_COMMIT_TAG", "CI_PIPELINE_SOURCE")


@task(name="interpret remotely", cache_policy=NO_CACHE, **TRANSIENT)
async def interpret_remotely(
    server: InterpreterServer, wanted: Wanted, options: InterpretationOptions
) -> tuple[Specification, tuple[Diagnostic, ...]]:
    """What Jenkins builds, and everything there is to say, by a remote interpreter.

    Raises:
        InterpretationError: The text has errors; carries all diagnostics.
        InputError: The interpreter refuses it, or gives a Jenkinsfile without the image that is to be deployed.
        SmartClideError: The interpreter's faults, by class.
    """
    interpreter = Interpreter(server)
    if await asyncio.to_thread(interpreter.is_ours):
        task_logger().info("%s is SmartCLIDE's own", interpreter.name)
        return await _ordered(interpreter, wanted, options)
    return await _translated(interpreter, wanted, options)


async def _ordered(
    interpreter: Interpreter, wanted: Wanted, options: InterpretationOptions
) -> tuple[Specification, tuple[Diagnostic, ...]]:
    snapshot = wanted.snapshot
    order = make_order(
        snapshot.ci_path, snapshot.files, snapshot_context(snapshot, options), render_settings(wanted)
    )  # fmt: skip
    try:
        answer = await asyncio.to_thread(interpreter.carry_out, order)
    except InterpretationError as error:
        report([d for d in error.diagnostics if isinstance(d, Diagnostic)])
        raise
    found = settle(snapshot, options, answer.diagnostics, answer.made is not None)
    assert answer.made is not None  # noqa: S101 - `settle` has raised
    check_image(wanted, answer.made.jobs)
    return specification(wanted, answer.made), found


async def _translated(
    interpreter: Interpreter, wanted: Wanted, options: InterpretationOptions
) -> tuple[Specification, tuple[Diagnostic, ...]]:
    pipeline = interpret_snapshot(wanted.snapshot, options)
    found = settle(
        wanted.snapshot, options, (*pipeline.diagnostics, *_notes(interpreter, wanted, pipeline)), pipeline.created
    )
    jobs = tuple(job.name for job in runnable(pipeline))
    check_image(wanted, jobs)
    if wanted.builds_image:
        raise InputError(
            f"{interpreter.name} gives a Jenkinsfile only, which builds no image.",
            remedy="In .smartclide.yml, give `image: {builder: engine}`, or name the job that pushes it in `from_job`.",
        )
    commit = wanted.snapshot.commit
    text = guarded(await asyncio.to_thread(interpreter.translate, plain_text(pipeline)), commit.sha)
    told = {name: pipeline.variables[name] for name in _TOLD if name in pipeline.variables}
    values = {_URL: commit.clone_url, **told}
    return specification(wanted, Rendered(text, jobs, (_COMMIT, _KEY, *values), values, foreign=True)), found


def _notes(interpreter: Interpreter, wanted: Wanted, pipeline: Pipeline) -> tuple[Diagnostic, ...]:
    findings, place = Findings(), Span(wanted.snapshot.ci_path)
    message = f"{interpreter.name} translates the jobs that run; what it leaves out of them is not known here."
    findings.add("remote-interpreter", message, place)
    names = [stored.bound.name for stored in wanted.store.stored]
    names += [secret.name for job in pipeline.jobs for secret in job.secrets]
    if names:
        message = f"The secrets {', '.join(dict.fromkeys(names))} are not known to {interpreter.name}'s Jenkinsfile."
        findings.add("remote-secrets", message, place)
    waiting = {job.name for job in pipeline.jobs} - {job.name for job in runnable(pipeline)}
    if waiting:
        message = f"Left out, as they wait for a person: {', '.join(sorted(waiting))}."
        findings.add("remote-manual", message, place)
    return findings.ordered()
