"""Pass: variables whose text does not reach the job as it reads, as GitLab's runner takes parts of it for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.interpretation.runner_text import lost, refers_to_itself
from tasks.interpretation.shapes import flattened
from tasks.interpretation.state import State
from tasks.interpretation.variables import read_variables
from tasks.source.nodes import Mapping_, Node, Sequence


def note_lost(state: State) -> State:
    """One finding a variable, where it is written."""
    for node, bridge in _nodes(state):
        read = read_variables(node)
        for name, text in read.values.items():
            if name in read.raw or "$" not in text or not isinstance(node, Mapping_):
                continue
            place = node.entries[name].value.span
            if gone := list(dict.fromkeys(lost(text, name))):
                shown = ", ".join(f"`{part[:40]}`" for part in gone[:3]) + (", ..." if len(gone) > 3 else "")
                message = (
                    f"`{name[:80]}` is not as it reads: GitLab's runner drops {shown}, as no variable of a job is "
                    "called so. Write `$$` for a dollar; what a shell is to expand belongs in the script."
                )
                state.findings.add("variable-loses-text", message, place)
            if refers_to_itself(text, name) and not bridge and not state.context.given(name):
                message = (
                    f"`{name[:80]}` refers to itself: a CI/CD variable of this name counts instead of the text, and "
                    "without one GitLab puts in the text as it is written. Use another name, or set it in the script."
                )
                state.findings.add("variable-loses-text", message, place)
    return state


def _nodes(state: State) -> Iterator[tuple[Node | None, bool]]:
    """All `variables` of the configuration, and whether they are those of a job that starts a pipeline."""
    yield state.root.get("variables"), False
    workflow = state.root.get("workflow")
    yield from _of_rules(workflow, bridge=False)
    for draft in state.drafts:
        bridge = draft.node.get("trigger") is not None
        yield draft.node.get("variables"), bridge
        yield from _of_rules(draft.node, bridge)
        services = draft.node.get("services")
        for service in flattened(services) if isinstance(services, Sequence) else ():
            yield (service.get("variables") if isinstance(service, Mapping_) else None), True


def _of_rules(node: Node | None, bridge: bool) -> Iterator[tuple[Node | None, bool]]:
    rules = node.get("rules") if isinstance(node, Mapping_) else None
    for rule in flattened(rules) if isinstance(rules, Sequence) else ():
        yield (rule.get("variables") if isinstance(rule, Mapping_) else None), bridge
