"""Endpoints and EndpointSlices of Services."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.decoding import Write
from sandbox.kubernetes.node import NODE
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.owned import MANAGER, reference
from sandbox.kubernetes.references import is_ready
from sandbox.kubernetes.resources import Resource, named
from sandbox.kubernetes.status import Object
from sandbox.kubernetes.store import Store

SERVICES = named("services")
PODS = named("pods")


class Services:
    """Keeps the addresses of ready pods."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._store = objects.store

    @staticmethod
    def of_pod(store: Store, pod: Object) -> list[str]:
        """The Services that select a pod."""
        return [
            item["metadata"]["name"]
            for item in store.peek(SERVICES, pod["metadata"]["namespace"])
            if _selects(item, pod)
        ]

    def sync(self, namespace: str, name: str) -> float | None:
        """Write both objects of a Service with a selector; remove them with it."""
        endpoints, slices = named("endpoints"), named("endpointslices.discovery.k8s.io")
        item = self._store.get(SERVICES, namespace, name)
        if item is None:
            self._store.remove(endpoints, namespace, name)
            return None
        if not item["spec"].get("selector") or item["metadata"].get("deletionTimestamp"):
            return None
        pods = [pod for pod in self._store.peek(PODS, namespace) if _selects(item, pod) and _has_address(pod)]
        self._write(endpoints, item, {"subsets": _subsets(item, pods)} if pods else {})
        body = {
            "addressType": "IPv4",
            "endpoints": [_endpoint(pod) for pod in pods],
            "ports": _ports(item, pods[0] if pods else None),
        }
        self._write(slices, item, body)
        return None

    def _write(self, resource: Resource, service: Object, body: Object) -> None:
        metadata = service["metadata"]
        old = self._store.get(resource, metadata["namespace"], metadata["name"])
        if old is not None:
            fresh = {key: old[key] for key in ("apiVersion", "kind", "metadata")} | body
            if fresh != old:
                self._store.put(resource, fresh)
            return
        labels = dict(metadata.get("labels") or {})
        given: dict[str, Any] = {"name": metadata["name"]}
        if resource.kind == "EndpointSlice":
            labels["kubernetes.io/service-name"] = metadata["name"]
            labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io"
            given["ownerReferences"] = [reference(service)]
        if labels:
            given["labels"] = labels
        self._objects.create(resource, metadata["namespace"], {"metadata": given, **body}, Write(MANAGER))


def _selects(service: Object, pod: Object) -> bool:
    selector = service["spec"].get("selector") or {}
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _has_address(pod: Object) -> bool:
    status = pod.get("status") or {}
    ended = status.get("phase") in ("Succeeded", "Failed") or pod["metadata"].get("deletionTimestamp")
    return bool(status.get("podIP")) and not ended


def _target(pod: Object) -> Object:
    return {"kind": "Pod", **{key: pod["metadata"][key] for key in ("name", "namespace", "uid")}}


def _port(port: Object, pod: Object | None) -> int:
    """The number of a target port that may be a name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"] if pod else []:
        for entry in container.get("ports") or []:
            if entry.get("name") == target:
                return int(entry["containerPort"])
    return int(port["port"])


def _ports(service: Object, pod: Object | None) -> list[Object]:
    return [
        {"name": port.get("name", ""), "port": _port(port, pod), "protocol": port["protocol"]}
        for port in service["spec"].get("ports") or []
    ]


def _subsets(service: Object, pods: list[Object]) -> list[Object]:
    subset: Object = {}
    for field, ready in (("addresses", True), ("notReadyAddresses", False)):
        found = [
            {"ip": pod["status"]["podIP"], "nodeName": NODE, "targetRef": _target(pod)}
            for pod in pods
            if is_ready(pod) is ready
        ]
        if found:
            subset[field] = found
    ports = [{key: value for key, value in port.items() if value != ""} for port in _ports(service, pods[0])]
    return [{**subset, "ports": ports}]


def _endpoint(pod: Object) -> Object:
    ready = is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "nodeName": NODE,
        "targetRef": _target(pod),
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
    }
