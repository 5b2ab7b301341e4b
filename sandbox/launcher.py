"""The whole sandbox: stand-ins for GitLab, Jenkins, a Docker registry and Kubernetes on free loopback ports.

`Sandbox` runs them in this process; `start_background` in one of their own, with its addresses in ``state.json``.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sandbox.docker_cli.install import install as install_docker_command
from sandbox.gitlab.server import GitLab
from sandbox.http import AppServer
from sandbox.jenkins.server import Jenkins
from sandbox.kubernetes.server import Kubernetes
from sandbox.registry.server import Registry

STATE_FILE = "state.json"
EXAMPLE_PROJECT = "demo/hello-service"
_EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "hello-service"
Engine = Literal["builtin", "docker"]


@dataclass(frozen=True)
class SandboxState:
    """Where the stand-ins listen and how to get in. The tokens open nothing but the stand-ins.

    Attributes:
        registry: ``127.0.0.1:PORT``, plain HTTP.
        kubeconfig: Text of a kubeconfig.
        engine: ``builtin`` (the sandbox's own `docker` command) or ``docker`` (the one on PATH).
    """

    pid: int
    home: str
    engine: str
    gitlab_url: str
    gitlab_token: str
    jenkins_url: str
    jenkins_user: str
    jenkins_token: str
    registry: str
    kubernetes_url: str
    kubeconfig: str


class Sandbox:
    """All stand-ins in this process.

    Args:
        home: Folder for their state; created when absent.
        engine: What the Jenkins agents' `docker` command is.
        seed: Seed of the load model behind the metrics.
        registry_users: Name -> password; empty for a registry without a login.
    """

    def __init__(
        self, home: Path, *, engine: Engine = "builtin", seed: int = 1, registry_users: Mapping[str, str] | None = None
    ) -> None:
        self.home = home.resolve()
        self.engine = engine
        self.home.mkdir(parents=True, exist_ok=True)
        self.jenkins_user, self.jenkins_token = "smartclide", secrets.token_hex(16)
        path = os.environ.get("PATH", os.defpath)
        if engine == "builtin":
            command = install_docker_command(self.home / "bin", self.home / "docker")
            path = f"{command.parent}{os.pathsep}{path}"
        self.gitlab = GitLab(self.home / "gitlab", lambda: self.gitlab_server.url)
        self.registry = Registry(
            self.home / "registry", users=registry_users, public_url=lambda: self.registry_server.url
        )
        self.kubernetes = Kubernetes(self.home / "kubernetes", lambda: self.kubernetes_server.url, seed=seed)
        self.jenkins = Jenkins(
            self.home / "jenkins",
            lambda: self.jenkins_server.url,
            users={self.jenkins_user: self.jenkins_token},
            agent_path=path,
        )
        self.gitlab_server = AppServer(self.gitlab.app, name="gitlab")
        self.jenkins_server = AppServer(self.jenkins.app, name="jenkins")
        self.registry_server = AppServer(self.registry.app, name="registry")
        self.kubernetes_server = AppServer(self.kubernetes.app, name="kubernetes")
        self.gitlab_token = self.gitlab.add_token("smartclide", ["api", "read_repository", "write_repository"])

        if self.gitlab.project_id(EXAMPLE_PROJECT) is None:
            self.gitlab.create_project(EXAMPLE_PROJECT, _EXAMPLE)

    @property
    def servers(self) -> tuple[AppServer, ...]:
        """The four HTTP servers; each has its own `faults`."""
        return (self.gitlab_server, self.jenkins_server, self.registry_server, self.kubernetes_server)

    def start(self) -> Sandbox:
        """Listen on free ports."""
        for server in self.servers:
            server.start()
        return self

    def stop(self) -> None:
        """End everything the stand-ins run, and close their ports."""
        for part in (self.jenkins, self.kubernetes, self.registry, self.gitlab):
            part.close()
        for server in self.servers:
            server.stop()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def state(self) -> SandboxState:
        """Addresses and tokens, once started."""
        return SandboxState(
            pid=os.getpid(),
            home=str(self.home),
            engine=self.engine,
            gitlab_url=self.gitlab_server.url,
            gitlab_token=self.gitlab_token,
            jenkins_url=self.jenkins_server.url,
            jenkins_user=self.jenkins_user,
            jenkins_token=self.jenkins_token,
            registry=f"127.0.0.1:{self.registry_server.port}",
            kubernetes_url=self.kubernetes_server.url,
            kubeconfig=self.kubernetes.kubeconfig(),
        )


def run_forever(home: Path, engine: Engine) -> None:
    """Serve until SIGTERM or SIGINT; writes the state file when ready and removes it at the end."""
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    state_file = home / STATE_FILE
    with Sandbox(home, engine=engine) as sandbox:
        descriptor = os.open(state_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(sandbox.state()), file, indent=1)
        while not stopping:
            time.sleep(0.2)
    state_file.unlink(missing_ok=True)


def start_background(home: Path, *, engine: Engine = "builtin", timeout: float = 120) -> SandboxState:
    """Start the sandbox in a process of its own, or find it running.

    Raises:
        RuntimeError: It did not come up; the message holds the end of its log.
    """
    running = read_state(home)
    if running is not None:
        return running
    home.mkdir(parents=True, exist_ok=True)
    log = home / "sandbox.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMARTCLIDE_")}
    environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", str(home), engine],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        state = read_state(home)
        if state is not None:
            return state
        time.sleep(0.05)
    process.terminate()
    raise RuntimeError(f"The sandbox did not start; its log ends: {log.read_text(errors='replace')[-1500:]}")


def read_state(home: Path) -> SandboxState | None:
    """The running sandbox's state, or None."""
    try:
        state = SandboxState(**json.loads((home / STATE_FILE).read_text()))
        os.kill(state.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return state


def stop_background(home: Path, *, purge: bool = False, timeout: float = 15) -> bool:
    """Stop it; True if it ran. With `purge` its folder is removed too."""
    state = read_state(home)
    if state is not None:
        os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and read_state(home) is not None:
            time.sleep(0.05)
        if read_state(home) is not None:
            os.kill(state.pid, signal.SIGKILL)
            (home / STATE_FILE).unlink(missing_ok=True)
    if purge:
        shutil.rmtree(home, ignore_errors=True)
    return state is not None
