"""Submodules and the hook before the checkout, against the GitLab stand-in; who gets the login and who does not."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Literal

import pytest

from sandbox.jenkins import executor
from sandbox.jenkins.model import Credential
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tests.sandbox.gitlab.running import start
from tests.tasks.jenkins_build.running import Listening, Ran, git


class Elsewhere(BaseHTTPRequestHandler):
    """Another server, which asks everybody for a login."""

    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Authorization"))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Servers:
    """The GitLab stand-in with three private projects, and another server."""

    url: str
    sha: str
    token: str
    asked: list[str | None]

    def run(self, folder: Path, text: str, rendering: Literal["stages", "graph"]) -> Ran:
        pipeline = interpret({".gitlab-ci.yml": text}, Context({"CI_COMMIT_BRANCH": "main"}))
        settings = RenderSettings(f"{self.url}/group/app.git", self.sha, "gitlab", rendering=rendering)
        jenkinsfile = render(pipeline, settings)
        assert executor.validate(jenkinsfile) == []
        host = Listening(folder, jenkinsfile, {"PATH": os.environ["PATH"]}, COMMIT_SHA=self.sha)
        login = {"username": "oauth2", "password": self.token}
        host.credentials = {"gitlab": Credential("gitlab", "usernamePassword", login)}
        ran = host.ran(executor.run(host))
        assert self.token not in ran.console
        return ran


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("checkouts")
    running = start(folder / "gitlab")
    asked: list[str | None] = []
    other = HTTPServer(("127.0.0.1", 0), type("Handler", (Elsewhere,), {"asked": asked}))
    threading.Thread(target=other.serve_forever, daemon=True).start()
    token = running.gitlab.add_token("robot", ["api", "write_repository"])
    url = running.server.url
    host = url.removeprefix("http://").partition(":")[0]
    deep = _push(folder / "deep", url, token, running, {"text": "deep\n"}, {})
    lib = _push(folder / "lib", url, token, running, {"text": "lib\n"}, {"deep": ("../deep.git", deep)})
    parts = {
        "lib": ("../lib.git", lib),
        "by ssh": (f"git@{host}:group/deep.git", deep),
        "evil": (f"http://127.0.0.1:{other.server_port}/group/lib.git", lib),
    }
    sha = _push(folder / "app", url, token, running, {"file": "hello\n"}, parts)
    yield Servers(url, sha, token, asked)
    other.shutdown()
    other.server_close()
    running.server.stop()
    running.gitlab.close()


def _push(folder: Path, url: str, token: str, running, files: dict[str, str], parts: dict[str, tuple[str, str]]) -> str:
    """A private project below group/ with two commits, the second with these submodules; the commit."""
    running.gitlab.create_project(f"group/{folder.name}", {"README": "x\n"})
    login = base64.b64encode(f"oauth2:{token}".encode()).decode()
    header = f"http.extraHeader=Authorization: Basic {login}"
    git(folder.parent, "-c", header, "clone", "-q", f"{url}/group/{folder.name}.git", folder.name)
    for name, text in files.items():
        (folder / name).write_text(text)
    for name, (address, sha) in parts.items():
        for key, value in (("path", name), ("url", address)):
            git(folder, "config", "-f", ".gitmodules", f"submodule.{name}.{key}", value)
        git(folder, "update-index", "--add", "--cacheinfo", f"160000,{sha},{name}")
    git(folder, "add", *files, *([".gitmodules"] if parts else []))
    git(folder, "commit", "-q", "-m", "x")
    git(folder, "-c", header, "push", "-q", "origin", "HEAD")
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_submodules_and_hooks(servers: Servers, rendering: Literal["stages", "graph"], tmp_path: Path) -> None:
    text = """
        none: {script: ["ls lib | wc -l"]}
        paths:
          variables: {GIT_SUBMODULE_STRATEGY: normal, GIT_SUBMODULE_PATHS: "lib :(exclude)evil", GIT_SUBMODULE_DEPTH: 1}
          script: [cat lib/text, "ls lib/deep | wc -l", git -C lib rev-list --count HEAD]
        recursive:
          variables:
            GIT_SUBMODULE_STRATEGY: recursive
            GIT_SUBMODULE_FORCE_HTTPS: "true"
            GIT_SUBMODULE_PATHS: ":(exclude)evil"
            GIT_SUBMODULE_UPDATE_FLAGS: --jobs 2 --no-recommend-shallow
            GIT_DEPTH: 0
          script:
            - cat lib/deep/text "by ssh/text"
            - git -C lib rev-list --count HEAD
            - git -C lib config --list | grep -c oauth2 || true
        wrong: {variables: {GIT_SUBMODULE_STRATEGY: all}, script: [echo no], allow_failure: true}
        unfetched: {variables: {GIT_SUBMODULE_STRATEGY: normal, GIT_STRATEGY: none}, script: ["ls -A | wc -l"]}
        hook:
          variables: {WORD: it's}
          hooks: {pre_get_sources_script: ['echo "$WORD $CI_JOB_NAME"; ls -A | wc -l', "echo x > left"]}
          script: [cat file, "ls left 2>/dev/null || echo gone"]
        unchecked:
          variables: {GIT_CHECKOUT: "false", GIT_SUBMODULE_STRATEGY: normal}
          script: ["ls -A", git rev-parse -q --verify HEAD || echo none, git checkout -q FETCH_HEAD, cat file]
        checked: {variables: {GIT_CHECKOUT: "True"}, script: [cat file]}
        failing: {hooks: {pre_get_sources_script: [exit 3]}, script: [echo no], allow_failure: true}
    """
    ran = servers.run(tmp_path, text, rendering)
    good = dict.fromkeys(("none", "paths", "recursive", "unfetched", "hook", "unchecked", "checked"), "success")
    assert ran.states == {**good, "wrong": "unstable", "failing": "unstable"}, ran.console
    assert ran.lines["none"] == ["0"]
    assert ran.lines["paths"][-3:] == ["lib", "0", "1"]
    assert ran.lines["recursive"][-4:] == ["deep", "deep", "2", "0"]
    assert ran.lines["unfetched"] == ["0"]
    assert ran.lines["hook"] == ["it's hook", "0", "hello", "gone"]
    assert ran.lines["unchecked"] == [".git", "none", "hello"]
    assert ran.lines["checked"] == ["hello"]
    assert "no" not in ran.lines["wrong"] + ran.lines["failing"]


def test_another_server_never_gets_the_login(servers: Servers, tmp_path: Path) -> None:
    text = "evil: {variables: {GIT_SUBMODULE_STRATEGY: normal, GIT_SUBMODULE_PATHS: evil}, script: [echo no]}"
    servers.asked.clear()
    ran = servers.run(tmp_path, text, "stages")
    assert ran.states == {"evil": "failed"}
    assert servers.asked and set(servers.asked) == {None}


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Username for 'https://gitlab.example:8443': ", "robot\n"),
        ("Password for 'https://robot@gitlab.example:8443': ", "s3cret\n"),
        ("Username for 'http://gitlab.example:8443': ", ""),
        ("Username for 'https://gitlab.example': ", ""),
        ("Password for 'https://robot@evil.example/@gitlab.example': ", ""),
        ("Password for 'https://robot@gitlab.example:8443.evil.example': ", ""),
        ("Password for 'https://gitlab.example:8443@evil.example': ", ""),
    ],
)
def test_the_login_is_for_one_address(prompt: str, said: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "tasks/jenkins_build/checkout.sh").read_text()
    helper = tmp_path / "askpass.sh"
    helper.write_text(text.partition("<<'END'\n")[2].partition("END\n")[0])
    login = {"JENKINS_GIT_USERNAME": "robot", "JENKINS_GIT_PASSWORD": "s3cret"}
    environment = {**login, "JENKINS_GIT_SERVER": "https://gitlab.example:8443", "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", helper, prompt], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == (said, 0 if said else 1)
