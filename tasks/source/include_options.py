"""What `include:` depends on besides the files: variables, rules, inputs, and which files there are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from msgspec import Struct, field

from tasks.source.inputs import Holds
from tasks.source.interpolation import Value
from tasks.source.nodes import Node


def as_it_is(text: str) -> str:
    """Put no variables in."""
    return text


def always(_rules: Node, _elsewhere: bool, _paths: Collection[str] | None, _bare: bool) -> bool:
    """Let every include in."""
    return True


def _holds(_condition: str, _values: Mapping[str, Value]) -> bool:
    return True


def _nothing_more(_variables: Mapping[str, str]) -> Callable[[str], str]:
    return as_it_is


class IncludeOptions(Struct, frozen=True):
    """What includes depend on besides the files.

    Attributes:
        expand: Puts variables into an include's path, and is ``expand_vars`` of inputs.
        active: Whether an `include:rules` (its list) lets the include in; the second argument says that the
            including file is not of the pipeline's own commit, the third which files there are where it is (None =
            not known), the fourth that there are no variables.
        tree: All paths of the commit, for wildcards; None = only those in the mapping of files.
        trees: The same of other projects, by the key of their `Tree`.
        absent: Why a source is not among the files although it was asked for, by its key.
        inputs: Values for the entry's own ``spec:inputs``.
        expand_for: What `expand` is for a child pipeline that gets these variables.
        holds: Decides the `rules` of ``spec:inputs``.
    """

    expand: Callable[[str], str] = as_it_is
    active: Callable[[Node, bool, Collection[str] | None, bool], bool] = always
    tree: Collection[str] | None = None
    trees: Mapping[str, Collection[str]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    expand_for: Callable[[Mapping[str, str]], Callable[[str], str]] = _nothing_more
    holds: Holds = _holds
