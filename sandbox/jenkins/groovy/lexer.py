r"""Tokens of the Groovy that Jenkins pipelines are written in.

Unicode escapes are decoded before anything else, as Groovy does it (also inside comments). Newlines are tokens,
but for those inside ``( )`` and ``[ ]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["id", "kw", "int", "decimal", "str", "gstr", "op", "nl", "eof"]

KEYWORDS = frozenset(
    [
        "as",
        "assert",
        "break",
        "case",
        "catch",
        "class",
        "continue",
        "def",
        "default",
        "do",
        "else",
        "enum",
        "extends",
        "false",
        "final",
        "finally",
        "for",
        "goto",
        "if",
        "implements",
        "import",
        "in",
        "instanceof",
        "interface",
        "new",
        "null",
        "package",
        "return",
        "static",
        "super",
        "switch",
        "this",
        "throw",
        "throws",
        "trait",
        "true",
        "try",
        "void",
        "while",
        "boolean",
        "byte",
        "char",
        "double",
        "float",
        "int",
        "long",
        "short",
    ]
)
OPERATORS = sorted(
    [
        "<=>",
        "===",
        "!==",
        "**=",
        "==~",
        "<<=",
        ">>>",
        "..<",
        "?:",
        "?.",
        "*.",
        ".&",
        "=~",
        "==",
        "!=",
        "<=",
        ">=",
        "<<",
        ">>",
        "..",
        "&&",
        "||",
        "++",
        "--",
        "+=",
        "-=",
        "*=",
        "/=",
        "%=",
        "**",
        "->",
        "?=",
        "::",
        "=",
        "<",
        ">",
        "!",
        "?",
        ":",
        ".",
        ",",
        ";",
        "+",
        "-",
        "*",
        "/",
        "%",
        "&",
        "|",
        "^",
        "~",
        "@",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
    ],
    key=len,
    reverse=True,
)
_OPERATOR = re.compile("|".join(re.escape(operator) for operator in OPERATORS))
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+[lLiIgG]?|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?[lLiIgGfFdD]?")
_IDENTIFIER = re.compile(r"[^\W\d][\w$]*|\$[\w$]+")
_NAME_IN_STRING = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_UNICODE_ESCAPE = re.compile(r"(\\+)u+([0-9a-fA-F]{4})")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\\": "\\", "'": "'", '"': '"', "$": "$"}
_OPENING = {"(": ")", "[": "]", "{": "}"}


class GroovySyntaxError(Exception):
    """The script cannot be parsed, or uses what the stand-in does not know; the place is 1-based."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"{message} @ line {line}, column {column}.")
        self.message, self.line, self.column = message, line, column


@dataclass(frozen=True)
class Hole:
    """A ``${expression}`` in a string: its text and place."""

    text: str
    line: int
    column: int


@dataclass(frozen=True)
class Token:
    """One token; `value` is the decoded text of a literal; `parts` those of a string with holes."""

    kind: Kind
    value: str
    line: int
    column: int
    spaced: bool = False
    parts: tuple[str | Hole, ...] = field(default=())


def decode_unicode_escapes(text: str) -> str:
    r"""Replace ``\uXXXX`` (an odd number of backslashes before the u), joining surrogate pairs.

    >>> decode_unicode_escapes("'h\\u00e9' '\\\\u0041'")
    "'hé' '\\\\u0041'"
    """

    def replace(match: re.Match[str]) -> str:
        slashes, digits = match.groups()
        return slashes[:-1] + chr(int(digits, 16)) if len(slashes) % 2 else match[0]

    decoded = _UNICODE_ESCAPE.sub(replace, text)
    if not any("\ud800" <= character <= "\udfff" for character in decoded):
        return decoded
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Lexer:
    """Turns a script into tokens; `line` and `column` place a fragment in its script."""

    def __init__(self, text: str, line: int = 1, column: int = 1) -> None:
        self.text = text
        self.position = 0
        self.tokens: list[Token] = []
        self._line = line
        self._line_start = 1 - column
        self._brackets: list[str] = []

    def run(self) -> list[Token]:
        """All tokens, closed by ``eof``."""
        if self.text.startswith("#!"):
            self.position = (self.text + "\n").index("\n")
        while True:
            spaced = self._skip_space()
            if self.position >= len(self.text):
                break
            self._next(spaced)
        self._add("eof", "", self.position)
        return self.tokens

    def _place(self, position: int) -> tuple[int, int]:
        return self._line, position - self._line_start + 1

    def _error(self, message: str, position: int | None = None) -> GroovySyntaxError:
        return GroovySyntaxError(message, *self._place(self.position if position is None else position))

    def _add(self, kind: Kind, value: str, start: int, spaced: bool = False) -> None:
        self.tokens.append(Token(kind, value, *self._place(start), spaced))

    def _newlines(self, start: int, end: int) -> None:
        count = self.text.count("\n", start, end)
        if count:
            self._line += count
            self._line_start = self.text.rindex("\n", start, end) + 1

    def _skip_space(self) -> bool:
        start = self.position
        while self.position < len(self.text):
            rest = self.text[self.position : self.position + 2]
            if rest[0] in " \t\f\r":
                self.position += 1
            elif rest == "\\\n":
                self._newlines(self.position, self.position + 2)
                self.position += 2
            elif rest == "//":
                self.position = (self.text + "\n").index("\n", self.position)
            elif rest == "/*":
                end = self.text.find("*/", self.position)
                if end < 0:
                    raise self._error("unexpected end of file in a comment")
                self._newlines(self.position, end)
                self.position = end + 2
            else:
                break
        return self.position > start

    def _next(self, spaced: bool) -> None:
        start, character = self.position, self.text[self.position]
        if character == "\n":
            self._newline()
        elif character in "'\"":
            self._string(character, spaced)
        elif character == "/" and self._slashy_may_start():
            self._slashy(spaced)
        elif self.text.startswith("$/", start):
            raise self._error("dollar slashy strings are not supported by the Jenkins stand-in")
        elif character.isdigit():
            self._number(spaced)
        elif match := _IDENTIFIER.match(self.text, start):
            self.position = match.end()
            self._add("kw" if match[0] in KEYWORDS else "id", match[0], start, spaced)
        elif match := _OPERATOR.match(self.text, start):
            self.position = match.end()
            self._bracket(match[0])
            self._add("op", match[0], start, spaced)
        else:
            raise self._error(f"unexpected char: '{character}'")

    def _newline(self) -> None:
        quiet = bool(self._brackets) and self._brackets[-1] != "{"
        if not quiet and self.tokens and self.tokens[-1].kind != "nl":
            self._add("nl", "\n", self.position)
        self.position += 1
        self._line += 1
        self._line_start = self.position

    def _bracket(self, operator: str) -> None:
        if operator in _OPENING:
            self._brackets.append(operator)
        elif operator in _OPENING.values():
            wanted = f"'{_OPENING[self._brackets[-1]]}'" if self._brackets else "EOF"
            if wanted != f"'{operator}'":
                raise self._error(f"expecting {wanted}, found '{operator}'", self.position - 1)
            self._brackets.pop()

    def _number(self, spaced: bool) -> None:
        match = _NUMBER.match(self.text, self.position)
        if match is None:
            raise self._error("malformed number")
        value = match[0].replace("_", "").rstrip("lLiIgG")
        self.position = match.end()
        decimal = not value.lower().startswith("0x") and bool(re.search(r"[.eEfFdD]", value))
        self._add("decimal" if decimal else "int", value.rstrip("fFdD") if decimal else value, match.start(), spaced)

    def _slashy_may_start(self) -> bool:
        if not self.tokens:
            return True
        last = self.tokens[-1]
        if last.kind == "kw":
            return last.value not in ("this", "null", "true", "false", "super")
        return last.kind == "nl" or (last.kind == "op" and last.value not in (")", "]", "}", "++", "--"))

    def _string(self, quote: str, spaced: bool) -> None:
        start, line, column = self.position, *self._place(self.position)
        mark = quote * 3 if self.text.startswith(quote * 3, start) else quote
        self.position += len(mark)
        parts = self._parts(mark, interpolated=quote == '"', slashy=False)
        self._add_string(parts, Token("str", "", line, column, spaced))

    def _slashy(self, spaced: bool) -> None:
        line, column = self._place(self.position)
        self.position += 1
        self._add_string(self._parts("/", interpolated=True, slashy=True), Token("str", "", line, column, spaced))

    def _add_string(self, parts: list[str | Hole], place: Token) -> None:
        kind: Kind = "gstr" if any(isinstance(part, Hole) for part in parts) else "str"
        value = "" if kind == "gstr" else "".join(str(part) for part in parts)
        self.tokens.append(Token(kind, value, place.line, place.column, place.spaced, tuple(parts)))

    def _parts(self, mark: str, *, interpolated: bool, slashy: bool) -> list[str | Hole]:
        parts: list[str | Hole] = []
        plain: list[str] = []
        while not self.text.startswith(mark, self.position):
            if self.position >= len(self.text):
                raise self._error("unexpected end of file in a string")
            character = self.text[self.position]
            if character == "\\":
                plain.append(self._escape(slashy))
            elif character == "$" and interpolated and (hole := self._hole(slashy)):
                parts += ["".join(plain), hole]
                plain = []
            elif character == "\n" and len(mark) == 1 and not slashy:
                raise self._error(f"expecting anything but ''\\n''; got it anyway in a {mark}...{mark} string")
            else:
                plain.append(character)
                self.position += 1
                if character == "\n":
                    self._line += 1
                    self._line_start = self.position
        self.position += len(mark)
        return [part for part in [*parts, "".join(plain)] if part != ""]

    def _escape(self, slashy: bool) -> str:
        following = self.text[self.position + 1 : self.position + 2]
        if slashy:
            self.position += 2 if following == "/" else 1
            return "/" if following == "/" else "\\"
        if following == "\n":
            self._newlines(self.position, self.position + 2)
            self.position += 2
            return ""
        if octal := re.compile(r"[0-3]?[0-7]{1,2}").match(self.text, self.position + 1):
            self.position = octal.end()
            return chr(int(octal[0], 8))
        if following not in _ESCAPES or not following:
            raise self._error(f"unexpected char: '\\' before '{following}'")
        self.position += 2
        return _ESCAPES[following]

    def _hole(self, slashy: bool) -> Hole | None:
        after = self.position + 1
        if match := _NAME_IN_STRING.match(self.text, after):
            hole = Hole(match[0], *self._place(after))
            self.position = match.end()
            return hole
        if not self.text.startswith("{", after):
            if slashy:
                return None
            raise self._error("illegal string body character after dollar sign")
        end = self._closing_brace(after)
        hole = Hole(self.text[after + 1 : end], *self._place(after + 1))
        self._newlines(after, end)
        self.position = end + 1
        return hole

    def _closing_brace(self, start: int) -> int:
        inner = Lexer(self.text, self._line, 1)
        inner._line_start, inner.position = self._line_start, start
        while True:
            inner._skip_space()
            if inner.position >= len(self.text):
                raise self._error("unexpected end of file in ${...}")
            inner._next(False)
            if not inner._brackets:
                return inner.position - 1


def tokenize(text: str, line: int = 1, column: int = 1) -> list[Token]:
    """The tokens of a fragment whose Unicode escapes are decoded.

    Raises:
        GroovySyntaxError: A literal is not closed, brackets do not match, or a character is foreign.
    """
    return Lexer(text, line, column).run()
