"""What flows publish of a build: the Jenkinsfile, the diagnostics, the stages."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext

from tasks import markdown
from tasks.interpretation.diagnostics import Diagnostic
from tasks.jenkins_build.keeping import ListedFile
from tasks.jenkins_build.outcome import BuildOutcome, BuildRef


@task(name="publish Jenkinsfile", cache_policy=NO_CACHE)
async def publish_jenkinsfile(jenkinsfile: str, diagnostics: Sequence[Diagnostic]) -> None:
    """The Jenkinsfile as Markdown, and what the interpreter has to say as a table."""
    await acreate_markdown_artifact(
        markdown.block(jenkinsfile, "groovy"), key="jenkinsfile", description="What Jenkins runs."
    )
    rows = [{"place": str(d.span), "severity": d.severity, "code": d.code, "message": d.message} for d in diagnostics]
    await acreate_table_artifact(
        rows or [{"place": "", "severity": "", "code": "", "message": "Everything was translated exactly."}],
        key="diagnostics",
        description="What was approximated or left out, and where.",
    )


async def keep_reference(ref: BuildRef) -> None:
    """What Jenkins calls a build, as an artifact of the task run that triggered or found it; nothing without a run."""
    if TaskRunContext.get() is None:
        return
    row = {
        "job": ref.job,
        "queue item": ref.queue_id,
        "build": ref.number,
        "build key": ref.build_key,
        "attempt": ref.attempt,
        "address": ref.url,
    }
    await acreate_table_artifact([row], key="jenkins-queue-item", description="What this run waits for in Jenkins.")


async def publish_results(outcome: BuildOutcome) -> None:
    """Of a build, green or red: a link to its whole log, and what its tests came to; nothing without a run."""
    if TaskRunContext.get() is None:
        return
    await acreate_link_artifact(outcome.log, key="jenkins-log", link_text="whole log", description=str(outcome.ref))
    if outcome.tests is None and not outcome.coverage:
        return
    rows = [{"test": "all", "result": str(outcome.tests), "message": ""}] if outcome.tests else []
    rows += [{"test": f"coverage of {job}", "result": f"{percent:g} %", "message": ""}
             for job, percent in outcome.coverage.items()]  # fmt: skip
    if outcome.tests is not None:
        rows += [{"test": test.name, "result": "failed", "message": test.message} for test in outcome.tests.failures]
    await acreate_table_artifact(rows, key="test-results", description=f"Tests of {outcome.ref}.")


async def publish_files(outcome: BuildOutcome, files: Sequence[ListedFile]) -> None:
    """What a build archived, as a table with links; nothing without a run."""
    if TaskRunContext.get() is None:
        return
    rows = [
        {
            "file": f"[{markdown.plain(file.path)}]({file.url})",
            "bytes": "" if file.size is None else file.size,
            "kept": file.kept.address if file.kept else file.problem,
        }
        for file in files
    ]
    await acreate_table_artifact(rows, key="build-artifacts", description=f"Files that {outcome.ref} archived.")


@task(name="publish build", cache_policy=NO_CACHE)
async def publish_build(outcome: BuildOutcome) -> None:
    """The stages of the finished build as a table, the image, and a link to Jenkins."""
    rows = [
        {
            "stage": s.name,
            "status": s.status,
            "seconds": "" if s.duration_seconds is None else f"{s.duration_seconds:.1f}",
        }
        for s in outcome.stages
    ]
    await acreate_table_artifact(rows, key="build-stages", description=f"{outcome.ref}: {outcome.result}")
    await acreate_link_artifact(outcome.ref.url, key="jenkins-build", link_text=str(outcome.ref))
    if outcome.image and outcome.digest:
        text = f"{markdown.code(outcome.image)}\n\n{markdown.code(outcome.digest)}\n"
        await acreate_markdown_artifact(text, key="image", description="The image that was pushed.")
