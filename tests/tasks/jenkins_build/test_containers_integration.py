"""The docker commands of jobs with `image:` and `services:`, on a real Docker engine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.interpretation.pipeline import Image, Job, Service
from tasks.jenkins_build.containers import Docker
from tasks.jenkins_build.job_script import AGENT_VARIABLES, START, agent_exports, commands, word

pytestmark = pytest.mark.integration
TAG = "jenkins-part 2/containers-1"


@dataclass(frozen=True)
class Agent:
    """A workspace, as Jenkins would lease it."""

    workspace: Path
    temporary: Path

    def run(self, job: Job, image: Image) -> tuple[int, str]:
        lines = [*START, *agent_exports(AGENT_VARIABLES), *commands(job.script), ""]
        (self.temporary / "job.sh").write_text("\n".join(lines), encoding="utf-8")
        docker = Docker(job, image, 1, AGENT_VARIABLES)
        try:
            done = self.sh(docker.start({name: word(value) for name, value in job.variables.items()}))
        finally:
            self.sh(docker.clean_up())
        return done.returncode, "\n".join(line for line in done.stdout.splitlines() if not line.startswith("$ "))

    def sh(self, lines: list[str]) -> subprocess.CompletedProcess[str]:
        path = self.temporary / "step.sh"
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
        places = {"WORKSPACE": str(self.workspace), "WORKSPACE_TMP": str(self.temporary), "BUILD_TAG": TAG}
        environment = {**os.environ, **places, "BUILD_NUMBER": "7", "BUILD_URL": "http://jenkins.example/7/"}
        return subprocess.run(
            ["/bin/sh", path],
            cwd=self.workspace,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    workspace, temporary = tmp_path / "w", tmp_path / "w@tmp"
    workspace.mkdir()
    temporary.mkdir()
    return Agent(workspace, temporary)


@pytest.fixture
def base() -> str:
    for name in ("DOCKER_HOST", "SMARTCLIDE_TEST_BASE_IMAGE"):
        if not os.environ.get(name):
            pytest.skip(f"{name} is not set")
    return os.environ["SMARTCLIDE_TEST_BASE_IMAGE"]


def test_the_script_runs_in_the_image_and_its_exit_code_counts(agent: Agent, base: str) -> None:
    job = Job("a", "t", ("pwd", 'echo "$CI_PROJECT_DIR $CI_PIPELINE_ID"', "echo x > made", "exit 5"))
    assert agent.run(job, Image(base)) == (5, f"{agent.workspace}\n{agent.workspace} 7")
    assert (agent.workspace / "made").stat().st_uid == os.getuid()


@pytest.mark.parametrize("entrypoint", [None, ("",), ("/bin/sh", "-c"), ("/bin/sh", "-c", 'exec "$@"', "x")])
def test_entrypoints(agent: Agent, base: str, entrypoint: tuple[str, ...] | None) -> None:
    assert agent.run(Job("a", "t", ("echo ran",)), Image(base, entrypoint=entrypoint)) == (0, "ran")


def test_another_user_can_write_to_the_workspace(agent: Agent, base: str) -> None:
    assert agent.run(Job("a", "t", ("id -u", "echo x > made")), Image(base, user="1000")) == (0, "1000")
    assert (agent.workspace / "made").read_text() == "x\n"


def test_services_answer_by_alias_and_are_gone_afterwards(agent: Agent, base: str) -> None:
    ask = "import urllib.request as u; print(u.urlopen('http://web:8080/').read().decode().strip())"
    fetch = f'i=0; until python3 -c "{ask}" 2>/dev/null; do i=$((i+1)); test $i -lt 20; sleep 1; done'
    serve = ("-c", 'mkdir w; echo "$GREETING" > w/index.html; exec python3 -m http.server 8080 --directory w')
    service = Service(base, ("web",), ("sh",), serve)
    job = Job("a", "t", (fetch,), services=(service,), variables={"GREETING": "it's $HOME"})
    assert agent.run(job, Image(base)) == (0, "it's $HOME")
    left = agent.sh(
        [f"docker ps -aq --filter 'label=jenkins={TAG}'; docker network ls -q --filter 'label=jenkins={TAG}'"]
    )
    assert left.stdout == ""
