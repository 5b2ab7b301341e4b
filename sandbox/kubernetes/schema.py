"""The fields each kind has, read from the models of the `kubernetes` client (made from Kubernetes' OpenAPI)."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.status import Object, bad_request

_MODELS = {"Event": "CoreV1Event", "HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler"}


def _model(resource: Resource) -> type[Any]:
    from kubernetes import client

    name = _MODELS.get(resource.kind, f"V1{resource.kind}")
    found: type[Any] = getattr(client, name)
    return found


@cache
def _fields(model: Any) -> dict[str, Any]:
    return {info.serialization_alias or name: _unwrapped(info.annotation) for name, info in model.model_fields.items()}


def _unwrapped(annotation: Any) -> Any:
    """``Optional[Annotated[X, ...]]`` -> X; unions of scalars (IntOrString) -> Any."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _unwrapped(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(annotation) if option is not type(None)]
        return _unwrapped(options[0]) if len(options) == 1 else Any
    return annotation


def unknown_fields(resource: Resource, body: Object) -> list[str]:
    """Paths (``spec.template.spec.containers[0].imagee``) of fields the kind does not have."""
    return [path for path, _, _ in _unknown(_model(resource), body, "")]


def prune(resource: Resource, body: Object) -> list[str]:
    """Remove the fields the kind does not have, as decoding does; returns their paths."""
    found = list(_unknown(_model(resource), body, ""))
    for _, holder, key in found:
        del holder[key]
    return [path for path, _, _ in found]


def _unknown(kind: Any, value: Any, path: str) -> Iterator[tuple[str, Object, str]]:
    origin = typing.get_origin(kind)
    if origin is list and isinstance(value, list):
        item = _unwrapped(typing.get_args(kind)[0])
        for index, entry in enumerate(value):
            yield from _unknown(item, entry, f"{path}[{index}]")
    elif origin is dict and isinstance(value, dict):
        item = _unwrapped(typing.get_args(kind)[1])
        for key, entry in value.items():
            yield from _unknown(item, entry, f"{path}.{key}")
    elif isinstance(kind, type) and hasattr(kind, "model_fields") and isinstance(value, dict):
        known = _fields(kind)
        for key, entry in value.items():
            where = f"{path}.{key}" if path else key
            if key in known:
                yield from _unknown(known[key], entry, where)
            else:
                yield where, value, key


def check_types(resource: Resource, body: Object) -> None:
    """Refuse values of the wrong JSON type.

    Raises:
        ApiError: 400, in the words of Go's decoder.
    """
    for path, want, value in _mistyped(_model(resource), body, resource.kind):
        got = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}[type(value)]
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: json: '
            f"cannot unmarshal {got} into Go struct field {path} of type {want}"
        )


_SCALARS = {str: "string", int: "int32", bool: "bool", float: "float64"}


def _mistyped(kind: Any, value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    origin = typing.get_origin(kind)
    if value is None:
        return
    if origin is list:
        if not isinstance(value, list):
            yield path, "[]object", value
            return
        item = _unwrapped(typing.get_args(kind)[0])
        for entry in value:
            yield from _mistyped(item, entry, path)
    elif origin is dict:
        if not isinstance(value, dict):
            yield path, "map[string]string", value
            return
        item = _unwrapped(typing.get_args(kind)[1])
        for key, entry in value.items():
            if not (path.endswith((".requests", ".limits", ".hard")) and isinstance(entry, int)):
                yield from _mistyped(item, entry, f"{path}.{key}")
    elif isinstance(kind, type) and hasattr(kind, "model_fields"):
        yield from _mistyped_struct(kind, value, path)
    elif kind in _SCALARS and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        yield path, _SCALARS[kind], value


def _mistyped_struct(kind: type[Any], value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    if not isinstance(value, dict):
        yield path, kind.__name__.replace("V1", "v1.", 1), value
        return
    known = _fields(typing.cast(Any, kind))
    for key, entry in value.items():
        if key in known:
            yield from _mistyped(known[key], entry, f"{path}.{key}")
