"""A console of many megabytes is followed to its end without being held in memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import KEY, Running
from .test_task import start

LINES = 110_000
MOST_MEGABYTES = 30
ROOT = Path(__file__).parents[3]
FOLLOW = """
import asyncio, json, logging, re, sys
from pathlib import Path
import fsspec
from pydantic import SecretStr
from blocks.jenkins_server import JenkinsServer
from tasks.jenkins_build.following import Follower, Limits
from tasks.jenkins_build.outcome import BuildRef
from tasks.jenkins_build.polling import polling
from tasks.jenkins_build.watching import Watch

url, folder, key, *jobs = sys.argv[1:]

class Store:
    url = "file:///"

    def secrets(self):
        return ()

    def get_client(self):
        return fsspec.filesystem("file"), folder

async def follow(job):
    block = JenkinsServer(url=url, username="robot", api_token=SecretStr("t0ken"))
    async with polling(block) as poller:
        ref = BuildRef(job, None, None, "", key)
        outcome = await Follower(poller, ref, Limits(), logging.getLogger("x"), watch=Watch(store=Store())).follow()
    peak = re.search("VmHWM: *(.*) kB", Path("/proc/self/status").read_text().replace("\\t", " "))[1]
    return len(outcome.log_tail), int(peak) / 1024  # ru_maxrss would count what the parent had before the exec

print(json.dumps([asyncio.run(follow(job)) for job in jobs]))
"""


@pytest.mark.slow
async def test_ten_megabytes_of_console_are_not_held(jenkins: Running, tmp_path: Path) -> None:
    refs = [await start(jenkins, jenkins.spec(("flood", lines))) for lines in (100, LINES)]
    arguments = [jenkins.server.url, str(tmp_path), KEY, *(ref.job for ref in refs)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", FOLLOW, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (small_tail, before), (tail, after) = json.loads(done.stdout)
    assert (small_tail, tail) == (40, 40)
    size = (tmp_path / f"builds/{refs[1].job}/1/console.log").stat().st_size
    assert size > 10_000_000
    assert after - before < MOST_MEGABYTES, f"{size:,} bytes of console took {after - before:.1f} MB"
