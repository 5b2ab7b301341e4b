"""Executors of the built-in node, and the workspaces leased with them."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

NODE_NAME = "built-in"


@dataclass(eq=False)
class Lease:
    """One executor in use."""

    executor: int
    workspace: Path
    build: object


class Agents:
    """`count` executors with labels; workspaces are ``home/workspace/JOB``, ``JOB@2``..."""

    def __init__(self, home: Path, count: int, labels: Collection[str]) -> None:
        self.home = home
        self.count = count
        self.labels = frozenset({NODE_NAME, *labels})
        self.leases: list[Lease] = []
        self._lock = threading.Lock()

    def matches(self, expression: str | None) -> bool:
        """Whether the node has a label expression's labels (``&&``, ``||``, ``!`` without parentheses)."""
        if not expression or not expression.strip():
            return True
        return any(all(self._has(atom) for atom in alternative.split("&&")) for alternative in expression.split("||"))

    def _has(self, atom: str) -> bool:
        atom = re.sub(r"^[\s(]+|[\s)]+$", "", atom).strip("\"'")
        return not self._has(atom[1:]) if atom.startswith("!") else atom in self.labels

    def why_not(self, expression: str | None) -> str | None:
        """Why a node step cannot start now, in Jenkins' words; None when it can."""
        if not self.matches(expression):
            return f"‘Jenkins’ doesn’t have label ‘{expression}’"  # as `why` shows it
        if len(self.leases) >= self.count:
            return "Waiting for next available executor"
        return None

    def take(self, expression: str | None, job_name: str, build: object) -> Lease | None:
        """An executor and a workspace nobody else has; None when it has to wait."""
        with self._lock:
            if self.why_not(expression) is not None:
                return None
            used = {lease.executor for lease in self.leases}
            number = next(each for each in range(self.count) if each not in used)
            lease = Lease(number, self._free_workspace(job_name), build)
            lease.workspace.mkdir(parents=True, exist_ok=True)
            self.leases.append(lease)
            return lease

    def _free_workspace(self, job_name: str) -> Path:
        base = self.home / "workspace" / job_name
        taken = {lease.workspace for lease in self.leases}
        suffix = 1
        while (path := base if suffix == 1 else base.with_name(f"{base.name}@{suffix}")) in taken:
            suffix += 1
        return path

    def give_back(self, lease: Lease) -> None:
        """The node step is over."""
        with self._lock:
            self.leases.remove(lease)
