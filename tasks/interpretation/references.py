"""Pass: `!reference [job, keyword, ...]`, after `extends` and across includes, nested up to ten levels.

https://docs.gitlab.com/ci/yaml/yaml_optimization/#reference-tags
"""

from __future__ import annotations

from operator import is_

from msgspec import Struct, field
from msgspec.structs import replace

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


class _Resolver(Struct):
    root: Mapping_
    findings: Findings
    plain: dict[int, Node] = field(default_factory=dict)
    known: dict[tuple[str, ...], tuple[Node, int]] = field(default_factory=dict)
    weights: dict[int, tuple[Node, int]] = field(default_factory=dict)
    deepest: int = 0

    def node(self, node: Node, chain: tuple[Reference, ...]) -> Node:
        if isinstance(node, Scalar):
            return node
        if isinstance(node, Reference):
            return self.reference(node, chain)
        known = self.plain.get(id(node))
        if known is not None:
            return known
        built = self.sequence(node, chain) if isinstance(node, Sequence) else self.mapping(node, chain)
        if built is node:  # holds no reference: shared nodes are walked once
            self.plain[id(node)] = node
        return built

    def weight(self, node: Node) -> int:
        """How many values a node is when everything shared is written out."""
        if not isinstance(node, Sequence | Mapping_):
            return 1
        found = self.weights.get(id(node))
        if found is None:
            inner = node.items if isinstance(node, Sequence) else tuple(entry.value for entry in node)
            found = (node, 1 + sum(self.weight(child) for child in inner))
            self.weights[id(node)] = found
        return found[1]

    def sequence(self, node: Sequence, chain: tuple[Reference, ...]) -> Node:
        items = tuple(self.item(item, chain) for item in node.items)
        return node if all(map(is_, items, node.items)) else replace(node, items=items)

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
                changed[entry.key] = Entry(entry.key, entry.span, value, entry.kind)
        return Mapping_({**node.entries, **changed}, node.span) if changed else node

    def reference(self, ref: Reference, chain: tuple[Reference, ...]) -> Node:
        shown = f"!reference [{', '.join(ref.path)}]"
        nothing = Scalar("", "null", ref.span)
        resolved, height = self.known.get(ref.path, (None, 1))
        self.deepest = max(self.deepest, len(chain) + height)
        if any(r.path == ref.path for r in chain):
            self.findings.add("reference-cycle", f"`{shown}` leads back to itself.", ref.span)
            return nothing
        if len(chain) + height > MAX_NESTING:
            self.findings.add("reference-too-deep", f"`{shown}` is nested deeper than {MAX_NESTING} levels.", ref.span)
            return nothing
        if resolved is None:
            resolved = self.resolve(ref, shown, chain)
        if resolved is not None and self.weight(resolved) > MAX_NODES:
            message = f"`{shown}` expands to more than {MAX_NODES} values."
            self.findings.add("yaml-too-large", message, ref.span)
            return nothing
        return nothing if resolved is None else resolved

    def resolve(self, ref: Reference, shown: str, chain: tuple[Reference, ...]) -> Node | None:
        target = self.find(ref, shown, chain)
        if target is None:
            return None
        before, self.deepest = self.deepest, len(chain) + 1
        resolved = self.node(target, (*chain, ref))
        self.known[ref.path] = (resolved, self.deepest - len(chain))  # with errors too: once reported is enough
        self.deepest = max(before, self.deepest)
        return resolved

    def find(self, ref: Reference, shown: str, chain: tuple[Reference, ...]) -> Node | None:
        here: Node = self.root
        for step in ref.path:
            if isinstance(here, Reference):
                here = self.reference(here, (*chain, ref))
            if not isinstance(here, Mapping_) or step not in here.entries or here.entries[step].kind != "string":
                hint = suggestion(step, here.entries) if isinstance(here, Mapping_) else ""
                self.findings.add("reference-unknown", f"`{shown}`: there is no `{step}`.{hint}", ref.span)
                return None
            here = here.entries[step].value
        return here
