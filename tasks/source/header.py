"""Reads one file of a pipeline: its ``spec:`` header, the values of its inputs, and what is below with these put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from msgspec import Struct, field

from tasks.source.diagnostics import Findings, Span
from tasks.source.document import read
from tasks.source.inputs import Given, Holds, input_values
from tasks.source.interpolation import Interpolation, PutIn, Value, first_block
from tasks.source.nodes import Entry, Mapping_, Node, Scalar, Sequence

COMPONENT_FACTS = ("name", "sha", "version", "reference")
_DIVIDER = re.compile(r"^---(?:[^\S\n]+|$)", re.MULTILINE)
_SPEC = re.compile(r"^[\"']?spec[\"']?\s*:", re.MULTILINE)
_SOMETHING = re.compile(r"^(?!---)[^\S\n]*[^\s#]", re.MULTILINE)
_MAX_HEADER = 1024 * 1024
_MAX_DESCRIPTION = 256


def _always(_condition: str, _values: Mapping[str, Value]) -> bool:
    return True


def _none(include: Entry) -> Mapping_:
    return Mapping_({}, include.span)


class Reading(Struct, frozen=True):
    """How a file is read.

    Attributes:
        given: The inputs of the include that leads to it.
        expand: What ``expand_vars`` does.
        component: What ``$[[ component.x ]]`` may say, where the file belongs to a component.
        holds: Decides the rules of inputs.
        shared: The inputs that a ``spec:include`` leads to; None where they cannot be read, which was noted then.
    """

    given: Given
    expand: Callable[[str], str]
    component: Mapping[str, Value] = field(default_factory=dict)
    holds: Holds = _always
    shared: Callable[[Entry], Mapping_ | None] = _none


def read_content(key: str, text: str, reading: Reading, findings: Findings) -> Mapping_ | None:
    """Return what a file says, without its header and with its inputs put in; None where it has errors.

    Args:
        key: The file's name in diagnostics.
        text: All of it.
        reading: Inputs and variables.
        findings: Collects what is wrong.
    """
    divider = _divider(text)
    if divider is not None:
        return _below_header(key, text, divider, reading, findings)
    document = read(key, text, findings)
    if document is not None and document.header is not None:
        message = "The header is not found: begin a line with `spec:`, and end it by a line `---`."
        findings.add("input-spec", message, document.header.span)
        return None
    for entry in reading.given.inputs or ():
        message = f"Inputs are given, such as `{entry.key}`, but the file `{key[:200]}` has no `spec:` header."
        findings.add("input-unknown", message, entry.span)
        return None
    if place := first_block(text):
        message = "Nothing is put in here: the file has no `spec:` header that declares inputs."
        findings.add("input-without-spec", message, Span(key, *place))
    return document.root if document else None


def read_inputs(key: str, text: str, findings: Findings) -> Mapping_ | None:
    """The inputs a file declares that a ``spec:include`` names: it holds nothing else."""
    document = read(key, text, findings)
    if document is None:
        return None
    inputs = document.root.get("inputs")
    for entry in document.root:
        if entry.key != "inputs":
            message = f"A file of `spec:include` holds `inputs` only, not `{entry.key[:80]}`."
            findings.add("input-spec", message, entry.span)
            return None
    if inputs is not None and not isinstance(inputs, Mapping_):
        findings.add("input-spec", "`inputs` is a mapping of names.", inputs.span)
        return None
    return inputs or Mapping_({}, document.root.span)


def _divider(text: str) -> re.Match[str] | None:
    """The ``---`` that ends a header, if there is one."""
    for count, found in enumerate(_DIVIDER.finditer(text, 0, _MAX_HEADER)):
        if _SOMETHING.search(text, 0, found.start()):
            return found if _SPEC.search(text, 0, found.start()) else None
        if count:
            break
    return None


def _below_header(key: str, text: str, divider: re.Match[str], reading: Reading, findings: Findings) -> Mapping_ | None:
    header = read(key, text[: divider.start()], findings)
    values = _values(header.root, reading, findings) if header else None
    if values is None:
        return None
    body = "\n" * text.count("\n", 0, divider.end()) + text[divider.end() :]
    document = read(key, body, findings, below_header=True)
    if document is None:
        return None
    before = len(findings.items)
    root = Interpolation(text, PutIn(values, reading.expand), findings).node(document.root)
    return root if isinstance(root, Mapping_) and len(findings.items) == before else None


def _values(header: Mapping_, reading: Reading, findings: Findings) -> dict[str, Mapping[str, Value]] | None:
    before = len(findings.items)
    for entry in header:
        if entry.key != "spec":
            message = f"`{entry.key[:80]}` stands in the header, which holds `spec` only: write it below the `---`."
            findings.add("unknown-keyword", message, entry.span)
    spec = header.get("spec") or Mapping_({}, header.span)
    if not isinstance(spec, Mapping_):
        findings.add("input-spec", "`spec` is a mapping: write `inputs:` below it.", spec.span)
        return None
    for entry in spec:
        if entry.key == "description":
            _check_description(entry.value, findings)
        elif entry.key not in ("inputs", "component", "include"):
            findings.add("unknown-keyword", f"`{entry.key}` is not a keyword of `spec`.", entry.span)
    inputs = spec.get("inputs") or Mapping_({}, spec.span)
    if not isinstance(inputs, Mapping_):
        findings.add("input-spec", "`spec:inputs` is a mapping of names.", inputs.span)
        return None
    declared = _with_shared(inputs, spec.entries.get("include"), reading, findings)
    if declared is None:
        return None
    values = input_values(declared, reading.given, findings, reading.holds)
    facts = _component_facts(spec.get("component"), reading, findings)
    return {"inputs": values, **facts} if values is not None and len(findings.items) == before else None


def _with_shared(inputs: Mapping_, include: Entry | None, reading: Reading, findings: Findings) -> Mapping_ | None:
    """All that is declared: what other files share comes first."""
    if include is None:
        return inputs
    shared = reading.shared(include)
    if shared is None:
        return None
    for entry in inputs:
        if entry.key in shared.entries:
            message = f"The input `{entry.key}` is declared by a file of `spec:include` already."
            findings.add("input-spec", message, entry.span)
    return Mapping_({**shared.entries, **inputs.entries}, inputs.span)


def _check_description(node: Node, findings: Findings) -> None:
    if not isinstance(node, Scalar) or node.kind != "string" or len(node.text) > _MAX_DESCRIPTION:
        findings.add("input-spec", f"`spec:description` is text of at most {_MAX_DESCRIPTION} characters.", node.span)


def _component_facts(node: Node | None, reading: Reading, findings: Findings) -> dict[str, Mapping[str, Value]]:
    if node is None:
        return {}
    names = [item.text for item in node.items if isinstance(item, Scalar)] if isinstance(node, Sequence) else []
    if not isinstance(node, Sequence) or set(names) - set(COMPONENT_FACTS) or len(names) != len(node.items):
        message = f"`spec:component` is a list of: {', '.join(COMPONENT_FACTS)}."
        findings.add("input-spec", message, node.span)
    return {"component": {name: reading.component[name] for name in names if name in reading.component}}
