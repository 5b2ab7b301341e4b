"""A place in a list of tokens, and the questions both halves of the parser ask of it."""

from __future__ import annotations

from sandbox.jenkins.groovy.lexer import GroovySyntaxError, Token

PRIMITIVES = frozenset({"boolean", "byte", "char", "double", "float", "int", "long", "short", "void"})


class Cursor:
    """Walks over tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0

    @property
    def token(self) -> Token:
        """The token in turn."""
        return self.tokens[self.position]

    def peek(self, offset: int = 1) -> Token:
        """A token ahead (the last one if there are fewer)."""
        return self.tokens[min(self.position + offset, len(self.tokens) - 1)]

    def take(self) -> Token:
        """The token in turn, and go on."""
        token = self.token
        if token.kind != "eof":
            self.position += 1
        return token

    def at(self, *values: str) -> bool:
        """Whether an operator or keyword with one of these texts is in turn."""
        return self.token.kind in ("op", "kw") and self.token.value in values

    def accept(self, *values: str) -> Token | None:
        """Take it if it is one of these operators or keywords."""
        return self.take() if self.at(*values) else None

    def expect(self, value: str) -> Token:
        """Take this operator or keyword.

        Raises:
            GroovySyntaxError: Something else is in turn.
        """
        if not self.at(value):
            raise self.error(f"expecting '{value}', found '{self._shown()}'")
        return self.take()

    def name(self) -> str:
        """Take an identifier."""
        if self.token.kind != "id":
            raise self.error(f"unexpected token: {self._shown() or 'end of file'}")
        return self.take().value

    def newlines(self) -> None:
        """Skip line ends."""
        while self.token.kind == "nl":
            self.take()

    def after_newlines(self) -> Token:
        """The next token that is not a line end, without moving."""
        offset = 0
        while self.peek(offset).kind == "nl":
            offset += 1
        return self.peek(offset)

    def error(self, message: str, token: Token | None = None) -> GroovySyntaxError:
        """A syntax error at a token (the one in turn)."""
        place = token or self.token
        return GroovySyntaxError(message, place.line, place.column)

    def unsupported(self, construct: str, token: Token | None = None) -> GroovySyntaxError:
        """The refusal of a construct outside the subset."""
        return self.error(f"{construct} is not supported by the Jenkins stand-in", token)

    def _shown(self) -> str:
        return "\\n" if self.token.kind == "nl" else self.token.value

    def type_name(self) -> str | None:
        """Take a type (``int``, ``java.util.List<String>[]``) if one is in turn; generics are dropped."""
        if self.token.kind == "kw" and self.token.value in PRIMITIVES:
            name = self.take().value
        elif self.token.kind == "id":
            name = self.take().value
            while self.at(".") and self.peek().kind == "id":
                self.take()
                name += "." + self.name()
            if self.at("<") and not self._generics():
                return None
        else:
            return None
        while self.at("[") and self.peek().value == "]" and self.peek().kind == "op":
            self.take()
            self.take()
            name += "[]"
        return name

    def _generics(self) -> bool:
        depth = 0
        while self.token.kind in ("id", "op"):
            if self.at("<"):
                depth += 1
            elif self.at(">", ">>", ">>>"):
                depth -= len(self.token.value)
            elif not (self.token.kind == "id" or self.at(",", ".", "?", "[", "]")):
                return False
            self.take()
            if depth <= 0:
                return depth == 0
        return False
