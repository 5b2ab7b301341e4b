"""The ``sh`` step: a real process group in the workspace, its output on the console as it comes."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

from sandbox.jenkins.context import POLL_SECONDS, Build, Interrupter, KilledError
from sandbox.jenkins.groovy.values import throw
from sandbox.jenkins.steps import Arguments, step

GRACE_SECONDS = 5.0


@step("sh", "Shell Script", "script label returnStatus returnStdout encoding", needs_workspace=True)
def sh(build: Build, arguments: Arguments) -> Any:
    """Run a shell script; without a shebang by ``sh -xe``."""
    script = arguments.text("script")
    if arguments.flag("returnStatus") and arguments.flag("returnStdout"):
        raise throw("IllegalArgumentException", "You may not provide both returnStatus and returnStdout.")
    control = Path(f"{build.lease.workspace}@tmp") / f"durable-{uuid.uuid4().hex[:8]}"
    control.mkdir(parents=True)
    try:
        process = _Process(build, script, control, arguments.flag("returnStdout"))
        status = process.run()
        output = process.captured()
    finally:
        shutil.rmtree(control, ignore_errors=True)
    if arguments.flag("returnStatus"):
        return status
    if status != 0:
        raise throw("AbortException", f"script returned exit code {status}")
    return output if arguments.flag("returnStdout") else None


class _Process:
    """One run of a script; output goes through a file, so that what it leaves in the background never blocks."""

    def __init__(self, build: Build, script: str, control: Path, capture: bool) -> None:
        self.build, self.control, self.capture = build, control, capture
        path = control / "script.sh"
        path.write_bytes(script.encode())
        path.chmod(0o755)
        self.command = [str(path)] if script.startswith("#!") else ["/bin/sh", "-xe", str(path)]

    def run(self) -> int:
        """Run it to its end; its exit code (128 + N when a signal ended it)."""
        log = self.control / "jenkins-log.txt"
        with log.open("wb") as sink, (self.control / "output.txt").open("wb") as captured:
            process = self._start(captured if self.capture else sink, sink)
        tail = _Tail(self.build, log)
        try:
            while process.poll() is None:
                self.build.check()
                pending = self.build.pending()
                if pending is not None:
                    self._interrupt(process, tail, pending)
                tail.forward()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
        except KilledError:
            _signal(process, signal.SIGKILL)
            raise
        finally:
            tail.close()
        return process.returncode if process.returncode >= 0 else 128 - process.returncode

    def captured(self) -> str:
        """What the script wrote to its standard output."""
        return (self.control / "output.txt").read_bytes().decode(errors="replace") if self.capture else ""

    def _start(self, stdout: Any, stderr: Any) -> subprocess.Popen[bytes]:
        folder = self.build.folder
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self.build.environment(), "JENKINS_NODE_COOKIE": self.build.cookie}
        for name in _emptied(self.build):
            environment.pop(name, None)
        for attempt in range(100):
            try:
                return subprocess.Popen(
                    self.command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                # another thread's fork may hold the freshly written script open for writing
                if error.errno != errno.ETXTBSY or attempt == 99:
                    raise throw("AbortException", f"script returned exit code 127 ({error})") from None
                time.sleep(0.01)
        raise throw("AbortException", "script returned exit code -2")

    def _interrupt(self, process: subprocess.Popen[bytes], tail: _Tail, pending: Interrupter) -> None:
        tail.forward()
        if pending.message:
            self.build.line(pending.message)
        self.build.line("Sending interrupt signal to process")
        error = self.build.interrupt(pending)
        _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            self.build.check()
            tail.forward()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
        _signal(process, signal.SIGKILL)
        process.wait()
        tail.forward()
        if process.returncode == 0:  # it ended well on the signal: to Jenkins the step is a success
            return
        status = process.returncode if process.returncode >= 0 else 128 - process.returncode
        self.build.line(f"script returned exit code {status}")
        raise error


def _emptied(build: Build) -> list[str]:
    """Names the pipeline set to nothing: unset, though the agent's process may have them."""
    given = {**build.global_env, **build.context.env}
    parameters = [name for name, value in build.parameters.items() if value in ("", None) and name not in given]
    return [name for name, value in given.items() if value == ""] + parameters


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end_leftovers(build: Build) -> None:
    """Kill what the build's scripts left in the background: Jenkins finds it by the cookie in its environment.

    Where there is no ``/proc`` (macOS) such processes are left alone.
    """
    wanted = f"JENKINS_NODE_COOKIE={build.cookie}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


class _Tail:
    """Forwards a growing file to the console, whole lines at a time so that masking sees them whole."""

    def __init__(self, build: Build, path: Path) -> None:
        self.build = build
        self.file = path.open("rb")
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.pending = ""

    def forward(self) -> None:
        """Forward the lines that are complete."""
        while chunk := self.file.read(65536):
            self.pending += self.decoder.decode(chunk)
            complete, newline, self.pending = self.pending.rpartition("\n")
            if newline:
                self.build.log(complete + newline)

    def close(self) -> None:
        """Forward the rest."""
        if self.file.closed:
            return
        self.forward()
        if self.pending:
            self.build.log(self.pending)
        self.pending = ""
        self.file.close()
