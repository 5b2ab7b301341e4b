"""The nodes a YAML file is read into: immutable, each with its place.

A node may be shared (an alias is the very node of its anchor); nobody changes one, passes build new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from tasks.source.diagnostics import Span

ScalarKind = Literal["string", "integer", "float", "boolean", "null"]


class Scalar(Struct, frozen=True):
    """One value. `text` is what GitLab's Ruby makes of it as a string: ``1.10`` -> ``1.1``, ``yes`` -> ``true``."""

    text: str
    kind: ScalarKind
    span: Span


class Sequence(Struct, frozen=True):
    """A list. `spliced` marks one that a ``!reference`` put into another list."""

    items: tuple[Node, ...]
    span: Span
    spliced: bool = False


class Entry(Struct, frozen=True):
    """One key of a mapping, the key's place, and its value; `kind` is what YAML takes the key for."""

    key: str
    span: Span
    value: Node
    kind: ScalarKind = "string"


class Mapping_(Struct, frozen=True):  # noqa: N801 - `Mapping` is the abstract type everywhere else
    """A mapping with text keys, in the order of the text."""

    entries: Mapping[str, Entry]
    span: Span

    def get(self, key: str) -> Node | None:
        """The value of `key`; None where it is absent or null, which GitLab does not tell apart."""
        entry = self.entries.get(key)
        if entry is None:
            return None
        value = entry.value
        return None if isinstance(value, Scalar) and value.kind == "null" else value

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def place(self, key: str) -> Span:
        """Where `key` stands, or the whole mapping where it does not."""
        entry = self.entries.get(key)
        return entry.span if entry else self.span

    def without(self, *keys: str) -> Mapping_:
        """The same mapping but for `keys`."""
        return Mapping_({k: e for k, e in self.entries.items() if k not in keys}, self.span)

    def put(self, entry: Entry) -> Mapping_:
        """The same mapping with `entry` in place of the one of that key, or at the end."""
        return Mapping_({**self.entries, entry.key: entry}, self.span)


class Reference(Struct, frozen=True):
    """A ``!reference [job, key, ...]`` that is not resolved yet."""

    path: tuple[str, ...]
    span: Span


Node = Scalar | Sequence | Mapping_ | Reference


def scalars(node: Node | None) -> list[Scalar]:
    """All scalars inside, in their order."""
    found, left = [], [node]
    while left:
        node = left.pop()
        if isinstance(node, Scalar):
            found.append(node)
        elif isinstance(node, Mapping_):
            left += [entry.value for entry in node][::-1]
        elif isinstance(node, Sequence):
            left += node.items[::-1]
    return found


def is_null(node: Node) -> bool:
    """Whether it is YAML's null (or nothing at all behind the colon)."""
    return isinstance(node, Scalar) and node.kind == "null"


def no_name(entry: Entry) -> str:
    """That a key without quotes is no name to GitLab, in a sentence."""
    kind = describe(Scalar(entry.key, entry.kind, entry.span))
    return f"`{entry.key[:80] or '~'}` is {kind} to YAML, not a name: put it in quotes."


def describe(node: Node) -> str:
    """What a person calls this kind of value, for messages."""
    if isinstance(node, Mapping_):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Reference):
        return "a !reference"
    return "nothing" if node.kind == "null" else f"{'an' if node.kind == 'integer' else 'a'} {node.kind}"
