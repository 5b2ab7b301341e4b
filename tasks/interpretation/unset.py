"""Pass: predefined variables that jobs use, that GitLab sets for every job, and that a build here does not have."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from tasks.interpretation.predefined_table import DEPLOYMENTS_ONLY, MISSED
from tasks.interpretation.state import State
from tasks.interpretation.suggest import few
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence, scalars

_USED = re.compile(r"\$\{?([A-Z][A-Z0-9_]{4,})")
_DECIDE = ("rules", "only", "except")
_Places = dict[str, tuple[Scalar, list[str]]]


def note_unset(state: State) -> State:
    """One finding a variable, where it is used first; and one for all that a deployment would have from GitLab."""
    missed, kept = _uses(state)
    for name, (text, users) in missed.items():
        message = (
            f"`{name}` is not set ({few(users)}): {MISSED[name]}. Use something else, such as a CI/CD variable of "
            "the project, masked where it is secret."
        )
        state.findings.add("variable-not-set", message, text.span)
    if kept:
        users = [user for _, found in kept.values() for user in found]
        message = (
            f"Not set: {', '.join(f'`{name}`' for name in kept)} ({few(users)}). A deployment has them from GitLab "
            "and its Environment, a Jenkinsfile to keep has not: give each with `--var NAME=VALUE`."
        )
        state.findings.add("variable-not-set", message, min(text.span for text, _ in kept.values()))
    return state


def _uses(state: State) -> tuple[_Places, _Places]:
    """Where the two kinds of names are used first and by whom, but where they are set.

    What GitLab alone has counts in rules too, unless these ask the build's parameters.
    """
    context = state.context
    given = {*(context.variables or ()), *context.overrides, *context.secrets}
    missed: _Places = {}
    kept: _Places = {}
    for where, node, own in _parts(state):
        rest = scalars(node.without(*_DECIDE))
        decide = [] if context.variables is None else [x for key in _DECIDE for x in scalars(node.get(key))]
        for texts, names, places in ((decide + rest, MISSED, missed), (rest, DEPLOYMENTS_ONLY, kept)):
            for name, text in _used(texts, names):
                if name not in given and name not in own and not any(f"{name}=" in other.text for other in texts):
                    places.setdefault(name, (text, []))[1].append(where)
    return missed, kept


def _used(texts: list[Scalar], names: Container[str]) -> Iterator[tuple[str, Scalar]]:
    return ((name, text) for text in texts if "$" in text.text for name in _USED.findall(text.text) if name in names)


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
