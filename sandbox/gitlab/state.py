"""What the GitLab stand-in remembers beside git: projects, tokens, variables, commit statuses. One JSON file."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCOPES = ("api", "read_api", "read_user", "read_repository", "write_repository", "read_registry", "write_registry")


@dataclass
class Project:
    """One project; `path` is the full one, ``group/subgroup/name``."""

    id: int
    path: str
    visibility: str
    default_branch: str
    created_at: str
    protected: list[str] = field(default_factory=list)
    variables: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, str]] = field(default_factory=list)
    ci_config_path: str = ""

    @property
    def namespace(self) -> str:
        """The path of its group."""
        return self.path.rpartition("/")[0]


@dataclass
class Token:
    """A personal access token; `projects` None = all."""

    id: int
    value: str
    user: str
    scopes: list[str]
    created_at: str
    projects: list[str] | None = None


@dataclass
class State:
    """Everything; ids are counted through all kinds."""

    projects: list[Project] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    groups: dict[str, int] = field(default_factory=dict)
    group_variables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    last_id: int = 0

    def next_id(self) -> int:
        """A new id."""
        self.last_id += 1
        return self.last_id

    def user_id(self, name: str) -> int:
        """The user's id, made at first sight."""
        if name not in self.users:
            self.users[name] = self.next_id()
        return self.users[name]

    def project(self, key: str) -> Project | None:
        """By id or full path (paths are case-insensitive, as GitLab's)."""
        for project in self.projects:
            if key == str(project.id) or key.lower() == project.path.lower():
                return project
        return None

    def group(self, key: str) -> tuple[str, int] | None:
        """Full path and id, by either."""
        for path, number in self.groups.items():
            if key == str(number) or key.lower() == path.lower():
                return path, number
        return None

    def add_groups(self, path: str) -> None:
        """The group and all above it."""
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            self.groups.setdefault("/".join(parts[:count]), 0)
            if not self.groups["/".join(parts[:count])]:
                self.groups["/".join(parts[:count])] = self.next_id()


class Store:
    """The state and its file, for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._state = _load(path)

    @contextmanager
    def reading(self) -> Iterator[State]:
        """The state, held still."""
        with self._lock:
            yield self._state

    @contextmanager
    def changing(self) -> Iterator[State]:
        """The state, saved at the end."""
        with self._lock:
            yield self._state
            draft = self._path.with_suffix(".draft")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(asdict(self._state), indent=1))
            draft.replace(self._path)


def _load(path: Path) -> State:
    if not path.exists():
        return State()
    data = json.loads(path.read_text())
    data["projects"] = [Project(**entry) for entry in data["projects"]]
    data["tokens"] = [Token(**entry) for entry in data["tokens"]]
    return State(**data)
