"""One evaluator, three values: a condition is true, false, or what is left of it when variables are unknown."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from tasks.hiding import shown
from tasks.interpretation.expression_parser import pattern_of
from tasks.interpretation.expressions import (
    And,
    Constant,
    Equal,
    Expression,
    Match,
    Not,
    Null,
    Or,
    Pattern,
    Text,
    Truth,
    Value,
    Var,
    both,
    either,
    opposite,
)
from tasks.source.regex import compile_regex


class Scope(Struct, frozen=True):
    """What is known of the variables.

    Attributes:
        known: Values by name.
        complete: True when a name not in `known` is undefined; False when it is unknown.
        unknown: Names that are unknown although the rest is complete.
        secrets: Stronger than all of `known`. They decide, but never become part of what is left undecided.
        absent: Names that are undefined although the rest is not complete.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True
    unknown: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return shown(self, "secrets")

    def value(self, value: Value) -> Value:
        """`value` with what is known put in: Text, Null, or still a Var."""
        if not isinstance(value, Var):
            return value
        if value.name in self.known:
            return Text(self.known[value.name])
        undefined = (self.complete and value.name not in self.unknown) or value.name in self.absent
        return Null() if undefined else value

    def over(self, variables: Mapping[str, str]) -> Scope:
        """The same scope with more known variables on top."""
        if not variables:
            return self
        left = self.unknown - variables.keys()
        return replace(self, known={**self.known, **variables}, unknown=left, absent=self.absent - variables.keys())

    def revealed(self) -> Scope:
        """The same scope with the secrets among what is known: only for what cannot leave a text behind."""
        return replace(self, known={**self.known, **self.secrets}, unknown=self.unknown - self.secrets.keys())

    def supposing(self, term: bool | Expression) -> Scope:
        """The same scope where `term` holds: variables that it says are equal to a text are known, if they were not."""
        terms = term.terms if isinstance(term, And) else (term,)
        equal = [(one.left, one.right) for one in terms if isinstance(one, Equal)]
        told = {a.name: b.value for a, b in equal if self.value(a) == a and isinstance(a, Var) and isinstance(b, Text)}
        return self.over(told) if told else self

    def concealed(self) -> Scope:
        """The same scope with the secrets unknown."""
        known = {name: value for name, value in self.known.items() if name not in self.secrets}
        return replace(self, known=known, unknown=self.unknown | self.secrets.keys())


def evaluate(term: Expression, scope: Scope) -> bool | Expression:
    """Return True, False, or the residual condition over the unknown variables."""
    rest = _simplify(term, scope.revealed() if scope.secrets else scope)
    if scope.secrets and not isinstance(rest, Constant):
        rest = _simplify(term, scope.concealed())
    return rest.value if isinstance(rest, Constant) else rest


def _simplify(term: Expression, scope: Scope) -> Expression:
    if isinstance(term, Not):
        return opposite(_simplify(term.term, scope))
    if isinstance(term, And | Or):
        return _connected(term, scope)
    if isinstance(term, Truth):
        value = scope.value(term.value)
        return (
            Truth(value) if isinstance(value, Var) else Constant(isinstance(value, Text) and bool(value.value.strip()))
        )
    if isinstance(term, Equal):
        return _equality(scope.value(term.left), scope.value(term.right))
    return _matching(term, scope) if isinstance(term, Match) else term


def _connected(term: And | Or, scope: Scope) -> Expression:
    join, end = (both, False) if isinstance(term, And) else (either, True)
    left: list[Expression] = []
    for child in term.terms:
        left.append(_simplify(child, scope))
        if left[-1] == Constant(end):
            return left[-1]
    return join(*left)


def _equality(left: Value, right: Value) -> Expression:
    if isinstance(left, Var) or isinstance(right, Var):
        return Constant(True) if left == right else Equal(left, right)
    return Constant(left == right)


def _matching(term: Match, scope: Scope) -> Expression:
    value = scope.value(term.value)
    pattern = term.pattern if isinstance(term.pattern, Pattern) else scope.value(term.pattern)
    if isinstance(pattern, Null):
        return Constant(False)
    if isinstance(pattern, Text):
        pattern = pattern_of(pattern.value) or pattern
    if isinstance(value, Var) or isinstance(pattern, Var):
        return Match(value, pattern)
    text = value.value if isinstance(value, Text) else ""
    if isinstance(pattern, Text):
        return Constant(text in pattern.value)
    return Constant(compile_regex(pattern.source, pattern.flags).found_in(text))
