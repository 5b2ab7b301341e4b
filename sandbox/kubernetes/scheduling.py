"""Whether a pod fits the node."""

from __future__ import annotations

from decimal import Decimal

from sandbox.kubernetes import quantities
from sandbox.kubernetes.node import NODE, capacity
from sandbox.kubernetes.resources import named
from sandbox.kubernetes.status import Object
from sandbox.kubernetes.store import Store

_DONE = ("Succeeded", "Failed")


def requested(pod: Object, name: str) -> Decimal:
    """What the containers of a pod request of a resource, together."""
    containers = pod["spec"].get("containers") or []
    requests = [((container.get("resources") or {}).get("requests") or {}).get(name, 0) for container in containers]
    return sum((quantities.parse(request) for request in requests), Decimal(0))


def obstacle(store: Store, pod: Object) -> str | None:
    """Why the node cannot take a pod, in the scheduler's words, or None."""
    node = store.get(named("nodes"), "", NODE)
    if node is None:
        return "no nodes available to schedule pods"
    labels = node["metadata"].get("labels") or {}
    namespace = pod["metadata"]["namespace"]
    for volume in pod["spec"].get("volumes") or []:
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim and store.get(named("persistentvolumeclaims"), namespace, claim) is None:
            return f'0/1 nodes are available: persistentvolumeclaim "{claim}" not found.'
    problems = []
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        problems.append("1 node(s) didn't match Pod's node affinity/selector")
    if node.get("spec", {}).get("unschedulable"):
        problems.append("1 node(s) were unschedulable")
    others = [
        other
        for other in store.peek(named("pods"))
        if other["spec"].get("nodeName") and other.get("status", {}).get("phase") not in _DONE
    ]
    for name in ("cpu", "memory"):
        if requested(pod, name) + sum(requested(other, name) for other in others) > capacity(name):
            problems.append(f"1 Insufficient {name}")
    if len(others) >= capacity("pods"):
        problems.append("1 Too many pods")
    return f"0/1 nodes are available: {', '.join(problems)}." if problems else None
