"""What there is to say about the user's text: a code, a severity, a message, a place; and how it is collected."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct, field

from errors import printable
from tasks.source.codes import CODES

_OFTEN = frozenset(("deploy-job", "trigger"))  # they name the job first
_NAME = re.compile(r"`[^`]*`")
_SHOWN = 8

Severity = Literal["error", "warning", "info"]


class Span(Struct, frozen=True, order=True):
    """A place in a file. Lines and columns count from 1; line 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Diagnostic(Struct, frozen=True):
    """One finding.

    Attributes:
        code: Stable kebab-case name, e.g. ``unknown-keyword``; listed in docs/diagnostics.md.
        severity: ``error`` (the text is not a valid pipeline), ``warning`` (approximated or ignored: the result
            may differ from GitLab's), ``info`` (translated, with a difference nobody should mind).
        message: What, and what to do.
        span: Where.
    """

    code: str
    severity: Severity
    message: str
    span: Span

    def __str__(self) -> str:
        return printable(f"{self.span}: {self.severity}: {self.message} [{self.code}]")


class Findings(Struct):
    """Collects diagnostics while the passes go over the text. The severity belongs to the code."""

    items: list[Diagnostic] = field(default_factory=list)

    def add(self, code: str, message: str, span: Span) -> None:
        """Note one finding; `code` is a key of `tasks.source.codes.CODES`."""
        self.items.append(Diagnostic(code, CODES[code].severity, message, span))

    def ordered(self) -> tuple[Diagnostic, ...]:
        """All of them without repetitions, by place, errors first where places are the same."""
        rank = {"error": 0, "warning": 1, "info": 2}
        broken = {d.span for d in self.items if d.code.startswith("reference-")}  # what stands there means nothing
        items = [
            d for d in dict.fromkeys(self.items) if d.span not in broken or not d.code.startswith(("wrong-", "odd-"))
        ]
        return tuple(sorted(items, key=lambda d: (d.span, rank[d.severity], d.code, d.message)))


def told(diagnostics: Iterable[Diagnostic]) -> list[str]:
    """One line for each; what is the same in several places, or for several jobs, is one line at the first of them."""
    lines: dict[object, list[Diagnostic]] = {}
    for count, item in enumerate(diagnostics):
        key: object = (item.code, item.message) if item.severity == "info" else count
        lines.setdefault(_of_any_job(item) or key, []).append(item)
    return [f"{same[0]}{_others(same)}" for same in lines.values()]


def _of_any_job(item: Diagnostic) -> str | None:
    """The message without the job's name, where a pipeline often has many such jobs."""
    return _NAME.sub("", item.message, count=1) if item.code in _OFTEN else None


def _others(same: list[Diagnostic]) -> str:
    if len(same) == 1:
        return ""
    if same[0].code not in _OFTEN:
        return f" (and {len(same) - 1} more)"
    names = [printable(found[0]) for item in same[1:] if (found := _NAME.search(item.message))]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f" (likewise {', '.join(names[:_SHOWN])}{more})"


def errors_of(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Those that make the text invalid."""
    return tuple(d for d in diagnostics if d.severity == "error")
