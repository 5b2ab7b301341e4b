"""The kubelet's summary and metrics.k8s.io, both from one `Load`."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sandbox.kubernetes import quantities
from sandbox.kubernetes.load import Load, shown, stamp, started
from sandbox.kubernetes.node import BOOT_BYTES, capacity
from sandbox.kubernetes.status import Object

_NANO = 1_000_000_000


def _running(pods: list[Object]) -> Iterator[tuple[Object, list[tuple[Object, float]]]]:
    for pod in pods:
        spec = pod["spec"].get("containers") or []
        found = [(container, start) for container in spec if (start := started(pod, container["name"])) is not None]
        if found:
            yield pod, found


def summary(load: Load, node: Object, pods: list[Object], at: float) -> Object:
    """``/stats/summary`` of the kubelet: node and running pods."""
    entries = [_pod(load, pod, containers, at) for pod, containers in _running(pods)]
    start = stamp(node["metadata"]["creationTimestamp"])
    cores = sum(entry["cpu"]["usageNanoCores"] for entry in entries)
    memory = sum(entry["memory"]["workingSetBytes"] for entry in entries)
    wave = load.wave(node, "node", "cpu", 0.2)
    total = wave.total(start, at) * _NANO + sum(entry["cpu"]["usageCoreNanoSeconds"] for entry in entries)
    return {
        "node": {
            "nodeName": node["metadata"]["name"],
            "startTime": shown(start),
            "systemContainers": [],
            "cpu": {
                "time": shown(at),
                "usageNanoCores": int(wave.rate(at) * _NANO) + cores,
                "usageCoreNanoSeconds": int(total),
            },
            "memory": _memory(BOOT_BYTES + memory, int(capacity("memory")), at),
            "network": _network(load, node, start, at),
        },
        "pods": entries,
    }


def _pod(load: Load, pod: Object, containers: list[tuple[Object, float]], at: float) -> Object:
    metadata = pod["metadata"]
    entries = [_container(load, pod, container, start, at) for container, start in containers]
    usage = {name: sum(entry["cpu"][name] for entry in entries) for name in ("usageNanoCores", "usageCoreNanoSeconds")}
    memory = sum(entry["memory"]["workingSetBytes"] for entry in entries)
    start = stamp(pod["status"]["startTime"])
    return {
        "podRef": {name: metadata[name] for name in ("name", "namespace", "uid")},
        "startTime": pod["status"]["startTime"],
        "containers": entries,
        "cpu": {"time": shown(at), **usage},
        "memory": _memory(memory, None, at),
        "network": _network(load, pod, start, at),
    }


def _container(load: Load, pod: Object, container: Object, start: float, at: float) -> Object:
    wave = load.cpu(pod, container)
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return {
        "name": container["name"],
        "startTime": shown(start),
        "cpu": {
            "time": shown(at),
            "usageNanoCores": int(wave.rate(at) * _NANO),
            "usageCoreNanoSeconds": int(wave.total(start, at) * _NANO),
        },
        "memory": _memory(load.memory(pod, container, start, at), int(quantities.parse(limit)) if limit else None, at),
        "rootfs": {"time": shown(at), "usedBytes": 32768, "inodesUsed": 9},
        "logs": {"time": shown(at), "usedBytes": 4096, "inodesUsed": 1},
    }


def _memory(used: int, limit: int | None, at: float) -> Object:
    found = {
        "time": shown(at),
        "usageBytes": int(used * 1.06),
        "workingSetBytes": used,
        "rssBytes": int(used * 0.9),
        "pageFaults": used // 4096,
        "majorPageFaults": 0,
    }
    return {**found, "availableBytes": max(0, limit - used)} if limit else found


def _network(load: Load, item: Object, start: float, at: float) -> Object:
    counters = {"name": "eth0", "rxErrors": 0, "txErrors": 0}
    for name, base in (("rxBytes", 6000.0), ("txBytes", 14000.0)):
        counters[name] = int(load.wave(item, "network", name, base).total(start, at))
    return {"time": shown(at), **counters, "interfaces": [dict(counters)]}


def pod_metrics(load: Load, pod: Object, at: float) -> Object | None:
    """A ``PodMetrics``, or None for a pod that does not run or is too young."""
    at = math.floor(at / load.window) * load.window
    containers = [
        {
            "name": container["name"],
            "usage": {
                "cpu": f"{_average(load, pod, container, start, at)}n",
                "memory": f"{load.memory(pod, container, start, at) // 1024}Ki",
            },
        }
        for _, pairs in _running([pod])
        for container, start in pairs
        if at - start >= load.young_seconds
    ]
    if not containers:
        return None
    metadata = {name: pod["metadata"][name] for name in ("name", "namespace", "labels") if name in pod["metadata"]}
    metadata["creationTimestamp"] = shown(at)
    return {"metadata": metadata, "timestamp": shown(at), "window": f"{load.window:g}s", "containers": containers}


def _average(load: Load, pod: Object, container: Object, start: float, at: float) -> int:
    wave, begin = load.cpu(pod, container), max(start, at - load.window)
    return int((wave.total(begin, at) / (at - begin) if at > begin else wave.rate(at)) * _NANO)


def node_metrics(load: Load, node: Object, pods: list[Object], at: float) -> Object:
    """A ``NodeMetrics``."""
    at = math.floor(at / load.window) * load.window
    figures = summary(load, node, pods, at)["node"]
    metadata = {"name": node["metadata"]["name"], "labels": node["metadata"]["labels"], "creationTimestamp": shown(at)}
    usage = {
        "cpu": f"{figures['cpu']['usageNanoCores']}n",
        "memory": f"{figures['memory']['workingSetBytes'] // 1024}Ki",
    }
    return {"metadata": metadata, "timestamp": shown(at), "window": f"{load.window:g}s", "usage": usage}
