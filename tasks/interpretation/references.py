"""Pass: `!reference [job, keyword, ...]`, after `extends` and across includes, nested up to ten levels.

https://docs.gitlab.com/ci/yaml/yaml_optimization/#reference-tags
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tasks.interpretation.suggest import suggestion
from tasks.source.diagnostics import Findings
from tasks.source.nodes import Entry, Mapping_, Node, Reference, Scalar, Sequence

MAX_NESTING = 10
MAX_NODES = 2_000_000


def resolve_references(root: Mapping_, findings: Findings) -> Mapping_:
    """Return the configuration with every `!reference` replaced by what it names."""
    resolver = _Resolver(root, findings)
    resolved = resolver.node(root, ())
    assert isinstance(resolved, Mapping_)  # noqa: S101 - a mapping stays one
    return resolved


@dataclass
class _Resolver:
    root: Mapping_
    findings: Findings
    plain: dict[int, Node] = field(default_factory=dict)
    budget: int = MAX_NODES

    def node(self, node: Node, chain: tuple[Reference, ...]) -> Node:
        if isinstance(node, Scalar):
            return node
        if isinstance(node, Reference):
            return self.reference(node, chain)
        known = self.plain.get(id(node))
        if known is not None:
            return known
        self.budget -= 1
        built = self.sequence(node, chain) if isinstance(node, Sequence) else self.mapping(node, chain)
        if built is node:  # holds no reference: shared nodes are walked once
            self.plain[id(node)] = node
        return built

    def sequence(self, node: Sequence, chain: tuple[Reference, ...]) -> Node:
        items = tuple(self.item(item, chain) for item in node.items)
        return node if all(a is b for a, b in zip(items, node.items, strict=True)) else replace(node, items=items)

    def item(self, item: Node, chain: tuple[Reference, ...]) -> Node:
        resolved = self.node(item, chain)
        if isinstance(item, Reference) and isinstance(resolved, Sequence):
            return replace(resolved, spliced=True)
        return resolved

    def mapping(self, node: Mapping_, chain: tuple[Reference, ...]) -> Node:
        changed: dict[str, Entry] = {}
        for entry in node:
            value = self.node(entry.value, chain)
            if value is not entry.value:
                changed[entry.key] = Entry(entry.key, entry.span, value)
        return Mapping_({**node.entries, **changed}, node.span) if changed else node

    def reference(self, ref: Reference, chain: tuple[Reference, ...]) -> Node:
        shown = f"!reference [{', '.join(ref.path)}]"
        if any(r.path == ref.path for r in chain):
            self.findings.add("reference-cycle", f"`{shown}` leads back to itself.", ref.span)
        elif len(chain) >= MAX_NESTING:
            self.findings.add("reference-too-deep", f"`{shown}` is nested deeper than {MAX_NESTING} levels.", ref.span)
        elif self.budget < 0:
            self.findings.add("yaml-too-large", "The references expand to too much.", ref.span)
        else:
            target = self.find(ref, shown, chain)
            return Scalar("", "null", ref.span) if target is None else self.node(target, (*chain, ref))
        return Scalar("", "null", ref.span)

    def find(self, ref: Reference, shown: str, chain: tuple[Reference, ...]) -> Node | None:
        here: Node = self.root
        for step in ref.path:
            if isinstance(here, Reference):
                here = self.reference(here, (*chain, ref))
            if isinstance(here, Sequence) and step.isdigit() and int(step) < len(here.items):
                here = here.items[int(step)]
                continue
            if not isinstance(here, Mapping_) or step not in here.entries:
                hint = suggestion(step, here.entries) if isinstance(here, Mapping_) else ""
                self.findings.add("reference-unknown", f"`{shown}`: there is no `{step}`.{hint}", ref.span)
                return None
            here = here.entries[step].value
        return here
