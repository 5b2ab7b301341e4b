"""Pods and other objects that a controller owns."""

from __future__ import annotations

from sandbox.kubernetes.decoding import Write
from sandbox.kubernetes.objects import Objects, now
from sandbox.kubernetes.references import is_ready
from sandbox.kubernetes.resources import Resource, named
from sandbox.kubernetes.status import Object
from sandbox.kubernetes.store import Store, clone

PODS = named("pods")
MANAGER = "kube-controller-manager"


def reference(owner: Object) -> Object:
    """The ownerReference of what a controller creates."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned(store: Store, resource: Resource, owner: Object) -> list[Object]:
    """The objects of a kind that an object controls."""
    uid, namespace = owner["metadata"]["uid"], owner["metadata"]["namespace"]
    return [
        clone(item)
        for item in store.peek(resource, namespace)
        if any(entry["uid"] == uid for entry in item["metadata"].get("ownerReferences") or [])
    ]


def is_active(pod: Object) -> bool:
    """Whether a pod counts: not ended and not being deleted."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and not pod["metadata"].get("deletionTimestamp")


def create_pod(objects: Objects, owner: Object, template: Object, **metadata: object) -> Object:
    """Create a pod of a template for its owner."""
    inner = template.get("metadata") or {}
    body = {
        "metadata": {
            "labels": dict(inner.get("labels") or {}),
            "annotations": dict(inner.get("annotations") or {}),
            "ownerReferences": [reference(owner)],
            **metadata,
        },
        "spec": clone(template["spec"]),
    }
    if not body["metadata"]["annotations"]:
        del body["metadata"]["annotations"]
    pod, _ = objects.create(PODS, owner["metadata"]["namespace"], body, Write(MANAGER))
    status = {"phase": "Pending"}
    return objects.set_status(PODS, {**pod, "status": status}, MANAGER) or pod


def set_condition(
    conditions: list[Object], kind: str, status: str, reason: str, message: str, *, touch: bool = False
) -> Object:
    """Set a condition in a list; times change as Kubernetes changes them (`touch` renews lastUpdateTime)."""
    found = next((entry for entry in conditions if entry["type"] == kind), None)
    if found is None:
        found = {"type": kind, "status": "", "lastTransitionTime": now(), "lastUpdateTime": now()}
        conditions.append(found)
    if found["status"] != status:
        found["lastTransitionTime"] = now()
    if touch or found["status"] != status or found.get("reason") != reason:
        found["lastUpdateTime"] = now()
    found.update(status=status, reason=reason, message=message)
    return found


def counts(pods: list[Object]) -> tuple[int, int]:
    """How many pods are active, and how many of them ready."""
    active = [pod for pod in pods if is_active(pod)]
    return len(active), sum(is_ready(pod) for pod in active)
