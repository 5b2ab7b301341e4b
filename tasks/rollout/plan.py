"""What a release would change: objects as they are against the API server's dry run. Pure; secrets are redacted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tasks.rollout.names import REVISION

_OF_THE_SERVER = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_ALWAYS_NEW = (
    REVISION,
    "kubectl.kubernetes.io/last-applied-configuration",  # a copy of all of it, of a Secret's values too
    "smartclide.eu/flow-run-id",
    "deployment.kubernetes.io/revision",
)
_SECRET = ("data", "stringData")
_ABSENT = "(none)"


@dataclass(frozen=True)
class Difference:
    """One field, e.g. ``spec.replicas``: before and after, as text; ``(none)`` where there is no such field."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """What would happen to one object."""

    kind: str
    name: str
    action: Literal["create", "update", "unchanged"]
    differences: tuple[Difference, ...] = ()


def change(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Change:
    """The change of one object.

    Args:
        before: As it is in the cluster, or None.
        after: As a dry run returns it (or the manifest itself, where it cannot be tried).
    """
    kind, name = after["kind"], after["metadata"]["name"]
    if before is None:
        return Change(kind, name, "create")
    old, new = _flat(_meaningful(before)), _flat(_meaningful(after))
    paths = [path for path in [*old, *(p for p in new if p not in old)] if old.get(path) != new.get(path)]
    found = tuple(Difference(path, *_shown(kind, path, old.get(path), new.get(path))) for path in sorted(paths))
    return Change(kind, name, "update" if found else "unchanged", found)


def _shown(kind: str, path: str, before: Any, after: Any) -> tuple[str, str]:
    if kind == "Secret" and path.startswith(_SECRET):
        return (_ABSENT if before is None else "(secret)"), (_ABSENT if after is None else "(another secret)")
    return (_ABSENT if before is None else str(before)), (_ABSENT if after is None else str(after))


def _meaningful(thing: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in thing["metadata"].items() if key not in _OF_THE_SERVER}
    return {**{key: value for key, value in thing.items() if key != "status"}, "metadata": metadata}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves by path. Items of lists are named by their ``name`` where they have one, else by their index."""
    if isinstance(value, Mapping) and value:
        pairs = [
            (f"{path}.{key}" if path else str(key), below) for key, below in value.items() if key not in _ALWAYS_NEW
        ]
    elif isinstance(value, list) and value:
        named = [(item.get("name") if isinstance(item, Mapping) else None) or index for index, item in enumerate(value)]
        pairs = [(f"{path}[{name}]", below) for name, below in zip(named, value, strict=True)]
    else:
        return {path: value}
    return {leaf: found for name, below in pairs for leaf, found in _flat(below, name).items()}
