"""``$[[ inputs.name | function ]]`` in the values below a ``spec:`` header.

https://docs.gitlab.com/ci/inputs/. As in GitLab (``Gitlab::Ci::Config::Interpolation``), the file is read as YAML
first, and blocks are replaced in its keys and texts: one that is a whole value is replaced by the input with its type,
a list so put into a list by its items, and one within a text by the input's text.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from tasks.source.diagnostics import Findings, Span
from tasks.source.nodes import Entry, Mapping_, Node, Reference, Scalar, ScalarKind, Sequence

MAX_BLOCKS = 10_000  # all of these are GitLab's
MAX_FUNCTIONS = 3
MAX_ACCESS = 1024
MAX_INDICES = 5
MAX_RESULT = 8 * 1024 * 1024
_TRUNCATE = re.compile(r"truncate\(\s*(\d{1,9})\s*,\s*(\d{1,9})\s*\)?")
_SPLIT = re.compile(r"split\('([^']*)'\)")
_SHELL_SAFE = re.compile(r"[^A-Za-z0-9_\-.,:+/@\n]")
_FUNCTIONS = "expand_vars, truncate(offset,length), posix_escape, split('separator')"
_INDEXED = re.compile(r"([\w-]+)((?:\[\d{1,9}\])+)")
_REFERENCE = "!reference "
Value = str | bool | int | float | None | list["Value"] | dict[str, "Value"]


class ReferenceText(str):
    """A ``!reference`` in the value of an input, to be resolved where it is put in."""

    __slots__ = ()


class InterpolationError(Exception):
    """A block cannot be replaced; the text says why."""


class PutIn(Struct, frozen=True):
    """What is put in.

    Attributes:
        values: By what an access begins with (``inputs``, ``component``), then by name.
        expand: What ``expand_vars`` does to a string.
    """

    values: Mapping[str, Mapping[str, Value]]
    expand: Callable[[str], str]


class Interpolation(Struct):
    """Replaces the blocks in the nodes of one file; a node that is shared stays shared.

    Attributes:
        text: The file, to find the place of a block that cannot be replaced.
        given: What is put in.
        findings: Collects ``interpolation``.
    """

    text: str
    given: PutIn
    findings: Findings
    known: dict[str, tuple[Value, int]] = field(default_factory=dict)
    shared: dict[int, Node] = field(default_factory=dict)
    count: int = 0
    size: int = 0
    exhausted: bool = False

    def node(self, node: Node) -> Node:
        """The node with its blocks replaced."""
        if isinstance(node, Scalar):
            return self._scalar(node) if node.kind == "string" else node
        if isinstance(node, Reference):
            return node
        if id(node) not in self.shared:
            self.shared[id(node)] = self._mapping(node) if isinstance(node, Mapping_) else self._sequence(node)
        return self.shared[id(node)]

    def _mapping(self, node: Mapping_) -> Mapping_:
        entries: dict[str, Entry] = {}
        for entry in node:
            key = self._scalar(Scalar(entry.key, entry.kind, entry.span))
            name, kind = (key.text, key.kind) if isinstance(key, Scalar) else (entry.key, entry.kind)
            entries[name] = Entry(name, entry.span, self.node(entry.value), kind)
        return Mapping_(entries, node.span)

    def _sequence(self, node: Sequence) -> Sequence:
        items: list[Node] = []
        for item in node.items:
            new = self.node(item)
            items += new.items if isinstance(new, Sequence) and isinstance(item, Scalar) else [new]
        return replace(node, items=tuple(items))

    def _scalar(self, node: Scalar) -> Node:
        if "$[[" not in node.text or self.exhausted:
            return node
        out, done = [], 0
        for start, end, data in _blocks(node.text):
            if data.startswith("matrix."):
                continue
            try:
                value = self._value(data)
            except InterpolationError as error:
                self.findings.add("interpolation", str(error), self._place(node.span, node.text[start:end]))
                continue
            if (start, end) == (0, len(node.text)):
                return made(value, node.span)
            out += [node.text[done:start], written(value)]
            done = end
        return replace(node, text="".join([*out, node.text[done:]])) if out else node

    def _value(self, data: str) -> Value:
        self.count += 1
        if data not in self.known:
            value = _found(data, self.given)
            self.known[data] = value, len(written(value))
        value, size = self.known[data]
        self.size += size
        if self.count > MAX_BLOCKS or self.size > MAX_RESULT:
            self.exhausted = True
            raise InterpolationError("There are too many blocks, or their values are too large.")
        return value

    def _place(self, span: Span, block: str) -> Span:
        """Where the block stands, in the value that begins at `span`."""
        starts = line_starts(self.text)
        begin = starts[min(span.line, len(starts)) - 1] + span.column - 1
        at = self.text.find(block, begin)
        return span if at < 0 else Span(span.file, *_position(starts, at))


def made(value: Value, span: Span) -> Node:
    """A value as a node."""
    if isinstance(value, list):
        return Sequence(tuple(made(item, span) for item in value), span)
    if isinstance(value, dict):
        return Mapping_({key: Entry(key, span, made(item, span)) for key, item in value.items()}, span)
    if isinstance(value, ReferenceText):
        return Reference(tuple(json.loads(value.removeprefix(_REFERENCE))), span)
    if isinstance(value, str):
        return Scalar(value, "string", span)
    if value is None:
        return Scalar("", "null", span)
    kind: ScalarKind = "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "float"
    return Scalar(written(value), kind, span)


def written(value: Value) -> str:
    """A value as it stands within a text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def line_starts(text: str) -> list[int]:
    """The offset of each line's first character."""
    return [0, *(found.end() for found in re.finditer("\n", text))]


def _position(starts: list[int], at: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset."""
    line = bisect_right(starts, at)
    return line, at - starts[line - 1] + 1


def _blocks(text: str) -> Iterator[tuple[int, int, str]]:
    """Begin, end and content of each block; one that does not end in its line is none."""
    start = text.find("$[[")
    while start >= 0:
        line_end = text.find("\n", start)
        end = text.find("]]", start + 3, line_end if line_end >= 0 else len(text))
        if end >= 0 and (data := text[start + 3 : end].strip()):
            yield start, end + 2, data
        after = end + 2 if end >= 0 else line_end  # what begins later in this line would not end in it either
        start = text.find("$[[", after) if after >= 0 else -1


def first_block(text: str) -> tuple[int, int] | None:
    """Line and column, from 1, where a text that has no header uses inputs; or None."""
    found = re.search(r"\$\[\[\s*inputs\.", text)
    if found is None:
        return None
    return _position(line_starts(text), found.start())


def _found(data: str, given: PutIn) -> Value:
    access, *functions = (part.strip() for part in data.rstrip("| \t").split("|"))
    if len(functions) > MAX_FUNCTIONS:
        raise InterpolationError(f"More than {MAX_FUNCTIONS} functions in one block.")
    value = _accessed(access, given.values)
    for function in functions:
        value = _applied(function, value, given.expand)
    return value


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
    kind, *names = access.split(".", 4)
    if not names or not names[0]:
        raise InterpolationError(f"`{access[:80]}` is not like `inputs.name`.")
    if kind not in values:
        raise InterpolationError(f"`{kind[:80]}` is not known here; known are: {', '.join(values)}.")
    here: object = values[kind]
    if kind == "component" and not here:
        raise InterpolationError(f"There is no `{access[:80]}`: the file is read as part of no component.")
    for name in names:
        here = _part(here, name, access)
    return here  # type: ignore[return-value]


def _part(here: object, name: str, access: str) -> object:
    """What is called `name`, such as ``a`` or ``a[0]``, in a mapping."""
    indexed = _INDEXED.fullmatch(name)
    key = indexed[1] if indexed else name
    if not isinstance(here, Mapping) or key not in here:
        known = ", ".join(here) if isinstance(here, Mapping) and here else "none"
        raise InterpolationError(f"There is no `{access[:80]}`; the header declares: {known[:300]}.")
    found: object = here[key]
    indices = [int(index) for index in re.findall(r"\d+", indexed[2])] if indexed else []
    if len(indices) > MAX_INDICES:
        raise InterpolationError(f"`{access[:80]}` has more than {MAX_INDICES} indices.")
    for index in indices:
        if not isinstance(found, list) or index >= len(found):
            raise InterpolationError(f"`{access[:80]}`: there is no item {index}.")
        found = found[index]
    return found


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
