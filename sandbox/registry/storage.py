"""The registry's disk: blobs by digest, and per repository which blobs, manifests and tags it has.

Layout below ``home``::

    blobs/sha256/HEX                    the bytes, shared by all repositories (manifests too)
    repositories/NAME/_blobs/HEX        empty: this repository may serve this blob
    repositories/NAME/_manifests/HEX    the manifest's media type
    repositories/NAME/_tags/TAG         the digest the tag points to
    uploads/UUID                        an upload under way

A name's components never start with an underscore, so repositories may nest.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.registry.errors import RegistryError

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    *INDEX_TYPES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_FOREIGN = "foreign"  # layers that registries are not asked to keep


def digest_of(path: Path) -> str:
    """``sha256:...`` of a file."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _hex(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content", {"digest": digest})
    return value


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_bytes(data)
    draft.replace(path)


class Storage:
    """Everything the registry keeps.

    Args:
        home: A folder of its own; kept over restarts.
    """

    def __init__(self, home: Path) -> None:
        self._blobs = home / "blobs" / "sha256"
        self._repositories = home / "repositories"
        self._uploads = home / "uploads"
        for folder in (self._blobs, self._repositories, self._uploads):
            folder.mkdir(parents=True, exist_ok=True)

    # Blobs

    def blob(self, name: str, digest: str) -> Path:
        """The blob's file.

        Raises:
            RegistryError: BLOB_UNKNOWN when this repository does not have it.
        """
        value = _hex(digest)
        if not (self._repositories / name / "_blobs" / value).exists():
            raise RegistryError("BLOB_UNKNOWN", "blob unknown to registry", {"digest": digest})
        return self._blobs / value

    def has_blob(self, name: str, digest: str) -> bool:
        """Whether this repository has the blob."""
        return (self._repositories / name / "_blobs" / _hex(digest)).exists()

    def link_blob(self, name: str, digest: str) -> None:
        """Let the repository serve a blob that is on the disk already."""
        _write(self._repositories / name / "_blobs" / _hex(digest), b"")

    def delete_blob(self, name: str, digest: str) -> None:
        """Take the blob from the repository; the bytes stay for the others."""
        self.blob(name, digest)
        (self._repositories / name / "_blobs" / _hex(digest)).unlink()

    # Uploads

    def new_upload(self) -> str:
        """An empty upload's id."""
        upload = str(uuid.uuid4())
        (self._uploads / upload).touch()
        return upload

    def upload(self, upload: str) -> Path:
        """The file of an upload under way."""
        path = self._uploads / upload
        if not upload.replace("-", "").isalnum() or not path.is_file():
            raise RegistryError("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", {"uuid": upload})
        return path

    def finish_upload(self, name: str, upload: str, digest: str) -> None:
        """Verify the upload's digest and make it a blob of the repository."""
        path = self.upload(upload)
        value = _hex(digest)
        if digest_of(path) != digest:
            path.unlink()
            raise RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content", {"digest": digest})
        path.replace(self._blobs / value)
        self.link_blob(name, digest)

    # Manifests and tags

    def resolve(self, name: str, reference: str) -> str:
        """A tag or digest as a digest the repository has.

        Raises:
            RegistryError: MANIFEST_UNKNOWN or NAME_UNKNOWN.
        """
        digest = reference
        if ":" not in reference:
            tag = self._repositories / name / "_tags" / reference
            digest = tag.read_text() if tag.is_file() else ""
        if not digest or not (self._repositories / name / "_manifests" / _hex(digest)).is_file():
            raise RegistryError("MANIFEST_UNKNOWN", "manifest unknown", {"name": name, "reference": reference})
        return digest

    def manifest(self, name: str, digest: str) -> tuple[str, bytes]:
        """A resolved manifest's media type and bytes."""
        media_type = (self._repositories / name / "_manifests" / _hex(digest)).read_text()
        return media_type, (self._blobs / _hex(digest)).read_bytes()

    def put_manifest(self, name: str, reference: str, media_type: str, body: bytes) -> str:
        """Check and keep a manifest, and tag it when `reference` is a tag; returns its digest."""
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        if ":" in reference and reference != digest:
            raise RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content", reference)
        self._check_manifest(name, media_type, body)
        _write(self._blobs / _hex(digest), body)
        _write(self._repositories / name / "_manifests" / _hex(digest), media_type.encode())
        if ":" not in reference:
            _write(self._repositories / name / "_tags" / reference, digest.encode())
        return digest

    def _check_manifest(self, name: str, media_type: str, body: bytes) -> None:
        try:
            manifest: dict[str, Any] = json.loads(body)
            stated = manifest.get("mediaType", media_type)
            needed = [*manifest.get("layers", []), *([manifest["config"]] if "config" in manifest else [])]
            children = [entry["digest"] for entry in manifest.get("manifests", [])]
            blobs = [entry["digest"] for entry in needed if _FOREIGN not in entry.get("mediaType", "")]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RegistryError("MANIFEST_INVALID", "manifest invalid", str(error)) from error
        if media_type not in MANIFEST_TYPES or stated != media_type or not (needed or "manifests" in manifest):
            raise RegistryError("MANIFEST_INVALID", "manifest invalid", f"{media_type} with mediaType {stated}")
        missing = [digest for digest in blobs if not self.has_blob(name, digest)]
        manifests = self._repositories / name / "_manifests"
        missing += [digest for digest in children if not (manifests / _hex(digest)).exists()]
        if missing:
            raise RegistryError("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", {"digest": missing[0]})

    def delete_manifest(self, name: str, reference: str) -> None:
        """Delete a tag, or a manifest with all its tags."""
        digest = self.resolve(name, reference)
        if ":" not in reference:
            (self._repositories / name / "_tags" / reference).unlink()
            return
        (self._repositories / name / "_manifests" / _hex(digest)).unlink()
        for tag in (self._repositories / name / "_tags").glob("[!.]*"):
            if tag.read_text() == digest:
                tag.unlink()

    def tags(self, name: str) -> list[str]:
        """The repository's tags, sorted.

        Raises:
            RegistryError: NAME_UNKNOWN when nothing was ever pushed there.
        """
        folder = self._repositories / name
        if not (folder / "_manifests").is_dir():
            raise RegistryError("NAME_UNKNOWN", "repository name not known to registry", {"name": name})
        return sorted(path.name for path in (folder / "_tags").glob("[!.]*"))

    def names(self) -> list[str]:
        """All repositories, sorted."""
        return sorted(self._names())

    def _names(self) -> Iterator[str]:
        for folder, children, _files in os.walk(self._repositories):
            if "_manifests" in children:
                yield Path(folder).relative_to(self._repositories).as_posix()
            children[:] = [child for child in children if not child.startswith("_")]
