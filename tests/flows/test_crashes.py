"""The flow's process is killed (SIGKILL) at each boundary and the same deployment run again: one build, one release."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.deploy import deploy

ROOT = Path(__file__).parents[2]
RUN = """
import asyncio, sys
from flows.deploy import deploy
asyncio.run(deploy(project=sys.argv[1], ref="main", environment=sys.argv[2]))
"""
TESTS = b"import time, unittest\nclass T(unittest.TestCase):\n  def test(self): time.sleep(%d)\n"


@dataclass(frozen=True)
class Boundary:
    """Where the process is killed.

    Attributes:
        server: Which stand-in sees the request that marks the boundary.
        request: A regular expression for it; the process is killed when the request is there.
        fault: What is done to that request, so that it is sure to be killed just then.
    """

    server: str
    request: str
    fault: tuple[str, dict[str, float]] | None = None


TRIGGER = "POST /job/.*buildWithParameters"
BOUNDARIES = {
    "before the POST": Boundary("jenkins", TRIGGER, ("drop", {"times": -1})),
    "after the POST, before its answer": Boundary("jenkins", TRIGGER, ("latency", {"seconds": 1})),
    "while queued": Boundary("jenkins", "GET /queue/item/"),
    "while running": Boundary("jenkins", "progressiveHtml"),
    "after the result": Boundary("jenkins", "GET .*/artifact/image.json", ("latency", {"seconds": 2})),
    "while rolling out": Boundary("kubernetes", "PATCH .*/deployments/"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_kill_makes_no_second_build_and_no_second_release(house, run, name):
    at = BOUNDARIES[name]
    path = house.project(f"crashes/{re.sub('[^a-z]+', '-', name.lower())}", **{"tests/test_unit.py": TESTS % 3})
    faults = getattr(house.sandbox, f"{at.server}_server").faults
    faults.log.clear()
    if at.fault:
        kind, options = at.fault
        faults.add(kind, at.request, **options)
    try:
        _kill_at(at, faults, path, house.environment)
    finally:
        faults.clear()
    state = run(deploy, project=path, ref="main")
    assert state.is_completed(), state
    assert (state.result()["action"], state.result()["revision"]) == ("deployed", 1 + (name == "while rolling out"))
    assert house.builds(path) == [1]
    if name == "while rolling out":  # here alone a record of the killed run is left
        again = run(deploy, project=path, ref="main").result()
        assert again["action"] == "already-deployed"
        assert house.builds(path) == [1]


def _kill_at(at, faults, path, environment):
    command = [sys.executable, "-c", RUN, path, environment]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        deadline, seen = time.monotonic() + 150, 0
        while not re.search(at.request, "\n".join(new := faults.log[seen:])):
            assert process.poll() is None, process.stderr.read().decode()[-2000:]
            assert time.monotonic() < deadline, faults.log[-20:]
            seen += len(new)
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)


@pytest.mark.slow
def test_two_deployments_of_one_commit_at_once_are_one_build_and_one_release(house):
    path = house.project("crashes/both", **{"tests/test_unit.py": TESTS % 1})

    async def both():
        runs = (deploy(project=path, ref="main", environment=house.environment, return_state=True) for _ in range(2))
        return await asyncio.gather(*runs)

    states = asyncio.run(both())
    assert sorted(state.result()["action"] for state in states) == ["already-deployed", "deployed"]
    assert house.builds(path) == [1]
