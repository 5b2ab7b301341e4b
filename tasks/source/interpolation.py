"""``$[[ inputs.name | function ]]`` in the text below a ``spec:`` header.

https://docs.gitlab.com/ci/inputs/. As GitLab does, the text is changed before it is read as YAML: a string stands
there as it is, every other value as JSON, so that an array or a number that is a whole value keeps its type.
`Interpolated.origin` leads from a place in the new text back to the file.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

MAX_BLOCKS = 10_000  # all three are GitLab's
MAX_FUNCTIONS = 3
MAX_ACCESS = 1024
MAX_RESULT = 8 * 1024 * 1024
_TRUNCATE = re.compile(r"truncate\(\s*(\d{1,9})\s*,\s*(\d{1,9})\s*\)?")
_SPLIT = re.compile(r"split\('([^']*)'\)")
_SHELL_SAFE = re.compile(r"[^A-Za-z0-9_\-.,:+/@\n]")
_FUNCTIONS = "expand_vars, truncate(offset,length), posix_escape, split('separator')"
Value = str | bool | int | float | None | list["Value"] | dict[str, "Value"]


class ReferenceText(str):
    """A ``!reference`` in the value of an input: it stands in the text as YAML, to be resolved where it is put in."""

    __slots__ = ()


class InterpolationError(Exception):
    """A block cannot be replaced; the text says why."""


@dataclass(frozen=True)
class Place:
    """A line and a column, from 1."""

    line: int
    column: int


@dataclass
class Interpolated:
    """The new text, what was wrong by place in the old one, and the way back."""

    text: str
    problems: list[tuple[Place, str]] = field(default_factory=list)
    pieces: list[tuple[int, int, bool]] = field(default_factory=list)  # begin in the new text, in the old, copied
    old_lines: list[int] = field(default_factory=list)
    new_lines: list[int] = field(default_factory=list)

    def origin(self, line: int, column: int) -> Place:
        """The place in the file of a place in the new text; inside a value, where its block begins."""
        offset = self.new_lines[min(line, len(self.new_lines)) - 1] + column - 1
        new, old, copied = self.pieces[bisect_right(self.pieces, (offset, len(self.text) + offset, True)) - 1]
        return place(self.old_lines, old + (offset - new if copied else 0))


def line_starts(text: str) -> list[int]:
    """The offset of each line's first character."""
    return [0, *(found.end() for found in re.finditer("\n", text))]


def place(starts: list[int], offset: int) -> Place:
    """The place of an offset."""
    line = bisect_right(starts, offset)
    return Place(line, offset - starts[line - 1] + 1)


def interpolate(
    text: str, begin: int, values: Mapping[str, Mapping[str, Value]], expand: Callable[[str], str]
) -> Interpolated:
    """Replace all blocks of `text` from the offset `begin` on; what is before becomes empty lines.

    Args:
        text: A whole file.
        begin: Where its header ends.
        values: By what an access begins with (``inputs``, ``component``), then by name.
        expand: What ``expand_vars`` does to a string.
    """
    result = Interpolated("", old_lines=line_starts(text))
    out: list[str] = []
    size = 0

    def add(piece: str, old: int, copied: bool) -> None:
        nonlocal size
        result.pieces.append((size, old, copied))
        out.append(piece)
        size += len(piece)

    add("\n" * text.count("\n", 0, begin), 0, False)
    done, known = begin, dict[str, str]()
    for count, (start, end, data) in enumerate(_blocks(text, begin)):
        add(text[done:start], done, True)
        done = end
        try:
            if count >= MAX_BLOCKS or size > MAX_RESULT:
                raise InterpolationError("There are too many blocks, or their values are too large.")
            if data not in known:
                known[data] = "" if data.startswith("matrix.") else _replacement(data, values, expand)
            add(text[start:end] if data.startswith("matrix.") else known[data], start, False)
        except InterpolationError as error:
            result.problems.append((place(result.old_lines, start), str(error)))
            if count >= MAX_BLOCKS or size > MAX_RESULT:
                break
    add(text[done:], done, True)
    result.text = "".join(out)
    result.new_lines = line_starts(result.text)
    return result


def _blocks(text: str, begin: int) -> Iterator[tuple[int, int, str]]:
    """Begin, end and content of each block; one that does not end in its line is none."""
    start = text.find("$[[", begin)
    while start >= 0:
        line_end = text.find("\n", start)
        end = text.find("]]", start + 3, line_end if line_end >= 0 else len(text))
        if end >= 0 and (data := text[start + 3 : end].strip()):
            yield start, end + 2, data
        after = end + 2 if end >= 0 else line_end  # what begins later in this line would not end in it either
        start = text.find("$[[", after) if after >= 0 else -1


def first_block(text: str) -> Place | None:
    """Where a text that has no header uses inputs, or None."""
    found = re.search(r"\$\[\[\s*inputs\.", text)
    return place(line_starts(text), found.start()) if found else None


def _replacement(data: str, values: Mapping[str, Mapping[str, Value]], expand: Callable[[str], str]) -> str:
    access, *functions = (part.strip() for part in data.split("|"))
    if len(functions) > MAX_FUNCTIONS:
        raise InterpolationError(f"More than {MAX_FUNCTIONS} functions in one block.")
    value = _accessed(access, values)
    for function in functions:
        value = _applied(function, value, expand)
    return value if isinstance(value, str) else shown(value)


def shown(value: Value) -> str:
    """A value as GitLab puts it into text: a string as it is, the others as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{','.join(map(_inner, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_inner(k)}:{_inner(v)}' for k, v in value.items())}}}"
    return json.dumps(value)


def _inner(value: Value) -> str:
    if isinstance(value, ReferenceText):
        return f" {value}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else shown(value)


def _accessed(access: str, values: Mapping[str, Mapping[str, Value]]) -> Value:
    if len(access) > MAX_ACCESS:
        raise InterpolationError(f"What stands in a block may have {MAX_ACCESS} characters.")
    kind, _, name = access.partition(".")
    if not name:
        raise InterpolationError(f"`{access[:80]}` is not like `inputs.name`.")
    if kind not in values:
        raise InterpolationError(f"`{kind[:80]}` is not known here; known are: {', '.join(values)}.")
    if name not in values[kind]:
        known = ", ".join(values[kind]) or "none"
        raise InterpolationError(f"There is no `{access[:80]}`; the header declares: {known[:300]}.")
    return values[kind][name]


def _applied(function: str, value: Value, expand: Callable[[str], str]) -> Value:
    name = function.partition("(")[0]
    truncate, split = _TRUNCATE.fullmatch(function), _SPLIT.fullmatch(function)
    if not (truncate or split or function in ("expand_vars", "posix_escape", "posix_quote")):
        raise InterpolationError(f"There is no function `{function[:80]}`; there are: {_FUNCTIONS}.")
    if not isinstance(value, str):
        raise InterpolationError(f"`{name}` works on strings only.")
    if truncate:
        return value[int(truncate[1]) : int(truncate[1]) + int(truncate[2])]
    if split:
        if not split[1]:
            raise InterpolationError("`split` needs a separator that is not empty.")
        return [part.strip() for part in value.split(split[1]) if part.strip()]
    return expand(value) if function == "expand_vars" else posix_escaped(value)


def posix_escaped(text: str) -> str:
    r"""Escape a text for a POSIX shell as Ruby's ``Shellwords.escape`` does.

    >>> posix_escaped("it's $5")
    "it\\'s\\ \\$5"
    """
    return _SHELL_SAFE.sub(lambda found: "\\" + found[0], text).replace("\n", "'\n'") or "''"
