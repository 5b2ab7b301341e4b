"""JSON patch (RFC 6902), merge patch (RFC 7386) and Kubernetes' strategic merge patch."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.lists import merge_keys
from sandbox.kubernetes.status import ApiError, Object, bad_request
from sandbox.kubernetes.store import clone


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(target: Any, patch: Any, path: tuple[str, ...] = ()) -> Any:
    """Strategic merge: as `merge`, but lists of named things merge by keys; ``$patch`` and ``$retainKeys`` work."""
    if not isinstance(patch, dict):
        return clone(patch)
    if patch.get("$patch") == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [item for item in result.get(name, []) if item not in value]
        elif not key.startswith("$"):
            _strategic_field(result, key, value, path)
    return result


def _strategic_field(result: Object, key: str, value: Any, path: tuple[str, ...]) -> None:
    where = (*path, key)
    if value is None:
        result.pop(key, None)
    elif isinstance(value, list):
        result[key] = _strategic_list(result.get(key) or [], value, where)
    else:
        result[key] = strategic(result.get(key), value, where)


def _strategic_list(target: list[Any], patch: list[Any], path: tuple[str, ...]) -> list[Any]:
    if path[-1] == "finalizers":
        return [*target, *(item for item in patch if item not in target)]
    keys = merge_keys(path)
    if not keys or any(not isinstance(item, dict) for item in patch):
        return list(clone(patch))
    if any(item.get("$patch") == "replace" for item in patch):
        return [clone(item) for item in patch if item.get("$patch") != "replace"]
    key = keys[0]
    result = list(target)
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        found = [index for index, have in enumerate(result) if have.get(key) == item[key]]
        if item.get("$patch") == "delete":
            result = [have for have in result if have.get(key) != item[key]]
        elif found:
            result[found[0]] = strategic(result[found[0]], item, path)
        else:
            result.append(strategic({}, item, path))
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902.

    Raises:
        ApiError: 400 for a malformed patch, 422 for one that does not apply.
    """
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = clone(target)
    try:
        for operation in operations:
            document = _operate(document, operation)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        text = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", text, {}) from error
    return document


def _operate(document: Any, operation: Object) -> Any:
    name, path = operation["op"], _pointer(operation["path"])
    if name == "test":
        if _at(document, path) != operation.get("value"):
            raise ValueError("test failed")
    elif name in ("add", "replace"):
        return _write(document, path, clone(operation["value"]), replace=name == "replace")
    elif name == "remove":
        _take(document, path)
    elif name in ("move", "copy"):
        source = _pointer(operation["from"])
        value = _take(document, source) if name == "move" else clone(_at(document, source))
        return _write(document, path, value, replace=False)
    else:
        raise ValueError(name)
    return document


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _write(document: Any, path: list[str], value: Any, *, replace: bool) -> Any:
    if not path:
        return value
    holder, last = _at(document, path[:-1]), path[-1]
    if isinstance(holder, list):
        index = len(holder) if last == "-" else int(last)
        if index > len(holder):
            raise IndexError(last)
        if replace:
            holder[index] = value
        else:
            holder.insert(index, value)
    else:
        if replace and last not in holder:
            raise KeyError(last)
        holder[last] = value
    return document


def _take(document: Any, path: list[str]) -> Any:
    holder, last = _at(document, path[:-1]), path[-1]
    return holder.pop(int(last)) if isinstance(holder, list) else holder.pop(last)
