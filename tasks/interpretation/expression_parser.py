"""From the text of `rules:if` to terms. Text is never evaluated by Python.

Grammar: https://docs.gitlab.com/ci/jobs/job_rules/#cicd-variable-expressions. ``==``, ``!=``, ``=~`` and ``!~`` bind
tighter than ``&&``, which binds tighter than ``||``; ``!`` binds tightest. A pattern is ``/source/flags``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.interpretation.expressions import (
    Constant,
    Equal,
    Expression,
    Match,
    Null,
    Pattern,
    Text,
    Truth,
    Value,
    Var,
    both,
    either,
    opposite,
)
from tasks.source.regex import RegexError, compile_regex

MAX_TOKENS = 100  # GitLab's own limit for one expression
MAX_TEXT = 20_000

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<open>\()|(?P<close>\))|\$(?P<name>\w+)
    |"(?P<double>[^"]*)"|'(?P<single>[^']*)'|/(?P<pattern>(?:[^/\\]|\\.)+)/(?P<flags>[ismU]*)
    |(?P<null>null\b)|(?P<constant>(?:true|false)\b)|(?P<operator>==|=~|!=|!~|&&|\|\||!)""",
    re.VERBOSE | re.DOTALL,
)
_PATTERN_TEXT = re.compile(r"/(.*)/([ismU]*)", re.DOTALL)


class ExpressionError(ValueError):
    """The text is no expression; says why. Callers turn it into a diagnostic."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    flags: str = ""


def parse(text: str) -> Expression:
    """Return the condition that `text` states.

    Raises:
        ExpressionError: GitLab would call the expression's syntax invalid.
    """
    parser = _Parser(_tokens(text))
    operand = parser.disjunction()
    if parser.at < len(parser.tokens):
        raise ExpressionError(f"unexpected `{parser.tokens[parser.at].text}`")
    return _condition(operand)


def pattern_of(text: str) -> Pattern | None:
    """The pattern written as ``/source/flags``, or None where `text` is not of that form or not RE2's syntax."""
    found = _PATTERN_TEXT.fullmatch(text)
    if found is None or not found[1]:
        return None
    pattern = Pattern(found[1].replace("\\/", "/"), "".join(sorted(set(found[2]))))
    try:
        compile_regex(pattern.source, pattern.flags)
    except RegexError:
        return None
    return pattern


def _tokens(text: str) -> list[_Token]:
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"it has more than {MAX_TEXT} characters")
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None and text.startswith("${", at):
            raise ExpressionError("write `$NAME`, not `${NAME}`: GitLab knows no braces here")
        if found is None:
            raise ExpressionError(f"`{text[at : at + 20]}` is not understood")
        at = found.end()
        kind = found.lastgroup or ""
        if kind != "space":
            tokens.append(_token(kind, found))
    if len(tokens) >= MAX_TOKENS:
        raise ExpressionError(f"it has {MAX_TOKENS} parts or more, GitLab's limit")
    return tokens


def _token(kind: str, found: re.Match[str]) -> _Token:
    if kind == "flags":
        return _Token("pattern", found["pattern"], found["flags"])
    kinds = {"name": "variable", "double": "string", "single": "string"}
    return _Token(kinds.get(kind, kind), found[kind])


_Operand = Expression | Value | Pattern


def _condition(operand: _Operand) -> Expression:
    if isinstance(operand, Null):
        return Constant(False)
    if isinstance(operand, Pattern):
        return Constant(True)
    if isinstance(operand, Text):
        return Constant(bool(operand.value.strip()))
    return Truth(operand) if isinstance(operand, Var) else operand


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens, self.at = tokens, 0

    def accept(self, *operators: str) -> str | None:
        if self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "operator" and token.text in operators:
                self.at += 1
                return token.text
        return None

    def disjunction(self) -> _Operand:
        left = self.conjunction()
        while self.accept("||"):
            left = either(_condition(left), _condition(self.conjunction()))
        return left

    def conjunction(self) -> _Operand:
        left = self.comparison()
        while self.accept("&&"):
            left = both(_condition(left), _condition(self.comparison()))
        return left

    def comparison(self) -> _Operand:
        left = self.operand()
        while operator := self.accept("==", "!=", "=~", "!~"):
            right = self.operand()
            result = _equal(left, right) if operator in ("==", "!=") else _match(left, right)
            left = opposite(result) if operator.startswith("!") else result
        return left

    def operand(self) -> _Operand:
        if self.accept("!"):
            return opposite(_condition(self.operand()))
        if self.at >= len(self.tokens):
            raise ExpressionError("a value is missing at its end" if self.tokens else "it is empty")
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "open":
            inner = self.disjunction()
            if self.at >= len(self.tokens) or self.tokens[self.at].kind != "close":
                raise ExpressionError("a `(` is not closed")
            self.at += 1
            return inner
        if token.kind in ("operator", "close"):
            raise ExpressionError(f"a value is missing before `{token.text}`")
        return _leaf(token)


def _leaf(token: _Token) -> _Operand:
    if token.kind == "variable":
        return Var(token.text)
    if token.kind == "string":
        return Text(token.text)
    if token.kind == "null":
        return Null()
    if token.kind == "constant":
        return Constant(token.text == "true")
    pattern = Pattern(token.text.replace("\\/", "/"), "".join(sorted(set(token.flags))))
    try:
        compile_regex(pattern.source, pattern.flags)
    except RegexError as error:
        raise ExpressionError(f"the pattern /{token.text}/ is invalid: {error}") from error
    return pattern


def _equal(left: _Operand, right: _Operand) -> Expression:
    if isinstance(left, Null | Text | Var) and isinstance(right, Null | Text | Var):
        return Equal(left, right)
    if isinstance(left, Pattern) or isinstance(right, Pattern):
        return _patterns_equal(left, right)
    if isinstance(left, Null | Text | Var) or isinstance(right, Null | Text | Var):
        return Constant(False)  # a truth value is never the same as a text
    return either(both(left, right), both(opposite(left), opposite(right)))


def _patterns_equal(left: _Operand, right: _Operand) -> Expression:
    """A pattern as the operand of ``==`` is an object of its own, unlike every text."""
    return Constant(left == right)


def _match(left: _Operand, right: _Operand) -> Expression:
    if not isinstance(left, Null | Text | Var):
        raise ExpressionError("the left side of a match must be a variable or a text")
    if isinstance(right, Null):
        return Constant(False)
    if isinstance(right, Text):
        return Match(left, pattern_of(right.value) or right)
    if not isinstance(right, Var | Pattern):
        raise ExpressionError("the right side of a match must be a /pattern/ or a variable")
    return Match(left, right)
