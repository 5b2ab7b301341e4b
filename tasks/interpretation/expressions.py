"""The terms of GitLab's rule expressions.

`expression_parser.parse` makes them from text; what `evaluation.evaluate` leaves of a condition when variables are
unknown is again a condition of these terms (the residual), which the renderer turns into Groovy.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Null(Struct, frozen=True):
    """The word ``null``: the value of an undefined variable."""


class Text(Struct, frozen=True):
    """A literal string."""

    value: str


class Var(Struct, frozen=True):
    """The value of a variable; `Null` when it is not defined. In a residual: one that only the build knows."""

    name: str


class Pattern(Struct, frozen=True):
    """A regular expression in RE2's syntax. `flags` are letters of ``imsU`` (RE2's), most often empty or ``i``."""

    source: str
    flags: str = ""


class Constant(Struct, frozen=True):
    """``true`` or ``false``."""

    value: bool


class Truth(Struct, frozen=True):
    """Whether a value is there: neither undefined nor empty nor only white space (Ruby's ``present?``)."""

    value: Value


class Equal(Struct, frozen=True):
    """Both values are the same string, or both undefined. An undefined value is not equal to an empty string."""

    left: Value
    right: Value


class Match(Struct, frozen=True):
    """The regular expression is found anywhere in the value; an undefined value counts as the empty string.

    A pattern that is a `Var` (or `Text`) holds ``/source/flags``. GitLab's rule for one that is not of that form: true
    when the value on the left is a part of it; an undefined one matches nothing.
    """

    value: Value
    pattern: Pattern | Value


class Files(Struct, frozen=True):
    """Whether files of the commit exist or have changed: only ever in a residual, for the build to answer.

    Attributes:
        paths: Ruby's globs, any of which may match; with `regexp` one regular expression of Ruby's.
        changed: Whether they have changed; else whether they exist.
        since: The ref of a `compare_to`, in pieces, as it may hold variables that only the build knows; None = what
            GitLab compares a pipeline with.
        regexp: Whether `paths` is a regular expression.
    """

    paths: tuple[str, ...]
    changed: bool
    since: tuple[Text | Var, ...] | None = None
    regexp: bool = False


class Not(Struct, frozen=True):
    """The opposite of a condition."""

    term: Expression


class And(Struct, frozen=True):
    """All of two or more conditions."""

    terms: tuple[Expression, ...]


class Or(Struct, frozen=True):
    """Any of two or more conditions."""

    terms: tuple[Expression, ...]


Value = Null | Text | Var
Expression = Constant | Truth | Equal | Match | Files | Not | And | Or


def both(*terms: Expression) -> Expression:
    """All of the terms, without those that say nothing."""
    return _joined(terms, True)


def either(*terms: Expression) -> Expression:
    """Any of the terms, without those that say nothing."""
    return _joined(terms, False)


def opposite(term: Expression) -> Expression:
    """Not `term`."""
    if isinstance(term, Constant):
        return Constant(not term.value)
    return term.term if isinstance(term, Not) else Not(term)


def _joined(terms: Iterable[Expression], neutral: bool) -> Expression:
    kind = And if neutral else Or
    left: list[Expression] = []
    for term in terms:
        if not isinstance(term, Constant):
            left.append(term)
        elif term.value != neutral:
            return term
    if len(left) < 2:
        return left[0] if left else Constant(neutral)
    unique = tuple(dict.fromkeys(t for term in left for t in (term.terms if isinstance(term, kind) else (term,))))
    return unique[0] if len(unique) == 1 else kind(unique)


def variables_of(term: Expression | Value | Pattern) -> frozenset[str]:
    """Names of the variables a term depends on."""
    if isinstance(term, Var):
        return frozenset((term.name,))
    children: tuple[Expression | Value | Pattern, ...] = ()
    if isinstance(term, And | Or):
        children = term.terms
    elif isinstance(term, Not):
        children = (term.term,)
    elif isinstance(term, Truth):
        children = (term.value,)
    elif isinstance(term, Equal):
        children = (term.left, term.right)
    elif isinstance(term, Match):
        children = (term.value, term.pattern)
    elif isinstance(term, Files):
        children = term.since or ()
    return frozenset[str]().union(*(variables_of(c) for c in children))
