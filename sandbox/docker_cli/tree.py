"""Files of an image or a build context, and deterministic layers made of them.

A tree maps a path without a leading slash to a `Node`. The same files give the same layer, byte for byte: entries
sorted, owner 0:0, times zero. Source: github.com/opencontainers/image-spec, ``layer.md``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import posixpath
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

from sandbox.docker_cli.errors import DockerError

FILE, FOLDER, LINK = "file", "folder", "link"
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_MAX_LINKS = 40


class Data(Protocol):
    """Where a file's bytes are."""

    def read(self) -> bytes: ...


@dataclass(frozen=True)
class OnDisk:
    """A file of this machine."""

    path: Path

    def read(self) -> bytes:
        """Its bytes."""
        return self.path.read_bytes()


@dataclass(frozen=True)
class InText:
    """Bytes at hand."""

    content: bytes

    def read(self) -> bytes:
        """They."""
        return self.content


@dataclass(frozen=True)
class InArchive:
    """A member of a tar file, compressed or not."""

    archive: Path
    member: str

    def read(self) -> bytes:
        """Its bytes; a hard link's are those of its target."""
        with tarfile.open(self.archive) as tar:
            file = tar.extractfile(self.member)
            return file.read() if file else b""


@dataclass(frozen=True)
class Node:
    """A file, folder or symbolic link."""

    kind: str
    mode: int = 0o755
    data: Data | None = None
    target: str = ""


Tree = dict[str, Node]


@dataclass(frozen=True)
class Layer:
    """A layer's file with its descriptor's values.

    Attributes:
        digest: Of the compressed bytes.
        diff_id: Of the tar archive.
    """

    path: Path
    digest: str
    diff_id: str
    size: int


def read_archive(archive: Path) -> Tree:
    """The members of a tar archive, markers of deletion included.

    Raises:
        DockerError: It is none.
    """
    tree: Tree = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                path = posixpath.normpath("/" + member.name).lstrip("/")
                if path and (node := _node(archive, member)):
                    tree[path] = node
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DockerError(f"{archive.name}: not a readable layer or archive: {error}") from error
    return tree


def _node(archive: Path, member: tarfile.TarInfo) -> Node | None:
    mode = member.mode & 0o7777
    if member.isdir():
        return Node(FOLDER, mode)
    if member.issym():
        return Node(LINK, 0o777, target=member.linkname)
    if member.isfile() or member.islnk():
        return Node(FILE, mode, InArchive(archive, member.name))
    return None  # devices and pipes: nothing copies them


def apply_layer(below: Tree, layer: Tree) -> Tree:
    """The files after a layer is put on top, deletions done."""
    result = dict(below)
    for path in layer:
        folder, _, name = path.rpartition("/")
        if name == _OPAQUE:
            _remove(result, folder, keep_top=True)
        elif name.startswith(_WHITEOUT):
            _remove(result, posixpath.join(folder, name.removeprefix(_WHITEOUT)))
    for path, node in layer.items():
        if not path.rpartition("/")[2].startswith(_WHITEOUT):
            there = result.get(path)
            if node.kind != FOLDER and there is not None and there.kind != FILE:  # going through all files takes long
                _remove(result, path)
            result[path] = node
            for folder in above(path):
                result.setdefault(folder, Node(FOLDER))
    return result


def _remove(tree: Tree, path: str, keep_top: bool = False) -> None:
    for gone in [entry for entry in tree if entry.startswith(path + "/") or (entry == path and not keep_top)]:
        del tree[gone]


def resolve(tree: Mapping[str, Node], path: str) -> str:
    """A path with every symbolic link on the way followed.

    Raises:
        DockerError: The links run in a circle.
    """
    parts, done, links = [part for part in path.split("/") if part], "", 0
    while parts:
        part = parts.pop(0)
        if part in (".", ".."):
            done = done.rpartition("/")[0] if part == ".." else done
            continue
        here = f"{done}/{part}" if done else part
        node = tree.get(here)
        if node is None or node.kind != LINK:
            done = here
            continue
        links += 1
        if links > _MAX_LINKS:
            raise DockerError(f"too many symbolic links in {path}")
        done = "" if node.target.startswith("/") else done
        parts = [entry for entry in node.target.split("/") if entry] + parts
    return done


class _Tee(io.RawIOBase):
    """Counts and hashes what is written through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override] # only bytes come here
        self.hash.update(data)
        self.size += len(data)
        self._file.write(data)
        return len(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self.hash.hexdigest()}"


def write_layer(tree: Mapping[str, Node], path: Path) -> Layer:
    """Write a tree, with the folders above its entries, as a gzipped tar file."""
    entries = dict(tree)
    for entry in tree:
        for folder in above(entry):
            entries.setdefault(folder, Node(FOLDER))
    with path.open("wb") as file:
        packed = _Tee(file)
        with gzip.GzipFile("", "wb", 6, packed, mtime=0) as zipped:
            plain = _Tee(zipped)  # type: ignore[arg-type] # GzipFile writes bytes like any file
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                for name in sorted(entries):
                    _add(tar, name, entries[name])
    return Layer(path, packed.digest, plain.digest, packed.size)


def above(path: str) -> list[str]:
    """The folders a path lies in, the top one first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _add(tar: tarfile.TarFile, name: str, node: Node) -> None:
    member = tarfile.TarInfo(name + "/" if node.kind == FOLDER else name)
    member.mode = node.mode
    if node.kind == FOLDER:
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
    elif node.kind == LINK:
        member.type, member.linkname = tarfile.SYMTYPE, node.target
        tar.addfile(member)
    else:
        content = node.data.read() if node.data else b""
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


def with_mode(node: Node, mode: int | None) -> Node:
    """The node with other permissions, links excepted."""
    return node if mode is None or node.kind == LINK else replace(node, mode=mode)
