"""Tables, as kubectl asks for them (``as=Table``), for the kinds people look at; name and age for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sandbox.kubernetes.load import stamp
from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.routes import Call
from sandbox.kubernetes.status import Object

Columns = tuple[tuple[str, Callable[[Object], Any]], ...]


def wanted(call: Call) -> bool:
    """Whether a client prefers a table."""
    return "as=Table" in call.headers.get("accept", "").partition(",")[0]


def of_list(resource: Resource, body: Object) -> Object:
    """A ``List`` as a table."""
    named = [{"kind": resource.kind, "apiVersion": resource.api_version, **item} for item in body["items"]]
    return {**table(resource, named, ""), "metadata": body["metadata"]}


def table(resource: Resource, items: list[Object], version: str) -> Object:
    """Objects as a ``Table``."""
    columns = (("Name", _name), *_COLUMNS.get(resource.kind, ()), ("Age", _age))
    kinds = {"Name": "name"}
    definitions = [
        {"name": name, "type": "string", "format": kinds.get(name, ""), "description": name, "priority": 0}
        for name, _ in columns
    ]
    rows = [
        {
            "cells": [read(item) for _, read in columns],
            "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]},
        }
        for item in items
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _name(item: Object) -> str:
    return str(item["metadata"]["name"])


def _age(item: Object) -> str:
    seconds = int(time.time() - stamp(item["metadata"]["creationTimestamp"]))
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{letter}"
    return f"{max(0, seconds)}s"


def _status(item: Object, name: str) -> Any:
    return item.get("status", {}).get(name, 0)


def _ready(item: Object) -> str:
    statuses = item.get("status", {}).get("containerStatuses") or []
    return f"{sum(status['ready'] for status in statuses)}/{len(item['spec']['containers'])}"


def _phase(item: Object) -> str:
    if item["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for status in item.get("status", {}).get("containerStatuses") or []:
        for kind in ("waiting", "terminated"):
            if kind in status["state"]:
                return str(status["state"][kind]["reason"])
    return str(item.get("status", {}).get("phase", "Pending"))


def _restarts(item: Object) -> int:
    return sum(status["restartCount"] for status in item.get("status", {}).get("containerStatuses") or [])


def _ports(item: Object) -> str:
    return ",".join(f"{port['port']}/{port['protocol']}" for port in item["spec"].get("ports") or [])


_COLUMNS: dict[str, Columns] = {
    "Pod": (("Ready", _ready), ("Status", _phase), ("Restarts", _restarts)),
    "Deployment": (
        ("Ready", lambda item: f"{_status(item, 'readyReplicas')}/{item['spec']['replicas']}"),
        ("Up-to-date", lambda item: _status(item, "updatedReplicas")),
        ("Available", lambda item: _status(item, "availableReplicas")),
    ),
    "ReplicaSet": (
        ("Desired", lambda item: item["spec"]["replicas"]),
        ("Current", lambda item: _status(item, "replicas")),
        ("Ready", lambda item: _status(item, "readyReplicas")),
    ),
    "Service": (
        ("Type", lambda item: item["spec"]["type"]),
        ("Cluster-IP", lambda item: item["spec"].get("clusterIP", "None")),
        ("External-IP", lambda _: "<none>"),
        ("Port(s)", _ports),
    ),
    "Namespace": (("Status", lambda item: item["status"]["phase"]),),
    "Node": (
        ("Status", lambda _: "Ready"),
        ("Roles", lambda _: "<none>"),
        ("Version", lambda item: item["status"]["nodeInfo"]["kubeletVersion"]),
    ),
    "Secret": (("Type", lambda item: item["type"]), ("Data", lambda item: len(item.get("data") or {}))),
    "ConfigMap": (("Data", lambda item: len(item.get("data") or {})),),
    "Job": (("Completions", lambda item: f"{_status(item, 'succeeded')}/{item['spec']['completions']}"),),
    "Event": (
        ("Type", lambda item: item.get("type")),
        ("Reason", lambda item: item.get("reason")),
        ("Object", lambda item: f"{item['involvedObject']['kind'].lower()}/{item['involvedObject']['name']}"),
        ("Message", lambda item: item.get("message")),
    ),
}
