"""Jenkins' remote API export: beans whose properties have a visibility, pruned by ``depth=`` or ``tree=``.

The rules are those of Stapler's ``TreePruner``: without a tree a property is shown while its visibility reaches the
level (one at the root, one more each level down, less by ``depth``); with a tree exactly the named properties are
shown, and ``_class`` always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

HIDDEN = -10
"""Visibility of what only a ``tree`` shows (``allBuilds``)."""


@dataclass(frozen=True)
class Bean:
    """An exported object.

    Attributes:
        cls: The Java class shown as ``_class``; None for an object that exports nothing (``{}``).
        fields: Values by property name; a callable is asked only when the property is shown.
        visibility: Visibility by property name where it is not 1.
        inline: Properties whose beans are pruned as if they were part of this one.
    """

    cls: str | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    visibility: Mapping[str, int] = field(default_factory=dict)
    inline: frozenset[str] = frozenset()


@dataclass
class Tree:
    """A parsed ``tree=``: children by name, each with its own range."""

    children: dict[str, Tree] = field(default_factory=dict)
    start: int = 0
    end: int | None = None


class TreeSyntaxError(ValueError):
    """The text of ``tree=`` cannot be read."""


_TOKEN = re.compile(r"\s*(?:([^\[\],{}\s]+)|([\[\],])|\{(\d*),?(\d*)\}|(\{[^}]*\}?))")


def parse_tree(text: str) -> Tree:
    """Read ``jobs[name,builds[number]{0,10}],mode``; raises `TreeSyntaxError`."""
    root = Tree()
    stack = [root]
    last: Tree | None = None
    for token in _TOKEN.finditer(text):
        name, mark = token.group(1), token.group(2)
        if token.group(5):
            raise TreeSyntaxError(f"bad range {token.group(5)}")
        if name:
            last = stack[-1].children.setdefault(name, Tree())
        elif mark == "[" and last is not None:
            stack.append(last)
        elif mark == "]" and len(stack) > 1:
            last = stack.pop()
        elif mark == ",":
            last = None
        elif mark is None and last is not None:
            _set_range(last, token.group(0), token.group(3), token.group(4))
        else:
            raise TreeSyntaxError(f"unexpected {token.group(0)!r}")
    if len(stack) != 1:
        raise TreeSyntaxError("missing ]")
    return root


def _set_range(tree: Tree, text: str, low: str, high: str) -> None:
    if "," in text:
        tree.start, tree.end = int(low or 0), int(high) if high else None
    else:
        tree.start, tree.end = int(low), int(low) + 1


def export(value: Any, *, tree: Tree | None = None, depth: int = 0) -> Any:
    """JSON of a bean (or a list, or a plain value) at the root."""
    return _by_tree(value, tree) if tree is not None else _by_depth(value, 1 - depth)


def _by_depth(value: Any, level: int) -> Any:
    if isinstance(value, list | tuple):
        return [_by_depth(each, level) for each in value]
    if not isinstance(value, Bean):
        return value
    shown: dict[str, Any] = {} if value.cls is None else {"_class": value.cls}
    for name, inner in value.fields.items():
        if value.visibility.get(name, 1) >= level:
            shown[name] = _by_depth(_value(inner), level if name in value.inline else level + 1)
    return shown


def _by_tree(value: Any, tree: Tree) -> Any:
    if isinstance(value, list | tuple):
        return [_by_tree(each, tree) for each in value]
    if not isinstance(value, Bean):
        return value
    shown: dict[str, Any] = {} if value.cls is None else {"_class": value.cls}
    for name, inner in value.fields.items():
        child = tree.children.get(name) or tree.children.get("*")
        if child is not None:
            found = _value(inner)
            if isinstance(found, list | tuple):
                found = found[child.start : child.end]
            shown[name] = _by_tree(found, child)
    return shown


def _value(inner: Any) -> Any:
    return inner() if isinstance(inner, Callable) else inner  # type: ignore[arg-type]
