"""The console of one build: a file whose hidden annotations count in its offsets, as Jenkins' do.

Jenkins writes an annotation (``ESC[8mha:////...ESC[0m``) before each ``[Pipeline]`` line and drops it on output, so
the ``X-Text-Size`` of a piece exceeds the length of its text. The annotations here hold no Java objects: a digest
fills them.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from pathlib import Path

_ANNOTATION = re.compile(rb"\x1b\[8mha:.*?\x1b\[0m", re.DOTALL)
_ANNOTATED = re.compile(r"^(?=\[Pipeline\] )", re.MULTILINE)


def annotation(seed: str) -> str:
    """A hidden annotation of a real one's size (about 300 bytes)."""
    digests = b"".join(hashlib.sha512(f"{seed}{n}".encode()).digest() for n in range(3))
    return f"\x1b[8mha:////4{base64.b64encode(digests).decode()}\x1b[0m"


class Console:
    """Append-only text of a build; offsets are bytes of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._at_line_start = True

    def write(self, text: str) -> None:
        """Append `text`, annotating its ``[Pipeline]`` lines."""
        if not text:
            return
        with self._lock:
            marked = _ANNOTATED.sub(lambda match: annotation(f"{match.start()}"), text)
            if not self._at_line_start and marked != text and text.startswith("[Pipeline] "):
                marked = text[:1] + _ANNOTATED.sub(annotation("0"), text[1:])
            self._at_line_start = text.endswith("\n")
            with self.path.open("ab") as file:
                file.write(marked.encode(errors="surrogateescape"))

    def size(self) -> int:
        """Bytes in the file."""
        return self.path.stat().st_size if self.path.exists() else 0

    def read(self, start: int, *, complete: bool) -> tuple[bytes, int]:
        """The visible bytes from offset `start` and the offset to go on from; whole lines only while it grows."""
        if not self.path.exists():
            return b"", 0
        with self.path.open("rb") as file:
            raw = file.read()
        if start > len(raw):
            start = 0  # Jenkins answers with the whole log again
        end = len(raw) if complete else raw.rfind(b"\n") + 1
        end = max(end, start)
        return _ANNOTATION.sub(b"", raw[start:end]), end

    def text(self) -> bytes:
        """All visible bytes, with the line ends as written."""
        return _ANNOTATION.sub(b"", self.path.read_bytes()) if self.path.exists() else b""
