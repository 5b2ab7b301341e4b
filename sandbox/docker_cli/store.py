"""The images of this sandbox: blobs by digest, and one index of names.

Source of the formats: docs.docker.com/registry/spec/manifest-v2-2 (schema 2), opencontainers/image-spec ``config.md``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.docker_cli.errors import DockerError
from sandbox.docker_cli.reference import Reference, parse
from sandbox.docker_cli.tree import Layer, Node, write_layer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_SHORTEST_ID = 4


@dataclass(frozen=True)
class Image:
    """One image of the store.

    Attributes:
        digest: Of its manifest.
        manifest: The manifest.
        config: The image configuration.
    """

    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]

    @property
    def id(self) -> str:
        """The configuration's digest, as docker names images."""
        return str(self.manifest["config"]["digest"])


def encode(value: object) -> bytes:
    """JSON as bytes, the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Store:
    """Images below one folder, safe for several commands at once."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs" / "sha256"
        self._index = folder / "images.json"
        self._blobs.mkdir(parents=True, exist_ok=True)

    # Blobs

    def blob(self, digest: str) -> Path:
        """A blob's file, there or not."""
        return self._blobs / digest.removeprefix("sha256:")

    def draft(self) -> Path:
        """A new file name beside the blobs."""
        return self._blobs / f".{uuid.uuid4().hex}"

    def keep(self, draft: Path, digest: str) -> None:
        """Make a complete file a blob."""
        draft.replace(self.blob(digest))

    def add(self, data: bytes) -> str:
        """Keep bytes; their digest."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        draft = self.draft()
        draft.write_bytes(data)
        self.keep(draft, digest)
        return digest

    def add_layer(self, tree: Mapping[str, Node]) -> Layer:
        """Keep a layer made of files."""
        layer = write_layer(tree, self.draft())
        self.keep(layer.path, layer.digest)
        return Layer(self.blob(layer.digest), layer.digest, layer.diff_id, layer.size)

    # Names

    def _read(self) -> dict[str, dict[str, str]]:
        empty: dict[str, dict[str, str]] = {"tags": {}, "digests": {}, "images": {}}
        return {**empty, **json.loads(self._index.read_text())} if self._index.exists() else empty

    @contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, str]]]:
        with self._index.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            index = self._read()
            yield index
            draft = self._index.with_suffix(".draft")
            draft.write_text(json.dumps(index, indent=1, sort_keys=True))
            draft.replace(self._index)

    def image(self, digest: str) -> Image:
        """An image by its manifest's digest."""
        manifest = json.loads(self.blob(digest).read_bytes())
        config = json.loads(self.blob(manifest["config"]["digest"]).read_bytes())
        return Image(digest, manifest, config)

    def add_image(self, manifest: bytes) -> Image:
        """Keep a manifest whose blobs are kept already."""
        image = self.image(self.add(manifest))
        with self._changing() as index:
            index["images"][image.id] = image.digest
        return image

    def find(self, name: str) -> Image | None:
        """An image by reference, by ``name@digest``, by id or by the id's first digits."""
        index = self._read()
        try:
            reference: Reference | None = parse(name)
        except DockerError:
            reference = None
        if reference is not None:
            found = index["digests" if reference.digest else "tags"].get(str(reference))
            if found:
                return self.image(found)
        digits = name.removeprefix("sha256:")
        ids = [key for key in index["images"] if key.removeprefix("sha256:").startswith(digits)]
        if len(digits) < _SHORTEST_ID or len(ids) != 1:
            return None
        return self.image(index["images"][ids[0]])

    def get(self, name: str) -> Image:
        """An image by any name.

        Raises:
            DockerError: It is not here.
        """
        image = self.find(name)
        if image is None:
            raise DockerError(f"Error: No such image: {name}")
        return image

    def tag(self, image: Image, reference: Reference) -> None:
        """Name an image."""
        if reference.digest:
            raise DockerError("refusing to create a tag with a digest reference")
        with self._changing() as index:
            index["tags"][str(reference)] = image.digest

    def add_digest(self, image: Image, name: str, digest: str) -> None:
        """Note the digest under which a registry keeps the image."""
        with self._changing() as index:
            index["digests"][f"{name}@{digest}"] = image.digest

    def names(self, image: Image, kind: str) -> list[str]:
        """The image's ``tags`` or ``digests``."""
        return sorted(name for name, digest in self._read()[kind].items() if digest == image.digest)

    def images(self) -> list[Image]:
        """All of them."""
        return [self.image(digest) for digest in sorted(set(self._read()["images"].values()))]

    def untag(self, reference: Reference) -> Image | None:
        """Take a name away; the image goes with its last one."""
        with self._changing() as index:
            digest = index["tags"].pop(str(reference), None)
            if digest is None:
                return None
            image = self.image(digest)
            if digest not in index["tags"].values():
                index["digests"] = {name: value for name, value in index["digests"].items() if value != digest}
                index["images"].pop(image.id, None)
        return image

    def remove(self, image: Image) -> None:
        """Take the image and all its names away; its blobs may belong to others and stay."""
        with self._changing() as index:
            for kind in ("tags", "digests", "images"):
                index[kind] = {name: value for name, value in index[kind].items() if value != image.digest}
