"""RE2's syntax, parsed into a small tree.

https://github.com/google/re2/wiki/Syntax
What RE2 refuses (look-around, back references) is refused here with the reason.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

MAX_SOURCE = 1000
MAX_NESTING = 50
MAX_REPEAT = 1000
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_PERL = {
    "d": (("0", "9"),),
    "s": ((" ", " "), ("\t", "\n"), ("\f", "\r")),
    "w": (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")),
}
_POSIX = {
    "alnum": (("0", "9"), ("A", "Z"), ("a", "z")),
    "alpha": (("A", "Z"), ("a", "z")),
    "ascii": (("\0", "\x7f"),),
    "blank": (("\t", "\t"), (" ", " ")),
    "cntrl": (("\0", "\x1f"), ("\x7f", "\x7f")),
    "digit": (("0", "9"),),
    "graph": (("!", "~"),),
    "lower": (("a", "z"),),
    "print": ((" ", "~"),),
    "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": (("\t", "\r"), (" ", " ")),
    "upper": (("A", "Z"),),
    "word": _PERL["w"],
    "xdigit": (("0", "9"), ("A", "F"), ("a", "f")),
}


class RegexError(ValueError):
    """The pattern is not RE2's, or too costly; the text says why. Translated by the callers, never raised further."""


@dataclass(frozen=True)
class Chars:
    """A set of characters: ranges, Unicode categories, and other sets, perhaps turned around."""

    ranges: tuple[tuple[str, str], ...] = ()
    parts: tuple[Chars, ...] = ()
    category: str = ""
    negated: bool = False
    fold: bool = False

    def __contains__(self, char: str) -> bool:
        folded = {char, char.lower(), char.upper()} if self.fold else (char,)
        return any(self._has(c) for c in folded) != self.negated

    def _has(self, char: str) -> bool:
        if any(low <= char <= high for low, high in self.ranges) or any(char in part for part in self.parts):
            return True
        return bool(self.category) and unicodedata.category(char).startswith(self.category)


@dataclass(frozen=True)
class Assert:
    """A place between characters: ``start``, ``end`` (of text), ``line-start``, ``line-end``, ``word``, ``no-word``."""

    kind: str


@dataclass(frozen=True)
class Repeat:
    """Between `low` and `high` (None = any number) times, as many as possible or, if `lazy`, as few."""

    item: Tree
    low: int
    high: int | None
    lazy: bool = False


@dataclass(frozen=True)
class Group:
    """What its `number`-th pair of brackets captures, from 1."""

    item: Tree
    number: int


@dataclass(frozen=True)
class Series:
    """One after the other."""

    items: tuple[Tree, ...]


@dataclass(frozen=True)
class Choice:
    """One of several."""

    items: tuple[Tree, ...]


Tree = Chars | Assert | Repeat | Group | Series | Choice


def parse(source: str, flags: str = "") -> Tree:
    """Return the tree of `source`.

    Raises:
        RegexError: `source` is not RE2's syntax, or longer than `MAX_SOURCE`.
    """
    if len(source) > MAX_SOURCE:
        raise RegexError(f"it has more than {MAX_SOURCE} characters")
    parser = _Parser(source, frozenset(flags))
    tree = parser.choice(0)
    if parser.at < len(source):
        raise RegexError("unexpected `)`")
    return tree


class _Parser:
    def __init__(self, source: str, flags: frozenset[str]) -> None:
        self.source, self.flags, self.at, self.groups = source, flags, 0, 0

    def peek(self, text: str) -> bool:
        return self.source.startswith(text, self.at)

    def take(self) -> str:
        if self.at >= len(self.source):
            raise RegexError("it ends too early")
        self.at += 1
        return self.source[self.at - 1]

    def choice(self, depth: int) -> Tree:
        if depth > MAX_NESTING:
            raise RegexError(f"groups nest deeper than {MAX_NESTING}")
        items = [self.series(depth)]
        while self.peek("|"):
            self.at += 1
            items.append(self.series(depth))
        return items[0] if len(items) == 1 else Choice(tuple(items))

    def series(self, depth: int) -> Tree:
        items: list[Tree] = []
        while self.at < len(self.source) and not self.peek("|") and not self.peek(")"):
            if self.peek("\\Q"):
                items += self.quoted()
            else:
                items.append(self.repeated(self.atom(depth)))
        return Series(tuple(items))

    def quoted(self) -> list[Tree]:
        end = self.source.find("\\E", self.at)
        text = self.source[self.at + 2 : end if end >= 0 else None]
        self.at = end + 2 if end >= 0 else len(self.source)
        return [self.char(c) for c in text]

    def repeated(self, item: Tree) -> Tree:
        bounds = self.bounds()
        if bounds is None:
            return item
        lazy = "U" in self.flags
        if self.peek("?"):
            self.at += 1
            lazy = not lazy
        if self.at < len(self.source) and self.source[self.at] in "*+?":
            raise RegexError(f"nothing to repeat before `{self.source[self.at]}`")
        return Repeat(item, *bounds, lazy)

    def bounds(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if self.at < len(self.source) and self.source[self.at] in simple:
            return simple[self.take()]
        if not self.peek("{"):
            return None
        low, comma, high = self.source[self.at + 1 : self.source.find("}", self.at)].partition(",")
        if not (low.isascii() and low.isdigit()) or (high and not (high.isascii() and high.isdigit())):
            return None
        first, last = int(low[:9]), (int(high[:9]) if high else None) if comma else int(low[:9])
        if max(first, last or 0) > MAX_REPEAT or (last is not None and last < first):
            raise RegexError(f"a repetition must be between 0 and {MAX_REPEAT}")
        self.at = self.source.find("}", self.at) + 1
        return first, last

    def atom(self, depth: int) -> Tree:
        char = self.take()
        if char == "(":
            return self.group(depth)
        if char == "[":
            return self.brackets()
        if char == "\\":
            return self.escape(self.take())
        if char in "*+?":
            raise RegexError(f"nothing to repeat before `{char}`")
        if char == ".":
            return Chars(negated=True) if "s" in self.flags else Chars((("\n", "\n"),), negated=True)
        if char == "^":
            return Assert("line-start" if "m" in self.flags else "start")
        if char == "$":
            return Assert("line-end" if "m" in self.flags else "end")
        return self.char(char)

    def char(self, char: str) -> Chars:
        return Chars(((char, char),), fold="i" in self.flags)

    def group(self, depth: int) -> Tree:
        outer, number = self.flags, 0
        if not self.peek("?") or self.peek("?P<") or self.peek("?<"):
            self.groups += 1
            number = self.groups
        if self.peek("?"):
            self.at += 1
            if self.peek("=") or self.peek("!") or self.peek("<=") or self.peek("<!"):
                raise RegexError("RE2 has no look-ahead or look-behind")
            if self.prefix():
                return Series(())
        tree = self.choice(depth + 1)
        if not self.peek(")"):
            raise RegexError("a `(` is not closed")
        self.at += 1
        self.flags = outer
        return Group(tree, number) if number else tree

    def prefix(self) -> bool:
        """Read what follows ``(?``; True when it was only flags for the rest: ``(?i)``."""
        if self.peek("P<") or self.peek("<"):
            name, closed, _ = self.source[self.at :].partition("<")[2].partition(">")
            if not closed or not name.isidentifier():
                raise RegexError("bad name of a group")
            self.at = self.source.index(">", self.at) + 1
            return False
        added, on = set(self.flags), True
        while (char := self.take()) not in ":)":
            if char == "-":
                on = False
            elif char in "imsU":
                (added.add if on else added.discard)(char)
            else:
                raise RegexError(f"unknown group `(?{char}`")
        self.flags = frozenset(added)
        return char == ")"

    def escape(self, char: str) -> Tree:
        if char in "bB":
            return Assert("word" if char == "b" else "no-word")
        if char in "Az":
            return Assert("start" if char == "A" else "end")
        chars = self.class_escape(char)
        return chars if chars is not None else self.char(self.literal_escape(char))

    def class_escape(self, char: str) -> Chars | None:
        if char.lower() in _PERL:
            return Chars(_PERL[char.lower()], negated=char.isupper())
        if char not in "pP":
            return None
        name = self.take()
        if name == "{":
            end = self.source.find("}", self.at)
            name, self.at = (self.source[self.at : end], end + 1) if end >= 0 else ("", self.at)
        inverted = name.startswith("^")
        name = name.removeprefix("^")
        if name not in {"L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "N", "Nd", "Nl", "No", "P", "S", "Z", "C"}:
            raise RegexError(f"unknown Unicode class `{name}`")
        return Chars(category=name, negated=(char == "P") != inverted)

    def literal_escape(self, char: str) -> str:
        if char in _CONTROL:
            return _CONTROL[char]
        if char == "x":
            return self.hexadecimal()
        if char == "0":
            digits = char
            while len(digits) < 3 and self.at < len(self.source) and self.source[self.at] in "01234567":
                digits += self.take()
            return chr(int(digits, 8))
        if char.isascii() and char.isalnum():
            reason = "RE2 has no back references" if char.isdigit() else "unknown escape"
            raise RegexError(f"`\\{char}`: {reason}")
        return char

    def hexadecimal(self) -> str:
        if self.peek("{"):
            end = self.source.find("}", self.at)
            digits, self.at = self.source[self.at + 1 : end], end + 1
        else:
            digits, self.at = self.source[self.at : self.at + 2], self.at + 2
        try:
            return chr(int(digits[:8], 16))
        except (ValueError, OverflowError):
            raise RegexError("bad hexadecimal escape") from None

    def brackets(self) -> Chars:
        negated = self.peek("^")
        self.at += negated
        ranges: list[tuple[str, str]] = []
        parts: list[Chars] = []
        first = True
        while first or not self.peek("]"):
            first = False
            item = self.bracket_item()
            if isinstance(item, Chars):
                parts.append(item)
                continue
            high: str | Chars = item
            if self.peek("-") and not self.peek("-]"):
                self.at += 1
                high = self.bracket_item()
            if isinstance(high, Chars) or high < item:
                raise RegexError("bad range in `[...]`")
            ranges.append((item, high))
        self.at += 1
        return Chars(tuple(ranges), tuple(parts), negated=negated, fold="i" in self.flags)

    def bracket_item(self) -> str | Chars:
        if self.peek("[:"):
            end = self.source.find(":]", self.at)
            name = self.source[self.at + 2 : end] if end >= 0 else ""
            if name.removeprefix("^") not in _POSIX:
                raise RegexError(f"unknown class `[:{name}:]`")
            self.at = end + 2
            return Chars(_POSIX[name.removeprefix("^")], negated=name.startswith("^"))
        char = self.take()
        if char != "\\":
            return char
        escaped = self.take()
        return self.class_escape(escaped) or self.literal_escape(escaped)
