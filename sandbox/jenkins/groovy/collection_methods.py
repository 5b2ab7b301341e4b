"""The methods of lists and maps that a sandboxed pipeline may call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sandbox.jenkins.groovy import values
from sandbox.jenkins.groovy.values import MapEntry, equals, iterate, throw, to_string, truth

Method = Callable[..., Any]


def _spread(function: Any, item: Any) -> Any:
    """Calls a closure with a map entry, as one or as two arguments."""
    if isinstance(item, MapEntry) and getattr(function, "arity", 1) == 2:
        return function(item.key, item.value)
    return function(item)


def each(items: Any, function: Method) -> Any:
    """``each``: a map's closure takes an entry, or key and value."""
    for item in iterate(items):
        _spread(function, item)
    return items


def _each_with_index(items: Any, function: Method) -> Any:
    for index, item in enumerate(iterate(items)):
        function(item, index)
    return items


def _find_all(items: Any, function: Method = truth) -> Any:
    found = [item for item in iterate(items) if truth(_spread(function, item))]
    return {entry.key: entry.value for entry in found} if isinstance(items, dict) else found


def _find(items: Any, function: Method = truth) -> Any:
    return next((item for item in iterate(items) if truth(_spread(function, item))), None)


def _collect_entries(items: Any, function: Method = lambda item: item) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for item in iterate(items):
        entry = _spread(function, item)
        result.update(entry if isinstance(entry, dict) else {entry[0]: entry[1]})
    return result


def _inject(items: Any, start: Any, function: Method) -> Any:
    for item in iterate(items):
        start = function(start, item.key, item.value) if isinstance(item, MapEntry) else function(start, item)
    return start


def _group_by(items: Any, function: Method) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in iterate(items):
        groups.setdefault(function(item), []).append(item)
    return groups


def _sort(items: list[Any], *options: Any) -> list[Any]:
    function = next((option for option in options if callable(option)), None)
    mutate = isinstance(items, list) and options[:1] != (False,)
    if getattr(function, "arity", 1) == 2:
        key: Any = functools.cmp_to_key(function)  # type: ignore[arg-type]
    else:
        key = functools.cmp_to_key(
            lambda left, right: values.compare(*((function(left), function(right)) if function else (left, right)))
        )
    ordered = sorted(items, key=key)
    if mutate:
        items[:] = ordered
    return ordered


def _unique(items: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        if not any(equals(item, other) for other in kept):
            kept.append(item)
    items[:] = kept
    return items


def _flatten(items: Any) -> list[Any]:
    return [leaf for item in items for leaf in (_flatten(item) if isinstance(item, list | range) else [item])]


def _remove(items: Any, what: Any) -> Any:
    if isinstance(items, dict):
        return items.pop(what, None)
    if isinstance(what, int) and not isinstance(what, bool):
        return items.pop(what)
    present = what in items
    if present:
        items.remove(what)
    return present


def _first(items: Any) -> Any:
    if not items:
        raise throw("NoSuchElementException", "Cannot access first() element from an empty List")
    return items[0]


def _last(items: Any) -> Any:
    if not items:
        raise throw("NoSuchElementException", "Cannot access last() element from an empty List")
    return items[-1]


def _put(target: dict[Any, Any], key: Any, value: Any) -> Any:
    previous = target.get(key)
    target[key] = value
    return previous


def _append(items: list[Any], *arguments: Any) -> bool:
    if len(arguments) == 2:
        items.insert(arguments[0], arguments[1])
    else:
        items.append(arguments[0])
    return True


def _add_all(items: list[Any], more: Any) -> bool:
    items.extend(iterate(more))
    return bool(more)


def take(sequence: Any, count: int) -> Any:
    """The first `count` items or characters."""
    return sequence[: max(count, 0)]


_COLLECTION: dict[str, Method] = {
    "each": each,
    "eachWithIndex": _each_with_index,
    "collect": lambda items, function: [_spread(function, item) for item in iterate(items)],
    "collectMany": lambda items, function: [x for item in iterate(items) for x in _spread(function, item)],
    "collectEntries": _collect_entries,
    "find": _find,
    "findAll": _find_all,
    "any": lambda items, function=truth: any(truth(_spread(function, item)) for item in iterate(items)),
    "every": lambda items, function=truth: all(truth(_spread(function, item)) for item in iterate(items)),
    "inject": _inject,
    "groupBy": _group_by,
    "size": len,
    "isEmpty": lambda items: not items,
    "count": lambda items, what: sum(
        truth(_spread(what, item)) if callable(what) else equals(item, what) for item in iterate(items)
    ),
}

LIST: dict[str, Method] = {
    **_COLLECTION,
    "add": _append,
    "addAll": _add_all,
    "push": lambda items, item: items.insert(0, item) or True,
    "pop": lambda items: items.pop(0),
    "remove": _remove,
    "removeAll": lambda items, gone: items.__setitem__(slice(None), [item for item in items if item not in gone]),
    "clear": lambda items: items.clear(),
    "contains": lambda items, item: any(equals(item, other) for other in items),
    "containsAll": lambda items, others: all(other in items for other in others),
    "indexOf": lambda items, item: items.index(item) if item in items else -1,
    "findIndexOf": lambda items, function: next((i for i, item in enumerate(items) if truth(function(item))), -1),
    "join": lambda items, separator="": to_string(separator).join(to_string(item) for item in items),
    "sort": _sort,
    "toSorted": lambda items, *options: _sort(list(items), *options),
    "unique": _unique,
    "toSet": lambda items: _unique(list(items)),
    "toList": list,
    "reverse": lambda items: list(reversed(items)),
    "flatten": _flatten,
    "first": _first,
    "last": _last,
    "head": _first,
    "tail": lambda items: items[1:],
    "init": lambda items: items[:-1],
    "take": take,
    "drop": lambda items, count: items[max(count, 0) :],
    "get": lambda items, index: items[index],
    "set": lambda items, index, value: _put(dict(enumerate(items)), index, items.__setitem__(index, value)),
    "subList": lambda items, start, end: items[start:end],
    "sum": lambda items, function=None: (
        functools.reduce(lambda a, b: a + b, [function(item) if function else item for item in items], 0)
        if items
        else None
    ),
    "intersect": lambda items, others: [item for item in items if item in others],
    "minus": lambda items, others: [
        item for item in items if item not in (others if isinstance(others, list) else [others])
    ],
    "plus": lambda items, others: [*items, *(others if isinstance(others, list) else [others])],
    "collate": lambda items, size: [items[i : i + size] for i in range(0, len(items), size)],
    "withIndex": lambda items: [[item, index] for index, item in enumerate(items)],
    "asImmutable": list,
}

MAP: dict[str, Method] = {
    **_COLLECTION,
    "get": lambda target, key, default=None: (
        target.setdefault(key, default) if default is not None else target.get(key)
    ),
    "getOrDefault": lambda target, key, default: target.get(key, default),
    "put": _put,
    "putAll": lambda target, other: target.update(other),
    "putIfAbsent": lambda target, key, value: target.setdefault(key, value),
    "plus": lambda target, other: {**target, **other},
    "remove": _remove,
    "clear": lambda target: target.clear(),
    "containsKey": lambda target, key: key in target,
    "containsValue": lambda target, value: any(equals(value, other) for other in target.values()),
    "keySet": list,
    "values": lambda target: list(target.values()),
    "entrySet": iterate,
    "sort": lambda target: dict(sorted(target.items())),
    "subMap": lambda target, keys: {key: target[key] for key in keys if key in target},
}
