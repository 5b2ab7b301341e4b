"""Label and field selectors, in the query syntax and as ``LabelSelector`` objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.status import Object, bad_request

Matcher = Callable[[Object], bool]
_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^)]*)\)$")
_EQUALITY = re.compile(r"^([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)$")
_EXISTS = re.compile(r"^(!?)\s*([^=!\s,()]+)$")
_FIELDS = {
    "pods": {
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
    },
    "events": {
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    },
    "secrets": {"type"},
    "namespaces": {"status.phase"},
    "nodes": {"spec.unschedulable"},
    "replicasets.apps": {"status.replicas"},
    "jobs.batch": {"status.successful"},
}


def _split(text: str) -> list[str]:
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def labels(text: str) -> Matcher:
    """Matcher of a ``labelSelector`` query.

    Raises:
        ApiError: 400, with the parser's words.
    """
    tests = [_label_test(part) for part in _split(text)]
    return lambda item: all(test(item["metadata"].get("labels") or {}) for test in tests)


def _label_test(part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(part):
        key, operator, values = found.group(1), found.group(2), {value.strip() for value in found.group(3).split(",")}
        if operator == "in":
            return lambda have: have.get(key) in values
        return lambda have: have.get(key) not in values
    if found := _EQUALITY.match(part):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda have: have.get(key) != value
        return lambda have: have.get(key) == value
    if found := _EXISTS.match(part):
        absent, key = bool(found.group(1)), found.group(2)
        return lambda have: (key in have) is not absent
    raise bad_request(f"unable to parse requirement: found '{part}', expected: identifier")


def fields(text: str, resource: Resource) -> Matcher:
    """Matcher of a ``fieldSelector`` query; only the fields the API server indexes are allowed."""
    tests: list[tuple[str, bool, str]] = []
    for part in _split(text):
        found = _EQUALITY.match(part)
        if not found:
            raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        path, operator, value = found.groups()
        allowed = {"metadata.name", *(_FIELDS.get(resource.key, set()))}
        if resource.namespaced:
            allowed.add("metadata.namespace")
        if path not in allowed:
            raise bad_request(f"field label not supported: {path}")
        tests.append((path, operator != "!=", value))
    return lambda item: all((_field(item, path) == value) is equal for path, equal, value in tests)


def _field(item: Object, path: str) -> str:
    value: Any = item
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if path == "source":
        value = (item.get("source") or {}).get("component")
    return str(value).lower() if isinstance(value, bool) else str(value if value is not None else "")


def matches(selector: Object | None, have: Mapping[str, str]) -> bool:
    """Whether labels match a ``LabelSelector``; None matches nothing, an empty one everything."""
    if selector is None:
        return False
    if any(have.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(expression, have) for expression in selector.get("matchExpressions") or [])


def _expression(expression: Object, have: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    if operator == "In":
        return have.get(key) in values
    if operator == "NotIn":
        return have.get(key) not in values
    return (key in have) is (operator == "Exists")
