"""The console of one build: a file whose hidden annotations count in its offsets, as Jenkins' do.

Jenkins writes an annotation (``ESC[8mha:////...ESC[0m``) before each ``[Pipeline]`` line and drops it on output, so
the ``X-Text-Size`` of a piece exceeds the length of its text. The annotations here hold no Java objects: a line's
`Note` as JSON, filled up by a digest. A second file says where the lines of which node begin, as Jenkins' does:
an offset a line, and the node's id where there is one.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import threading
from dataclasses import astuple
from pathlib import Path

from sandbox.jenkins.model import Note

_ANNOTATION = re.compile(rb"\x1b\[8mha:.*?\x1b\[0m", re.DOTALL)
_ANNOTATED = re.compile(r"^(?=\[Pipeline\] )", re.MULTILINE)
_NOTED = re.compile(rb"\x1b\[8mha:////4([A-Za-z0-9_=-]+):.*?\x1b\[0m(.*)")
_LABEL = re.compile(r"\[Pipeline\] \{ \((.*)\)")


def annotation(seed: str, note: Note | None = None) -> str:
    """A hidden annotation of a real one's size (about 300 bytes)."""
    digests = b"".join(hashlib.sha512(f"{seed}{n}".encode()).digest() for n in range(3))
    said = "" if note is None else base64.urlsafe_b64encode(json.dumps(astuple(note)).encode()).decode() + ":"
    return f"\x1b[8mha:////4{said}{base64.b64encode(digests).decode()}\x1b[0m"


class Console:
    """Append-only text of a build; offsets are bytes of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index = path.with_name("log-index")
        self._lock = threading.Lock()
        self._at_line_start = True
        self._node: str | None = None

    def write(self, text: str, note: Note | None = None, node: str | None = None) -> None:
        """Append `text`, annotating its ``[Pipeline]`` lines.

        Args:
            text: Whole lines, or parts of them.
            note: What is kept of the one ``[Pipeline]`` line that `text` is.
            node: Whose text it is; None = the build's own.
        """
        if not text:
            return
        with self._lock:
            marked = _ANNOTATED.sub(lambda match: annotation(f"{match.start()}", note), text)
            if not self._at_line_start and marked != text and text.startswith("[Pipeline] "):
                marked = text[:1] + _ANNOTATED.sub(annotation("0"), text[1:])
            self._at_line_start = text.endswith("\n")
            if node != self._node:
                with self.index.open("a") as index:
                    index.write(f"{self.size()}\n" if node is None else f"{self.size()} {node}\n")
                self._node = node
            with self.path.open("ab") as file:
                file.write(marked.encode(errors="surrogateescape"))

    def size(self) -> int:
        """Bytes in the file."""
        return self.path.stat().st_size if self.path.exists() else 0

    def read(self, start: int, *, complete: bool) -> tuple[bytes, int]:
        """The visible bytes from offset `start` and the offset to go on from; whole lines only while it grows."""
        _, raw, end = self._raw(start, complete)
        return _ANNOTATION.sub(b"", raw), end

    def html(self, start: int, *, complete: bool) -> tuple[bytes, int]:
        """The same as the build's page shows it: ``[Pipeline]`` lines and the lines of a step in a ``span``.

        As in Jenkins, a piece that begins within the lines of a step does not say so, and its end closes what the last
        change before it opened.
        """
        start, raw, end = self._raw(start, complete)
        shown, at, open_step = [], start, False
        changes = [change for change in self._changes() if change[0] >= start]
        for offset, node in changes:
            if offset >= end:
                break
            shown.append(_as_html(raw[at - start : offset - start]))
            shown += [b"</span>"] if open_step else []
            shown += [f'<span class="pipeline-node-{node}">'.encode()] if node else []
            at, open_step = offset, node is not None
        shown.append(_as_html(raw[at - start :]))
        reached = [node for offset, node in self._changes() if offset < end - 1]
        following = next((node for offset, node in self._changes() if offset >= end - 1), None)
        if raw and (following or (reached and reached[-1])):
            shown.append(b"</span>")
        return b"".join(shown), end

    def text(self) -> bytes:
        """All visible bytes, with the line ends as written."""
        return _ANNOTATION.sub(b"", self.path.read_bytes()) if self.path.exists() else b""

    def _raw(self, start: int, complete: bool) -> tuple[int, bytes, int]:
        """Where it begins, the bytes of the file from there, and where they end."""
        if not self.path.exists():
            return 0, b"", 0
        with self.path.open("rb") as file:
            raw = file.read()
        if start > len(raw):
            start = 0  # Jenkins answers with the whole log again
        end = len(raw) if complete else raw.rfind(b"\n") + 1
        end = max(end, start)
        return start, raw[start:end], end

    def _changes(self) -> list[tuple[int, str | None]]:
        if not self.index.exists():
            return []
        lines = [line.partition(" ") for line in self.index.read_text().splitlines()]
        return [(int(offset), node or None) for offset, _, node in lines]


def _as_html(raw: bytes) -> bytes:
    return b"".join(map(_line_as_html, io.BytesIO(raw)))  # a carriage return ends no line


def _line_as_html(line: bytes) -> bytes:
    noted = _NOTED.match(line.rstrip(b"\n"))
    text = html.escape(_ANNOTATION.sub(b"", line).decode(errors="replace"), quote=False).replace("\n", "\r\n").encode()
    if noted is None:
        return text
    note = Note(*json.loads(base64.urlsafe_b64decode(noted[1])))
    tag = f'<span class="pipeline-new-node" nodeId="{note.node}'
    tag += f'" startId="{note.start}' if note.start else ""
    tag += f'" enclosingId="{note.enclosing}' if note.enclosing else ""
    label = _LABEL.fullmatch(noted[2].decode(errors="replace"))
    tag += f'" label="{html.escape(label[1])}' if label else ""
    return f'{tag}">'.encode() + text + b"</span>"
