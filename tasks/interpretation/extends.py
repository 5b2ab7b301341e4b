"""Pass: `extends`. Hashes are merged deeply, lists replaced; the extending job wins.

https://docs.gitlab.com/ci/yaml/#extends and GitLab's ``Gitlab::Ci::Config::Extendable::Entry``.
"""

from __future__ import annotations

from msgspec import Struct, field

from tasks.interpretation.suggest import suggestion
from tasks.source.diagnostics import Findings
from tasks.source.merge import merge_mappings
from tasks.source.nodes import Entry, Mapping_, Scalar, Sequence

MAX_DEPTH = 11  # GitLab allows a job that extends another ten ancestors, which makes eleven levels


def resolve_extends(root: Mapping_, findings: Findings) -> Mapping_:
    """Return the configuration with every `extends` applied and the key itself removed.

    Where one of its names cannot be applied, which is an error, the key stays: what is missing there is no mistake.
    """
    resolver = _Resolver(root, findings)
    entries = {}
    for entry in root:
        value = entry.value
        if isinstance(value, Mapping_):
            value = resolver.resolve(entry.key, ())[0]
        entries[entry.key] = entry if value is entry.value else Entry(entry.key, entry.span, value, entry.kind)
    return Mapping_(entries, root.span)


class _Resolver(Struct):
    root: Mapping_
    findings: Findings
    done: dict[str, tuple[Mapping_, int]] = field(default_factory=dict)

    def resolve(self, name: str, ancestors: tuple[str, ...]) -> tuple[Mapping_, int]:
        """Return the merged job and how many levels of parents it has."""
        if name in self.done:
            return self.done[name]
        value = self.root.entries[name].value
        assert isinstance(value, Mapping_)  # noqa: S101 - callers look only at mappings
        parents = self.parents(name, value, (*ancestors, name))
        depth = 0
        merged: Mapping_ | None = None
        for parent in parents:
            base, levels = self.resolve(parent, (*ancestors, name))
            depth = max(depth, levels + 1)
            merged = merge_mappings(merged, base) if merged else base
        own = value if len(parents) < _wanted(value) else value.without("extends")
        if depth == MAX_DEPTH + 1:
            place = value.place("extends")
            self.findings.add("extends-too-deep", f"`{name}` extends over more than {MAX_DEPTH} levels.", place)
        result = (merge_mappings(merged, own) if merged else own, depth)
        self.done[name] = result
        return result

    def parents(self, name: str, value: Mapping_, chain: tuple[str, ...]) -> list[str]:
        node = value.get("extends")
        if node is None:
            return []
        found = []
        for item in node.items if isinstance(node, Sequence) else (node,):
            if not isinstance(item, Scalar) or item.kind == "null":
                self.findings.add("wrong-type", "`extends` takes the name of a job or a list of names.", item.span)
            elif self.usable(item, chain):
                found.append(item.text)
        return found

    def usable(self, item: Scalar, chain: tuple[str, ...]) -> bool:
        target: Entry | None = self.root.entries.get(item.text)
        if target is None:
            hint = suggestion(item.text, self.root.entries)
            self.findings.add(
                "extends-unknown", f"`extends` names `{item.text}`, which is not defined.{hint}", item.span
            )
        elif not isinstance(target.value, Mapping_):
            self.findings.add("extends-unknown", f"`extends` names `{item.text}`, which is no mapping.", item.span)
        elif item.text in chain:
            circle = " -> ".join((*chain[chain.index(item.text) :], item.text))
            self.findings.add("extends-cycle", f"`extends` goes in a circle: {circle}.", item.span)
        else:
            return len(chain) <= MAX_DEPTH + 2 or self.too_deep(item, chain)
        return False

    def too_deep(self, item: Scalar, chain: tuple[str, ...]) -> bool:
        message = f"`{chain[0]}` extends over more than {MAX_DEPTH} levels."
        self.findings.add("extends-too-deep", message, item.span)
        return False


def _wanted(job: Mapping_) -> int:
    """How many names `extends` lists."""
    node = job.get("extends")
    items = node.items if isinstance(node, Sequence) else (node,)
    return sum(isinstance(item, Scalar) and item.kind != "null" for item in items)
