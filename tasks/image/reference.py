"""Image references: ``registry/repository:tag@digest``, parsed by the rules of the Docker reference grammar.

Source: github.com/distribution/reference, ``reference.go`` (grammar and the rule that the first component is a
registry when it has a dot, a colon, or is ``localhost``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from docker_hub import DOCKER_HUB, registry_name
from errors import InputError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")


@dataclass(frozen=True)
class ImageReference:
    """One image.

    Attributes:
        registry: Host and port, e.g. ``registry.example.com:5000``.
        repository: Path in the registry, e.g. ``group/app``.
        tag: Or None.
        digest: ``sha256:`` and 64 hexadecimal digits, or None.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """``registry/repository``."""
        return f"{self.registry}/{self.repository}"

    @property
    def pinned(self) -> str:
        """``registry/repository@digest``: what a release runs."""
        if self.digest is None:
            raise InputError(f"Image {self} has no digest.", remedy="Confirm it on the registry first.")
        return f"{self.name}@{self.digest}"

    def with_digest(self, digest: str) -> ImageReference:
        """The same image, named by digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> ImageReference:
    """Parse a reference.

    >>> parse("127.0.0.1:5000/group/app:1.2")
    ImageReference(registry='127.0.0.1:5000', repository='group/app', tag='1.2', digest=None)
    >>> str(parse("python"))
    'docker.io/library/python'

    Raises:
        InputError: The text is not a reference.
    """
    rest, _, digest = text.partition("@")
    first, slash, remainder = rest.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (registry_name(first), remainder) if has_registry else (DOCKER_HUB, rest)
    repository, _, tag = path.partition(":")
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    if not _REPOSITORY.fullmatch(repository) or (tag and not _TAG.fullmatch(tag)) or (path.endswith(":")):
        raise InputError(f"{text!r} is not an image reference.", remedy="Write registry/repository:tag in lower case.")
    if "@" in text and not _DIGEST.fullmatch(digest):
        raise InputError(f"{text!r} has a malformed digest.", remedy="A digest is sha256: and 64 hexadecimal digits.")
    return ImageReference(registry, repository, tag or None, digest or None)
