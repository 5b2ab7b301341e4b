"""Pass: the inputs of a job, with their defaults, where its keywords ask for them.

https://docs.gitlab.com/ci/jobs/job_inputs/. GitLab lets people give other values to a job that they start or retry by
hand; a build here asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from tasks.interpretation.state import JobDraft, State
from tasks.source.diagnostics import Findings, Span
from tasks.source.inputs import Given, input_values
from tasks.source.interpolation import Value, shown
from tasks.source.nodes import Entry, Mapping_, Node, Scalar, Sequence

# where GitLab's runner looks for expressions
_KEYWORDS = ("script", "before_script", "after_script", "artifacts", "cache", "image", "services")
_BLOCK = re.compile(r"(\\?)\$\{\{(?:[ \t]*job\.inputs(?:\.(\w+)|\[([\"'])([\w-]+)\3\])[ \t]*\}\})?")


def put_inputs(state: State) -> State:
    """Put the defaults of its inputs into each job that has any; other expressions stay as they are."""
    return replace(state, drafts=tuple(_with_inputs(draft, state.findings) for draft in state.drafts))


def _with_inputs(draft: JobDraft, findings: Findings) -> JobDraft:
    inputs = draft.node.get("inputs")
    values = input_values(inputs, Given(None, draft.span), Findings()) if isinstance(inputs, Mapping_) else None
    if values is None:  # where they have errors, these have been reported
        return draft
    writer = _Writer(values)
    entries = {e.key: writer.entry(e) if e.key in _KEYWORDS else e for e in draft.node}
    for expression, place in writer.left.items():
        message = (
            f"`{expression[:80]}` in `{draft.name[:80]}` stays as it is: of GitLab's expressions only "
            "`${{ job.inputs.NAME }}` is known here, with a name that `inputs` has. Let the script decide."
        )
        findings.add("job-expression", message, place)
    return replace(draft, node=Mapping_(entries, draft.node.span))


class _Writer(Struct, frozen=True):
    """Writes values into nodes; `left` are the expressions that it cannot work out."""

    values: Mapping[str, Value]
    left: dict[str, Span] = field(default_factory=dict)

    def entry(self, entry: Entry) -> Entry:
        return Entry(entry.key, entry.span, self.node(entry.value), entry.kind)

    def node(self, node: Node) -> Node:
        if isinstance(node, Mapping_):
            return Mapping_({entry.key: self.entry(entry) for entry in node}, node.span)
        if isinstance(node, Sequence):
            return Sequence(tuple(map(self.node, node.items)), node.span, node.spliced)
        if isinstance(node, Scalar) and "${{" in node.text:
            return Scalar(_BLOCK.sub(lambda found: self.block(found, node), node.text), node.kind, node.span)
        return node

    def block(self, found: re.Match[str], node: Scalar) -> str:
        if found[1]:
            return found[0][1:]
        name = found[2] or found[4]
        if name in self.values:
            return shown(self.values[name])
        begun, end, _ = node.text[found.start() :].partition("}}")
        self.left.setdefault(begun + end, node.span)
        return found[0]
