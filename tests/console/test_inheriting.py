"""What processes that the command starts are given: nothing secret in arguments, nothing that they do not need."""

import subprocess

import pytest

from console import serve
from console.server import PrefectServer

SECRETS = {
    "SMARTCLIDE_GITLAB_TOKEN": "canary-1",
    "SMARTCLIDE_JENKINS_TOKEN": "canary-2",
    "SMARTCLIDE_REGISTRY_PASSWORD": "canary-3",
    "SMARTCLIDE_INTERPRETER_TOKEN": "canary-4",
}


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Arguments and environments of what is started, and nothing is."""
    seen = []

    def start(command, *, env, **_options):
        seen.append((command, env))
        return subprocess.CompletedProcess(command, 0, "")

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SMARTCLIDE_TRACEBACK", "1")
    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(serve.tempfile, "mkdtemp", lambda **_options: str(tmp_path))
    return seen


def test_workers_and_servers_get_no_token_of_init(started, tmp_path):
    serve.start_worker(log=tmp_path / "log")
    PrefectServer(tmp_path).start()
    assert [command[1:5] for command, _ in started] == [
        ["-m", "prefect", "worker", "start"],
        ["-m", "prefect", "server", "start"],
    ]
    for command, environment in started:
        assert environment["SMARTCLIDE_TRACEBACK"] == "1"
        assert "canary" not in " ".join([*command, *environment.values()])
