"""Pass: variables whose text does not reach the job as it reads, as GitLab's runner takes parts of it for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.interpretation.runner_text import lost, refers_to_itself
from tasks.interpretation.shapes import flattened
from tasks.interpretation.state import State
from tasks.interpretation.suggest import few
from tasks.interpretation.variables import read_variables
from tasks.source.diagnostics import Span
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence


def note_lost(state: State) -> State:
    """One finding a variable, or name of an image, where it is written."""
    for node, bridge in _nodes(state):
        if isinstance(node, Mapping_):
            _note_variables(node, bridge, state)
    for draft in state.drafts:
        for keyword, image in _images(draft.node):
            _note_parts(f"`{keyword}`", lost(image.text, ""), image.span, state)
    return state


def _note_variables(node: Mapping_, bridge: bool, state: State) -> None:
    read = read_variables(node)
    for name, text in read.values.items():
        if name in read.raw or "$" not in text:
            continue
        place = node.entries[name].value.span
        _note_parts(f"`{name[:80]}`", lost(text, name), place, state)
        if refers_to_itself(text, name) and not bridge and not state.context.given(name):
            message = (
                f"`{name[:80]}` refers to itself: a CI/CD variable of this name counts instead of the text, and "
                "without one GitLab puts in the text as it is written. Use another name, or set it in the script."
            )
            state.findings.add("variable-loses-text", message, place)


def _note_parts(what: str, parts: list[str], place: Span, state: State) -> None:
    if parts:
        shown = few(f"`{part[:40]}`" for part in parts)
        message = (
            f"{what} is not as it reads: GitLab's runner drops {shown}, as no variable of a job is called so. Write "
            "`$$` for a dollar; what a shell is to expand belongs in the script."
        )
        state.findings.add("variable-loses-text", message, place)


def _images(node: Mapping_) -> Iterator[tuple[str, Scalar]]:
    services = node.get("services")
    listed = flattened(services) if isinstance(services, Sequence) else []
    for keyword, item in (("image", node.get("image")), *(("services", service) for service in listed)):
        name = item.get("name") if isinstance(item, Mapping_) else item
        if isinstance(name, Scalar) and "$" in name.text:
            yield keyword, name


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
