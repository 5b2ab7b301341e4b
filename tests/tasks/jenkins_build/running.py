"""Runs one pipeline as a deployment does: interpreted for branch main, rendered, run by the stand-in's executor."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from sandbox.jenkins import executor
from sandbox.jenkins.model import AgentLease, Result
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.predefined import predefined_variables
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.source.model import Commit
from tests.sandbox.jenkins.fake_host import FakeHost

_MARKER = re.compile(r"gl-job name=(\S+) state=(\w+)\r?\n")


@dataclass
class Ran:
    """What came of a pipeline.

    Attributes:
        states: How every job ended.
        lines: What the scripts of a job wrote, without the commands shown.
        events: Job and state, in the order they were announced.
    """

    result: Result
    states: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    console: str = ""


class Listening(FakeHost):
    """A build's server that tells the jobs apart: every branch of a pipeline has a thread of its own."""

    def __init__(self, folder: Path, script: str, environment: Mapping[str, str], **parameters: str) -> None:
        super().__init__(folder, script, parameters)
        self.agent_environment = dict(environment)
        self.seen: list[tuple[int, str]] = []

    def log(self, text: str, *_: object) -> None:
        super().log(text)
        self.seen.append((threading.get_ident(), text))

    @contextmanager
    def lease(self, label: str | None) -> Iterator[AgentLease]:
        with super().lease(None) as given:
            given.workspace.mkdir(parents=True, exist_ok=True)
            yield given

    def ran(self, result: Result) -> Ran:
        ran = Ran(result, console=self.console)
        jobs: dict[int, str] = {}
        inside: dict[int, bool] = {}
        texts: dict[str, str] = {}
        for thread, text in self.seen:
            if marker := _MARKER.fullmatch(text):
                name = unquote(marker[1])
                ran.events.append((name, marker[2]))
                jobs[thread] = name
            elif text.startswith("[Pipeline]"):
                inside[thread] = text.strip() == "[Pipeline] sh"
            elif inside.get(thread) and thread in jobs:
                texts[jobs[thread]] = texts.get(jobs[thread], "") + text
        ran.states = {name: state for name, state in ran.events if state != "running"}
        ran.lines = {name: [line for line in text.splitlines() if own(line)] for name, text in texts.items()}
        return ran


def own(line: str) -> bool:
    """Whether a line is the script's own, and neither a command shown nor Jenkins' word."""
    return (
        not line.startswith("$ ")
        and line
        not in {
            "Sending interrupt signal to process",
            "Cancelling nested steps due to timeout",
            "Terminated",
        }
        and not line.startswith("script returned exit code")
    )


def git(folder: Path, *words: str) -> str:
    """Run git."""
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def project(folder: Path, files: Mapping[str, str]) -> Commit:
    """A repository with these files and one commit on main."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "x")
    url = "https://gitlab.example.com"
    return Commit(
        7, "group/app", "app", "main", "main", "branch", git(folder, "rev-parse", "HEAD"), "x", "x",
        "a <a@b.example>", "2026-01-01T00:00:00Z", True, f"file://{folder}", f"{url}/group/app", "private", url,
    )  # fmt: skip


def run(
    folder: Path,
    files: Mapping[str, str],
    rendering: Literal["stages", "graph"],
    environment: Mapping[str, str],
    overrides: Mapping[str, str] | None = None,
) -> Ran:
    """Run the pipeline of a project with these files, and variables of its own."""
    commit = project(folder / "repository", files)
    pipeline = interpret(files, Context(predefined_variables(commit), overrides or {}, tree=list(files)))
    text = render(pipeline, RenderSettings(commit.clone_url, commit.sha, manual="skip", rendering=rendering))
    assert executor.validate(text) == []
    host = Listening(folder, text, environment, COMMIT_SHA=commit.sha, BUILD_KEY="k")
    return host.ran(executor.run(host))


def files_of(case: Mapping[str, Any]) -> dict[str, str]:
    """The files of a case's project."""
    return {"file": "hello\n", ".gitlab-ci.yml": case["pipeline"], **case.get("files", {})}


def before(ran: Ran, first: str, second: str) -> bool:
    """Whether the first job had ended when the second began."""
    ended = next(index for index, (job, state) in enumerate(ran.events) if job == first and state != "running")
    return ended < ran.events.index((second, "running"))
