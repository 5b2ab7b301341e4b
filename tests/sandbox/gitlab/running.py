"""A GitLab stand-in on a port, and git without the machine's settings."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.gitlab.repository import git_environment
from sandbox.gitlab.server import GitLab
from sandbox.http import AppServer

FILES = {
    ".gitlab-ci.yml": "build:\n  script: make\n",
    "Dockerfile": "FROM scratch\n",
    "src/main.py": "print('hello')\n",
    "src/deep/ünïcode file.txt": "grüße\n",
    "run.sh": "#!/bin/sh\necho run\n",
}


@dataclass
class Running:
    gitlab: GitLab
    server: AppServer
    token: str

    @property
    def url(self) -> str:
        return self.server.url


def start(home: Path) -> Running:
    servers: list[AppServer] = []
    gitlab = GitLab(home, lambda: servers[0].url)
    servers.append(AppServer(gitlab.app, name="gitlab").start())
    return Running(gitlab, servers[0], "")


def git(*command: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = git_environment() | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "T", "GIT_AUTHOR_EMAIL": "t@example.com",
        "GIT_COMMITTER_NAME": "T", "GIT_COMMITTER_EMAIL": "t@example.com",
    }  # fmt: skip
    return subprocess.run(["git", *command], cwd=cwd, check=check, capture_output=True, text=True, env=environment)
