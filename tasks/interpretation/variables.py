"""Reads `variables:`: values as text, which ones are not to be expanded, and GitLab's precedence."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from tasks.source.nodes import Mapping_, Node, Scalar, Sequence


@dataclass(frozen=True)
class Variables:
    """Variables of one level, as written; `raw` are those with ``expand: false``."""

    values: Mapping[str, str] = field(default_factory=dict)
    raw: frozenset[str] = frozenset()

    def over(self, other: Variables) -> Variables:
        """These on top of `other`."""
        return Variables({**other.values, **self.values}, (other.raw - self.values.keys()) | self.raw)

    def without(self, names: Container[str]) -> Variables:
        """These but those."""
        return Variables({k: v for k, v in self.values.items() if k not in names}, self.raw)


def read_variables(node: Node | None) -> Variables:
    """Return the variables of a checked `variables:` mapping."""
    values: dict[str, str] = {}
    raw: set[str] = set()
    if isinstance(node, Mapping_):
        for entry in node:
            values[entry.key], expands = _value(entry.value)
            if not expands:
                raw.add(entry.key)
    return Variables(values, frozenset(raw))


def _value(node: Node) -> tuple[str, bool]:
    """The text (nothing is an empty one, as in GitLab) and whether it is expanded."""
    if not isinstance(node, Mapping_):
        return node.text if isinstance(node, Scalar) else "", True
    value, expands, options = node.get("value"), node.get("expand"), node.get("options")
    if value is None and isinstance(options, Sequence) and options.items:
        value = options.items[0]
    text = value.text if isinstance(value, Scalar) else ""
    return text, not (isinstance(expands, Scalar) and expands.text == "false")


def inherited(variables: Variables, inherit: Node | None) -> Variables:
    """The global variables a job with this ``inherit:variables`` gets."""
    if isinstance(inherit, Scalar) and inherit.text == "false":
        return Variables()
    if isinstance(inherit, Sequence):
        names = {item.text for item in inherit.items if isinstance(item, Scalar)}
        values = {k: v for k, v in variables.values.items() if k in names}
        return Variables(values, variables.raw & names)
    return variables
