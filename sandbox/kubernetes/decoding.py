"""From a request's body to an object that can be stored: kind, types, unknown fields, namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes import defaults, schema, validation
from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.status import ApiError, Object, bad_request, invalid
from sandbox.kubernetes.store import clone


@dataclass(frozen=True)
class Write:
    """The options of one write.

    Attributes:
        manager: Field manager.
        subresource: ``""``, ``status`` or ``scale``.
        dry_run: Do everything but store it.
        validation: ``Ignore``, ``Warn`` or ``Strict``.
    """

    manager: str = "unknown"
    subresource: str = ""
    dry_run: bool = False
    force: bool = False
    validation: str = "Warn"


def decoded(resource: Resource, namespace: str, body: Object, write: Write) -> tuple[Object, list[str]]:
    """An object as the API server decodes it, without unknown fields, and the warnings about them.

    Raises:
        ApiError: 400.
    """
    item: Object = _without_nulls(body)
    check_kind(resource, item)
    if not isinstance(item.setdefault("metadata", {}), dict):
        raise bad_request("metadata must be an object")
    schema.check_types(resource, item)
    quantity = validation.bad_quantity(item)
    if quantity is not None:
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: quantities '
            "must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    unknown = [f'unknown field "{path}"' for path in schema.prune(resource, item)]
    if unknown and write.validation == "Strict":
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"strict decoding error: {', '.join(unknown)}"
        )
    check_namespace(resource, namespace, item)
    return item, unknown if write.validation == "Warn" else []


def check_kind(resource: Resource, item: Object) -> None:
    """Refuse another kind or version; fill both where they are missing."""
    kind = item.setdefault("kind", resource.kind)
    version = item.setdefault("apiVersion", resource.api_version)
    if kind != resource.kind:
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a {resource.kind}: no kind "{kind}" is registered '
            f'for version "{version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )


def check_namespace(resource: Resource, namespace: str, item: Object) -> None:
    """Refuse another namespace than the request's; fill it where it is missing."""
    if not resource.namespaced:
        item["metadata"].pop("namespace", None)
    elif item["metadata"].setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_applied(resource: Resource, key: tuple[str, str], body: Object, write: Write) -> None:
    """Refuse what cannot be applied: no manager, another kind or name, fields the kind does not have."""
    if not write.manager:
        cause = validation.required("fieldManager", "is required for apply patch")
        raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
    if not isinstance(body, dict):
        raise bad_request("error decoding YAML: the body is not an object")
    if body.get("apiVersion") != resource.api_version or body.get("kind") != resource.kind:
        raise bad_request(
            f"invalid object type: {body.get('apiVersion', '')}, Kind={body.get('kind', '')}; "
            f"expected {resource.api_version}, Kind={resource.kind}"
        )
    if (body.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    given = (body.get("metadata") or {}).get("name", key[1])
    if given != key[1]:
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({key[1]})")
    unknown = schema.unknown_fields(resource, body)
    if unknown:
        title = f"{key[0]}/{key[1]}; {resource.api_version}, Kind={resource.kind}"
        text = f"failed to create typed patch object ({title}): .{unknown[0]}: field not declared in schema"
        raise ApiError(500, "", text)


def applied(resource: Resource, key: tuple[str, str], body: Object) -> Object:
    """The configuration to apply: with its names, without status and what the server sets."""
    wanted: Object = clone(body)
    check_kind(resource, wanted)
    check_namespace(resource, key[0], wanted)
    schema.check_types(resource, wanted)
    if validation.bad_quantity(wanted) is not None:
        raise bad_request("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    wanted = _without_nulls(wanted)
    if resource.kind == "Secret" and "stringData" in wanted:
        defaults.fill("Secret", wanted)
    if "status" in resource.subresources:
        wanted.pop("status", None)
    for name in ("uid", "creationTimestamp", "resourceVersion", "generation"):
        wanted["metadata"].pop(name, None)
    return wanted


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
