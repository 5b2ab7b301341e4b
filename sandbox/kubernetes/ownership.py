"""Sets of owned fields, as ``managedFields`` records them (``fieldsV1``).

A field is a tuple of steps: ``("f", name)`` a field of an object, ``("k", ((key, value), ...))`` an item of a list
with keys, ``("v", value)`` a member of a set. A tuple that ends in ``("k", ...)`` is the item itself (``"."``).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sandbox.kubernetes.lists import is_atomic, is_set, item_key, merge_keys
from sandbox.kubernetes.status import Object

Step = tuple[str, Any]
Field = tuple[Step, ...]
_SYSTEM = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "managedFields",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
    }
)


def fields_of(item: Object) -> dict[Field, Any]:
    """Every owned field of an object with its value; what the server sets is nobody's."""
    found: dict[Field, Any] = {}
    for name, value in item.items():
        if name == "metadata":
            inner = {key: entry for key, entry in value.items() if key not in _SYSTEM}
            found.update(_walk(inner, (("f", "metadata"),)) if inner else ())
        elif name not in ("apiVersion", "kind"):
            found.update(_walk(value, (("f", name),)))
    return found


def names(field: Field) -> tuple[str, ...]:
    """The field names of a path, without list items."""
    return tuple(step[1] for step in field if step[0] == "f")


def _walk(value: Any, at: Field) -> Iterator[tuple[Field, Any]]:
    path = names(at)
    if isinstance(value, dict) and value and not is_atomic(path):
        for key, entry in value.items():
            yield from _walk(entry, (*at, ("f", key)))
    elif isinstance(value, list) and value and (keys := merge_keys(path)):
        for entry in value:
            where = (*at, ("k", item_key(entry, keys)))
            yield where, None
            for key, inner in entry.items():
                yield from _walk(inner, (*where, ("f", key)))
    elif isinstance(value, list) and value and is_set(path):
        for entry in value:
            yield (*at, ("v", entry)), entry
    else:
        yield at, value


def to_v1(fields: set[Field]) -> Object:
    """``fieldsV1`` of a set."""
    root: Object = {}
    for field in sorted(fields, key=repr):
        node = root
        for step in field:
            node = node.setdefault(_encode(step), {})
        if field[-1][0] == "k":
            node["."] = {}
    return root


def from_v1(node: Object, at: Field = ()) -> set[Field]:
    """The set a ``fieldsV1`` describes."""
    found: set[Field] = set()
    for key, inner in node.items():
        if key == ".":
            if at and at[-1][0] == "k":
                found.add(at)
            continue
        where = (*at, _decode(key))
        if inner:
            found |= from_v1(inner, where)
        else:
            found.add(where)
    return found


def _encode(step: Step) -> str:
    kind, value = step
    if kind == "f":
        return f"f:{value}"
    shown = dict(value) if kind == "k" else value
    return f"{kind}:{json.dumps(shown, separators=(',', ':'))}"


def _decode(text: str) -> Step:
    kind, _, value = text.partition(":")
    if kind == "f":
        return ("f", value)
    decoded = json.loads(value)
    return (kind, tuple(decoded.items()) if kind == "k" else decoded)


def shown(field: Field) -> str:
    """A path as conflicts print it: ``.spec.template.spec.containers[name="web"].image``."""
    text = ""
    for kind, value in field:
        if kind == "f":
            text += f".{value}"
        elif kind == "k":
            text += f"[{','.join(f'{key}={json.dumps(entry)}' for key, entry in value)}]"
        else:
            text += f"[={json.dumps(value)}]"
    return text


def find(item: Any, field: Field) -> tuple[bool, Any]:
    """Whether a field is there, and its value."""
    for kind, value in field:
        if kind == "f":
            if not isinstance(item, dict) or value not in item:
                return False, None
            item = item[value]
        elif not isinstance(item, list):
            return False, None
        elif kind == "k":
            found = [entry for entry in item if item_key(entry, tuple(key for key, _ in value)) == value]
            if not found:
                return False, None
            item = found[0]
        else:
            return value in item, value
    return True, item


def remove(item: Any, field: Field) -> None:
    """Take a field out, and the objects it leaves empty."""
    if not field:
        return
    present, _ = find(item, field)
    if not present:
        return
    _, holder = find(item, field[:-1])
    kind, value = field[-1]
    if kind == "f":
        del holder[value]
    elif kind == "k":
        holder[:] = [entry for entry in holder if item_key(entry, tuple(key for key, _ in value)) != value]
    else:
        holder.remove(value)
    if not holder and len(field) > 1 and field[-2][0] == "f":
        remove(item, field[:-1])
