"""Reads `variables:`: values as text, which ones are not to be expanded, and GitLab's precedence."""

from __future__ import annotations

from collections.abc import Container, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from tasks.interpretation.expansion import Expanded, expand_all, put
from tasks.interpretation.runner_text import is_predefined
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence


class Variables(Struct, frozen=True):
    """Variables of one level, as written.

    Attributes:
        values: Texts by name.
        raw: Those with ``expand: false``.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    raw: frozenset[str] = frozenset()

    def over(self, other: Variables) -> Variables:
        """These on top of `other`."""
        return Variables({**other.values, **self.values}, (other.raw - self.values.keys()) | self.raw)

    def without(self, names: Container[str]) -> Variables:
        """These but those."""
        if not any(name in names for name in self.values):
            return self
        return replace(self, values={k: v for k, v in self.values.items() if k not in names})

    def hiding(self, predefined: Mapping[str, str]) -> Variables:
        """The same: a variable that has the name of a predefined one, and refers to it, means that one."""
        hidden = {k: predefined[k].replace("$", "$$") for k in self.values if k in predefined and k not in self.raw}
        return replace(self, values={k: _with(v, k, hidden) for k, v in self.values.items()}) if hidden else self

    def replacing(self, weaker: Variables) -> Variables:
        """The same: one that refers to itself, and replaces another one of the text, means its own text."""
        other = weaker.values
        own = {k: v.replace("$", "$$") for k, v in self.values.items() if "$" in v and other.get(k, v) != v}
        own = {k: v for k, v in own.items() if k not in self.raw and not is_predefined(k)}
        return replace(self, values={k: _with(v, k, own) for k, v in self.values.items()}) if own else self

    def expanded(self, kept: frozenset[str] = frozenset()) -> Expanded:
        """With the references between them resolved; those to names in `kept` stay."""
        return expand_all(self.values, self.raw, kept)


def _with(text: str, name: str, hidden: Mapping[str, str]) -> str:
    return put(text, {name: hidden[name]}) if name in hidden else text


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
