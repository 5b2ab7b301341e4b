"""From the text of `rules:if` to terms. Text is never evaluated by Python.

Grammar: https://docs.gitlab.com/ci/jobs/job_rules/#cicd-variable-expressions. ``==``, ``!=``, ``=~`` and ``!~`` bind
tighter than ``&&``, which binds tighter than ``||``; ``!`` binds tightest. A pattern is ``/source/flags``, its source
of two characters or more. ``&&`` and ``||`` are Ruby's: they give one of their operands, and only null and false do
not count, so that ``$EMPTY && $B`` is ``$B`` and ``$EMPTY || $B`` is empty, which is not true in the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

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
    r"""(?P<space>\s+)|(?P<open>\()|(?P<close>\))|(?P<input>\$\[\[\s*inputs\.[\w-]+\s*\]\])|\$(?P<name>\w+)
    |"(?P<double>[^"]*)"|'(?P<single>[^']*)'|/(?P<pattern>(?:[^/]|\\/)+[^\\])/(?P<flags>[ismU]*)
    |(?P<null>null\b)|(?P<constant>(?:true|false)\b)|(?P<operator>==|=~|!=|!~|&&|\|\||!)""",
    re.VERBOSE | re.DOTALL,
)
_SHORT = re.compile(r"/[^/]/")  # GitLab's lexer does not know it
_PATTERN_TEXT = re.compile(r"/(.*)/([ismU]*)", re.DOTALL)
_REFERENCE = re.compile(r"\$(?:\{[A-Za-z_]\w*\}|[A-Za-z_]\w*)")


class ExpressionError(ValueError):
    """The text is no expression; says why. Callers turn it into a diagnostic."""


class _Token(Struct, frozen=True):
    kind: str
    text: str
    flags: str = ""


@lru_cache(maxsize=1024)  # `extends`, a matrix and `workflow:rules` ask for the same few texts thousands of times
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


@lru_cache(maxsize=1024)
def quoted_variables(text: str) -> tuple[str, ...]:
    """The variables within the quoted texts of an expression that `parse` takes: they are not replaced there."""
    quoted = (token.text for token in _tokens(text) if token.kind == "string")
    return tuple(name for part in quoted for name in _REFERENCE.findall(part))


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
        if found is None and _SHORT.match(text, at):
            raise ExpressionError("a pattern has two characters or more: write `/(?:x)/` for `/x/`")
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


class _Mixed(Struct, frozen=True):
    """What ``&&`` or ``||`` gives where an operand is no truth value.

    Attributes:
        choices: The operands it may be, and when; one of the conditions holds.
        present: When it is true in the end.
        counts: When it is neither null nor false.
    """

    choices: tuple[tuple[Expression, _Leaf], ...]
    present: Expression
    counts: Expression


_Leaf = Expression | Value | Pattern
_Operand = _Leaf | _Mixed


def _condition(operand: _Operand) -> Expression:
    if isinstance(operand, _Mixed):
        return operand.present
    if isinstance(operand, Null):
        return Constant(False)
    if isinstance(operand, Pattern):
        return Constant(True)
    if isinstance(operand, Text):
        return Constant(bool(operand.value.strip()))
    return Truth(operand) if isinstance(operand, Var) else operand


def _counts(operand: _Operand) -> Expression:
    if isinstance(operand, Var):
        return opposite(Equal(operand, Null()))
    if isinstance(operand, _Mixed):
        return operand.counts
    return Constant(not isinstance(operand, Null)) if isinstance(operand, Null | Text | Pattern) else operand


def _is_truth(operand: _Operand) -> bool:
    return not isinstance(operand, Null | Text | Var | Pattern | _Mixed)


def _choices(operand: _Operand) -> tuple[tuple[Expression, _Leaf], ...]:
    return operand.choices if isinstance(operand, _Mixed) else ((Constant(True), operand),)


def _and(left: _Operand, right: _Operand) -> _Operand:
    present = both(_counts(left), _condition(right))
    if _is_truth(left) and _is_truth(right):
        return present
    return _Mixed(_chosen(left, right, False), present, both(_counts(left), _counts(right)))


def _or(left: _Operand, right: _Operand) -> _Operand:
    present, counts = _condition(left), _counts(left)
    rest = _condition(right) if present == counts else both(opposite(counts), _condition(right))
    if _is_truth(left) and _is_truth(right):
        return either(present, rest)
    return _Mixed(_chosen(left, right, True), either(present, rest), either(counts, _counts(right)))


def _chosen(left: _Operand, right: _Operand, ends: bool) -> tuple[tuple[Expression, _Leaf], ...]:
    """The operands that may be the result: the left one where whether it counts is `ends`, else the right one."""
    found: list[tuple[Expression, _Leaf]] = []
    further: Expression = Constant(False)
    for guard, leaf in _choices(left):
        counts = _counts(leaf)
        stops = counts if ends else opposite(counts)
        found.append((both(guard, stops), Constant(ends) if _is_truth(leaf) else leaf))
        further = either(further, both(guard, opposite(stops)))
    found += [(both(further, guard), leaf) for guard, leaf in _choices(right)]
    return tuple(choice for choice in found if choice[0] != Constant(False))


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
            left = _or(left, self.conjunction())
        return left

    def conjunction(self) -> _Operand:
        left = self.comparison()
        while self.accept("&&"):
            left = _and(left, self.comparison())
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
    if token.kind in ("null", "input"):  # what no header declares was not put in, and is nothing
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
    return _compared(left, right, _same)


def _match(left: _Operand, right: _Operand) -> Expression:
    return _compared(left, right, _matched)


def _compared(left: _Operand, right: _Operand, compare: Callable[[_Leaf, _Leaf], Expression]) -> Expression:
    """The comparison of what the operands may be."""
    result: Expression = Constant(False)
    for one, first in _choices(left):
        for other, second in _choices(right):
            result = either(result, both(both(one, other), compare(first, second)))
    return result


def _same(left: _Leaf, right: _Leaf) -> Expression:
    if isinstance(left, Null | Text | Var) and isinstance(right, Null | Text | Var):
        return Equal(left, right)
    if isinstance(left, Pattern) or isinstance(right, Pattern):
        return _patterns_equal(left, right)
    if isinstance(left, Null | Text | Var):
        return _says(left, right)
    if isinstance(right, Null | Text | Var):
        return _says(right, left)
    return either(both(left, right), both(opposite(left), opposite(right)))


def _says(text: Value, truth: _Leaf) -> Expression:
    """Whether a text is the word for a truth value: GitLab makes text of the latter to compare them."""
    assert not isinstance(truth, Null | Text | Var | Pattern)  # noqa: S101 - `_same` has looked
    yes, no = Equal(text, Text("true")), Equal(text, Text("false"))
    return either(both(truth, yes), both(opposite(truth), no))


def _patterns_equal(left: _Leaf, right: _Leaf) -> Expression:
    """A pattern as the operand of ``==`` is an object of its own, unlike every text."""
    return Constant(left == right)


def _matched(left: _Leaf, right: _Leaf) -> Expression:
    if isinstance(left, Pattern):
        raise ExpressionError("the left side of a match must be a variable or a text")
    if not isinstance(left, Null | Text | Var):  # its word is looked at
        yes, no = _matched(Text("true"), right), _matched(Text("false"), right)
        return either(both(left, yes), both(opposite(left), no))
    if isinstance(right, Null) or right == Constant(False):
        return Constant(False)
    if isinstance(right, Text):
        return Match(left, pattern_of(right.value) or right)
    if not isinstance(right, Var | Pattern):
        raise ExpressionError("the right side of a match must be a /pattern/ or a variable")
    return Match(left, right)
