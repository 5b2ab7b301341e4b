"""Objects with a global resourceVersion, a history for watches, and a SQLite file that survives a restart."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.status import Object

_HISTORY = 4000


def clone(value: Any) -> Any:
    """A deep copy of JSON data (several times faster than `copy.deepcopy`)."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


@dataclass(frozen=True)
class Change:
    """One write: ``ADDED``, ``MODIFIED`` or ``DELETED`` at a resourceVersion; `old` is what was there before."""

    version: int
    type: str
    resource: Resource
    object: Object
    old: Object | None


Listener = Callable[[Change], None]


class Store:
    """All objects of the cluster. Every method is safe to call from any thread; `lock` makes several one step."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self.listeners: list[Listener] = []
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS objects (resource TEXT, namespace TEXT, name TEXT, body TEXT,"
            " PRIMARY KEY (resource, namespace, name))"
        )
        self._database.execute("CREATE TABLE IF NOT EXISTS version (only INTEGER PRIMARY KEY, value INTEGER)")
        for resource, namespace, name, body in self._database.execute("SELECT * FROM objects"):
            self._objects.setdefault(resource, {})[namespace, name] = json.loads(body)
        row = self._database.execute("SELECT value FROM version").fetchone()
        self.version: int = row[0] if row else 1
        self.oldest = self.version
        self._history: deque[Change] = deque()

    def close(self) -> None:
        """Close the file; nothing may be written afterwards."""
        with self.lock:
            self.listeners.clear()
            self._database.close()

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """A copy of one object, or None."""
        with self.lock:
            found = self._objects.get(resource.key, {}).get((namespace, name))
            return clone(found) if found is not None else None

    def copies(self, resource: Resource, namespace: str = "") -> list[Object]:
        """Copies of the objects of one namespace, or of all for ``""``, by namespace and name."""
        return [clone(item) for item in self.peek(resource, namespace)]

    def peek(self, resource: Resource, namespace: str = "") -> list[Object]:
        """As `copies`, without copying: the caller must not change what it gets."""
        with self.lock:
            found = self._objects.get(resource.key, {})
            return [found[key] for key in sorted(found) if not namespace or key[0] == namespace]

    def put(self, resource: Resource, item: Object) -> Object:
        """Write an object under the next resourceVersion; returns a copy of what was written."""
        with self.lock:
            metadata = item["metadata"]
            key = (metadata.get("namespace", ""), metadata["name"])
            old = self._objects.get(resource.key, {}).get(key)
            self.version += 1
            written = clone(item)
            written["metadata"]["resourceVersion"] = str(self.version)
            self._objects.setdefault(resource.key, {})[key] = written
            self._database.execute(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (resource.key, *key, json.dumps(written))
            )
            self._record(Change(self.version, "MODIFIED" if old else "ADDED", resource, written, old))
            result: Object = clone(written)
            return result

    def remove(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Forget an object; returns its last state, or None when it was not there."""
        with self.lock:
            old = self._objects.get(resource.key, {}).pop((namespace, name), None)
            if old is None:
                return None
            self.version += 1
            last = clone(old)
            last["metadata"]["resourceVersion"] = str(self.version)
            self._database.execute(
                "DELETE FROM objects WHERE resource=? AND namespace=? AND name=?", (resource.key, namespace, name)
            )
            self._record(Change(self.version, "DELETED", resource, last, old))
            return clone(last)  # type: ignore[no-any-return]  # a dict, as put in

    def since(self, version: int) -> Iterator[Change]:
        """The changes after a resourceVersion, oldest first."""
        with self.lock:
            return iter([change for change in self._history if change.version > version])

    def forget_history(self) -> None:
        """Compact as etcd does: a watch from an older resourceVersion is answered 410 from now on."""
        with self.lock:
            self._history.clear()
            self.oldest = self.version

    def _record(self, change: Change) -> None:
        self._database.execute("INSERT OR REPLACE INTO version VALUES (1, ?)", (self.version,))
        self._history.append(change)
        while len(self._history) > _HISTORY:
            self.oldest = self._history.popleft().version
        for listener in list(self.listeners):
            listener(change)
