"""Image references, by the rules of github.com/distribution/reference."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from sandbox.docker_cli.errors import DockerError

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """``registry/path:tag@digest``; `registry` is empty for Docker Hub's short names."""

    registry: str
    path: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """Without tag and digest."""
        return f"{self.registry}/{self.path}" if self.registry else self.path

    @property
    def version(self) -> str:
        """What to ask the registry for."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse(text: str) -> Reference:
    """Parse a reference; without tag and digest the tag is ``latest``.

    Raises:
        DockerError: It is none.
    """
    rest, at, digest = text.partition("@")
    first, slash, remainder = rest.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, remainder) if has_registry else ("", rest)
    path, colon, tag = path.partition(":")
    good = _PATH.fullmatch(path) and (not colon or _TAG.fullmatch(tag)) and (not at or _DIGEST.fullmatch(digest))
    if not good or len(text) > 512:
        raise DockerError(f'invalid reference format: "{text}"')
    if registry in ("docker.io", "index.docker.io"):
        registry, path = "", path.removeprefix("library/")
    return Reference(registry, path, tag or ("" if digest else "latest"), digest)


def is_loopback(registry: str) -> bool:
    """Whether a registry's host is this machine."""
    host = registry.removeprefix("[").partition("]")[0] if registry.startswith("[") else registry.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
