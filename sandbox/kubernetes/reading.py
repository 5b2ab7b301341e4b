"""Lists: selectors, pages, and the ``List`` object around the items."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from sandbox.kubernetes import selectors
from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.routes import Call, Route
from sandbox.kubernetes.selectors import Matcher
from sandbox.kubernetes.status import ApiError, Object, bad_request
from sandbox.kubernetes.store import Store, clone


def matcher(resource: Resource, query: Mapping[str, str], name: str = "") -> Matcher:
    """What a list, watch or deletecollection selects."""
    tests: list[Matcher] = []
    if query.get("labelSelector"):
        tests.append(selectors.labels(query["labelSelector"]))
    if query.get("fieldSelector"):
        tests.append(selectors.fields(query["fieldSelector"], resource))
    if name:
        tests.append(lambda item: bool(item["metadata"]["name"] == name))
    return lambda item: all(test(item) for test in tests)


def listing(store: Store, route: Route, call: Call) -> Object:
    """The ``List`` of a collection, one page of it with ``limit``."""
    select = matcher(route.resource, call.query)
    with store.lock:
        version = str(store.version)
        items = [item for item in store.peek(route.resource, route.namespace) if select(item)]
    metadata: Object = {"resourceVersion": version}
    limit = _number(call.query.get("limit"), "limit")
    if call.query.get("continue"):
        token = _decode(call.query["continue"])
        if token["v"] < store.oldest:
            raise ApiError(
                410, "Expired", "The provided continue parameter is too old to display a consistent list result."
            )
        after = tuple(token["after"])
        items = [item for item in items if _key(item) > after]
        metadata["resourceVersion"] = str(token["v"])
    if limit and len(items) > limit:
        token = {"v": int(metadata["resourceVersion"]), "after": _key(items[limit - 1])}
        metadata["continue"] = base64.urlsafe_b64encode(json.dumps(token).encode()).decode()
        metadata["remainingItemCount"] = len(items) - limit
        items = items[:limit]
    shown = [{key: value for key, value in clone(item).items() if key not in ("kind", "apiVersion")} for item in items]
    return {
        "kind": f"{route.resource.kind}List",
        "apiVersion": route.resource.api_version,
        "metadata": metadata,
        "items": shown,
    }


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _decode(token: str) -> Object:
    try:
        decoded: Object = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise bad_request("continue key is not valid: " + str(error)) from error
    return decoded


def _number(text: str | None, name: str) -> int:
    if not text:
        return 0
    try:
        return int(text)
    except ValueError as error:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax ({name})') from error
