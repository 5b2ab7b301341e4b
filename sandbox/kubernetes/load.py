"""The load that simulated pods show: a seeded model, and what the kubelet and metrics-server report of it.

Every rate is ``base * (1 + sum of sines)`` with a daily wave and faster noise, so that its counter is an exact
integral: monotone, and consistent with the rate at any two moments.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.kubernetes import quantities
from sandbox.kubernetes.status import Object

_PERIODS = (86400.0, 3700.0, 310.0, 47.0, 7.3)
_SHARES = (0.35, 0.1, 0.1, 0.12, 0.2)


@dataclass(frozen=True)
class Wave:
    """A positive rate over time (seconds of the Unix clock) and its integral."""

    base: float
    phases: tuple[float, ...]

    def rate(self, at: float) -> float:
        """The rate at a moment."""
        terms = zip(_PERIODS, _SHARES, self.phases, strict=True)
        return self.base * (1 + sum(share * math.sin(math.tau * at / period + phase) for period, share, phase in terms))

    def total(self, start: float, end: float) -> float:
        """The counter at `end` of what began at `start`."""
        return self._integral(end) - self._integral(start) if end > start else 0.0

    def _integral(self, at: float) -> float:
        terms = zip(_PERIODS, _SHARES, self.phases, strict=True)
        waves = sum(
            -share * period / math.tau * math.cos(math.tau * at / period + phase) for period, share, phase in terms
        )
        return self.base * (at + waves)


@dataclass
class Load:
    """Seeded load of all pods, and which sources tell of it.

    Attributes:
        summary: Status code of the kubelet's summary; 200 = it works.
        metrics: Status code of metrics.k8s.io; 404 = not installed, 503 = down.
        young_seconds: Age a pod needs to be in metrics.k8s.io.
        window: Seconds a metrics.k8s.io sample covers; its timestamp is a multiple of it.
    """

    seed: int = 1
    summary: int = 200
    metrics: int = 200
    young_seconds: float = 0.0
    window: float = 1.0

    def wave(self, pod: Object, container: str, measure: str, base: float) -> Wave:
        """The wave of one measure of one container (or of a pod's network)."""
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        dice = random.Random(f"{self.seed}/{uid}/{name}/{container}/{measure}")
        day = -math.pi / 2 + dice.uniform(-0.3, 0.3)
        phases = (day, *(dice.uniform(0, math.tau) for _ in _PERIODS[1:]))
        return Wave(base * dice.uniform(0.8, 1.25), phases)

    def cpu(self, pod: Object, container: Object) -> Wave:
        """Cores; about 40 % of what the container requests."""
        return self.wave(pod, container["name"], "cpu", 0.4 * _asked(container, "cpu", 0.1))

    def memory(self, pod: Object, container: Object, start: float, at: float) -> int:
        """Working set in bytes: grows to about half of the request in two minutes, then breathes."""
        wave = self.wave(pod, container["name"], "memory", 0.5 * _asked(container, "memory", 96 * 2**20))
        warm = 0.6 + 0.4 * (1 - math.exp(-max(0.0, at - start) / 40))
        return int(warm * (0.85 * wave.base + 0.15 * wave.rate(at)))


def _asked(container: Object, name: str, default: float) -> float:
    requests = (container.get("resources") or {}).get("requests") or {}
    return float(quantities.parse(requests[name])) if name in requests else default


def started(pod: Object, container: str) -> float | None:
    """When a container's current run began (Unix time), or None when it does not run."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status["name"] == container and "running" in status["state"]:
            return stamp(status["state"]["running"]["startedAt"])
    return None


def stamp(text: str) -> float:
    """Unix time of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()


def shown(at: float) -> str:
    """An RFC 3339 time, in whole seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
