"""Requests that change objects: reading their bodies and options, and calling `Objects`."""

from __future__ import annotations

import json
from typing import Any

import yaml

from sandbox.kubernetes import patches, protobuf
from sandbox.kubernetes.decoding import Write
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.reading import matcher
from sandbox.kubernetes.routes import Call, Route
from sandbox.kubernetes.status import ApiError, Cause, Object, bad_request, invalid
from sandbox.kubernetes.store import clone

Answer = tuple[int, Object, list[str]]
_PATCHES = {
    "application/json-patch+json": patches.json_patch,
    "application/merge-patch+json": patches.merge,
    "application/strategic-merge-patch+json": patches.strategic,
}
APPLY = "application/apply-patch+yaml"


def options(call: Call, subresource: str = "") -> Write:
    """The write options in a query.

    Raises:
        ApiError: 422 for a wrong ``dryRun`` or ``fieldValidation``.
    """
    query = call.query
    for name, allowed in (("dryRun", ("", "All")), ("fieldValidation", ("", "Ignore", "Warn", "Strict"))):
        if query.get(name, "") not in allowed:
            supported = ", ".join(f'"{value}"' for value in allowed if value)
            text = f'Unsupported value: "{query[name]}": supported values: {supported}'
            kind = "PatchOptions" if call.method == "PATCH" else "CreateOptions"
            raise invalid("meta.k8s.io", kind, "", [Cause("FieldValueNotSupported", text, name)])
    applies = _media(call) == APPLY
    agent = call.headers.get("user-agent", "").split("/")[0].split(" ")[0] or "unknown"
    return Write(
        manager=query.get("fieldManager") or ("" if applies else agent),
        subresource=subresource,
        dry_run=query.get("dryRun") == "All",
        force=call.flag("force"),
        validation=query.get("fieldValidation") or "Warn",
    )


def _media(call: Call) -> str:
    return call.headers.get("content-type", "").partition(";")[0].strip()


def document(call: Call, kind: str) -> Any:
    """The body of a request, JSON or YAML.

    Raises:
        ApiError: 400 when it cannot be read, 415 for most of Protobuf.
    """
    if "protobuf" in _media(call) and call.body:
        return protobuf.decode(call.body)
    try:
        body = _yaml(call.body) if "yaml" in _media(call) else json.loads(call.body)
    except (ValueError, yaml.YAMLError) as error:
        text = f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
        raise bad_request(f"{text}json parse error: {error}") from error
    return body


def _yaml(body: bytes) -> Any:
    """YAML, which is JSON nearly always: that is read a hundred times faster."""
    try:
        return json.loads(body)
    except ValueError:
        return yaml.safe_load(body)


def _object(call: Call, kind: str) -> Object:
    body = document(call, kind)
    if not isinstance(body, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {kind})")
    return body


def create(objects: Objects, route: Route, call: Call) -> Answer:
    item, warnings = objects.create(route.resource, route.namespace, _object(call, route.resource.kind), options(call))
    return 201, item, warnings


def update(objects: Objects, route: Route, call: Call) -> Answer:
    body = _object(call, "Scale" if route.subresource == "scale" else route.resource.kind)
    if route.subresource == "scale":
        return _scale(objects, route, call, lambda _: body)
    item, warnings = objects.update(route.resource, route.key, body, options(call, route.subresource))
    return 200, item, warnings


def patch(objects: Objects, route: Route, call: Call) -> Answer:
    media = _media(call)
    if media == APPLY:
        return _apply(objects, route, call)
    if media not in _PATCHES:
        supported = ", ".join([*_PATCHES, APPLY])
        text = f"the body of the request was in an unknown format - accepted media types include: {supported}"
        raise ApiError(415, "UnsupportedMediaType", text)
    body, change = document(call, route.resource.kind), _PATCHES[media]
    if media != "application/json-patch+json" and not isinstance(body, dict):
        raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
    if route.subresource == "scale":
        return _scale(objects, route, call, lambda scale: change(scale, body))
    item, warnings = objects.patch(
        route.resource, route.key, lambda old: change(old, body), options(call, route.subresource)
    )
    return 200, item, warnings


def _apply(objects: Objects, route: Route, call: Call) -> Answer:
    body = document(call, route.resource.kind)
    write = options(call, route.subresource if route.subresource != "scale" else "")
    item, created = objects.apply(route.resource, route.key, body, write)
    return (201 if created else 200), item, []


def scale_of(item: Object) -> Object:
    """The ``autoscaling/v1`` Scale of a workload."""
    metadata = {
        key: item["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    }
    labels = (item["spec"].get("selector") or {}).get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    status = {"replicas": item.get("status", {}).get("replicas", 0), "selector": selector}
    replicas = item["spec"].get("replicas", 0)
    spec = {"replicas": replicas} if replicas else {}  # Go leaves a zero out
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def _scale(objects: Objects, route: Route, call: Call, change: Any) -> Answer:
    def scaled(old: Object) -> Object:
        wanted = change(scale_of(old))
        item: Object = clone(old)
        item["spec"]["replicas"] = (wanted.get("spec") or {}).get("replicas", 0)
        version = (wanted.get("metadata") or {}).get("resourceVersion")
        if version:
            item["metadata"]["resourceVersion"] = version
        return item

    write = options(call)
    item, warnings = objects.patch(route.resource, route.key, scaled, write)
    return 200, scale_of(item), warnings


def delete(objects: Objects, route: Route, call: Call) -> Answer:
    """Delete one object: its last state while it lingers, else a ``Status`` of success."""
    item, gone = objects.delete(route.resource, route.key, delete_options(call))
    if not gone or route.resource.key in ("pods", "persistentvolumeclaims", "serviceaccounts", "services"):
        return 200, item, []
    details = {
        "name": item["metadata"]["name"],
        "group": route.resource.group,
        "kind": route.resource.plural,
        "uid": item["metadata"]["uid"],
    }
    shown = {key: value for key, value in details.items() if value}
    return 200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": shown}, []


def delete_options(call: Call) -> Object:
    """``DeleteOptions`` of body and query together; the query wins."""
    body = document(call, "DeleteOptions") if call.body.strip() else {}
    found: Object = dict(body) if isinstance(body, dict) else {}
    for name in ("propagationPolicy", "dryRun"):
        if call.query.get(name):
            found[name] = call.query[name]
    if call.query.get("gracePeriodSeconds"):
        found["gracePeriodSeconds"] = int(call.query["gracePeriodSeconds"])
    if call.query.get("orphanDependents"):
        found["orphanDependents"] = call.flag("orphanDependents")
    return found


def delete_collection(objects: Objects, route: Route, call: Call) -> Answer:
    select = matcher(route.resource, call.query)
    found = [item for item in objects.store.peek(route.resource, route.namespace) if select(item)]
    for item in found:
        metadata = item["metadata"]
        objects.delete(route.resource, (metadata.get("namespace", ""), metadata["name"]), delete_options(call))
    body = {
        "kind": f"{route.resource.kind}List",
        "apiVersion": route.resource.api_version,
        "metadata": {"resourceVersion": str(objects.store.version)},
        "items": clone(found),
    }
    return 200, body, []
