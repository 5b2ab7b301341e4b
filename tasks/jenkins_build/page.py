"""Reads the page of a Jenkins build's console as it grows: pieces of HTML to lines that know whose they are.

Pure. Consumes pieces of ``logText/progressiveHtml``, which core Jenkins serves beside the plain text. Only there does
Pipeline say which node of the flow graph wrote a line (``pipeline-node-N``), and where each node is in the graph
(``pipeline-new-node``). Upstream: workflow-api's FileLogStorage, workflow-job's NewNodeConsoleNote.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Literal

from tasks.jenkins_build.console import LineAssembler

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE = re.compile(r"([A-Za-z]+)=(?:\"([^\"]*)\"|'([^']*)')")
_CLOSINGS = re.compile(r"(?:</span>)*")
_STEP = "pipeline-node-"
_Kind = Literal["step", "clock", "other"]


@dataclass(frozen=True)
class Node:
    """A node of the flow graph that begins or ends with a line.

    Attributes:
        id: Its id.
        start: The node that begins the block which begins or ends here; None for a step without a body.
        enclosing: The innermost block around it; None at an end.
    """

    id: str
    start: str | None = None
    enclosing: str | None = None


@dataclass(frozen=True)
class Line:
    """A line of the console.

    Attributes:
        text: Without line end, tags and colours.
        step: The node of the flow graph that wrote it; None = the build itself, or Jenkins does not say.
        node: What begins or ends with it, when it is a ``[Pipeline]`` line.
    """

    text: str
    step: str | None = None
    node: Node | None = None


class PageReader:
    r"""Joins pieces of HTML into lines. Call `end_piece` at the end of each answer, and `finish` at the build's.

    >>> page = PageReader()
    >>> page.feed(b'<span class="pipeline-node-7">+ a &amp;&amp; b\r\n')
    [Line(text='+ a && b', step='7', node=None)]
    """

    def __init__(self) -> None:
        self._lines = LineAssembler()
        self._open: list[_Kind] = []
        self._step: str | None = None

    def feed(self, piece: bytes) -> list[Line]:
        """The lines that `piece` completes."""
        return [self._read(line) for line in self._lines.feed(piece)]

    def end_piece(self) -> None:
        """An answer is over. It closes every tag, also those of a step that goes on with the next answer."""
        if _CLOSINGS.fullmatch(self._lines.rest):
            self._lines.rest = ""
        self._open.clear()

    def finish(self) -> list[Line]:
        """The last line, if the text did not end with a line end."""
        self._lines.rest = self._lines.rest.replace("</span>", "")
        return [self._read(line) for line in self._lines.finish()]

    def _read(self, line: str) -> Line:
        shown: list[str] = []
        node: Node | None = None
        step: str | None = None
        end = 0
        for tag in _TAG.finditer(line):
            step = self._text(line[end : tag.start()], shown, step)
            end = tag.end()
            node = self._tag(tag) or node
        step = self._text(line[end:], shown, step)
        if not shown:
            step = self._step
        if node is not None:  # such a line is the build's own
            step = self._step = None
        return Line("".join(shown), step, node)

    def _text(self, text: str, shown: list[str], step: str | None) -> str | None:
        if not text or "clock" in self._open:
            return step
        shown.append(html.unescape(text) if "&" in text else text)
        return step if len(shown) > 1 else self._step

    def _tag(self, tag: re.Match[str]) -> Node | None:
        if tag[2].lower() != "span":
            return None
        if tag[1]:
            self._close()
            return None
        attributes = {name.lower(): double or single for name, double, single in _ATTRIBUTE.findall(tag[3])}
        kind = attributes.get("class", "")
        if kind.startswith(_STEP):
            self._step = kind.removeprefix(_STEP)
            self._open.append("step")
            return None
        self._open.append("clock" if kind == "timestamp" else "other")  # the timestamper hides the full time beside it
        if kind != "pipeline-new-node":
            return None
        return Node(attributes.get("nodeid", ""), attributes.get("startid"), attributes.get("enclosingid"))

    def _close(self) -> None:
        if self._open and self._open.pop() == "step":
            self._step = None
