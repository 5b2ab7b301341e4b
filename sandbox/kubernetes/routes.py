"""From a request's path to what it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from sandbox.kubernetes.resources import BY_PLURAL, Resource


@dataclass(frozen=True)
class Route:
    """A resource request.

    Attributes:
        name: Object name, ``""`` = the collection.
        rest: What follows a ``proxy`` subresource, without the leading slash.
    """

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def permission(self) -> str:
        """``nodes/proxy``, ``deployments.apps``: what access is granted on."""
        return f"{self.resource.key}/{self.subresource}" if self.subresource else self.resource.key


@dataclass(frozen=True)
class Call:
    """One request, free of any web framework."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("1", "true")


def parse(path: str) -> Route | None:
    """The route of a raw (percent-encoded) path, or None when it names no resource served here."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource = BY_PLURAL.get((group, version, rest[0]))
    if resource is None or (namespace and not resource.namespaced):
        return None
    name, subresource = [*rest[1:3], "", ""][:2]
    if subresource and subresource != "proxy" and len(rest) > 3:
        return None
    if name and resource.namespaced and not namespace:
        return None
    tail = "/".join(rest[3:]) + ("/" if subresource == "proxy" and path.endswith("/") and len(rest) > 4 else "")
    return Route(resource, namespace, name, subresource, tail)
