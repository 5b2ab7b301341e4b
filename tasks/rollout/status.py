"""Verdicts on what a cluster says: is the rollout done, and how is the service. Pure functions of API objects (dicts).

The rollout's rules are kubectl's (k8s.io/kubectl ``pkg/polymorphichelpers/rollout_status.go``). Why a rollout does
not move is found in `cause`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.rollout.names import NAME, REVISION

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Cause:
    """Why pods do not get ready.

    Attributes:
        category: Stable kebab-case name, e.g. ``image-not-found``, ``crash-loop``, ``readiness-probe``.
        summary: One sentence.
        detail: Kubernetes' own words.
        resolution: What to do.
        pod: The pod it was seen on, or empty.
        final: Whether waiting longer is pointless.
        log_tail: The container's last lines, filled in by the caller for containers that ran.
        container: The container it was seen on, where it is one's.
    """

    category: str
    summary: str
    detail: str
    resolution: str
    pod: str = ""
    final: bool = False
    log_tail: tuple[str, ...] = ()
    container: str = ""

    def __str__(self) -> str:
        tail = "".join(f"\n  {line}" for line in self.log_tail)
        return f"{self.summary} {self.detail}".strip() + tail


@dataclass(frozen=True)
class Progress:
    """How far a rollout is.

    Attributes:
        state: ``done``, ``waiting``, or ``failed`` (the progress deadline has passed).
        message: For people, e.g. ``2 of 3 pods updated``.
        desired: Pods wanted.
        updated: Pods of the new revision.
        ready: Ready pods of any revision.
        available: Available pods of any revision.
    """

    state: Literal["done", "waiting", "failed"]
    message: str
    desired: int
    updated: int
    ready: int
    available: int


def rollout_progress(deployment: Object) -> Progress:
    """The verdict of ``kubectl rollout status`` on a Deployment."""
    status = deployment.get("status") or {}
    desired = deployment["spec"].get("replicas", 1)
    total, updated, ready, available = (
        int(status.get(key) or 0) for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    )

    def progress(state: Literal["done", "waiting", "failed"], message: str) -> Progress:
        return Progress(state, message, desired, updated, ready, available)

    if int(status.get("observedGeneration") or 0) < int(deployment["metadata"].get("generation") or 0):
        return progress("waiting", "waiting for the Deployment controller to see the change")
    condition: Object = next((c for c in status.get("conditions") or [] if c["type"] == "Progressing"), {})
    if condition.get("reason") == "ProgressDeadlineExceeded":
        return progress("failed", f"no progress within {deployment['spec'].get('progressDeadlineSeconds', 600)} s")
    if updated < desired:
        return progress("waiting", f"{updated} of {desired} pods updated")
    if total > updated:
        return progress("waiting", f"{total - updated} old pods still to stop")
    if available < updated:
        return progress("waiting", f"{available} of {updated} updated pods available")
    return progress("done", f"{updated} of {desired} pods updated and available")


@dataclass(frozen=True)
class PodStatus:
    """One pod.

    Attributes:
        image_digest: The digest that runs (``sha256:...``), as the kubelet reports it; empty before it was pulled.
        last_termination: How the container ended last time, e.g. ``exit code 1 (Error)``; empty if it never did.
    """

    name: str
    revision: str
    phase: str
    ready: bool
    restarts: int
    image_digest: str
    node: str
    last_termination: str


@dataclass(frozen=True)
class ServiceStatus:
    """How a service is now.

    Attributes:
        state: ``running`` (all desired pods ready), ``degraded`` (some), ``down`` (none), ``stopped`` (none wanted),
            ``absent`` (no Deployment).
        revision: Revision label of the Deployment, or None.
        image: The image the Deployment asks for.
        endpoint_ready: Whether the Service has an address to send requests to.
    """

    service: str
    namespace: str
    state: Literal["running", "degraded", "down", "stopped", "absent"]
    revision: int | None = None
    image: str = ""
    desired: int = 0
    ready: int = 0
    updated: int = 0
    endpoint_ready: bool = False
    pods: tuple[PodStatus, ...] = field(default_factory=tuple)


def service_status(
    service: str, namespace: str, deployment: Object | None, pods: Sequence[Object], endpoints: Object | None
) -> ServiceStatus:
    """How a service is, from its Deployment, Pods and Endpoints (None: not there)."""
    if deployment is None:
        return ServiceStatus(service, namespace, "absent")
    progress = rollout_progress(deployment)
    state: Literal["running", "degraded", "down", "stopped"]
    if progress.desired == 0:
        state = "stopped"
    else:
        state = "running" if progress.ready >= progress.desired else "degraded" if progress.ready else "down"
    revision = deployment["metadata"].get("labels", {}).get(REVISION)
    return ServiceStatus(
        service,
        namespace,
        state,
        revision=int(revision) if revision else None,
        image=deployment["spec"]["template"]["spec"]["containers"][0]["image"],
        desired=progress.desired,
        ready=progress.ready,
        updated=progress.updated,
        endpoint_ready=any(subset.get("addresses") for subset in (endpoints or {}).get("subsets") or []),
        pods=tuple(pod_status(pod) for pod in sorted(pods, key=lambda p: p["metadata"]["name"])),
    )


def endpoints_of(slices: Sequence[Object]) -> Object:
    """What Endpoints say, from a Service's EndpointSlices; an endpoint of unknown readiness is ready by the API."""
    found = [endpoint for one in slices for endpoint in one.get("endpoints") or []]
    ready = [e for e in found if (e.get("conditions") or {}).get("ready") is not False]
    return {"subsets": [{"addresses": endpoint["addresses"]} for endpoint in ready]}


def pod_status(pod: Object) -> PodStatus:
    """One pod, from its API object; figures are those of the service's own container."""
    status = pod.get("status") or {}
    container: Object = next(iter(container_statuses(pod)), {})
    return PodStatus(
        name=pod["metadata"]["name"],
        revision=(pod["metadata"].get("labels") or {}).get(REVISION, ""),
        phase="Terminating" if pod["metadata"].get("deletionTimestamp") else status.get("phase", "Unknown"),
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or []),
        restarts=int(container.get("restartCount") or 0),
        image_digest=str(container.get("imageID") or "").rpartition("@")[2],
        node=(pod.get("spec") or {}).get("nodeName", ""),
        last_termination=last_termination(container),
    )


def container_statuses(pod: Object) -> list[Any]:
    """The statuses of a pod's containers, the service's own first: it has the service's name.

    The kubelet sorts them by name, and service meshes and others put containers of theirs into pods.
    """
    name = (pod["metadata"].get("labels") or {}).get(NAME)
    found = (pod.get("status") or {}).get("containerStatuses") or []
    return sorted(found, key=lambda status: status.get("name") != name)


def last_termination(container: Object) -> str:
    """How a container ended last, from its status, e.g. ``exit code 137 (OOMKilled)``."""
    ended = (container.get("state") or {}).get("terminated") or (container.get("lastState") or {}).get("terminated")
    return f"exit code {ended.get('exitCode')} ({ended.get('reason', 'unknown')})" if ended else ""
