"""Who wants to deploy what, and what other runs are told of it: the values that `tasks.turns` passes around."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


def machine() -> str:
    """The name of this one."""
    return platform.node()


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Claim:
    """Who wants to deploy what.

    Attributes:
        environment: The Environment's name.
        service: The service's name.
        build_key: What is to be built: a run for the same build does not supersede another.
        run_id: The flow run.
        run_name: Its name, for people.
        since: When that run was due: the latest is the newest.
        ref: The branch or tag.
        stops_for_newer: Whether its pipeline lets a newer commit of that ref stop it now.
    """

    environment: str
    service: str
    build_key: str
    run_id: str
    run_name: str
    since: datetime
    ref: str = ""
    stops_for_newer: Callable[[], bool] = _never

    @property
    def what(self) -> str:
        """For people."""
        return f"{self.service} in Environment {self.environment}"

    @property
    def limit(self) -> str:
        """Name of the Prefect concurrency limit."""
        return f"smartclide-{_slug(self.environment)}-{_slug(self.service)}"

    def variable(self, kind: str) -> str:
        """Name of a Prefect variable, which has no dashes; a hash keeps apart what then looks alike."""
        tail = hashlib.sha256(f"{self.environment}/{self.service}".encode()).hexdigest()[:6]
        return f"smartclide_{kind}_{_slug(self.environment)}_{_slug(self.service)}_{tail}".replace("-", "_")

    def yields_to(self, other: Note | None) -> bool:
        """Whether another run is newer, and not for the same build."""
        if other is None or other.run_id == self.run_id or other.build_key == self.build_key:
            return False
        return datetime.fromisoformat(other.since) > self.since

    def note(self, beat: int = 0, lease: UUID | None = None) -> Note:
        """What others are to know."""
        return Note(
            self.run_id, self.run_name, self.since.isoformat(), self.build_key, beat, str(lease or ""),
            machine(), os.getpid(), self.ref,
        )  # fmt: skip


@dataclass(frozen=True)
class Note:
    """Who holds a turn, or wants to be the newest: the JSON value of a Prefect variable."""

    run_id: str
    run_name: str
    since: str
    build_key: str
    beat: int = 0
    lease: str = ""
    host: str = ""
    pid: int = 0
    ref: str = ""

    def ended(self) -> bool:
        """Whether its process was one of this machine, and is there no more."""
        if self.host != machine() or not self.pid:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
