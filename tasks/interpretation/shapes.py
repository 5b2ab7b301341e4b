"""What a keyword's value may look like, and the check that says where it does not.

Shapes are data (`keywords.py`); a value is checked against one after `extends` and `!reference` are applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tasks.interpretation.shape_kinds import (
    Anything,
    Duration,
    Either,
    Entries,
    Flag,
    Integer,
    Items,
    Keys,
    Number,
    Shape,
    Text,
    either,
)
from tasks.interpretation.suggest import suggestion
from tasks.source.diagnostics import Findings
from tasks.source.durations import seconds
from tasks.source.nodes import Mapping_, Node, Reference, Scalar, Sequence, describe, is_null, no_name

MAX_LIST_NESTING = 10  # GitLab flattens scripts and rules up to ten lists in each other
_SHOWN = 12
_KINDS: dict[type[object], tuple[str, ...]] = {
    Integer: ("integer",),
    Number: ("integer", "float"),
    Flag: ("boolean",),
    Duration: ("string",),
}
_TAKEN_OUT = {
    "artifacts:reports:cobertura": " GitLab 15.0 took it out: write `coverage_report`.",
    "artifacts:reports:license_management": " GitLab 14.0 took it out: write `license_scanning`.",
}


def flattened(node: Sequence, depth: int = 0) -> list[Node]:
    """The items of a list and of the lists in it."""
    out: list[Node] = []
    for item in node.items:
        if isinstance(item, Sequence) and depth + 1 < MAX_LIST_NESTING:
            out += flattened(item, depth + 1)
        else:
            out.append(item)
    return out


def check(node: Node, shape: Shape, name: str, findings: Findings) -> bool:
    """Whether `node` has the shape; if not, `findings` say where and what would be right.

    Args:
        node: The value.
        shape: What it should be.
        name: The keyword's full name for messages, e.g. ``artifacts:paths``.
        findings: Collects ``wrong-type``, ``wrong-value``, ``unknown-keyword``, ``missing-keyword``.
    """
    fitting = _fitting(node, shape)
    if fitting is None:
        return _wrong(node, shape, name, findings)
    return _CHECKS[type(fitting)](node, fitting, name, findings)


def _fitting(node: Node, shape: Shape) -> Shape | None:
    """The shape, or that among several, which such a value has."""
    if isinstance(shape, Either):
        return next((found for one in shape.shapes if (found := _fitting(node, one)) is not None), None)
    return shape if _fits(node, shape) else None


def _fits(node: Node, shape: Shape) -> bool:
    if isinstance(node, Scalar):
        return _fits_scalar(node, shape)
    if isinstance(shape, Items):
        return isinstance(node, Sequence)
    return isinstance(shape, Anything) or (isinstance(shape, Keys | Entries) and isinstance(node, Mapping_))


def _fits_scalar(node: Scalar, shape: Shape) -> bool:
    if isinstance(shape, Text):
        return (
            node.kind == "string" or (shape.loose and node.kind != "null") or (shape.whole and node.kind == "integer")
        )
    return node.kind in _KINDS.get(type(shape), ()) or isinstance(shape, Anything)


def expectation(shape: Shape) -> str:
    """What the shape is, in words."""
    if isinstance(shape, Either):
        return " or ".join(dict.fromkeys(expectation(s) for s in shape.shapes))
    if isinstance(shape, Text) and shape.one_of:
        choices = [f"`{word}`" for word in shape.one_of if word != shape.not_here]
        more = f" and {len(choices) - _SHOWN} more" if len(choices) > _SHOWN else ""
        return "one of " + ", ".join(choices[:_SHOWN]) + more
    words = {
        Text: "text",
        Integer: "a whole number",
        Number: "a number",
        Flag: "true or false",
        Duration: "a duration such as `1h 30m`",
        Items: "a list",
        Keys: "a mapping",
        Entries: "a mapping",
    }
    return words.get(type(shape), "anything")


def _wrong(node: Node, shape: Shape, name: str, findings: Findings) -> bool:
    hint = ""
    if isinstance(node, Scalar) and node.kind not in ("string", "null") and _takes_text(shape):
        hint = " Put it in quotes."
    elif isinstance(shape, Text):
        hint = shape.hint if isinstance(node, Mapping_) else ""
    if isinstance(node, Sequence) and node.spliced:
        hint = " GitLab does not join the list of a `!reference` to this one: refer to the whole list, or write it out."
    findings.add("wrong-type", f"`{name}` must be {expectation(shape)}, not {describe(node)}.{hint}", node.span)
    return False


def _takes_text(shape: Shape) -> bool:
    free = isinstance(shape, Duration) or (isinstance(shape, Text) and not shape.one_of)
    return free or (isinstance(shape, Either) and any(map(_takes_text, shape.shapes)))


def _text(node: Node, shape: Shape, name: str, findings: Findings) -> bool:
    assert isinstance(node, Scalar) and isinstance(shape, Text)  # noqa: S101 - `check` has looked
    if not node.text and shape.hollow:
        findings.add("odd-value", f"`{name}` is empty: it is as if it were not there.", node.span)
        return True
    if shape.one_of and node.text not in shape.one_of:
        hint = suggestion(node.text, shape.one_of)
        message = f"`{name}` must be {expectation(shape)}, not `{node.text[:80]}`.{hint}"
    elif shape.not_here and node.text == shape.not_here:
        message = f"`{name}` must not be `{node.text}`.{shape.hint}"
    elif not node.text and not shape.empty and node.kind == "string":
        message = f"`{name}` must not be empty."
    elif shape.pattern and not re.search(shape.pattern, node.text):
        message = f"`{name}`: `{node.text[:80]}` is not valid. {shape.hint}".rstrip()
    else:
        return True
    findings.add("odd-value" if shape.odd else "wrong-value", message, node.span)
    return shape.odd


def _integer(node: Node, shape: Shape, name: str, findings: Findings) -> bool:
    assert isinstance(node, Scalar) and isinstance(shape, Integer)  # noqa: S101
    if len(node.text) < 20 and shape.low <= int(node.text) <= shape.high:
        return True
    findings.add("wrong-value", f"`{name}` must be between {shape.low} and {shape.high}.", node.span)
    return False


def _duration(node: Node, shape: Shape, name: str, findings: Findings) -> bool:
    assert isinstance(node, Scalar) and isinstance(shape, Duration)  # noqa: S101
    if (shape.never and node.text.lower() == "never") or (shape.variable and "$" in node.text):
        return True
    length = seconds(node.text)
    if not length:
        message = f"`{name}`: `{node.text[:80]}` is no duration; write it like `1h 30m` or `3 days`."
    elif shape.limit is not None and length > shape.limit:
        message = f"`{name}`: `{node.text[:80]}` is longer than GitLab allows ({shape.limit // 86400} days)."
    else:
        return True
    findings.add("odd-value" if shape.odd else "bad-duration", message, node.span)
    return shape.odd


def _items(node: Node, shape: Shape, name: str, findings: Findings) -> bool:
    assert isinstance(node, Sequence) and isinstance(shape, Items)  # noqa: S101
    items = flattened(node) if shape.nested else list(node.items)
    few = len(node.items) < shape.least
    if few or len(items) > shape.most:
        bound = f"at least {shape.least}" if few else f"at most {shape.most}"
        findings.add("wrong-value", f"`{name}` must have {bound} item(s), not {len(items)}.", node.span)
        return False
    if shape.nested and any(isinstance(item, Sequence) for item in items):
        message = f"The lists in `{name}` nest deeper than {MAX_LIST_NESTING} levels, GitLab's limit."
        findings.add("wrong-value", message, node.span)
        return False
    if shape.blanks:
        items = _without_blanks(items, name, findings)
    results = [check(item, shape.item, name, findings) for item in items]  # every item, not only up to the first wrong
    if shape.distinct:
        _note_repeated(items, name, findings)
    return all(results)


def _without_blanks(items: list[Node], name: str, findings: Findings) -> list[Node]:
    for item in items:
        if is_null(item):
            findings.add("odd-value", f"An item of `{name}` has no value: it is as if it were not there.", item.span)
    return [item for item in items if not is_null(item)]


def _note_repeated(items: list[Node], name: str, findings: Findings) -> None:
    seen: set[str] = set()
    for item in items:
        text = item.text if isinstance(item, Scalar) else ""
        if text in seen:
            findings.add("odd-value", f"`{name}` lists `{text[:80]}` twice.", item.span)
        seen.add(text)


def _keys(node: Node, shape: Shape, name: str, findings: Findings) -> bool:
    assert isinstance(node, Mapping_) and isinstance(shape, Keys)  # noqa: S101
    good = True
    for entry in node:
        inner = shape.table.get(entry.key)
        path = f"{name}:{entry.key}" if name else entry.key
        if entry.key in shape.idle:
            findings.add("odd-value", f"`{path}` does nothing here: remove it.", entry.span)
        elif inner is None:
            hint = (
                _TAKEN_OUT.get(path)
                or suggestion(entry.key, shape.table)
                or f" Known are: {', '.join(list(shape.table)[:_SHOWN])}."
            )
            where = f" in `{name}`" if name else ""
            findings.add("unknown-keyword", f"`{entry.key}` is not a keyword{where}.{hint}", entry.span)
            good = False
        elif not is_null(entry.value) or entry.key in shape.told:
            good = check(entry.value, inner, path, findings) and good
        elif entry.key in shape.filled:
            findings.add("odd-value", f"`{path}` has no value: it is as if it were not there.", entry.value.span)
    for key in shape.required:
        if node.get(key) is None:
            findings.add("missing-keyword", f"`{name}` needs `{key}`.", node.span)
            good = False
    return _combined(node, shape, name, findings) and good


def _combined(node: Mapping_, shape: Keys, name: str, findings: Findings) -> bool:
    """Whether the keywords that are there go together."""
    messages = [f"with `{a}`, it also needs `{b}`." for a, b in shape.together if _has(node, a) and not _has(node, b)]
    keys = node.entries.keys()
    messages += [f"`{b}` cannot be there with `{a}`." for a, b in shape.apart if keys >= {a, b}]
    if shape.one_of and (len(keys & set(shape.one_of)) != 1 or not any(_has(node, key) for key in shape.one_of)):
        messages.append(f"it needs exactly one of {', '.join(shape.one_of)}.")
    if shape.some_of and not any(_has(node, key) for key in shape.some_of):
        messages.append(f"it needs one of {', '.join(shape.some_of)}.")
    elif len(node.entries) < shape.least:
        messages.append(f"it needs at least one of {', '.join(shape.table)}.")
    for message in messages:
        findings.add("missing-keyword", f"`{name}`: {message}", node.span)
    return not messages


def _has(node: Mapping_, key: str) -> bool:
    return node.get(key) is not None


def _entries(node: Node, shape: Shape, name: str, findings: Findings) -> bool:
    assert isinstance(node, Mapping_) and isinstance(shape, Entries)  # noqa: S101
    good = len(node.entries) >= shape.least
    if not good:
        findings.add("wrong-value", f"`{name}` must have at least {shape.least} name with its value(s).", node.span)
    for entry in node:
        if entry.kind not in ("string", "integer") and not shape.loose:
            findings.add("wrong-value", f"`{name}`: {no_name(entry)}", entry.span)
            good = False
        elif shape.name and not re.search(shape.name, entry.key):
            findings.add("wrong-value", f"`{name}`: `{entry.key[:80]}` is not a valid name.", entry.span)
            good = False
        if not (shape.nullable and is_null(entry.value)):
            good = check(entry.value, shape.value, f"{name}:{entry.key}", findings) and good
    return good


def _accepted(_node: Node, _shape: Shape, _name: str, _findings: Findings) -> bool:
    return True


_CHECKS: dict[type[object], Callable[[Node, Shape, str, Findings], bool]] = {
    Anything: _accepted,
    Text: _text,
    Integer: _integer,
    Number: _accepted,
    Flag: _accepted,
    Duration: _duration,
    Items: _items,
    Keys: _keys,
    Entries: _entries,
}

__all__ = [
    "Anything",
    "Duration",
    "Either",
    "Entries",
    "Flag",
    "Integer",
    "Items",
    "Keys",
    "Number",
    "Reference",
    "Shape",
    "Text",
    "check",
    "either",
    "flattened",
]
