"""What ``/api``, ``/apis`` and their groups answer, and as much OpenAPI as kubectl asks for before it applies."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.resources import RESOURCES, Resource
from sandbox.kubernetes.status import Object

VERSION = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.0+smartclide.stand-in",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2025-08-27T00:00:00Z",
    "goVersion": "go1.24.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def groups() -> dict[str, list[str]]:
    """Group name -> versions, without the core group."""
    found: dict[str, list[str]] = {}
    for resource in RESOURCES:
        if resource.group and resource.version not in found.setdefault(resource.group, []):
            found[resource.group].append(resource.version)
    return found


def core(address: str) -> Object:
    clients = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": clients}


def group_list(hidden: frozenset[str]) -> Object:
    entries = [_group(name, versions) for name, versions in groups().items() if name not in hidden]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": entries}


def group(name: str) -> Object | None:
    versions = groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def _group(name: str, versions: list[str]) -> Object:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def resource_list(name: str, version: str) -> Object | None:
    """The ``APIResourceList`` of a group and version, or None."""
    found = [resource for resource in RESOURCES if (resource.group, resource.version) == (name, version)]
    if not found:
        return None
    entries = [entry for resource in found for entry in (_entry(resource), *_subentries(resource))]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": found[0].api_version, "resources": entries}


def _entry(resource: Resource) -> Object:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


_SUBKINDS = {
    "scale": {"kind": "Scale", "group": "autoscaling", "version": "v1", "verbs": ["get", "patch", "update"]},
    "log": {"kind": "Pod", "verbs": ["get"]},
    "eviction": {"kind": "Eviction", "group": "policy", "version": "v1", "verbs": ["create"]},
    "finalize": {"kind": "Namespace", "verbs": ["update"]},
}


def _subentries(resource: Resource) -> list[Object]:
    found = []
    for name in resource.subresources:
        entry: dict[str, Any] = {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind if name != "proxy" else f"{resource.kind}ProxyOptions",
            "verbs": ["get", "patch", "update"] if name == "status" else ["create", "delete", "get", "patch", "update"],
        }
        found.append({**entry, **_SUBKINDS.get(name, {})})
    return found


def openapi_paths() -> Object:
    """``/openapi/v3``: one document a group and version."""
    paths = {_path(resource): {"serverRelativeURL": f"/openapi/v3/{_path(resource)}?hash=1"} for resource in RESOURCES}
    return {"paths": paths}


def _path(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def openapi(path: str) -> Object | None:
    """``/openapi/v3/apis/G/V``: which writes take ``fieldValidation`` and ``dryRun``, no schemas."""
    found = [resource for resource in RESOURCES if _path(resource) == path]
    if not found:
        return None
    names = ("dryRun", "fieldManager", "fieldValidation")
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    paths: Object = {}
    for resource in found:
        scope = "namespaces/{namespace}/" if resource.namespaced else ""
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        operation = {
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": kind,
            "parameters": parameters,
            "responses": {"200": {"description": "OK"}},
        }
        paths[f"/{path}/{scope}{resource.plural}/{{name}}"] = {"patch": operation}
    info = {"title": "Kubernetes stand-in", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
