"""What a job has of what is set for many: global variables, and those of the workflow's rules."""

from __future__ import annotations

from msgspec.structs import replace

from tasks.interpretation.runner_text import is_predefined
from tasks.interpretation.shapes import flattened
from tasks.interpretation.state import State
from tasks.interpretation.variables import inherited, read_variables
from tasks.source.nodes import Mapping_, Sequence


def not_inherited(state: State, node: Mapping_) -> tuple[str, ...]:
    """The global variables that a job does not get."""
    inherit = node.get("inherit")
    given = inherit.get("variables") if isinstance(inherit, Mapping_) else None
    if given is None:
        return ()
    kept = inherited(state.variables, given).values
    return tuple(n for n in state.variables.values if n not in kept and not state.context.given(n))


def heir_of(state: State, node: Mapping_) -> State:
    """The state as a job knows it: global variables that it does not inherit are not there, for its rules neither."""
    if not (gone := not_inherited(state, node)):
        return state
    below = {name: text for name, text in (state.context.variables or {}).items() if name in gone}
    known = {name: text for name, text in state.scope.known.items() if name not in gone} | below
    absent = frozenset(n for n in gone if n not in below and n not in state.context.unknown and not is_predefined(n))
    scope = replace(state.scope, known=known, absent=absent)
    return replace(state, variables=state.variables.without(gone), scope=scope)


def brought_by_rules(node: Mapping_) -> set[str]:
    """Names of the variables that the job's own rules bring, and not those of the workflow."""
    rules = node.get("rules")
    listed = flattened(rules) if isinstance(rules, Sequence) else []
    found = (read_variables(rule.get("variables")) for rule in listed if isinstance(rule, Mapping_))
    return {name for variables in found for name in variables.values}
