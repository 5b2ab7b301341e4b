"""The Prefect tasks of this step: lint, prepare the job, trigger the build once, follow it to its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.jenkins_server import JenkinsServer
from errors import BuildFailedError, InputError, NotFoundError, SmartClideError, UnavailableError
from tasks.jenkins_build.approvals import Ask
from tasks.jenkins_build.following import Follower, Limits
from tasks.jenkins_build.jobs import Credential, ensure_folders, upsert_credential, upsert_job
from tasks.jenkins_build.keeping import keep_files, list_files
from tasks.jenkins_build.mirrors import mirrors_here
from tasks.jenkins_build.outcome import BUILD_KEY, BuildOutcome, BuildRef, BuiltBy, KeptFile, counting, decide
from tasks.jenkins_build.polling import Poller, polling
from tasks.jenkins_build.publication import keep_reference, publish_files, publish_results
from tasks.jenkins_build.removal import remove_project
from tasks.jenkins_build.restarting import taken_up
from tasks.jenkins_build.resumable import TopStage
from tasks.jenkins_build.retaining import retain
from tasks.jenkins_build.server import Jenkins
from tasks.jenkins_build.superseding import Seen
from tasks.jenkins_build.variables import VariableStore, job_paths, keep_variables
from tasks.jenkins_build.watching import Watch
from tasks.logs import task_logger
from tasks.retrying import TRANSIENT
from tasks.storing import Store

_CONFIRMING_SECONDS = 60.0
_REWRITTEN_TRIES = 3


@dataclass(frozen=True)
class JobSpec:
    """What Jenkins is to build.

    Attributes:
        project_path: The GitLab project; the job is called so, below the JenkinsServer's folder. With secret variables,
            its job in its own folder: see `tasks.jenkins_build.variables`.
        config: The job's config.xml (`tasks.jenkins_build.job_config`).
        commit_sha: The commit to build.
        build_key: See `tasks.jenkins_build.outcome.build_key`.
        parameters: Further string parameters the job declares. Never secrets.
        credentials: What the Jenkinsfile uses by id.
        variables: The project's secret CI/CD variables, which it uses by id too.
        jobs: How many jobs the build has, the image stage too; 0 = not known.
        coverage: GitLab's ``coverage:`` expressions, by job.
        restart: Its top-level stages, where a build can be taken up again in the middle.
        foreign: The Jenkinsfile is not ours: its stages are shown in the place of jobs.
    """

    project_path: str
    config: str
    commit_sha: str
    build_key: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    credentials: tuple[Credential, ...] = ()
    variables: VariableStore | None = None
    jobs: int = 0
    coverage: Mapping[str, str] = field(default_factory=dict)
    restart: tuple[TopStage, ...] = ()
    foreign: bool = False


@task(name="lint Jenkinsfile", cache_policy=NO_CACHE, **TRANSIENT)
async def lint_jenkinsfile(jenkins: JenkinsServer, jenkinsfile: str) -> None:
    """Have this Jenkins, with its plugins, check the Jenkinsfile before a job is made of it.

    Raises:
        InputError: It has errors; the message lists them all.
    """
    async with polling(jenkins) as poller:
        errors = await poller.call(poller.jenkins.lint, jenkinsfile)
    if errors:
        listed = "\n".join(f"    {error}" for error in errors)
        raise InputError(
            f"Jenkins at {jenkins.url} refuses the Jenkinsfile:\n{listed}\n",
            remedy="If it names a step or section as unknown, install the plugin it needs.",
        )
    task_logger().info("the Jenkinsfile passes the linter of %s", jenkins.url)


@task(name="prepare Jenkins job", cache_policy=NO_CACHE, **TRANSIENT)
async def ensure_job(jenkins: JenkinsServer, spec: JobSpec) -> str:
    """Make folders, credentials and the job what they must be. Safe to repeat.

    Returns:
        Full name of the job.

    Raises:
        ConflictError: A job or item of that name is not ours.
    """
    async with polling(jenkins) as poller:
        name, changed = await poller.call(_ensure_job, poller.jenkins, spec)
    task_logger().info("Jenkins job %s %s", name, "written" if changed else "is up to date")
    return name


def _ensure_job(jenkins: Jenkins, spec: JobSpec) -> tuple[str, bool]:
    name = jenkins.job_name(spec.project_path)
    folder = name.rpartition("/")[0]
    ensure_folders(jenkins, folder)
    for credential in spec.credentials:
        upsert_credential(jenkins, jenkins.folder or folder, credential)
    if spec.variables is not None:
        keep_variables(jenkins, spec.variables)
    return name, upsert_job(jenkins, name, spec.config)


@task(name="trigger Jenkins build", cache_policy=NO_CACHE, **TRANSIENT)
async def trigger_build(
    jenkins: JenkinsServer, spec: JobSpec, rebuild: bool = False, from_failed_stage: bool = False
) -> BuildRef:
    """Find the build of this build key, else start it. Safe to repeat: see `outcome.decide`.

    With `from_failed_stage` a build that failed is taken up again where it failed, if that can be done.
    What Jenkins calls the build is kept as an artifact of the run before anything else is done.
    """
    async with polling(jenkins) as poller:
        ref, found = await _trigger(poller, spec, rebuild, from_failed_stage)
    await keep_reference(ref)
    task_logger().info("%s %s (build key %s)", "found again:" if found else "triggered:", ref, ref.parameter)
    return ref


async def _trigger(poller: Poller, spec: JobSpec, rebuild: bool, from_failed_stage: bool) -> tuple[BuildRef, bool]:
    jenkins = poller.jenkins
    job = jenkins.job_name(spec.project_path)
    builds = await poller.call(jenkins.find_builds, job)
    attempt, known = decide(builds, spec.build_key, rebuild)
    url = jenkins.url(job)
    if known is not None:
        passed = known.result is not None
        return BuildRef(job, known.queue_id, known.number, known.url or url, spec.build_key, attempt, passed), True
    ref = BuildRef(job, None, None, url, spec.build_key, attempt)
    failed = counting(builds, spec.build_key, attempt - 1) if from_failed_stage else None
    if failed is not None and (again := await taken_up(poller, ref, failed, spec.restart)):
        return again, False
    parameters = {**spec.parameters, "COMMIT_SHA": spec.commit_sha, BUILD_KEY: ref.parameter}
    return await _start(poller, ref, parameters), False


async def _start(poller: Poller, ref: BuildRef, parameters: Mapping[str, str]) -> BuildRef:
    deadline, pause = time.monotonic() + _CONFIRMING_SECONDS, 0.5
    while True:
        try:
            queue_id = await poller.call(poller.jenkins.trigger, ref.job, parameters)
            return replace(ref, queue_id=queue_id, fresh=True)
        except UnavailableError as error:  # it may have arrived all the same: look before sending it again
            if time.monotonic() > deadline:
                raise
            pause = min(error.retry_after or pause, max(0.0, deadline - time.monotonic()))
        await asyncio.sleep(pause)
        pause = min(pause * 2, 8.0)
        if found := await _confirmed(poller, ref):
            return found


async def _confirmed(poller: Poller, ref: BuildRef) -> BuildRef | None:
    try:
        known = await poller.call(poller.jenkins.find_builds, ref.job)
    except UnavailableError:
        return None
    build = counting(known, ref.build_key, ref.attempt)
    if build is None:
        return None
    return replace(ref, queue_id=build.queue_id, number=build.number, url=build.url or ref.url)


@task(name="follow Jenkins build", cache_policy=NO_CACHE, **TRANSIENT)
async def follow_build(
    jenkins: JenkinsServer,
    ref: BuildRef,
    limits: Limits | None = None,
    ask: Ask | None = None,
    watch: Watch | None = None,
) -> BuildOutcome:
    """Wait for the end of a build. Cancelling it stops the build. See `Follower`.

    Its jobs are shown as task runs beside this one, and what is no job's in this task's log: see `watching`. What the
    build asks people is asked by `ask`; without it, it can be answered in Jenkins only.
    """
    async with polling(jenkins) as poller:
        follower = Follower(poller, ref, limits or Limits(), task_logger(), ask, watch or Watch())
        try:
            outcome = await follower.follow()
        except BuildFailedError as error:
            if isinstance(error.outcome, BuildOutcome):
                await publish_results(error.outcome)
            raise
        await publish_results(outcome)
        return outcome


@task(name="keep build artifacts", cache_policy=NO_CACHE, **TRANSIENT)
async def keep_artifacts(
    jenkins: JenkinsServer, outcome: BuildOutcome, store: Store | None, globs: Sequence[str] = ()
) -> tuple[KeptFile, ...]:
    """List what a build archived as the table artifact `build-artifacts`; keep what `globs` name. See `keeping`."""
    async with polling(jenkins) as poller:
        listed = await poller.call(list_files, poller.jenkins, outcome, globs if store is not None else ())
        if store is not None:
            listed = await poller.call(keep_files, poller.jenkins, outcome.ref, listed, store)
    for file in listed:
        if file.problem:
            task_logger().warning("artifact %s is not kept: %s", file.path, file.problem)
    await publish_files(outcome, listed)
    return tuple(file.kept for file in listed if file.kept is not None)


@task(name="remove Jenkins job", cache_policy=NO_CACHE, **TRANSIENT)
async def remove_job(jenkins: JenkinsServer, project_path: str) -> list[str]:
    """Delete what was made in Jenkins for a project; says what. See `removal`."""
    async with polling(jenkins) as poller:
        return await poller.call(remove_project, poller.jenkins, project_path)


async def keep_running_build(jenkins: JenkinsServer, project_path: str, holder: str, build: BuiltBy | None) -> None:
    """Have Jenkins keep the build that now runs somewhere, and no longer those that ran there. Never raises.

    Args:
        jenkins: Where it was built.
        project_path: The GitLab project.
        holder: Where it runs: ``environment/service``.
        build: What runs; None = nothing any more.
    """
    try:
        await retain_build(jenkins, project_path, holder, build)
    except SmartClideError as error:
        what = f"{build.job} #{build.number}" if build else f"a build of {project_path}"
        lost = "its log and artifacts may be discarded while it is deployed" if build else "it is kept for ever"
        task_logger().warning("whether Jenkins keeps %s could not be set: %s. %s", what, lost, error)


@task(name="keep running build", cache_policy=NO_CACHE)
async def retain_build(jenkins: JenkinsServer, project_path: str, holder: str, build: BuiltBy | None) -> None:
    """See `keep_running_build` and `retaining`. The project's job may have moved to a folder of its own, or back.

    Tried once: no rollback waits for a Jenkins that is down, and the next deployment sets it right.
    """
    async with polling(jenkins) as poller:
        for path in job_paths(project_path):
            job = poller.jenkins.job_name(path)
            number = build.number if build is not None and build.job == job else None
            with contextlib.suppress(NotFoundError):
                for done in await poller.call(retain, poller.jenkins, job, number, holder):
                    task_logger().info("%s", done)


@dataclass(frozen=True)
class Wishes:
    """What a run wants of its build besides its result.

    Attributes:
        rebuild: Build again although it was built already.
        ask: Asks people what the build asks.
        store: Where the whole log is kept; None = nowhere.
        from_failed_stage: Take a build that failed up again where it failed, if that can be done.
        keep: Globs of the archived files that are kept in the store too.
        seen: Where what is known of the build's jobs is written for others.
    """

    rebuild: bool = False
    ask: Ask | None = None
    store: Store | None = None
    from_failed_stage: bool = False
    keep: tuple[str, ...] = ()
    seen: Seen = field(default_factory=Seen)


async def run_build(
    jenkins: JenkinsServer, spec: JobSpec, limits: Limits | None = None, wishes: Wishes = Wishes()
) -> BuildOutcome:
    """Prepare, trigger and follow, by the tasks above; once more where another run got in between.

    The job of a project holds one Jenkinsfile. When another run rewrote it for another commit before our build began,
    the guard in the Jenkinsfile stops our build; and a restart of Jenkins may lose a queue item.
    """
    unmasked = spec.variables.unmasked if spec.variables is not None else ()
    watch = Watch(spec.jobs, spec.coverage, wishes.store, spec.foreign, wishes.seen, unmasked)
    with mirrors_here():
        try:
            outcome = await _run_build(jenkins, spec, limits, wishes, watch)
        except BuildFailedError as error:
            if isinstance(error.outcome, BuildOutcome) and error.outcome.artifacts:
                with contextlib.suppress(SmartClideError):  # what failed is the build
                    await keep_artifacts(jenkins, error.outcome, None)
            raise
    if not outcome.artifacts:
        return outcome
    return replace(outcome, kept=await keep_artifacts(jenkins, outcome, wishes.store, wishes.keep))


async def _run_build(
    jenkins: JenkinsServer, spec: JobSpec, limits: Limits | None, wishes: Wishes, watch: Watch
) -> BuildOutcome:
    async with polling(jenkins):  # its connections are kept for all of them
        for _ in range(_REWRITTEN_TRIES - 1):
            await ensure_job(jenkins, spec)
            try:
                return await _build(jenkins, spec, limits, wishes, watch)
            except BuildFailedError as error:
                if not (isinstance(error.outcome, BuildOutcome) and error.outcome.rewritten):
                    raise
            except NotFoundError as error:
                task_logger().warning("%s", error)
        await ensure_job(jenkins, spec)
        return await _build(jenkins, spec, limits, wishes, watch)


async def _build(
    jenkins: JenkinsServer, spec: JobSpec, limits: Limits | None, wishes: Wishes, watch: Watch
) -> BuildOutcome:
    ref = await trigger_build(jenkins, spec, wishes.rebuild, wishes.from_failed_stage)
    if ref.number is not None:  # a build that was found has jobs that ran: until its log is read nobody knows which
        watch.seen.stages = None
    return await follow_build(jenkins, ref, limits, wishes.ask, watch)
