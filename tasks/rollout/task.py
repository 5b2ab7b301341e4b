"""The rollout's Prefect tasks: one effect each, named as the timeline shows them. See `rollout` for their order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.cluster import Cluster
from blocks.image_registry import ImageRegistry
from errors import DeadlineError, RolloutFailedError, UnavailableError
from tasks.logs import task_logger
from tasks.retrying import TRANSIENT
from tasks.rollout import lease, operations
from tasks.rollout.cause import NOT_READY, NOT_STARTED
from tasks.rollout.cluster import ClusterClient, in_thread
from tasks.rollout.history import ReleaseRecord
from tasks.rollout.lease import DEFAULT_TIMES, Held, LeaseTimes
from tasks.rollout.manifest import Manifest
from tasks.rollout.names import Identity
from tasks.rollout.plan import Change
from tasks.rollout.release import Release
from tasks.rollout.status import Cause, Progress, ServiceStatus

FIRST_POLL_SECONDS, POLL_SECONDS = 0.25, 2.0
DELETE_SECONDS = 180.0


@asynccontextmanager
async def hold_lease(
    cluster: Cluster, namespace: str, service: str, holder: str, times: LeaseTimes = DEFAULT_TIMES
) -> AsyncIterator[Held]:
    """Exclude every other rollout of the service while the body runs. Not a task: it lasts.

    Args:
        cluster: Where.
        namespace: The service's namespace; created when absent.
        service: Its name.
        holder: Who, for those who wait; unique to a run, e.g. ``flow run brave-otter (1f0c...)``.
        times: Seconds.

    Raises:
        ConflictError: Another run kept it too long, or it was lost (then the body is cancelled).
    """
    client = ClusterClient(cluster)
    try:
        async with lease.hold(client, (namespace, service), holder, times) as held:
            yield held
    finally:
        client.close()


@task(name="ask cluster", cache_policy=NO_CACHE)
async def ask_cluster(cluster: Cluster, identity: Identity) -> None:
    """Look for the service before the build, which takes long: what refuses us now would refuse the release.

    A cluster that does not answer may do so when the image is there: that is only said.

    Raises:
        AccessError: The credentials are refused, or may not read Deployments.
        InputError: The cluster's certificate is not trusted, or the kubeconfig is of no use.
    """
    try:
        await in_thread(cluster, lambda c: c.find("Deployment", identity.namespace, identity.service))
    except UnavailableError as error:
        task_logger().warning("%s The build goes on meanwhile.", error.message)


@task(name="plan release", cache_policy=NO_CACHE, **TRANSIENT)
async def plan_release(
    cluster: Cluster, registry: ImageRegistry | None, release: Release, revision: int = 1
) -> tuple[Change, ...]:
    """What rolling `release` out would change, by dry runs on the API server; nothing is changed."""
    login = operations.login_of(registry)
    changes = await in_thread(
        cluster, lambda c: operations.plan(c, release.identity, release.manifests(revision), login)
    )
    for one in changes:
        task_logger().info("%s %s: %s", one.kind, one.name, one.action)
        for difference in one.differences:
            task_logger().info("  %s: %s -> %s", difference.path, difference.before, difference.after)
    return changes


@task(name="apply release", cache_policy=NO_CACHE, **TRANSIENT)
async def apply_release(
    cluster: Cluster, registry: ImageRegistry | None, identity: Identity, manifests: tuple[Manifest, ...]
) -> None:
    """Apply one revision's objects (and the pull Secret, when the registry has a login) by server-side apply."""
    login = operations.login_of(registry)
    applied = await in_thread(cluster, lambda c: operations.apply(c, identity, manifests, login))
    task_logger().info("Applied %s", ", ".join(f"{m['kind']} {m['metadata']['name']}" for m in applied))


@task(name="wait for rollout", cache_policy=NO_CACHE)
async def wait_for_rollout(
    cluster: Cluster, identity: Identity, revision: int, timeout_seconds: float, *, patient: bool = False
) -> Progress:
    """Wait until all pods of `revision` are updated and available.

    Ends early when waiting is pointless (image not there, three crashes, a missing Secret). A server that does not
    answer for a while is waited for, within the same deadline.

    Args:
        cluster: Where.
        identity: Which service.
        revision: Which release of it.
        timeout_seconds: How long at most.
        patient: Also when the Deployment's progress deadline is over, which Kubernetes' controller lets pass too.

    Raises:
        RolloutFailedError: With the cause.
    """
    deadline = time.monotonic() + timeout_seconds
    said, well = "", time.monotonic()
    cause: Cause | None = None
    for pause in _pauses():
        try:
            progress, cause = await in_thread(cluster, lambda c: operations.observe(c, identity, revision))
        except UnavailableError as error:
            message, well = error.message, time.monotonic()
        else:
            message = f"{progress.message}. {cause.summary} {cause.detail}" if cause else progress.message
            if progress.state == "done":
                task_logger().info("%s", message)
                return progress
            if progress.state != "failed" or patient:
                well = time.monotonic()
        if message != said:
            task_logger().info("%s", message)
            said = message
        # "failed" may be the last generation's for a moment: believe it when it stays
        failed = time.monotonic() - well > POLL_SECONDS
        if (cause and cause.final) or failed or time.monotonic() > deadline:
            raise await _failure(cluster, identity, (revision, said), cause)
        await asyncio.sleep(pause)
    raise AssertionError("pauses have no end")


def _pauses() -> Iterator[float]:
    """Short at first, as most rollouts take seconds; then longer, for the API server's sake."""
    pause = FIRST_POLL_SECONDS
    while True:
        yield pause
        pause = min(POLL_SECONDS, pause * 2)


async def _failure(
    cluster: Cluster, identity: Identity, seen: tuple[int, str], cause: Cause | None
) -> RolloutFailedError:
    revision, said = seen
    try:
        if cause is None or cause.category in {NOT_STARTED, NOT_READY}:  # Events come late on a busy cluster
            await asyncio.sleep(POLL_SECONDS)
            _, cause = await in_thread(cluster, lambda c: operations.observe(c, identity, revision))
        cause = await in_thread(cluster, lambda c: operations.with_log(c, identity, cause))
    except UnavailableError:
        task_logger().warning("The logs of %s cannot be read now", identity.service)
    why = str(cause) if cause else said
    return RolloutFailedError(
        f"Revision {revision} of {identity.service} did not get running: {why}",
        cause=cause,
        remedy=cause.resolution if cause else None,
    )


@task(name="record release", cache_policy=NO_CACHE, **TRANSIENT)
async def record_release(cluster: Cluster, identity: Identity, record: ReleaseRecord) -> ReleaseRecord:
    """Write a release's record into the cluster; a ``deployed`` one supersedes those before it."""
    await in_thread(cluster, lambda c: operations.record(c, identity, record))
    task_logger().info("Revision %d of %s: %s", record.revision, identity.service, record.state)
    return record


@task(name="list releases", cache_policy=NO_CACHE, **TRANSIENT)
async def list_releases(cluster: Cluster, identity: Identity) -> tuple[ReleaseRecord, ...]:
    """The service's recorded revisions, oldest first."""
    return await in_thread(cluster, lambda c: operations.records(c, identity))


@task(name="service status", cache_policy=NO_CACHE, **TRANSIENT)
async def service_status(cluster: Cluster, identity: Identity) -> ServiceStatus:
    """How the service is now: pods, their images by digest, restarts, and whether it has an endpoint."""
    return await in_thread(cluster, lambda c: operations.status(c, identity))


@task(name="delete objects", cache_policy=NO_CACHE, **TRANSIENT)
async def delete_objects(cluster: Cluster, identity: Identity, *, purge: bool = False) -> tuple[str, ...]:
    """Delete what we own of the service and wait until its pods are gone; keep its history unless `purge`.

    Raises:
        DeadlineError: Pods are still there after three minutes.
    """
    deleted = await in_thread(cluster, lambda c: operations.remove(c, identity, purge=purge))
    await _until_gone(cluster, identity)
    task_logger().info("Deleted %s", ", ".join(deleted) or "nothing")
    return deleted


async def _until_gone(cluster: Cluster, identity: Identity) -> None:
    deadline = time.monotonic() + DELETE_SECONDS
    left = "not known"
    for pause in _pauses():
        with suppress(UnavailableError):  # asked again, within the deadline
            pods = await in_thread(cluster, lambda c: operations.owned_pods(c, identity))
            if not pods:
                return
            left = ", ".join(pods)
        if time.monotonic() > deadline:
            raise DeadlineError(
                f"Service {identity.service} is not gone after {DELETE_SECONDS:.0f} s; pods left: {left}.",
                remedy="Look at its pods' finalizers and termination grace period.",
            )
        await asyncio.sleep(pause)
