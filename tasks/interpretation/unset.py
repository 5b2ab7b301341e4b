"""Pass: predefined variables that jobs use, that GitLab sets for every job, and that a build here does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.interpretation.predefined_table import MISSED
from tasks.interpretation.state import State
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence

_USED = re.compile(r"\$\{?([A-Z][A-Z0-9_]{4,})")
_DECIDE = ("rules", "only", "except")


def note_unset(state: State) -> State:
    """One finding a variable, where it is used first."""
    context = state.context
    given = {*(context.variables or ()), *context.overrides, *context.secrets}
    later = context.variables is None  # rules ask the build's parameters
    places: dict[str, tuple[Scalar, list[str]]] = {}
    for where, node, own in _parts(state):
        texts = list(_texts(node.without(*_DECIDE) if later else node))
        for name, text in _missed(texts):
            if name not in given and name not in own and not any(f"{name}=" in other.text for other in texts):
                places.setdefault(name, (text, []))[1].append(where)
    for name, (text, users) in places.items():
        where = ", ".join(dict.fromkeys(users[:3])) + (", ..." if len(set(users)) > 3 else "")
        message = (
            f"`{name}` is not set ({where}): {MISSED[name]}. Use something else, such as a CI/CD variable of the "
            "project, masked where it is secret."
        )
        state.findings.add("variable-not-set", message, text.span)
    return state


def _missed(texts: list[Scalar]) -> Iterator[tuple[str, Scalar]]:
    return ((name, text) for text in texts if "$" in text.text for name in _USED.findall(text.text) if name in MISSED)


def _parts(state: State) -> Iterator[tuple[str, Mapping_, frozenset[str]]]:
    """What may refer to variables, with the names set there."""
    for name in ("workflow", "variables"):
        node = state.root.get(name)
        if isinstance(node, Mapping_):
            yield f"`{name}`", node, frozenset(state.variables.values)
    for draft in state.drafts:
        matrix = draft.node.get("parallel")
        made = frozenset(key for item in _mappings(matrix) for key in item.entries)
        yield f"`{draft.name}`", draft.node, frozenset(draft.variables.values) | made


def _mappings(node: Node | None) -> Iterator[Mapping_]:
    if isinstance(node, Mapping_):
        yield node
        for entry in node:
            yield from _mappings(entry.value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _mappings(item)


def _texts(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Mapping_):
        for entry in node:
            yield from _texts(entry.value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _texts(item)
