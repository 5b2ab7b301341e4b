"""What a build archived: listed with links, and the files somebody wants to keep written beside its log in the store.

Jenkins discards builds; the store keeps those of the last `log_file.KEEP_BUILDS` of each job. Blocking: in a thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from errors import NotFoundError
from tasks.jenkins_build.log_file import build_folder
from tasks.jenkins_build.outcome import BuildOutcome, BuildRef, KeptFile
from tasks.jenkins_build.server import Jenkins
from tasks.source.globs import glob_matches
from tasks.storing import Store, storing

MOST_FILES = 200
MOST_BYTES = 1 << 30
"""How much of one build is kept."""


@dataclass(frozen=True)
class ListedFile:
    """An archived file.

    Attributes:
        path: In the build's archive.
        url: Where Jenkins has it.
        size: Bytes, or None where Jenkins does not tell.
        wanted: Whether it is to be kept.
        kept: What was kept of it, or None.
        problem: Why it was not kept though it was wanted, or "".
    """

    path: str
    url: str
    size: int | None = None
    wanted: bool = False
    kept: KeptFile | None = None
    problem: str = ""


class _TooLargeError(Exception):
    """More bytes came than may be kept."""


class _Counting:
    """Writes on, up to a number of bytes, and knows what it wrote."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file, self._left = file, left
        self.size, self._hash = 0, hashlib.sha256()

    def write(self, piece: bytes) -> int:
        """Write one piece."""
        self.size += len(piece)
        if self.size > self._left:
            raise _TooLargeError
        self._hash.update(piece)
        return self._file.write(piece)

    @property
    def sha256(self) -> str:
        """Of all that was written."""
        return self._hash.hexdigest()


def list_files(jenkins: Jenkins, outcome: BuildOutcome, globs: Sequence[str]) -> list[ListedFile]:
    """The archived files of a build by path, those marked that a glob names.

    Args:
        jenkins: Its Jenkins.
        outcome: The build.
        globs: As in GitLab's ``rules:exists``: ``*`` within a folder, ``**`` across; ``dist/`` is all below it.
    """
    job, number = outcome.ref.job, outcome.ref.number
    assert number is not None  # noqa: S101 - what archived files has begun
    sizes = jenkins.artifact_sizes(job, number)
    paths = sorted(outcome.artifacts)
    wanted = {path for glob in globs for path in glob_matches(f"{glob}**/*" if glob.endswith("/") else glob, paths)}
    return [
        ListedFile(path, jenkins.artifact_url(job, number, path), sizes.get(path), path in wanted) for path in paths
    ]


def keep_files(jenkins: Jenkins, ref: BuildRef, files: Sequence[ListedFile], store: Store) -> list[ListedFile]:
    """Download the wanted files, piece by piece, into ``builds/JOB/NUMBER/artifacts``; the same files, with what came.

    At most `MOST_FILES` and `MOST_BYTES` of a build; what does not fit is left out, and says so. Safe to repeat.
    """
    assert ref.number is not None  # noqa: S101 - what archived files has begun
    with storing(store):
        filesystem, root = store.get_client()
    folder = f"{build_folder(root, ref.job, ref.number)}/artifacts"
    done: list[ListedFile] = []
    for file in files:
        kept = [other.kept.size for other in done if other.kept]
        room = MOST_BYTES - sum(kept) if len(kept) < MOST_FILES else -1
        place = (filesystem, f"{folder}/{file.path}")
        with storing(store):
            done.append(_kept(jenkins, ref, file, place, room) if file.wanted else file)
    return done


def _kept(jenkins: Jenkins, ref: BuildRef, file: ListedFile, place: tuple[Any, str], room: int) -> ListedFile:
    filesystem, path = place
    if ".." in file.path.split("/"):
        return replace(file, problem="its path leads out of the build's folder")
    if room < 0:
        return replace(file, problem=f"of one build {MOST_FILES} files are kept")
    too_large = replace(file, problem=f"of one build {MOST_BYTES >> 20} MiB are kept")
    if (file.size or 0) > room:
        return too_large
    filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
    part = f"{path}.part"  # a file appears whole or not at all
    try:
        with filesystem.open(part, "wb") as target:
            counting = _Counting(target, room)
            jenkins.download_artifact(ref.job, ref.number or 0, file.path, counting)  # type: ignore[arg-type]
        filesystem.mv(part, path)
    except (_TooLargeError, NotFoundError) as error:
        filesystem.rm(part)
        return too_large if isinstance(error, _TooLargeError) else replace(file, problem="Jenkins has it no longer")
    kept = KeptFile(file.path, counting.size, counting.sha256, str(filesystem.unstrip_protocol(path)))
    return replace(file, size=counting.size, kept=kept)
