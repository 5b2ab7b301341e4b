"""Groovy as small frozen nodes, the one escaper for text, and an indenting printer.

Only the Groovy a declarative Jenkinsfile needs. User text enters as `Text` (or inside `Comment`) and nowhere else;
`Code` and `Source` are for words of our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

INDENT = "  "
# A class file's constant holds 65,535 bytes of modified UTF-8, at most 6 a code point outside the BMP, 3 inside.
MAX_CONSTANT_BYTES = 65_535
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_UNSAFE_IN_COMMENT = re.compile(r"[^\x20-\x5b\x5d-\x7e]")


class Text(Struct, frozen=True):
    """Any text, printed as a literal (or several, joined by ``+``, when it is too long for one)."""

    value: str


class Code(Struct, frozen=True):
    """An expression in our own words: an identifier, a number, ``true``. Never user text."""

    text: str


class ListOf(Struct, frozen=True):
    """A list literal."""

    items: tuple[Expression, ...]


class MapOf(Struct, frozen=True):
    """A map literal; keys are identifiers of ours."""

    entries: tuple[tuple[str, Expression], ...]


class Call(Struct, frozen=True):
    """``name(arguments)`` as an expression."""

    name: str
    arguments: tuple[Expression, ...] = ()


Expression = Text | Code | ListOf | MapOf | Call


class Step(Struct, frozen=True):
    """A statement: a pipeline step, positional arguments before named ones, and perhaps a block, or two (`then`)."""

    name: str
    arguments: tuple[Expression, ...] = ()
    named: tuple[tuple[str, Expression], ...] = ()
    body: tuple[Statement, ...] | None = None
    then: tuple[Statement, ...] = ()


class Block(Struct, frozen=True):
    """``head { body }`` over several lines: Groovy's declarative parser wants each section on lines of its own."""

    head: str
    body: tuple[Statement, ...]


class Comment(Struct, frozen=True):
    """One line of comment. Backslashes and what is not printable ASCII become ``?``: Groovy decodes escapes there."""

    text: str


class Source(Struct, frozen=True):
    """Fixed lines of our own, printed as they are at the current indentation."""

    text: str


class Lines(Struct, frozen=True):
    r"""``return [line, ...].join('\n')``: a text of many lines, one literal a line, with a line end after the last."""

    items: tuple[Expression, ...]


class Assign(Struct, frozen=True):
    """``name[key] = [...]``, or ``name = [...]``: a map with one entry a line."""

    name: str
    key: Expression | None
    value: MapOf


Statement = Step | Block | Comment | Source | Lines | Assign


def literal(text: str) -> str:
    r"""The text as Groovy: single-quoted literals of pure ASCII, decoded by Groovy to exactly `text`.

    >>> print(literal("it's $5 \\ \n é"))
    'it\'s $5 \\ \n \u00e9'
    """
    return " + ".join(f"'{_escaped(part)}'" for part in _split(text))


def _escaped(text: str) -> str:
    for character, escape in _ESCAPES.items():  # the backslash first
        text = text.replace(character, escape)
    return _NOT_PRINTABLE.sub(_by_number, text)


def _by_number(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _split(text: str) -> list[str]:
    if text.isascii() and "\0" not in text:  # a byte each
        return [text[at : at + MAX_CONSTANT_BYTES] for at in range(0, len(text), MAX_CONSTANT_BYTES)] or [text]
    if len(text) <= MAX_CONSTANT_BYTES // 6:
        return [text]
    parts, start, size = [], 0, 0
    for index, character in enumerate(text):
        width = 1 if character < "\x7f" else 6 if character > "\uffff" else 3
        if size + width > MAX_CONSTANT_BYTES:
            parts.append(text[start:index])
            start, size = index, 0
        size += width
    return [*parts, text[start:]]


def expression(node: Expression) -> str:
    """The node as Groovy, on one line."""
    if isinstance(node, Text):
        return literal(node.value)
    if isinstance(node, Code):
        return node.text
    if isinstance(node, ListOf):
        return f"[{', '.join(map(expression, node.items))}]"
    if isinstance(node, MapOf):
        return f"[{_named(node.entries) or ':'}]"
    return f"{node.name}({', '.join(map(expression, node.arguments))})"


def _named(entries: Iterable[tuple[str, Expression]]) -> str:
    return ", ".join(f"{name}: {expression(value)}" for name, value in entries)


def comment(text: str) -> str:
    """The text as a line comment that ends where the line ends."""
    return f"// {_UNSAFE_IN_COMMENT.sub('?', text)}".rstrip()


def lines(node: Statement) -> list[str]:
    """The statement as lines without indentation of their own."""
    if isinstance(node, Comment):
        return [comment(node.text)]
    if isinstance(node, Source):
        return node.text.strip("\n").split("\n")
    if isinstance(node, Block):
        return [f"{node.head} {{", *_indented(node.body), "}"]
    if isinstance(node, Assign):
        key = f"[{expression(node.key)}]" if node.key is not None else ""
        entries = [f"{INDENT}{name}: {expression(value)}," for name, value in node.value.entries]
        return [f"{node.name}{key} = [", *entries[:-1], *(entry.removesuffix(",") for entry in entries[-1:]), "]"]
    if isinstance(node, Lines):
        return ["return [", *(f"{INDENT}{expression(item)}," for item in node.items), f"{INDENT}''", "].join('\\n')"]
    return _step_lines(node)


def _step_lines(step: Step) -> list[str]:
    arguments = ", ".join(filter(None, [*map(expression, step.arguments), _named(step.named)]))
    if step.body is not None and step.then:
        return [f"{step.name}({arguments}, {{", *_indented(step.body), "}, {", *_indented(step.then), "})"]
    if step.body is not None:
        head = f"{step.name}({arguments})" if arguments else step.name
        return [f"{head} {{", *_indented(step.body), "}"]
    parenthesised = not arguments or (step.arguments and not step.named and not isinstance(step.arguments[0], Text))
    return [f"{step.name}({arguments})" if parenthesised else f"{step.name} {arguments}"]


def _indented(body: Iterable[Statement]) -> list[str]:
    return [INDENT + line if line else line for node in body for line in lines(node)]


def optional(text: str | None) -> str:
    """The text as a literal; `null` where there is none."""
    return literal(text) if text else "null"


def returned(text: str) -> str:
    """The one statement of a function that returns a script, for a Groovy text that is kept in a file."""
    return "\n  ".join(lines(Lines(tuple(Text(line) for line in text.splitlines()))))


def render(paragraphs: Iterable[Sequence[Statement]]) -> str:
    """A whole file: paragraphs of statements, a blank line between them."""
    texts = ("\n".join(line for node in nodes for line in lines(node)) for nodes in paragraphs)
    return "\n\n".join(texts) + "\n"
