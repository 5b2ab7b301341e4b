"""A Jenkins stand-in whose builds play a script of ours, and blocks that point at it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.jenkins_server import JenkinsServer
from sandbox.http import AppServer
from sandbox.jenkins.model import BuildHost, Result
from sandbox.jenkins.server import Jenkins as StandIn
from tasks.jenkins_build.job_config import ParameterDefinition, job_config
from tasks.jenkins_build.server import Jenkins
from tasks.jenkins_build.task import JobSpec

KEY = "0123456789abcdef0123456789abcdef"


def play(host: BuildHost) -> Result:
    """Do what the script says: a JSON list of [what, argument]."""
    for what, argument in json.loads(host.script):
        if what == "log":
            host.log(argument + "\n")
        elif what == "flood":
            host.log(
                "".join(f"{n:>10} {'what compilers write, by the thousand lines. ' * 2}\n" for n in range(argument))
            )
        elif what == "wait":
            until = time.monotonic() + argument
            while time.monotonic() < until:
                if host.aborted.is_set():
                    return "ABORTED"
                time.sleep(0.01)
        elif what == "resist":
            while not host.killed.is_set():
                time.sleep(0.01)
            return "ABORTED"
        elif what == "archive":
            (host.folder / "archive").mkdir(parents=True, exist_ok=True)
            (host.folder / "archive" / "image.json").write_text(argument)
        elif what == "end":
            return argument  # type: ignore[no-any-return]
    return "SUCCESS"


@dataclass
class Running:
    """The stand-in, its HTTP server, a client and a way to describe jobs."""

    standin: StandIn
    server: AppServer
    block: JenkinsServer
    made: int = 0
    parameters: list[ParameterDefinition] = field(
        default_factory=lambda: [ParameterDefinition("COMMIT_SHA"), ParameterDefinition("BUILD_KEY")]
    )

    @property
    def client(self) -> Jenkins:
        return Jenkins(self.block)

    def spec(self, *script: tuple[str, Any], project: str | None = None, **options: Any) -> JobSpec:
        """A job that plays `script`, of a project of its own unless named."""
        self.made += 1
        config = job_config(json.dumps(script), self.parameters)
        return JobSpec(project or f"group/app{self.made}", config, "a" * 40, options.pop("key", KEY), **options)

    def requests(self, pattern: str) -> list[str]:
        return [line for line in self.server.faults.log if pattern in line]


@pytest.fixture(scope="module")
def _jenkins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    server = AppServer(None, name="jenkins")  # type: ignore[arg-type]
    home: Path = tmp_path_factory.mktemp("jenkins")
    users: Mapping[str, str] = {"robot": "t0ken"}
    standin = StandIn(home, lambda: server.url, users, "/usr/bin:/bin", run=play)
    server._app.app = standin.app
    with server:
        block = JenkinsServer(url=server.url, username="robot", api_token=SecretStr("t0ken"), timeout_seconds=5)
        yield Running(standin, server, block)
    standin.close()


@pytest.fixture
def jenkins(_jenkins: Running) -> Iterator[Running]:
    _jenkins.server.faults.log.clear()
    yield _jenkins
    _jenkins.server.faults.clear()


Make = Callable[..., JobSpec]
