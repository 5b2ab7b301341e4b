"""What of a build's console is shown in Prefect's log: all of it, unless it floods. Pure, but for where it is sent.

Prefect keeps a log record a row in its database; a build that writes 100,000 lines must not fill it. Lines beyond the
allowance are left out and counted, and the last of them are shown when their job ends.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from errors import printable

BURST = 5000
PER_SECOND = 20.0
BATCH_LINES, BATCH_CHARACTERS = 200, 30_000
LINE_CHARACTERS = 2_000
_LAST_LINES = 20

Send = Callable[[str | None, str], None]
"""Takes the job's name (None: the build itself) and the text of one log record."""


class Allowance:
    """How many lines may be shown: `burst` at once, and `per_second` more as time goes by."""

    def __init__(
        self, burst: int = BURST, per_second: float = PER_SECOND, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._left, self._at = float(burst), clock()

    def take(self, wanted: int) -> int:
        """How many of `wanted` lines may be shown now."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        given = min(wanted, int(self._left))
        self._left -= given
        return given


@dataclass
class _Channel:
    lines: list[str] = field(default_factory=list)
    left_out: int = 0
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))


class Showing:
    """Sends lines on, in records of many lines, as far as the allowance goes.

    Args:
        send: Where records go.
        whole: Where the whole log is, for people.
    """

    def __init__(self, send: Send, whole: str, allowance: Allowance | None = None) -> None:
        self.whole = whole
        self._send = send
        self._allowance = allowance or Allowance()
        self._channels: dict[str | None, _Channel] = {}

    def line(self, job: str | None, line: str) -> None:
        """Take a line; it is shown with the next `flush`."""
        self._channels.setdefault(job, _Channel()).lines.append(_shortened(line))

    def flush(self) -> None:
        """Send what may be shown of the lines taken so far."""
        for job, channel in self._channels.items():
            self._show(job, channel)

    def end(self, job: str | None) -> None:
        """The job writes no more: send what is left, and the last lines of what was left out."""
        channel = self._channels.pop(job, None)
        if channel is None:
            return
        self._show(job, channel)
        if channel.left_out:
            shown = list(channel.last)
            self._tell(job, channel, channel.left_out - len(shown))
            self._records(job, shown)

    def end_all(self) -> None:
        """The build writes no more."""
        for job in list(self._channels):
            self.end(job)

    def _show(self, job: str | None, channel: _Channel) -> None:
        lines, channel.lines = channel.lines, []
        allowed = self._allowance.take(len(lines)) if lines else 0
        if allowed and channel.left_out:
            self._tell(job, channel, channel.left_out)
        self._records(job, lines[:allowed])
        channel.left_out += len(lines) - allowed
        channel.last.extend(lines[allowed:])

    def _tell(self, job: str | None, channel: _Channel, count: int) -> None:
        if count:
            self._send(job, f"... {count:,} lines are left out here; the whole log: {self.whole}")
        channel.left_out = 0
        channel.last.clear()

    def _records(self, job: str | None, lines: Iterable[str]) -> None:
        record: list[str] = []
        size = 0
        for line in lines:
            if record and (len(record) == BATCH_LINES or size + len(line) > BATCH_CHARACTERS):
                self._send(job, "\n".join(record))
                record, size = [], 0
            record.append(line)
            size += len(line) + 1
        if record:
            self._send(job, "\n".join(record))


def _shortened(line: str) -> str:
    line = printable(line)
    if len(line) <= LINE_CHARACTERS:
        return line
    return f"{line[:LINE_CHARACTERS]}... ({len(line):,} characters)"
