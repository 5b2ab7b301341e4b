"""The few objects kubectl creates in Protobuf (``kubectl create namespace|serviceaccount|configmap|secret``).

Field numbers are those of ``k8s.io/api/core/v1/generated.proto`` and ``k8s.io/apimachinery/.../generated.proto``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

from sandbox.kubernetes.status import ApiError, Object

_MAGIC = b"k8s\x00"


def decode(body: bytes) -> Object:
    """A body of type ``application/vnd.kubernetes.protobuf`` as JSON data.

    Raises:
        ApiError: 415 for any other kind.
    """
    envelope = dict(_fields(body.removeprefix(_MAGIC)))
    names = {number: value.decode() for number, value in _fields(envelope.get(1, b""))}
    kind = names.get(2, "")
    reader = _KINDS.get(kind)
    if reader is None:
        text = "the body of the request was in an unknown format - accepted media types include: application/json"
        raise ApiError(415, "UnsupportedMediaType", text, {})
    item: Object = {"apiVersion": names.get(1, "v1"), "kind": kind, "metadata": {}}
    for number, value in _fields(envelope.get(2, b"")):
        if number == 1:
            item["metadata"] = _metadata(value)
        else:
            reader(item, number, value)
    return item


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Field numbers and contents of the length-delimited fields of a message."""
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        size, at = _number(data, at)
        if tag & 7 == 2:
            yield tag >> 3, data[at : at + size]
            at += size


def _pair(data: bytes) -> tuple[str, bytes]:
    found = dict(_fields(data))
    return found.get(1, b"").decode(), found.get(2, b"")


def _metadata(data: bytes) -> Object:
    found: Object = {}
    for number, value in _fields(data):
        if number in (1, 2, 3) and value:
            found[{1: "name", 2: "generateName", 3: "namespace"}[number]] = value.decode()
        elif number in (11, 12):
            key, text = _pair(value)
            found.setdefault("labels" if number == 11 else "annotations", {})[key] = text.decode()
    return found


def _only_metadata(_item: Object, _number: int, _value: bytes) -> None:
    return


def _config_map(item: Object, number: int, value: bytes) -> None:
    if number == 2:
        key, text = _pair(value)
        item.setdefault("data", {})[key] = text.decode()


def _secret(item: Object, number: int, value: bytes) -> None:
    if number == 2:
        key, content = _pair(value)
        item.setdefault("data", {})[key] = base64.b64encode(content).decode()
    elif number == 3 and value:
        item["type"] = value.decode()


_KINDS: dict[str, Callable[[Object, int, bytes], None]] = {
    "Namespace": _only_metadata,
    "ServiceAccount": _only_metadata,
    "ConfigMap": _config_map,
    "Secret": _secret,
}
