"""Unpacks a repository archive into a build context. Pure but for the file system.

The archive comes from a project whose authors we do not know: links out of the folder, devices, absolute paths and
sheer size are refused (PEP 706's ``data`` filter, and limits).
"""

from __future__ import annotations

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
            _unpack(tar, folder, allowed)
    except tarfile.FilterError as error:
        raise InputError(
            f"The repository holds an unsafe entry: {error}", remedy="Remove it from the repository."
        ) from error
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
        tar.extract(member, folder, filter="data")
