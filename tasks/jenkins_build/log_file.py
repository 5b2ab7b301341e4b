"""The whole console of a build as a file in the Environment's store, written as it comes, never held in memory."""

from __future__ import annotations

import contextlib
from typing import IO

from tasks.storing import Store, storing

KEEP_BUILDS = 50
"""Builds of a job whose files are kept."""


def build_folder(root: str, job: str, number: int) -> str:
    """Where the files of a build are.

    >>> build_folder("/data", "smartclide/group/app", 7)
    '/data/builds/smartclide/group/app/7'
    """
    return f"{root}/builds/{job}/{number}"


class LogFile:
    """``builds/JOB/NUMBER/console.log`` in the store. Blocking: to be used in a thread.

    Attributes:
        address: Its address, for people.
        lines: Lines written.
        size: Bytes written.
    """

    def __init__(self, store: Store, job: str, number: int) -> None:
        self._store = store
        with storing(store):
            self._filesystem, root = store.get_client()
        self._path = f"{build_folder(root, job, number)}/console.log"
        self._file: IO[bytes] | None = None
        self.address = str(self._filesystem.unstrip_protocol(self._path))
        self.lines = self.size = 0

    def write(self, text: str) -> None:
        """Append whole lines."""
        data = text.encode("utf-8", "replace")
        with storing(self._store):
            if self._file is None:
                self._filesystem.makedirs(self._path.rpartition("/")[0], exist_ok=True)
                self._file = self._filesystem.open(self._path, "wb")
            self._file.write(data)
            with contextlib.suppress(AttributeError):
                self._file.flush()
        self.lines += text.count("\n")
        self.size += len(data)

    def close(self) -> None:
        """The build is over; files of older builds of the job go."""
        if self._file is None:
            return
        with storing(self._store):
            self._file.close()
            self._file = None
            self._discard()

    def _discard(self) -> None:
        folder = self._path.rpartition("/")[0].rpartition("/")[0]
        numbers = (path.rstrip("/").rpartition("/")[2] for path in self._filesystem.ls(folder, detail=False))
        kept = sorted(int(number) for number in numbers if number.isdigit())
        for number in kept[:-KEEP_BUILDS]:
            self._filesystem.rm(f"{folder}/{number}", recursive=True)
