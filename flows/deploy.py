"""The `deploy` flow: from a GitLab project at a ref to a running service in an Environment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect import State, flow, get_run_logger
from prefect.runtime import flow_run
from prefect.settings import PREFECT_UI_URL
from prefect.states import Cancelled

from blocks.environment import Environment, load_environment
from errors import SupersededError
from flows.approve import Approver
from flows.parameters import AS_ENVIRONMENT, DeployOptions, DescriptorOverrides, Name, Project
from tasks.claims import Claim
from tasks.image.engine import EngineBuild
from tasks.image.reference import ImageReference, parse
from tasks.image.task import build_image_with_engine, confirm_image, find_image
from tasks.interpretation.diagnostics import Diagnostic
from tasks.interpretation.task import InterpretationOptions, include_decisions, interpret_pipeline
from tasks.jenkins_build.following import Limits
from tasks.jenkins_build.job_config import Retention
from tasks.jenkins_build.leftovers import bury, end_leftovers
from tasks.jenkins_build.outcome import BuildOutcome, built_by, check_stable, results
from tasks.jenkins_build.publication import publish_build, publish_jenkinsfile
from tasks.jenkins_build.specification import Specification, Terms, Wanted, specify
from tasks.jenkins_build.superseding import Seen
from tasks.jenkins_build.task import Wishes, keep_running_build, lint_jenkinsfile, run_build
from tasks.jenkins_build.variables import variable_store
from tasks.remote_interpretation.task import interpret_remotely
from tasks.rollout.descriptor import Descriptor, resolve
from tasks.rollout.manifest import Origin
from tasks.rollout.names import Identity
from tasks.rollout.publication import publish_plan, publish_release, run_holder
from tasks.rollout.release import Release, release_key
from tasks.rollout.rollout import Rollouts
from tasks.rollout.task import ask_cluster, plan_release
from tasks.source.model import DESCRIPTOR_FILE, Snapshot
from tasks.source.task import read_source, read_variables, resolve_commit
from tasks.turns import Turn, take_turn


@flow(
    name="deploy",
    flow_run_name="{project}-to-{environment}",
    description="Take a GitLab project at a ref to a running service in an Environment.",
    on_cancellation=[end_leftovers],
    on_crashed=[end_leftovers],
)
async def deploy(
    *,
    project: Project,
    ref: str = "",
    environment: Name,
    descriptor: DescriptorOverrides = {},  # noqa: B006 - the form shows it; never changed
    options: DeployOptions = DeployOptions(),  # noqa: B008 - likewise
) -> dict[str, Any] | State[Any]:
    """Read, interpret, build, confirm, roll out. Safe to run again: what was built or deployed is found again.

    Args:
        project: GitLab project, e.g. group/app; its numeric id or its address will do too.
        ref: Branch, tag or commit SHA; leave empty for the default branch.
        environment: Name of the Environment to deploy to, e.g. staging.
        descriptor: Overrides of the project's .smartclide.yml, e.g. {"replicas": 3}.
        options: What to do differently.

    Returns:
        The release: service, environment, revision, image, commit, build, action. The state Cancelled when a newer run
        took over.

    Raises:
        SmartClideError: Any of `errors`; the flow run fails with its message.
    """
    place = await load_environment(environment)
    commit = await resolve_commit(place.gitlab, project, ref)
    image_name = place.registry.image_name(commit.project_path)
    variables = await read_variables(place.gitlab, commit, environment)
    terms = InterpretationOptions(environment, image_name, options.run_deploy_jobs, strict=options.strict)
    terms = terms.given(variables)
    snapshot = await read_source(place.gitlab, commit, options.generate_pipeline, include_decisions(commit, terms))
    how = resolve(snapshot.files.get(DESCRIPTOR_FILE), descriptor, commit.project_path)
    secrets = variable_store((commit.project_path, commit.project_id), variables, environment)
    manual = place.manual_jobs if options.manual_jobs == AS_ENVIRONMENT else options.manual_jobs
    kept = Retention(place.keep_builds, place.keep_days)
    policy = Terms(secrets, manual, place.approval_timeout_seconds, kept, PREFECT_UI_URL.value() or "")
    wanted = Wanted(snapshot, place.gitlab, place.registry, how.image, policy)
    made, diagnostics = await _interpreted(place, wanted, terms)
    await publish_jenkinsfile(made.jenkinsfile, diagnostics)
    await lint_jenkinsfile(place.jenkins, made.jenkinsfile)
    if options.dry_run:
        return await _plan(place, snapshot, how, made)
    await ask_cluster(place.cluster, _identity(place, how, commit.project_path))
    # what a run may take, its questions and its undoing included
    patience = place.build_timeout_seconds + place.approval_timeout_seconds + 2 * place.rollout_timeout_seconds
    try:
        seen = Seen()
        claim = _claim(place, how, made, commit.ref, seen)
        async with take_turn(claim, options.on_conflict, patience, get_run_logger()) as turn:
            await bury(await turn.lost(), get_run_logger())
            return await _build_and_roll_out(place, snapshot, (how, made), options, (turn, seen))
    except SupersededError as error:
        return Cancelled(message=str(error))


async def _build_and_roll_out(
    place: Environment,
    snapshot: Snapshot,
    wanted: tuple[Descriptor, Specification],
    options: DeployOptions,
    holding: tuple[Turn, Seen],
) -> dict[str, Any]:
    (how, made), (turn, seen) = wanted, holding
    approver = Approver()
    limits = Limits(
        build=place.build_timeout_seconds,
        approval=place.approval_timeout_seconds,
        silence=place.silence_timeout_seconds,
    )
    wishes = Wishes(options.rebuild, approver, place.metrics, options.from_failed_stage, how.artifacts, seen)
    outcome = await turn.within(run_build(place.jenkins, made.job, limits, wishes))
    await publish_build(outcome)
    if warning := check_stable(outcome, place.unstable):
        get_run_logger().warning(warning)
    image = await turn.within(_image(place, snapshot, (how, made, outcome), options.rebuild))
    release = _release(place, snapshot, (how, made), image.pinned, (approver.summary, results(outcome)))
    turn.keep()
    rollouts = Rollouts(place.cluster, place.registry, release.identity, place.rollout_timeout_seconds)
    again = options.redeploy or options.rebuild
    done = await rollouts.roll_out(release, run_holder(), again=again)
    get_run_logger().info(done.message)
    identity, build = release.identity, built_by(done.record.results)
    await keep_running_build(place.jenkins, identity.project, identity.place, build)
    return await publish_release("result-deploy", release.identity, done, outcome.ref.url)


def _claim(place: Environment, how: Descriptor, made: Specification, ref: str, seen: Seen) -> Claim:
    """This run's claim to the service. One that is tried again counts as new."""
    due = None if (flow_run.run_count or 1) > 1 else flow_run.scheduled_start_time
    since = due or datetime.now(UTC)
    key, run_id, run_name = made.job.build_key, str(flow_run.id or ""), flow_run.name or ""
    return Claim(place.name, how.name, key, run_id, run_name, since, ref, lambda: made.auto_cancel.allows(seen.stages))


async def _interpreted(
    place: Environment, wanted: Wanted, terms: InterpretationOptions
) -> tuple[Specification, tuple[Diagnostic, ...]]:
    """What Jenkins builds, and what there is to say about it: by the embedded interpreter or a remote one."""
    if place.interpreter is not None:
        return await interpret_remotely(place.interpreter, wanted, terms)
    pipeline = await interpret_pipeline(wanted.snapshot, terms)
    return specify(wanted, pipeline), pipeline.diagnostics


async def _plan(place: Environment, snapshot: Snapshot, how: Descriptor, made: Specification) -> dict[str, Any]:
    """A dry run. An image that is not built yet is named by its tag."""
    image = await find_image(place.registry, made.image)
    release = _release(place, snapshot, (how, made), image.pinned if image.digest else str(image))
    return await publish_plan(release.identity, await plan_release(place.cluster, place.registry, release))


async def _image(
    place: Environment, snapshot: Snapshot, built: tuple[Descriptor, Specification, BuildOutcome], rebuild: bool
) -> ImageReference:
    """The image, pinned: by the build's own word where it has one, else by the registry's."""
    how, made, outcome = built
    if how.image.builder == "engine" and how.image.from_job is None:
        build = EngineBuild(parse(made.image), build_args=how.image.build_args)
        return await build_image_with_engine(place.gitlab, snapshot.commit, place.registry, build, rebuild)
    if outcome.image and outcome.digest:
        return await confirm_image(place.registry, parse(outcome.image).with_digest(outcome.digest))
    return await confirm_image(place.registry, made.image)


def _identity(place: Environment, how: Descriptor, project: str) -> Identity:
    return Identity(how.name, place.namespace, place.name, project)


def _release(
    place: Environment,
    snapshot: Snapshot,
    what: tuple[Descriptor, Specification],
    image: str,
    told: tuple[str, dict[str, Any]] = ("", {}),
) -> Release:
    """The release; `told` is what people decided, and what the tests came to."""
    commit, (how, made) = snapshot.commit, what
    identity = _identity(place, how, commit.project_path)
    key = release_key(made.job.build_key, identity, how, image)
    origin = Origin(commit.sha, commit.ref, made.job.build_key, key, str(flow_run.id or ""), *told)
    return Release(identity, how, image, origin, has_login=place.registry.has_login)
