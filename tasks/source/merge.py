"""GitLab's deep merge: hashes key by key, everything else (lists, scalars, null) replaced as a whole."""

from __future__ import annotations

from tasks.source.nodes import Entry, Mapping_, Node


def deep_merge(base: Node, over: Node) -> Node:
    """Return `base` overridden by `over`. Keys keep the order in which they were first seen."""
    if not (isinstance(base, Mapping_) and isinstance(over, Mapping_)):
        return over
    return merge_mappings(base, over)


def merge_mappings(base: Mapping_, over: Mapping_) -> Mapping_:
    """The same for two mappings; places of keys are those of the text that wins."""
    entries = dict(base.entries)
    for entry in over:
        before = entries.get(entry.key)
        value = deep_merge(before.value, entry.value) if before else entry.value
        entries[entry.key] = entry if value is entry.value else Entry(entry.key, entry.span, value, entry.kind)
    return Mapping_(entries, over.span)
