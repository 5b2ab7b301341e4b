"""Two deployments of one service: the second waits, takes over, or fails; slots outlive neither runs nor servers."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect import get_client

from errors import ConflictError, SupersededError
from flows.deploy import deploy
from flows.parameters import DeployOptions
from tasks.claims import Claim
from tasks.logs import task_logger
from tasks.turns import TurnTimes, take_turn

SLOW = b"import time, unittest\nclass T(unittest.TestCase):\n  def test(self): time.sleep(%d)\n"
QUICK = TurnTimes(renew=0.5, look=0.3, stale=6.0)
ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)


def claim(service, run, *, age=0.0, key="k"):
    return Claim("turns", service, key, run, run, NOW - timedelta(seconds=age))


async def slots(service):
    async with get_client() as client:
        return (await client.read_global_concurrency_limit_by_name(f"smartclide-turns-{service}")).active_slots


async def hold(who, seconds, log, on_conflict="wait"):
    async with take_turn(who, on_conflict, 30, task_logger(), QUICK):
        log.append((who.run_name, "begins"))
        await asyncio.sleep(seconds)
        log.append((who.run_name, "ends"))


async def test_a_second_run_waits_for_its_turn(prefect_server):
    log = []
    await asyncio.gather(*(hold(claim("one", run), 0.6, log) for run in ("a", "b", "c")))
    assert [event for _, event in log] == ["begins", "ends"] * 3
    assert await slots("one") == 0


async def test_other_services_and_environments_do_not_wait(prefect_server):
    everybody = asyncio.Barrier(3)

    async def meet(who):
        async with take_turn(who, "wait", 30, task_logger(), QUICK):
            await asyncio.wait_for(everybody.wait(), 30)

    other = Claim("elsewhere", "two", "k", "c", "c", NOW)
    await asyncio.gather(meet(claim("two", "a")), meet(claim("two-b", "b")), meet(other))


async def test_fail_names_the_run_that_has_the_turn(prefect_server):
    async with take_turn(claim("three", "first-run"), "wait", 5, task_logger(), QUICK):
        with pytest.raises(ConflictError, match="three in Environment turns is being deployed by flow run first-run"):
            async with take_turn(claim("three", "second"), "fail", 5, task_logger(), QUICK):
                pass
    assert await slots("three") == 0


async def test_the_newest_has_older_ones_stop_but_not_those_that_roll_out(prefect_server):
    told = []

    async def older(name, age, kept):
        try:
            async with take_turn(claim("four", name, age=age, key=name), "wait", 30, task_logger(), QUICK) as turn:
                if kept:
                    turn.keep()
                    await asyncio.sleep(1.5)
                await turn.within(asyncio.sleep(0.5 if kept else 20))
            told.append(f"{name} ended")
        except SupersededError as error:
            told.append(str(error))

    for kept in (False, True):
        first = asyncio.create_task(older("old", 60 - kept, kept))
        await asyncio.sleep(0.5)
        waiting = asyncio.create_task(older("between", 50 - kept, False))
        await asyncio.sleep(0.5)
        newest = claim("four", "new", age=40 - kept, key="new")
        async with take_turn(newest, "newest", 30, task_logger(), QUICK):
            told.append("new begins")
        await asyncio.gather(first, waiting)
    message = "Superseded: flow run new deploys four in Environment turns instead."
    assert sorted(told[:3]) == sorted([message, message, "new begins"])
    assert told[0] == message
    assert told[3:].index("old ended") < told[3:].index("new begins")
    assert message in told[3:]


@pytest.mark.slow
async def test_auto_cancel_stops_an_older_run_of_the_ref_only_while_its_pipeline_lets_it(prefect_server):
    told, lets = [], []

    async def older(service, ref):
        old = replace(claim(service, "old", age=9, key="old"), ref=ref, stops_for_newer=lambda: bool(lets))
        try:
            async with take_turn(old, "wait", 30, task_logger(), QUICK) as turn:
                await turn.within(asyncio.sleep(2.5))
                told.append(f"{ref} ended")
        except SupersededError:
            told.append(f"{ref} stopped")

    async def newer(service):
        new = replace(claim(service, "new", key="new"), ref="main")
        async with take_turn(new, "auto_cancel", 30, task_logger(), QUICK):
            told.append("new begins")

    for service, ref, allowed, expected in (
        ("ten", "main", False, ["main ended", "new begins"]),
        ("eleven", "other", True, ["other ended", "new begins"]),
        ("twelve", "main", True, ["main stopped", "new begins"]),
    ):
        told.clear()
        lets[:] = [True] if allowed else []
        first = asyncio.create_task(older(service, ref))
        await asyncio.sleep(0.5)
        await asyncio.gather(first, newer(service))
        assert told == expected


async def test_a_newer_run_for_the_same_build_waits(prefect_server):
    log = []
    first = asyncio.create_task(hold(claim("five", "old", age=9), 1.5, log))
    await asyncio.sleep(0.5)
    await hold(claim("five", "new"), 0, log, "newest")
    await first
    assert log == [("old", "begins"), ("old", "ends"), ("new", "begins"), ("new", "ends")]


@pytest.mark.slow
async def test_a_slot_whose_holder_is_gone_and_whose_lease_is_forgotten_is_freed(prefect_server):
    async with get_client() as client:  # as after a kill, and a restart of a server that keeps leases in memory
        await hold(claim("six", "a"), 0, [])
        await client.increment_concurrency_slots(["smartclide-turns-six"], 1, "concurrency")
    assert await slots("six") == 1
    log, began = [], time.monotonic()
    await hold(claim("six", "b"), 0, log)
    assert log == [("b", "begins"), ("b", "ends")]
    assert 5 < time.monotonic() - began < 40
    assert await slots("six") == 0


async def test_a_lease_that_the_server_forgot_is_taken_again(prefect_server):
    async with take_turn(claim("seven", "a"), "wait", 5, task_logger(), QUICK) as turn:
        forgotten = turn.lease
        async with get_client() as client:
            await client.release_concurrency_slots_with_lease(forgotten)
            await client.increment_concurrency_slots(["smartclide-turns-seven"], 1, "concurrency")
        await asyncio.sleep(1.5)
        assert turn.lease not in (None, forgotten)
        assert await slots("seven") == 1
    assert await slots("seven") == 0


async def test_a_slot_that_an_outage_freed_is_left_to_the_run_that_lives(prefect_server):
    log, times = [], TurnTimes(renew=8, look=0.3, stale=60)
    async with take_turn(claim("nine", "a"), "wait", 5, task_logger(), times) as turn:
        async with get_client() as client:  # as when it ran out while the server was away
            await client.release_concurrency_slots_with_lease(turn.lease)
        assert await slots("nine") == 0
        waiting = asyncio.create_task(hold(claim("nine", "b"), 0, log))
        await asyncio.sleep(0.6)
        assert log == []
        waiting.cancel()
        async with take_turn(claim("nine", "c"), "wait", 30, task_logger(), TurnTimes(renew=0.1, look=0.3)):
            log.append("took a silent one's")
    await asyncio.gather(waiting, return_exceptions=True)
    assert log == ["took a silent one's"]
    await hold(claim("nine", "d"), 0, log)
    assert log[1:] == [("d", "begins"), ("d", "ends")]


KILLED = """
import asyncio, sys
from datetime import UTC, datetime
from tasks.claims import Claim
from tasks.logs import task_logger
from tasks.turns import take_turn

async def main():
    async with take_turn(Claim("turns", "eight", "k", "killed", "killed", datetime.now(UTC)), "wait", 9, task_logger()):
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def _killed():
    """A process that holds the turn, and is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as process:
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGKILL)
    assert await slots("eight") == 1


@pytest.mark.slow
async def test_the_slot_of_a_killed_process_of_this_machine_is_free_at_once(prefect_server):
    await _killed()
    began = time.monotonic()
    async with take_turn(claim("eight", "next"), "wait", 50, task_logger(), QUICK):
        assert time.monotonic() - began < 30
    assert await slots("eight") == 0


@pytest.mark.slow
async def test_the_slot_of_a_process_killed_elsewhere_is_free_after_a_minute(prefect_server, monkeypatch):
    await _killed()
    monkeypatch.setattr("tasks.claims.machine", lambda: "another-machine")
    times = TurnTimes(look=1, stale=300)
    async with take_turn(claim("eight", "next"), "wait", 150, task_logger(), times):
        pass
    assert await slots("eight") == 0


INTERRUPTIBLE = b"""
unit: {interruptible: true, script: [sleep 90]}
quick: {interruptible: true, script: [echo quick]}
"""


@pytest.mark.slow
def test_a_newer_deployment_stops_the_build_of_the_older_as_its_pipeline_says(house):
    path = house.project("turns/newest", **{".gitlab-ci.yml": INTERRUPTIBLE})
    job = "job/smartclide/job/turns/job/newest"

    async def both():
        running = asyncio.create_task(
            deploy(project=path, ref="main", environment=house.environment, return_state=True)
        )
        while not any("progressiveHtml" in line for line in house.sandbox.jenkins_server.faults.log):
            await asyncio.sleep(0.1)
        quick = INTERRUPTIBLE.decode().replace("sleep 90", "echo unit")
        commit = house.sandbox.gitlab.commit(path, "main", {".gitlab-ci.yml": quick}, "Two")
        wish = DeployOptions(on_conflict="auto_cancel")
        later = await deploy(project=path, ref="main", environment=house.environment, options=wish, return_state=True)
        return await running, later, commit

    old, new, second = asyncio.run(both())
    assert old.is_cancelled(), old
    assert old.message.startswith("Superseded: flow run ")
    assert old.message.endswith(f" deploys newest in Environment {house.environment} instead.")
    assert new.is_completed(), new
    assert new.result()["commit"] == second
    builds = house.jenkins(f"{job}/api/json?tree=builds[number,result]").json()["builds"]
    assert [(build["number"], build["result"]) for build in builds] == [(2, "SUCCESS"), (1, "ABORTED")]
