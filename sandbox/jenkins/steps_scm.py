"""``checkout`` and ``git``: real git, by subprocess; a password reaches it through GIT_ASKPASS only."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.jenkins.context import POLL_SECONDS, Build
from sandbox.jenkins.groovy.values import UnsupportedError, throw, to_string
from sandbox.jenkins.steps import Arguments, step

_ASKPASS = """#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$STANDIN_GIT_USERNAME" ;;
*) printf '%s\\n' "$STANDIN_GIT_PASSWORD" ;;
esac
"""
_SHA = re.compile(r"[0-9a-f]{40}")
_NO_REVISION = "Couldn't find any revision to build. Verify the repository and branch configuration for this job."


@dataclass
class _Source:
    """What to check out, and how."""

    url: str
    branch: str
    refspecs: list[str]
    folder: Path
    credentials_id: str | None = None
    depth: int | None = None
    tags: bool = True
    wipe: bool = False
    clean: bool = False
    submodules: bool = False
    local_branch: str | None = None
    extra_env: dict[str, str] = field(default_factory=dict)


@step("checkout", "Check out from version control", "scm changelog poll", needs_workspace=True)
def checkout(build: Build, arguments: Arguments) -> dict[str, str]:
    """Check out a GitSCM description."""
    scm = arguments.get("scm")
    kind = to_string(scm.get("$class", scm.get("$symbol", ""))) if isinstance(scm, dict) else ""
    if kind.rsplit(".", 1)[-1] not in ("GitSCM", "scmGit"):
        raise UnsupportedError(f"checkout of {kind or to_string(scm)} is not supported by the Jenkins stand-in")
    return _check_out(build, _source(scm, build.folder))


@step("git", "Git", "url branch credentialsId changelog poll", needs_workspace=True)
def git(build: Build, arguments: Arguments) -> dict[str, str]:
    """Check out a branch."""
    branch = arguments.text("branch", "master")
    source = _Source(
        arguments.text("url"), f"*/{branch}", [], build.folder, arguments.get("credentialsId"),
        local_branch=branch,
    )  # fmt: skip
    return _check_out(build, source)


def _source(scm: Mapping[str, Any], folder: Path) -> _Source:
    remotes = scm.get("userRemoteConfigs") or []
    branches = scm.get("branches") or [{"name": "**"}]
    if len(remotes) != 1 or len(branches) != 1:
        raise UnsupportedError("checkout of several remotes or branches is not supported by the Jenkins stand-in")
    remote = remotes[0]
    source = _Source(
        to_string(remote["url"]), to_string(branches[0]["name"]), to_string(remote.get("refspec") or "").split(),
        folder, remote.get("credentialsId"),
    )  # fmt: skip
    for extension in scm.get("extensions") or []:
        _extend(source, extension)
    return source


def _extend(source: _Source, extension: Mapping[str, Any]) -> None:
    name = to_string(extension.get("$class", "")).rsplit(".", 1)[-1]
    if name == "CloneOption":
        source.depth = int(extension.get("depth") or 1) if extension.get("shallow") else None
        source.tags = not extension.get("noTags")
    elif name == "WipeWorkspace":
        source.wipe = True
    elif name in ("CleanBeforeCheckout", "CleanCheckout"):
        source.clean = True
    elif name == "RelativeTargetDirectory":
        source.folder = source.folder / to_string(extension["relativeTargetDir"])
    elif name == "SubmoduleOption":
        source.submodules = not extension.get("disableSubmodules")
    elif name == "LocalBranch":
        source.local_branch = to_string(extension.get("localBranch") or "") or None
    else:
        raise UnsupportedError(f"the git extension {name} is not supported by the Jenkins stand-in")


def _check_out(build: Build, source: _Source) -> dict[str, str]:
    control = Path(f"{build.lease.workspace}@tmp") / f"git-{uuid.uuid4().hex[:8]}"
    control.mkdir(parents=True)
    try:
        _use_credentials(build, source, control)
        return _Git(build, source, control).check_out()
    finally:
        shutil.rmtree(control, ignore_errors=True)


def _use_credentials(build: Build, source: _Source, control: Path) -> None:
    build.line("The recommended git tool is: NONE")
    if source.credentials_id is None:
        build.line("No credentials specified")
        return
    found = build.host.credential(source.credentials_id)
    if found is None or found.kind != "usernamePassword":
        build.line(f'Warning: CredentialId "{source.credentials_id}" could not be found.')
        return
    build.line(f"using credential {source.credentials_id}")
    helper = control / "askpass.sh"
    helper.write_text(_ASKPASS)
    helper.chmod(0o700)
    source.extra_env = {
        "GIT_ASKPASS": str(helper),
        "STANDIN_GIT_USERNAME": found.fields["username"],
        "STANDIN_GIT_PASSWORD": found.fields["password"],
    }


class _Git:
    """One checkout."""

    def __init__(self, build: Build, source: _Source, control: Path) -> None:
        self.build, self.source, self.control = build, source, control

    def check_out(self) -> dict[str, str]:
        """Fetch and check out; the GIT_* values.

        Raises:
            GroovyError: The remote or the revision cannot be had.
        """
        source = self.source
        if source.wipe:
            shutil.rmtree(source.folder, ignore_errors=True)
        source.folder.mkdir(parents=True, exist_ok=True)
        self._fetch()
        commit, branch = self._resolve()
        if source.clean:
            self._run("clean", "-fdx")
        self.build.line(
            f"Checking out Revision {commit} ({source.branch if not _SHA.fullmatch(source.branch) else 'detached'})"
        )
        self._run("checkout", "-f", *(["-B", source.local_branch] if source.local_branch else []), commit)
        if source.submodules:
            self._run("submodule", "update", "--init", "--recursive")
        message = self._run("log", "-1", "--format=%s").strip()
        self.build.line(f'Commit message: "{message}"')
        return {"GIT_COMMIT": commit, "GIT_URL": source.url, "GIT_BRANCH": branch}

    def _fetch(self) -> None:
        source = self.source
        new = not (source.folder / ".git").exists()
        if new:
            self.build.line(f"Cloning the remote Git repository\nCloning repository {source.url}")
            self._run("init", "-q", str(source.folder))
        self._run("config", "remote.origin.url", source.url)
        self.build.line(f"Fetching upstream changes from {source.url}")
        refspecs = source.refspecs or ["+refs/heads/*:refs/remotes/origin/*"]
        options = ["--no-tags"] if not source.tags else ["--tags"]
        depth = [f"--depth={source.depth}"] if source.depth else []
        status, output = self._execute("fetch", *options, "--force", *depth, "--", source.url, *refspecs)
        if status == 0:
            for refspec in refspecs if new else ():
                self._run("config", "--add", "remote.origin.fetch", refspec)
            return
        self.build.line(output.strip())
        if "not our ref" in output or "couldn't find remote ref" in output or "no such remote ref" in output:
            raise throw("AbortException", _NO_REVISION)
        raise throw("AbortException", "Error cloning remote repo 'origin'")

    def _resolve(self) -> tuple[str, str]:
        """The commit, and what the plugin calls that which it was found as."""
        name = self.source.branch
        plain = re.sub(r"^(\*/|\*\*/|origin/|refs/heads/|refs/remotes/origin/)", "", name)
        if name in ("", "*", "**"):
            candidates = ["FETCH_HEAD"]
        elif _SHA.fullmatch(name):
            candidates = [name]
        else:
            candidates = [f"refs/remotes/origin/{plain}", name, f"refs/tags/{plain}"]
        for candidate in candidates:
            status, output = self._execute("rev-parse", "--verify", "-q", candidate + "^{commit}")
            if status == 0:
                label = "detached" if _SHA.fullmatch(name) else candidate.removeprefix("refs/remotes/")
                return output.strip(), label
        raise throw("AbortException", _NO_REVISION)

    def _run(self, *arguments: str) -> str:
        status, output = self._execute(*arguments)
        if status != 0:
            self.build.line(output.strip())
            raise throw("AbortException", f'Command "git {" ".join(arguments)}" returned status code {status}')
        return output

    def _execute(self, *arguments: str) -> tuple[int, str]:
        if arguments[0] not in ("log", "rev-parse"):
            self.build.line(f" > git {' '.join(arguments)} # timeout=10")
        environment = {**os.environ, **self.build.environment(), "GIT_TERMINAL_PROMPT": "0", **self.source.extra_env}
        output = self.control / "output.txt"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                ["git", "-c", "credential.helper=", *arguments], cwd=self.source.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._wait(process)
        return process.returncode, output.read_text(errors="replace")

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        try:
            while process.poll() is None:
                self.build.poll()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
