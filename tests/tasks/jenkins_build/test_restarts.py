"""Jenkins' process ends while a build runs, and comes back: with the build gone on, or without it."""

import asyncio
import json
import logging
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.jenkins_server import JenkinsServer
from errors import BuildFailedError
from sandbox.http import AppServer
from sandbox.jenkins.server import Jenkins as StandIn
from tasks.jenkins_build.following import Limits
from tasks.jenkins_build.job_config import ParameterDefinition, job_config
from tasks.jenkins_build.outcome import BuildOutcome
from tasks.jenkins_build.task import JobSpec, ensure_job, follow_build, trigger_build

from .conftest import KEY, play

QUICK = Limits(queue=5, build=20, outage=20, poll=(0.02, 0.2))


def standin(home: Path, server: AppServer) -> StandIn:
    made = StandIn(home, lambda: server.url, {"robot": "t0ken"}, "/usr/bin:/bin", run=play)
    server._app.app = made.app
    return made


async def test_a_build_that_a_restart_lost_is_told_and_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "smartclide")
    server = AppServer(None, name="jenkins")  # type: ignore[arg-type]
    first = standin(tmp_path, server)
    parameters = [ParameterDefinition("COMMIT_SHA"), ParameterDefinition("BUILD_KEY")]
    spec = JobSpec("group/app", job_config(json.dumps([("log", "busy"), ("wait", 3)]), parameters), "a" * 40, KEY)
    server.start()
    block = JenkinsServer(url=server.url, username="robot", api_token=SecretStr("t0ken"), timeout_seconds=5)
    await ensure_job.fn(block, spec)
    ref = await trigger_build.fn(block, spec)
    follower = asyncio.create_task(follow_build.fn(block, ref, QUICK))
    await asyncio.sleep(2)
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(first.close)
    second = standin(tmp_path, server)
    await asyncio.sleep(1)
    server.start()
    try:
        with pytest.raises(BuildFailedError, match=r"Build smartclide/group/app #1 was aborted") as caught:
            await follower
        assert isinstance(caught.value.outcome, BuildOutcome) and caught.value.outcome.result == "ABORTED"
        told = "\n".join(caplog.messages)
        assert "refused the connection" in told or "dropped the connection" in told
        assert "is back after" in told
        again = await trigger_build.fn(block, spec)
        assert (again.attempt, (await follow_build.fn(block, again, QUICK)).ref.number) == (2, 2)
    finally:
        server.stop()
        second.close()
