"""Words of an instruction: quotes, escapes, and ``$NAME``, ``${NAME:-default}``, ``${NAME:+other}``.

Source: docs.docker.com/reference/dockerfile (Environment replacement); moby/buildkit
``frontend/dockerfile/shell/lex.go``.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.docker_cli.errors import DockerfileError

_SPACE = " \t\n"


class Lexer:
    """Reads one instruction's text.

    Args:
        values: The variables known at that point; an unknown one is empty.
        escape: The Dockerfile's escape character.
        line: For messages.
    """

    def __init__(self, values: Mapping[str, str], escape: str, line: int) -> None:
        self._values = values
        self._escape = escape
        self._line = line
        self._text = ""
        self._at = 0

    def words(self, text: str) -> list[str]:
        """Split at blanks outside quotes; quotes are taken off."""
        self._text, self._at = text, 0
        found: list[str] = []
        while True:
            while self._peek() and self._peek() in _SPACE:
                self._at += 1
            if not self._peek():
                return found
            found.append(self._until(_SPACE))

    def expand(self, text: str) -> str:
        """Replace variables and take quotes off, without splitting."""
        self._text, self._at = text, 0
        return self._until("")

    def expand_document(self, text: str) -> str:
        """Replace variables in a heredoc: quotes are plain characters there."""
        self._text, self._at = text, 0
        found = ""
        while self._peek():
            if self._peek() == self._escape:
                found += self._next() + self._next()  # an escape stays, and protects the next character
                continue
            replaced = self._special()
            found += self._next() if replaced is None else replaced
        return found

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def _error(self, message: str) -> DockerfileError:
        return DockerfileError(f"{message} in {self._text[:80]!r}", self._line)

    def _until(self, ends: str) -> str:
        found = ""
        while self._peek() and self._peek() not in ends:
            if self._peek() == "'":
                found += self._single()
            elif self._peek() == '"':
                found += self._double()
            elif (replaced := self._special()) is not None:
                found += replaced
            else:
                found += self._next()
        return found

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise self._error("unexpected end of statement while looking for a closing single quote")
        found = self._text[self._at + 1 : end]
        self._at = end + 1
        return found

    def _double(self) -> str:
        self._at += 1
        found = ""
        while self._peek() != '"':
            if not self._peek():
                raise self._error("unexpected end of statement while looking for a closing double quote")
            if self._peek() == self._escape and self._text[self._at + 1 : self._at + 2] not in ('"', "$", self._escape):
                found += self._next()
                continue
            replaced = self._special()
            found += self._next() if replaced is None else replaced
        self._at += 1
        return found

    def _special(self) -> str | None:
        """An escaped character or a variable at this place; None for anything else."""
        if self._peek() == self._escape:
            self._at += 1
            return self._next()
        if self._peek() != "$":
            return None
        self._at += 1
        if self._peek() == "{":
            return self._braced()
        name = self._name()
        return self._values.get(name, "") if name else "$"

    def _name(self) -> str:
        start = self._at
        while (character := self._peek()) and character.isascii() and (character.isalnum() or character == "_"):
            if self._at == start and character.isdigit():
                self._at += 1
                break
            self._at += 1
        return self._text[start : self._at]

    def _braced(self) -> str:
        self._at += 1
        name = self._name()
        if not name:
            raise self._error("bad substitution: a variable name is missing")
        if self._peek() == "}":
            self._at += 1
            return self._values.get(name, "")
        empty_counts = self._peek() == ":"
        self._at += empty_counts
        operator = self._next()
        if operator not in ("-", "+", "?"):
            raise self._error(f"unsupported modifier ({operator or 'end of text'}) in substitution of {name}")
        word = self._until("}")
        if self._next() != "}":
            raise self._error("syntax error: missing '}'")
        value = self._values.get(name)
        is_set = bool(value) if empty_counts else value is not None
        if operator == "+":
            return word if is_set else ""
        if operator == "?" and not is_set:
            raise self._error(f"{name}: {word or 'is not set'}")
        return (value or "") if is_set else word
