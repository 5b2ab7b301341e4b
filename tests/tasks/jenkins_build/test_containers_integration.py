"""The docker commands of jobs with `image:` and `services:`, on a real Docker engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.interpretation.pipeline import Image, Job, Service
from tasks.jenkins_build.containers import FUNCTIONS, Docker
from tasks.jenkins_build.job_script import AGENT_VARIABLES, START, agent_exports, commands, word

pytestmark = pytest.mark.integration
TAG = "jenkins-part 2/containers-1"


@dataclass(frozen=True)
class Agent:
    """A workspace, as Jenkins would lease it."""

    workspace: Path
    temporary: Path

    def run(self, job: Job, image: Image, *given: str) -> tuple[int, str]:
        lines = [*START, *agent_exports(AGENT_VARIABLES), *commands(job.script), ""]
        (self.temporary / "job.sh").write_text("\n".join(lines), encoding="utf-8")
        docker = Docker(job, image, 1, AGENT_VARIABLES)
        start = docker.start({name: word(value) for name, value in job.variables.items()})
        try:
            done = self.sh([*FUNCTIONS, "given() {", ":", *given, "}", *start])
            output = done.stdout
            if job.after_script:
                self.sh(docker.clean_up(services=False))
                (self.temporary / "job.sh").write_text("\n".join([*START, *job.after_script, ""]), encoding="utf-8")
                output += self.sh(docker.after()).stdout
        finally:
            self.sh(docker.clean_up())
        return done.returncode, "\n".join(line for line in output.splitlines() if not line.startswith("$ "))

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


@contextmanager
def built(*dockerfile: str, tag: str = "prepared:1") -> Iterator[str]:
    """An image of those instructions, in this machine's engine."""
    name = f"containers-test/{tag}"
    text = "\n".join([*dockerfile, ""])
    subprocess.run(["docker", "build", "-q", "-t", name, "-"], input=text, check=True, text=True, capture_output=True)
    yield name
    subprocess.run(["docker", "rmi", "-f", name], check=True, capture_output=True)


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


def test_the_entrypoint_of_the_image_itself_prepares_the_job(agent: Agent, base: str) -> None:
    """GitLab Runner keeps it: images activate an environment there, `docker` finds its engine."""
    with built(f"FROM {base}", """ENTRYPOINT ["sh", "-c", "PREPARED=yes exec \\"$@\\"", "x"]""") as image:
        assert agent.run(Job("a", "t", ('echo "$PREPARED"',)), Image(image)) == (0, "yes")
        assert agent.run(Job("a", "t", ('echo "[$PREPARED]"',)), Image(image, entrypoint=("",))) == (0, "[]")


def test_docker_in_docker_is_privileged_and_hands_its_certificates_to_the_job(agent: Agent, base: str) -> None:
    tried = ["docker", "run", "--rm", "--privileged", base, "true"]
    if subprocess.run(tried, check=False, capture_output=True).returncode:
        pytest.skip("this Docker engine starts no privileged containers")
    engine = "mount -t tmpfs none /mnt && echo certificate >/certs/client/ca.pem; exec python3 -m http.server 2376"
    with built(f"FROM {base}", "RUN mkdir -p /certs/client", f"CMD {engine}", tag="docker:27-dind") as image:
        services = (Service(image, variables={"HEALTHCHECK_TCP_PORT": "2376"}),)
        job = Job("a", "t", ("cat /certs/client/ca.pem",), services=services)
        assert agent.run(job, Image(base)) == (0, "certificate")
    assert agent.sh(["docker volume ls -q --filter name=jenkins-part"]).stdout == ""


def test_another_user_can_write_to_the_workspace(agent: Agent, base: str) -> None:
    assert agent.run(Job("a", "t", ("id -u", "echo x > made")), Image(base, user="1000")) == (0, "1000")
    assert (agent.workspace / "made").read_text() == "x\n"


def test_services_answer_by_alias_and_are_gone_afterwards(agent: Agent, base: str) -> None:
    ask = "import urllib.request as u; print(u.urlopen('http://web:8080/').read().decode().strip())"
    fetch = f'python3 -c "{ask}"'
    serve = ("-c", 'sleep 2; mkdir w; echo "$GREETING" > w/index.html; exec python3 -m http.server 8080 --directory w')
    service = Service(base, ("web",), ("sh",), serve)
    variables = {"GREETING": "it's $HOME", "HEALTHCHECK_TCP_PORT": "8080"}
    job = Job("a", "t", (fetch,), services=(service,), variables=variables, after_script=(fetch,))
    assert agent.run(job, Image(base)) == (0, "it's $HOME\nit's $HOME")
    left = agent.sh(
        [f"docker ps -aq --filter 'label=jenkins={TAG}'; docker network ls -q --filter 'label=jenkins={TAG}'"]
    )
    assert left.stdout == ""


def test_names_of_images_may_hold_variables_that_only_the_build_has(agent: Agent, base: str) -> None:
    name, _, tag = base.rpartition(":")
    serve = ("-c", "echo served > /tmp/index.html; exec python3 -m http.server 8080 --directory /tmp")
    service = Service("$NAME:${TAG}", ("web",), ("sh",), serve, {"HEALTHCHECK_TCP_PORT": "8080"})
    ask = "import urllib.request as u; print(u.urlopen('http://web:8080/').read().decode().strip())"
    job = Job("a", "t", (f'python3 -c "{ask}"',), services=(service,), after_script=("echo after",))
    image = Image("$NAME:$TAG", pull_policy=("if-not-present", "never"))
    assert agent.run(job, image, f"export NAME={name} TAG={tag}") == (0, "served\nafter")
    assert agent.run(job, image, "export NAME=--privileged TAG=x")[0] == 1


def test_a_service_that_does_not_start_is_only_warned_of(agent: Agent, base: str) -> None:
    port = {"HEALTHCHECK_TCP_PORT": "81"}
    dead = Service(base, ("dead",), ("sh",), ("-c", "echo why it ended; exit 3"), port)
    hidden = Service(base, ("hidden",), ("python3",), ("-m", "http.server", "81", "-b", "127.0.0.1"), port)
    code, output = agent.run(Job("a", "t", ("echo ran",), services=(dead, hidden, Service(base))), Image(base))
    assert code == 0
    assert sorted(line for line in output.splitlines() if line[0] != "*") == [
        f"Service {base} exposes no port to wait for.", "ran", "why it ended",
    ]  # fmt: skip
    assert output.count("none of its ports (81) answered") == 2


def test_users_platforms_and_pull_policies_of_images_and_services(agent: Agent, base: str) -> None:
    serve = ("-c", "id -u > /tmp/index.html; exec python3 -m http.server 8080 --directory /tmp")
    port, here = {"HEALTHCHECK_TCP_PORT": "8080"}, "linux/amd64"
    service = Service(base, ("web",), ("sh",), serve, port, "1000", here, ("never",))
    ask = "import urllib.request as u; print(u.urlopen('http://web:8080/').read().decode().strip())"
    image = Image(base, user="1001", platform=here, pull_policy=("always", "if-not-present"))
    code, output = agent.run(Job("a", "t", (f'python3 -c "{ask}"; id -u',), services=(service,)), image)
    assert (code, output.splitlines()[-2:]) == (0, ["1000", "1001"])
    absent = Image("no.example/absent:1", pull_policy=("never",))
    assert agent.run(Job("a", "t", ("echo ran",)), absent) == (125, "")
    policies = Image("localhost:1/absent:1", pull_policy=("if-not-present", "never"))
    code, output = agent.run(Job("a", "t", ("echo ran",)), policies)
    assert (code, output.count("WARNING: the pull policy")) == (1, 2)
