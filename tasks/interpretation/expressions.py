"""GitLab's rule expressions: the terms they are made of, and the parser from text to terms.

Grammar and precedence: https://docs.gitlab.com/ci/jobs/job_rules/#cicd-variable-expressions
(`==`, `!=`, `=~`, `!~` bind tighter than `&&`, which binds tighter than `||`). Text is never evaluated by Python.

A parsed text is a *condition*; what `evaluation.evaluate` leaves of one when variables are unknown is again a
condition of these terms (the residual), which the renderer turns into Groovy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_TOKENS = 100  # GitLab's own limit for one expression
MAX_TEXT = 10_000


@dataclass(frozen=True)
class Null:
    """The word ``null``: the value of an undefined variable."""


@dataclass(frozen=True)
class Text:
    """A literal string."""

    value: str


@dataclass(frozen=True)
class Var:
    """The value of a variable; `Null` when it is not defined. In a residual: one that only the build knows."""

    name: str


@dataclass(frozen=True)
class Pattern:
    """A regular expression in RE2's syntax. `flags` are letters of ``imsU`` (RE2's), most often empty or ``i``."""

    source: str
    flags: str = ""


@dataclass(frozen=True)
class Constant:
    """``true`` or ``false``."""

    value: bool


@dataclass(frozen=True)
class Truth:
    """Whether a value is there: neither undefined nor empty nor only white space (Ruby's ``present?``)."""

    value: Value


@dataclass(frozen=True)
class Equal:
    """Both values are the same string, or both undefined. An undefined value is not equal to an empty string."""

    left: Value
    right: Value


@dataclass(frozen=True)
class Match:
    """The regular expression is found anywhere in the value; an undefined value counts as the empty string.

    A pattern that is a `Var` (or `Text`) holds ``/source/flags``. GitLab's rule for one that is not of that form: true
    when the value on the left is a part of it; an undefined one matches nothing.
    """

    value: Value
    pattern: Pattern | Value


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    term: Expression


@dataclass(frozen=True)
class And:
    """All of two or more conditions."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Or:
    """Any of two or more conditions."""

    terms: tuple[Expression, ...]


Value = Null | Text | Var
Expression = Constant | Truth | Equal | Match | Not | And | Or
