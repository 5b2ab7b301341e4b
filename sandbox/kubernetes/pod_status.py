"""The status of a pod, as the kubelet writes it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.kubernetes.images import Pulled
from sandbox.kubernetes.node import ADDRESS
from sandbox.kubernetes.objects import now
from sandbox.kubernetes.status import Object


@dataclass
class Run:
    """What the kubelet remembers of a pod.

    Attributes:
        stage: What comes next: ``new``, ``pulling``, ``pulled``, ``backing-off``, ``config``, ``starting``,
            ``running``, ``crashed``.
        due: Monotonic time before which nothing happens.
        images: Container name -> image ID, once pulled.
        pulled: Container name -> what was pulled, in this process.
        up_at: Monotonic time at which the containers started.
    """

    stage: str = "new"
    due: float = 0.0
    pulls: int = 0
    restarts: int = 0
    images: dict[str, str] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    ready_at: float = 0.0
    last: Object = field(default_factory=dict)
    began: str = ""
    unhealthy_at: float = 0.0
    up_at: float = 0.0
    pulled: dict[str, Pulled] = field(default_factory=dict)


def conditions(pod: Object, *, ready: bool, done: bool = False) -> list[Object]:
    """The four conditions of a scheduled pod; unchanged ones keep their time."""
    names = ", ".join(container["name"] for container in pod["spec"]["containers"])
    reason: Mapping[str, str] = {}
    if done:
        reason = {"reason": "PodCompleted"}
    elif not ready:
        reason = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{names}]"}
    wanted: list[tuple[str, str, Mapping[str, str]]] = [
        ("Initialized", "True", reason if done else {}),
        ("Ready", str(ready), reason),
        ("ContainersReady", str(ready), reason),
        ("PodScheduled", "True", {}),
    ]
    before = {entry["type"]: entry for entry in pod.get("status", {}).get("conditions") or []}
    return [_condition(before.get(kind), kind, status, why) for kind, status, why in wanted]


def _condition(before: Object | None, kind: str, status: str, why: Mapping[str, str]) -> Object:
    same = before is not None and before["status"] == status
    moment = before["lastTransitionTime"] if same and before else now()
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": moment, **why}


def container_id(pod: Object, name: str, restarts: int) -> str:
    """The ID of one run of a container."""
    text = f"{pod['metadata']['uid']}/{name}/{restarts}"
    return f"containerd://{hashlib.sha256(text.encode()).hexdigest()}"


def waiting(reason: str, message: str = "") -> Object:
    """A container's state."""
    return {"waiting": {"reason": reason, "message": message} if message else {"reason": reason}}


def status(pod: Object, run: Run, phase: str, states: Mapping[str, Object], *, ready: bool = False) -> Object:
    """A whole status; `states` names each container's state."""
    done = phase in ("Succeeded", "Failed")
    old = pod.get("status") or {}
    number = int(hashlib.sha256(pod["metadata"]["uid"].encode()).hexdigest()[:4], 16)
    address = f"10.244.{number >> 8}.{number & 255}"
    found: dict[str, Any] = {
        "phase": phase,
        "conditions": conditions(pod, ready=ready, done=done),
        "hostIP": ADDRESS,
        "qosClass": quality(pod),
        "startTime": old.get("startTime") or now(),
        "containerStatuses": [
            _container(pod, run, container, states[container["name"]], ready=ready)
            for container in pod["spec"]["containers"]
        ],
    }
    if run.images:
        found |= {"podIP": address, "podIPs": [{"ip": address}]}
        if pod["spec"].get("initContainers"):
            found["initContainerStatuses"] = [_initialized(pod, run, entry) for entry in pod["spec"]["initContainers"]]
    return found


def _container(pod: Object, run: Run, container: Object, state: Object, *, ready: bool) -> Object:
    name = container["name"]
    entry: Object = {
        "name": name,
        "image": container["image"],
        "imageID": run.images.get(name, ""),
        "ready": ready,
        "restartCount": run.restarts,
        "started": "running" in state,
        "state": state,
        "lastState": dict(run.last),
    }
    if "running" in state or "terminated" in state:
        entry["containerID"] = container_id(pod, name, run.restarts)
    return entry


def _initialized(pod: Object, run: Run, container: Object) -> Object:
    name = container["name"]
    ended = {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": run.began,
        "finishedAt": run.began,
        "containerID": container_id(pod, name, 0),
    }
    return {
        "name": name,
        "image": container["image"],
        "imageID": run.images.get(name, ""),
        "ready": True,
        "restartCount": 0,
        "started": False,
        "state": {"terminated": ended},
        "lastState": {},
        "containerID": ended["containerID"],
    }


def quality(pod: Object) -> str:
    """The QoS class."""
    resources = [container.get("resources") or {} for container in pod["spec"]["containers"]]
    if not any(entry.get("requests") or entry.get("limits") for entry in resources):
        return "BestEffort"
    full = all(
        {"cpu", "memory"} <= set(entry.get("limits") or {}) and entry.get("requests") == entry.get("limits")
        for entry in resources
    )
    return "Guaranteed" if full else "Burstable"
