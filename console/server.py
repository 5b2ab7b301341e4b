"""An embedded Prefect server (SQLite, with the UI) in a folder of its own, for the demo and for trying things out."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import httpx

from console.inheriting import inherited
from errors import UnavailableError


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def drain(timeout: float = 10) -> None:
    """Send the logs and events that Prefect holds back; at exit, without a server, it would try for a minute."""
    if "prefect.logging.handlers" in sys.modules:
        from prefect.logging.handlers import APILogWorker

        APILogWorker.drain_all(timeout=timeout)
    if "prefect.events.worker" in sys.modules:
        from prefect.events.worker import EventsWorker

        EventsWorker.drain_all(timeout=timeout)


class PrefectServer:
    """``prefect server start`` as a child process.

    Args:
        home: PREFECT_HOME of the server: its database and its log.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def api_url(self) -> str:
        """What PREFECT_API_URL is to be."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def ui_url(self) -> str:
        """For a browser."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Settings for this process and its children to talk to the server."""
        return {
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            # leases of turns outlive a restart: the default keeps them in memory only
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "DO_NOT_TRACK": "1",
            # the server asks for no such token, and each client would ask for one first
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        }

    def start(self, further: Mapping[str, str] | None = None) -> PrefectServer:
        """Start it, with `further` settings of Prefect; `wait` says when it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        settings = {
            "PREFECT_UI_ENABLED": "true",
            # states of task runs are written once a second, not one by one: half of the server's processor time, and
            # fewer writers that SQLite makes wait for each other
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        }
        log = (self.home / "server.log").open("ab")
        self._process = subprocess.Popen(
            command, env={**inherited(), **self.environment(), **settings, **(further or {})},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        return self

    def wait(self, timeout: float = 300) -> None:
        """Wait until it answers.

        Raises:
            UnavailableError: It did not in `timeout` seconds; the message holds the end of its log.
        """
        deadline = time.monotonic() + timeout
        with httpx.Client(timeout=2) as client:
            while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
                with contextlib.suppress(httpx.HTTPError):
                    if client.get(f"{self.api_url}/health").status_code == httpx.codes.OK:
                        return
                time.sleep(0.2)
        tail = (self.home / "server.log").read_text(errors="replace")[-800:]
        raise UnavailableError(f"The Prefect server did not start in {timeout:.0f} s. Its log ends: {tail}")

    def stop(self) -> None:
        """End it and its children, after this process has sent what it still holds back for it."""
        if self._process is None or self._process.poll() is not None:
            return
        drain()
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(timeout=8)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> PrefectServer:
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop()
