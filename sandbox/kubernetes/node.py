"""The cluster's one node, and the objects every cluster has from the start."""

from __future__ import annotations

from decimal import Decimal

from sandbox.kubernetes import quantities
from sandbox.kubernetes.decoding import Write
from sandbox.kubernetes.discovery import VERSION
from sandbox.kubernetes.objects import Objects, now
from sandbox.kubernetes.resources import named
from sandbox.kubernetes.status import Object

NODE = "sandbox-node"
ADDRESS = "10.250.0.1"
BOOT_BYTES = 300 * 2**20
_CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def capacity(name: str) -> Decimal:
    """What the node has of a resource, in its base unit."""
    return quantities.parse(_CAPACITY[name])


def bootstrap(objects: Objects) -> None:
    """Create the namespaces, the node and the ``kubernetes`` Service where they are missing."""
    store, write = objects.store, Write("kube-apiserver")
    for name in _NAMESPACES:
        if store.get(named("namespaces"), "", name) is None:
            objects.create(named("namespaces"), "", {"metadata": {"name": name}}, write)
    if store.get(named("nodes"), "", NODE) is None:
        item, _ = objects.create(named("nodes"), "", _node(), Write("kubelet"))
        objects.set_status(named("nodes"), {**item, "status": _status()}, "kubelet")
    if store.get(named("services"), "default", "kubernetes") is None:
        port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}
        body = {"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "10.96.0.1", "ports": [port]}}
        objects.create(named("services"), "default", body, write)


def _node() -> Object:
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": NODE,
        "kubernetes.io/os": "linux",
        "smartclide.eu/stand-in": "true",
    }
    return {"metadata": {"name": NODE, "labels": labels}, "spec": {"podCIDR": "10.244.0.0/16"}}


def _status() -> Object:
    conditions = [
        _condition(kind, "False", f"KubeletHas{reason}", text)
        for kind, reason, text in (
            ("MemoryPressure", "SufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "NoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "SufficientPID", "kubelet has sufficient PID available"),
        )
    ]
    conditions.append(_condition("Ready", "True", "KubeletReady", "stand-in: pods are simulated"))
    info = {
        "architecture": "amd64",
        "operatingSystem": "linux",
        "osImage": "Kubernetes stand-in",
        "bootID": "sandbox",
        "containerRuntimeVersion": "stand-in://1.0",
        "kernelVersion": "0",
        "kubeletVersion": VERSION["gitVersion"],
        "kubeProxyVersion": VERSION["gitVersion"],
        "machineID": "sandbox",
        "systemUUID": "sandbox",
    }
    addresses = [{"type": "InternalIP", "address": ADDRESS}, {"type": "Hostname", "address": NODE}]
    return {
        "capacity": dict(_CAPACITY),
        "allocatable": dict(_CAPACITY),
        "conditions": conditions,
        "addresses": addresses,
        "nodeInfo": info,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    }


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": now(),
        "lastTransitionTime": now(),
    }
