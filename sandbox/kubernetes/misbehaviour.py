"""What goes wrong on purpose: rollouts that never become ready, crash, do not fit..."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.kubernetes.status import Object

KINDS = ("never-ready", "crash-loop", "unschedulable", "oom", "slow", "quota")


@dataclass(frozen=True)
class Fault:
    """What to do to the pods of one workload that are created from now on.

    Attributes:
        namespace: Of the workload.
        name: Of the Deployment, ReplicaSet, StatefulSet, DaemonSet, Job or Pod.
        kind: ``never-ready``, ``crash-loop``, ``unschedulable``, ``oom``, ``slow`` (ready after `seconds`) or
            ``quota`` (the ReplicaSet may create no pods).
        image: Only pods with a container whose image contains this text; ``""`` = all.
        seconds: For ``slow``.
        exit_code: For ``crash-loop``.
        log: Last lines a crashing container writes.
        times: Crashes before a ``crash-loop`` or ``oom`` container stays up; -1 = never.
        running: Also pods that exist already.
    """

    namespace: str
    name: str
    kind: str
    image: str = ""
    seconds: float = 5.0
    exit_code: int = 1
    log: str = "panic: stand-in crash: could not read configuration"
    times: int = -1
    running: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}: one of {', '.join(KINDS)}")


class Misbehaviour:
    """The faults of a cluster; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._spared: set[str] = set()
        self._seen: set[str] = set()

    def add(self, namespace: str, name: str, kind: str, **options: Any) -> None:
        """Add a fault; see `Fault`.

        Raises:
            ValueError: An unknown kind.
        """
        fault = Fault(namespace, name, kind, **options)
        with self._lock:
            if not fault.running:
                self._spared |= self._seen
            self._faults.append(fault)

    def clear(self, namespace: str = "", name: str = "") -> None:
        """Take back the faults of one workload, or all."""
        with self._lock:
            self._faults = [
                fault
                for fault in self._faults
                if (namespace and fault.namespace != namespace) or (name and fault.name != name)
            ]

    def shown(self) -> list[Object]:
        """The faults, as JSON data."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def of(self, pod: Object, owners: set[str], *kinds: str) -> Fault | None:
        """The fault of one of some kinds that a pod with these owners (names) has."""
        metadata = pod["metadata"]
        images = [container.get("image", "") for container in pod["spec"].get("containers") or []]
        with self._lock:
            self._seen.add(metadata["uid"])
            for fault in self._faults:
                if fault.kind not in kinds or fault.namespace != metadata.get("namespace"):
                    continue
                if fault.name not in owners or not any(fault.image in image for image in images):
                    continue
                if fault.running or fault.kind == "quota" or metadata["uid"] not in self._spared:
                    return fault
        return None
