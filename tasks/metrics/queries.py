"""What the sources answer, as plain values: the kubelet's summary, metrics.k8s.io, and the pods themselves. Pure.

Sources: k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go (Summary), k8s.io/metrics/pkg/apis/metrics/v1beta1
(PodMetrics).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.rollout.quantity import parse
from tasks.rollout.status import container_statuses


@dataclass(frozen=True)
class Usage:
    """What one pod used at one moment; None where the source has no figure.

    Attributes:
        time: ISO 8601, of the CPU and memory figures.
        cpu_cores: Cores.
        memory_bytes: Working set, bytes.
        network_time: ISO 8601, of the counters.
        network_rx_bytes: Counter, bytes.
        network_tx_bytes: Counter, bytes.
    """

    source: str
    time: str | None = None
    cpu_cores: float | None = None
    memory_bytes: float | None = None
    network_time: str | None = None
    network_rx_bytes: float | None = None
    network_tx_bytes: float | None = None


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number.

    >>> quantity("250m"), quantity("64Mi"), quantity("12345678n"), quantity("1e3")
    (0.25, 67108864.0, 0.012345678, 1000.0)
    """
    return float(parse(text))


def usage_from_summary(summary: Mapping[str, Any]) -> dict[str, Usage]:
    """Usage by pod UID from one node's ``/stats/summary``.

    CPU and memory are the pod's own figures where the kubelet gives them, else the sum over its containers.
    """
    found = {}
    for pod in summary.get("pods", []):
        cpu, memory, network = pod.get("cpu") or {}, pod.get("memory") or {}, pod.get("network") or {}
        containers = pod.get("containers", [])
        nano = cpu.get("usageNanoCores", _sum(c.get("cpu", {}).get("usageNanoCores") for c in containers))
        found[pod["podRef"]["uid"]] = Usage(
            source="kubelet",
            time=cpu.get("time") or memory.get("time") or _first(c.get("cpu", {}).get("time") for c in containers),
            cpu_cores=None if nano is None else nano / 1e9,
            memory_bytes=memory.get(
                "workingSetBytes", _sum(c.get("memory", {}).get("workingSetBytes") for c in containers)
            ),
            network_time=network.get("time"),
            network_rx_bytes=_counter(network, "rxBytes"),
            network_tx_bytes=_counter(network, "txBytes"),
        )
    return found


def _counter(network: Mapping[str, Any], name: str) -> float | None:
    """The pod's counter: that of ``eth0``, which the kubelet names the default; with other names, of all interfaces."""
    found = network.get(name)
    return (
        _sum(i.get(name) for i in network.get("interfaces") or [] if i.get("name") != "lo") if found is None else found
    )


def usage_from_metrics_api(items: Iterable[Mapping[str, Any]]) -> dict[str, Usage]:
    """Usage by pod name from ``PodMetrics`` objects of one namespace; it has no network figures."""
    found = {}
    for item in items:
        containers = item.get("containers", [])
        found[item["metadata"]["name"]] = Usage(
            source="metrics.k8s.io",
            time=item.get("timestamp"),
            cpu_cores=_sum(quantity(c["usage"]["cpu"]) for c in containers if "cpu" in c.get("usage", {})),
            memory_bytes=_sum(quantity(c["usage"]["memory"]) for c in containers if "memory" in c.get("usage", {})),
        )
    return found


def requested(pod: Mapping[str, Any], kind: str, resource: str) -> float | None:
    """Sum of the containers' requests or limits; no limit (None) when one container has none."""
    found = [c.get("resources", {}).get(kind, {}).get(resource) for c in pod["spec"].get("containers", [])]
    if not any(found) or (kind == "limits" and not all(found)):
        return None
    return sum(quantity(value) for value in found if value)


def pod_row(pod: Mapping[str, Any], usage: Usage | None, why_not: str) -> dict[str, Any]:
    """The columns of one pod; `why_not` is the reason recorded when a measure is missing."""
    status = pod.get("status", {})
    statuses = container_statuses(pod)
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
    used = usage or Usage(source="none")
    missing = [
        name
        for name, value in (("CPU", used.cpu_cores), ("memory", used.memory_bytes), ("network", used.network_rx_bytes))
        if value is None
    ]
    return {
        "pod": pod["metadata"]["name"],
        "pod_uid": pod["metadata"]["uid"],
        "node": pod["spec"].get("nodeName", ""),
        "image": next((c.get("imageID") or c.get("image", "") for c in statuses), ""),
        "phase": status.get("phase", "Unknown"),
        "ready": ready,
        "restarts": sum(c.get("restartCount", 0) for c in statuses),
        "time": used.time,
        "cpu_cores": used.cpu_cores,
        "memory_bytes": used.memory_bytes,
        "network_time": used.network_time,
        "network_rx_bytes": used.network_rx_bytes,
        "network_tx_bytes": used.network_tx_bytes,
        "cpu_request_cores": requested(pod, "requests", "cpu"),
        "cpu_limit_cores": requested(pod, "limits", "cpu"),
        "memory_request_bytes": requested(pod, "requests", "memory"),
        "memory_limit_bytes": requested(pod, "limits", "memory"),
        "source": used.source,
        "gap": f"no {', '.join(missing)}: {why_not}" if missing else "",
    }


def _sum(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) if present else None


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)
