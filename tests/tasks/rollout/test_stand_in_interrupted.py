"""Rollouts that are killed, cancelled, or lose their server or namespace half-way, on the Kubernetes stand-in."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.cluster import Cluster
from errors import AccessError, ConflictError, RolloutFailedError, UnavailableError
from tasks.rollout import operations
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.lease import LeaseTimes, hold
from tasks.rollout.task import ask_cluster

ROOT = Path(__file__).parents[3]
QUICK = LeaseTimes(duration=3, poll=0.1)
STARTS = 180.0  # seconds that a process may take to begin, on a busy machine


async def until(holds, seconds=30.0):
    """Wait until `holds()`."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.05)


def waiting(place, revision=1):
    """Whether a revision is applied and recorded as pending."""
    live = place.found("Deployment")
    applied = live is not None and live["metadata"]["labels"]["smartclide.eu/revision"] == str(revision)
    return applied and (revision, "pending") in place.records()


def slow(place, stand_in, seconds=60.0):
    stand_in.kubernetes.misbehave(place.identity.namespace, "web", "slow", seconds=seconds)


def another_process(place, stand_in, folder, lease_seconds):
    """A run of the same release in a process of its own, that waits for its pods."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(stand_in.kubernetes.kubeconfig())
    script = Path(__file__).with_name("dying_run.py")
    command = [sys.executable, str(script), str(kubeconfig), place.image, place.identity.namespace, str(lease_seconds)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
async def test_a_killed_run_is_taken_over_when_its_lease_expires(prefect_server, away, stand_in, tmp_path):
    slow(away, stand_in)
    run = another_process(away, stand_in, tmp_path, lease_seconds=3)
    await until(lambda: waiting(away) or run.poll() is not None, STARTS)
    run.kill()
    run.communicate()
    assert away.records() == [(1, "pending")]
    assert away.holder().startswith("test run [")
    stand_in.kubernetes.behave()
    outcome = await away.roll_out(times=QUICK)
    assert (outcome.action, outcome.record.revision) == ("deployed", 2)
    first, second = operations.records(away.client, away.identity)
    assert (first.state, first.cause) == ("failed", "The run that began this rollout ended without finishing it.")
    assert second.state == "deployed"
    assert away.holder() is None


@pytest.mark.slow
async def test_a_terminated_process_says_so_and_gives_the_lease_back(prefect_server, away, stand_in, tmp_path):
    slow(away, stand_in)
    run = another_process(away, stand_in, tmp_path, lease_seconds=60)
    await until(lambda: waiting(away) or run.poll() is not None, STARTS)
    run.send_signal(signal.SIGTERM)
    await asyncio.to_thread(run.communicate, timeout=90)
    (only,) = operations.records(away.client, away.identity)
    assert only.state == "failed"
    assert only.cause.startswith("Cancelled while ")  # the record is pending and the objects are there a bit earlier
    assert away.holder() is None


async def test_cancelling_leaves_the_cluster_as_it_is_and_says_so(away, stand_in):
    slow(away, stand_in)
    run = asyncio.create_task(away.roll_out())
    await until(lambda: waiting(away))
    seen = len(stand_in.server.faults.log)  # every request so far; the wait asks for Events, and nothing before does
    await until(lambda: any("/events" in line for line in stand_in.server.faults.log[seen:]))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    cancelled_while_waiting(away)
    stand_in.kubernetes.behave()
    assert (await away.roll_out()).record.revision == 2


def cancelled_while_waiting(place):
    (only,) = operations.records(place.client, place.identity)
    assert (only.state, only.cause) == (
        "failed",
        "Cancelled while waiting for its pods; the cluster was left as it was then.",
    )
    assert only.finished
    assert place.holder() is None
    assert place.found("Deployment")["metadata"]["labels"]["smartclide.eu/revision"] == "1"


async def test_cancelling_while_going_back_closes_both_records(away, stand_in):
    await away.roll_out()
    stand_in.kubernetes.misbehave(away.identity.namespace, "web", "slow", seconds=60)
    run = asyncio.create_task(away.roll_out(build="build-2", image=f"{away.image.split('@')[0]}@sha256:{'0' * 64}"))
    await until(lambda: waiting(away, 3) or run.done())
    run.cancel()
    with pytest.raises((asyncio.CancelledError, RolloutFailedError)):
        await run
    assert all(state != "pending" for _, state in away.records())
    assert away.holder() is None


@pytest.mark.parametrize(
    "fault", [{"kind": "drop"}, {"kind": "status", "status": 503}, {"kind": "latency", "seconds": 5}]
)
async def test_a_server_that_is_away_while_waiting_is_waited_for(away, stand_in, fault):
    """Longer than the Lease lasts: nobody else could take it meanwhile."""
    slow(away, stand_in, seconds=1.0)
    run = asyncio.create_task(away.roll_out(times=QUICK))
    await until(lambda: waiting(away))
    stand_in.server.faults.add(**fault, times=-1)
    await asyncio.sleep(4.5)
    stand_in.server.faults.clear()
    outcome = await run
    assert outcome.record.state == "deployed"
    assert away.records() == [(1, "deployed")]
    assert away.holder() is None


async def test_applying_is_tried_again(away, stand_in):
    stand_in.server.faults.add("status", "PATCH .*/deployments/web.*fieldManager", status=503, times=1)
    stand_in.server.faults.add("drop", "PATCH .*/services/web", times=1)
    outcome = await away.roll_out()
    assert outcome.record.state == "deployed"


async def test_too_many_requests_are_waited_out(away, stand_in):
    """The first try at a second's distance would come too early for what the server asks."""
    stand_in.server.faults.add("status", "POST .*/secrets", status=429, retry_after=2, times=1)
    before = asyncio.get_running_loop().time()
    outcome = await away.roll_out()
    assert outcome.record.state == "deployed"
    assert asyncio.get_running_loop().time() - before > 3


async def test_a_conflict_on_a_record_is_no_end(away, stand_in):
    stand_in.server.faults.add("status", "(POST|PUT) .*/secrets", status=409, times=2)
    outcome = await away.roll_out()
    assert outcome.record.state == "deployed"
    assert away.records() == [(1, "deployed")]


async def test_taking_the_lease_survives_lost_answers(away, stand_in):
    """The Lease is written, the answer is lost: it is ours all the same."""
    away.client.ensure_namespace(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": away.identity.namespace}}
    )
    stand_in.server.faults.add("cut", "POST .*/leases", times=1)
    stand_in.server.faults.add("cut", "PUT .*/leases", times=1)
    place = (away.identity.namespace, "web")
    async with asyncio.timeout(10), hold(away.client, place, "me", LeaseTimes(duration=3, poll=0.1, wait=1)) as held:
        stand_in.server.faults.add("cut", "PUT .*/leases", times=1)
        await asyncio.sleep(2.5)
        assert held.lost is None
        await held.confirm()
        assert away.holder().startswith("me [")
        stand_in.server.faults.add("cut", "PUT .*/leases", times=1)
    assert away.holder() is None or stand_in.server.faults.active[-1].times == 0


async def test_who_comes_back_after_an_outage_and_finds_the_lease_taken_changes_nothing(away):
    away.client.ensure_namespace(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": away.identity.namespace}}
    )
    place = (away.identity.namespace, "web")
    with pytest.raises(ConflictError, match="The lock on web was lost"):
        async with hold(away.client, place, "me", LeaseTimes(duration=30)) as held:
            found = away.found("Lease", "smartclide.web")
            found["spec"]["holderIdentity"] = "a thief"
            away.client.replace(found)
            held._renewed -= 25  # as after an outage
            await held.confirm()
    assert away.holder() == "a thief"


async def test_a_namespace_that_is_being_deleted_is_refused(away):
    await away.roll_out()
    away.client.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "stays", "namespace": away.identity.namespace, "finalizers": ["example.org/hold"]},
        }
    )
    away.client.delete("Namespace", None, away.identity.namespace)
    try:
        with pytest.raises(ConflictError, match=f"Namespace {away.identity.namespace} is being deleted"):
            await away.roll_out(build="build-2", variables={"A": "1"})
    finally:  # what deletes the namespace writes its objects too, as late as it likes
        await until(lambda: away.found("ConfigMap", "stays")["metadata"].get("deletionTimestamp"))
        stays = away.found("ConfigMap", "stays")
        del stays["metadata"]["finalizers"]
        away.client.replace(stays)


async def test_a_namespace_deleted_while_rolling_out_ends_the_wait(away, stand_in):
    slow(away, stand_in)
    run = asyncio.create_task(away.roll_out())
    await until(lambda: waiting(away))
    away.client.delete("Namespace", None, away.identity.namespace)
    with pytest.raises(ConflictError, match=r"was deleted while revision 1 was rolled out|is being deleted|was lost"):
        await asyncio.wait_for(run, 20)


async def test_wrong_credentials_and_nobody_there_name_the_cluster(away, stand_in, caplog):
    text = stand_in.kubernetes.kubeconfig()
    token = text.rpartition("token: ")[2].split()[0]
    wrong = ClusterClient(Cluster(kubeconfig=text.replace(token, "expired")))
    with pytest.raises(AccessError, match=f"The cluster at {stand_in.server.url} refuses the credentials"):
        wrong.list("Pod", "default")
    wrong.close()
    nobody = Cluster(kubeconfig=text.replace(stand_in.server.url, "http://127.0.0.1:9"), timeout_seconds=2)
    await ask_cluster.fn(nobody, away.identity)  # a build may begin all the same
    assert "The cluster at http://127.0.0.1:9 refused the connection" in caplog.text
    assert "The build goes on meanwhile." in caplog.text
    away.rollouts._cluster = nobody
    with pytest.raises(UnavailableError, match=r"The cluster at http://127\.0\.0\.1:9 refused the connection"):
        await away.roll_out(times=LeaseTimes(outage=0.5, poll=0.1))
