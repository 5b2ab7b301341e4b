"""Unpacks a repository archive into a build context. Pure but for the file system.

The archive comes from a project whose authors we do not know: links out of the folder, devices, absolute paths and
sheer size are refused. The rules are those of PEP 706's ``data`` filter, which Python 3.11.2 (Debian 12) has not.
"""

from __future__ import annotations

import copy
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from errors import InputError, ProtocolError


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may unpack to: bytes and number of entries."""

    size: int = 4 * 1024**3
    entries: int = 500_000


def unpack(archive: Path, folder: Path, limits: ArchiveLimits | None = None) -> Path:
    """Unpack a tar.gz whose entries all lie below one folder, as GitLab makes it.

    Returns:
        That one folder: the main folder of the repository.

    Raises:
        InputError: An entry is unsafe, or it is all too large.
        ProtocolError: It is not such an archive.
    """
    allowed = limits or ArchiveLimits()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            if data_filter := getattr(tarfile, "data_filter", None):
                tar.extraction_filter = data_filter  # a second look, where Python has it
            _unpack(tar, folder, allowed)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ProtocolError(f"The repository's archive is damaged ({type(error).__name__}).") from error
    tops = list(folder.iterdir())
    if len(tops) != 1 or not tops[0].is_dir():
        raise ProtocolError("The repository's archive has not one folder at its top.")
    return tops[0]


def _unpack(tar: tarfile.TarFile, folder: Path, limits: ArchiveLimits) -> None:
    size = entries = 0
    for member in tar:
        size, entries = size + member.size, entries + 1
        if size > limits.size or entries > limits.entries:
            raise InputError(
                f"The repository at this commit unpacks to more than {limits.size} bytes or {limits.entries} files.",
                remedy="Build the image on Jenkins, or make the repository smaller.",
            )
        tar.extract(_harmless(member, os.path.realpath(folder)), folder)


def _harmless(member: tarfile.TarInfo, root: str) -> tarfile.TarInfo:
    """The entry, owned by this process and without special mode bits.

    Raises:
        InputError: It is, or leads to, something outside of `root`, or is no file, folder or link.
    """
    place = os.path.realpath(os.path.join(root, member.name))  # noqa: PTH118 - as text: it may be hostile
    if os.path.isabs(member.name) or not _inside(place, root):  # noqa: PTH117 - likewise
        raise _unsafe(member, "is outside of it")
    if member.issym() or member.islnk():
        base = os.path.dirname(os.path.join(root, member.name)) if member.issym() else root  # noqa: PTH118, PTH120
        target = os.path.realpath(os.path.join(base, member.linkname))  # noqa: PTH118
        if os.path.isabs(member.linkname) or not _inside(target, root):  # noqa: PTH117
            raise _unsafe(member, "links to something outside of it")
    elif not (member.isfile() or member.isdir()):
        raise _unsafe(member, "is a device or a pipe")
    tame = copy.copy(member)
    tame.mode = (member.mode & 0o755) | (0o700 if member.isdir() else 0o600)
    tame.uid, tame.gid, tame.uname, tame.gname = os.getuid(), os.getgid(), "", ""
    return tame


def _inside(path: str, root: str) -> bool:
    return os.path.commonpath([path, root]) == root


def _unsafe(member: tarfile.TarInfo, why: str) -> InputError:
    message = f"The repository holds an unsafe entry: {member.name!r} {why}."
    return InputError(message, remedy="Remove it from the repository.")
