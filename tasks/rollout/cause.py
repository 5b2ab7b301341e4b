"""Why a rollout does not get its pods ready: from Pods, Events and ReplicaSets to one `Cause`. Pure.

Categories agree with prefect-kubernetes' ``diagnose_k8s_pod`` where that has one (held by a test); these rules go
further: they read Events, ``lastState``, probes, quotas and missing configuration, and say when waiting is pointless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from tasks.rollout.names import REVISION
from tasks.rollout.status import Cause, Object, container_statuses, last_termination

PULL_GRACE_SECONDS = 90.0
"""How long a pull may fail for a passing reason (registry busy, name not resolved) before the rollout is given up."""

SLOW_SECONDS = 10.0
"""From which age of a pod it is told that it has not started, or is not ready, for no other reason that is known."""

NOT_STARTED, NOT_READY = "not-started", "not-ready"
"""Categories that tell no fault, but what a pod is doing."""

FINAL_RESTARTS = 3
_NOT_YET = re.compile(r"failed to sync (secret|configmap) cache")
_OTHER_PLATFORM = re.compile(r"no match for platform|no matching manifest|does not match the specified platform")
_NOT_FOUND = re.compile(r"not found|manifest unknown|name unknown|repository does not exist", re.IGNORECASE)
_TOO_MANY = re.compile(r"toomanyrequests|\b429\b|too many requests|pull rate limit", re.IGNORECASE)
_NO_ACCESS = re.compile(r"unauthorized|authorization failed|\b401\b|\b403\b|denied|no basic auth", re.IGNORECASE)


def find_cause(
    pods: Sequence[Object], events: Sequence[Object], replica_sets: Sequence[Object], revision: int, now: datetime
) -> Cause | None:
    """The weightiest reason why pods of `revision` are not ready, or None when there is nothing wrong (yet).

    Args:
        pods: The service's pods, of any revision.
        events: The namespace's Events.
        replica_sets: The service's ReplicaSets.
        revision: The revision being rolled out.
        now: The time by which ages are reckoned (with a time zone).
    """
    ours = [p for p in pods if _revision(p) == str(revision) and not p["metadata"].get("deletionTimestamp")]
    causes = [cause for pod in ours if (cause := _pod_cause(pod, _events_of(pod, events), now))]
    sets = [rs for rs in replica_sets if _revision(rs) == str(revision)]
    causes += [cause for rs in sets if (cause := _replica_set_cause(rs, _events_of(rs, events)))]
    return max(causes, key=lambda cause: (cause.final, cause.category not in {NOT_STARTED, NOT_READY}), default=None)


def _revision(thing: Object) -> str:
    return str((thing["metadata"].get("labels") or {}).get(REVISION, ""))


def _events_of(thing: Object, events: Iterable[Object]) -> list[Object]:
    """Events about one object, oldest first."""
    uid, name = thing["metadata"].get("uid"), thing["metadata"]["name"]
    about = [e for e in events if e["involvedObject"].get("uid") == uid and e["involvedObject"].get("name") == name]
    return sorted(about, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))


def _pod_cause(pod: Object, events: Sequence[Object], now: datetime) -> Cause | None:
    rules: tuple[Callable[[Object, Sequence[Object], datetime], Cause | None], ...] = (
        _evicted,
        _unschedulable,
        _image,
        _configuration,
        _ended,
        _mount,
        _probe,
        _slow,
    )
    return next((cause for rule in rules if (cause := rule(pod, events, now))), None)


def _containers(pod: Object) -> list[Any]:
    return [*((pod.get("status") or {}).get("initContainerStatuses") or []), *container_statuses(pod)]


def _waiting(container: Object) -> tuple[str, str]:
    waiting = (container.get("state") or {}).get("waiting") or {}
    return str(waiting.get("reason") or ""), str(waiting.get("message") or "")


def _said(events: Sequence[Object], *reasons: str) -> str:
    """The last message of these reasons, or nothing."""
    return next((str(e.get("message") or "") for e in reversed(events) if e.get("reason") in reasons), "")


def _age(pod: Object, now: datetime) -> float:
    created = pod["metadata"].get("creationTimestamp")
    return (now - datetime.fromisoformat(created.replace("Z", "+00:00"))).total_seconds() if created else 0.0


def _evicted(pod: Object, _events: Sequence[Object], _now: datetime) -> Cause | None:
    status = pod.get("status") or {}
    if status.get("reason") != "Evicted":
        return None
    return Cause(
        "evicted",
        "The pod was evicted from its node.",
        str(status.get("message") or ""),
        "Give it resource requests that match its use, or more disk and memory on the nodes.",
        pod["metadata"]["name"],
    )


def _unschedulable(pod: Object, _events: Sequence[Object], _now: datetime) -> Cause | None:
    conditions = (pod.get("status") or {}).get("conditions") or []
    scheduled: Object = next((c for c in conditions if c["type"] == "PodScheduled"), {})
    message, name = str(scheduled.get("message") or ""), pod["metadata"]["name"]
    if scheduled.get("reason") == "SchedulingGated":
        advice = "Look at what put the gate there, such as a queue for workloads."
        return Cause("scheduling-gated", "The pod is kept from being scheduled.", message, advice, name)
    if scheduled.get("reason") != "Unschedulable":
        return None
    kind, advice = _scheduling(message.lower())
    return Cause(kind, "No node can take the pod.", message, advice, name)


def _scheduling(text: str) -> tuple[str, str]:
    if "insufficient" in text:
        return "unschedulable-resources", "Lower resources.requests in the descriptor, or add nodes."
    if "taint" in text:
        return "unschedulable-taint", "Every node with room has a taint the pod does not tolerate; ask for other nodes."
    if "affinity" in text or "selector" in text:
        return "unschedulable-affinity", "No node matches the pod's node selector, affinity or volume."
    return "unschedulable", "Look at the cluster's nodes."


def _image(pod: Object, events: Sequence[Object], now: datetime) -> Cause | None:
    for container in _containers(pod):
        reason, message = _waiting(container)
        if reason == "InvalidImageName":
            return Cause(
                "image-invalid",
                "The image's name is not valid.",
                message,
                "Correct the image reference.",
                pod["metadata"]["name"],
                final=True,
            )
        if reason in {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"}:
            pulls = [e for e in events if "pull" in str(e.get("message")) and e.get("reason") == "Failed"]
            detail = message if reason == "ErrImagePull" and message else _said(pulls, "Failed") or message
            tries = sum(int(e.get("count") or 1) for e in pulls if "pull image" in str(e.get("message")))
            return _pull_cause(pod, detail, tries, now)
    return None


def _pull_cause(pod: Object, detail: str, tries: int, now: datetime) -> Cause:
    name, late = pod["metadata"]["name"], _age(pod, now) > PULL_GRACE_SECONDS
    if _TOO_MANY.search(detail):
        return Cause(
            "image-rate-limit",
            "The registry lets the nodes pull no more images for now.",
            detail,
            "Give the Environment's ImageRegistry block a login, whose limit is higher; or deploy again later.",
            name,
            final=late,
        )
    if _NO_ACCESS.search(detail):
        return Cause(
            "image-access",
            "The registry refuses the cluster's credentials for the image.",
            detail,
            "Check the login of the Environment's ImageRegistry block.",
            name,
            # A node may read a pod's Secrets only a moment after it got the pod, and pulls without a login until then.
            final=late or tries > 1 or not pod["spec"].get("imagePullSecrets"),
        )
    if _OTHER_PLATFORM.search(detail):  # containerd's words end with "not found" too
        return Cause(
            "image-platform",
            "The image is not built for the node's kind of machine.",
            detail,
            "Build it for the architecture of the nodes, e.g. linux/amd64.",
            name,
            final=True,
        )
    if _NOT_FOUND.search(detail):
        return Cause(
            "image-not-found",
            "The image is not in the registry.",
            detail,
            "Check that the build pushed it, and to the registry that the cluster pulls from.",
            name,
            final=True,
        )
    return Cause(
        "image-pull",
        "The image cannot be pulled.",
        detail,
        "Check that the nodes reach the registry.",
        name,
        final=late,
    )


def _configuration(pod: Object, events: Sequence[Object], now: datetime) -> Cause | None:
    for container in _containers(pod):
        reason, message = _waiting(container)
        if reason == "CreateContainerConfigError" and "runAsNonRoot" in message:
            return Cause(
                "run-as-root",
                "The pod must not run as root, and the image's user is root or has no number.",
                message,
                "Set a number as USER in the Dockerfile, or security.run_as_user in the descriptor.",
                pod["metadata"]["name"],
                final=True,
            )
        if reason == "CreateContainerConfigError":
            unread = _NOT_YET.search(message)  # as with the login for a pull
            return Cause(
                "configuration",
                "A Secret, ConfigMap or setting that the container needs is missing.",
                message or _said(events, "Failed"),
                "Create it in the Environment's namespace, or correct the variables.",
                pod["metadata"]["name"],
                final=not unread or _age(pod, now) > PULL_GRACE_SECONDS,
            )
        if reason == "CreateContainerError":
            return Cause(
                "container-create",
                "The container cannot be created.",
                message or _said(events, "Failed"),
                "Check command, user and volumes.",
                pod["metadata"]["name"],
            )
    return None


def _ended(pod: Object, _events: Sequence[Object], _now: datetime) -> Cause | None:
    """Containers that ended, whatever they are doing now (backing off, or running again)."""
    for container in _containers(pod):
        state = container.get("state") or {}
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        if not ended or (container.get("ready") and "running" in state):
            continue
        if container in ((pod.get("status") or {}).get("initContainerStatuses") or []) and ended.get("exitCode") == 0:
            continue
        return _ended_cause(pod, container, ended)
    return None


def _ended_cause(pod: Object, container: Object, ended: Object) -> Cause:
    restarts = int(container.get("restartCount") or 0)
    name, final = pod["metadata"]["name"], restarts >= FINAL_RESTARTS
    where = str(container.get("name") or "")
    how = f"It ended with {last_termination(container)}, {restarts} restarts."
    detail = f"{how} {ended.get('message') or ''}".strip()
    if ended.get("reason") == "OOMKilled":
        return Cause(
            "out-of-memory",
            "The container needed more memory than its limit.",
            how,
            "Raise resources.limits.memory, or make it need less.",
            name,
            final,
            container=where,
        )
    if ended.get("reason") in {"StartError", "ContainerCannotRun"}:
        return Cause(
            "container-start",
            "The container's command cannot be started.",
            detail,
            "Check command and args, and that the program is in the image and executable.",
            name,
            final,
            container=where,
        )
    return Cause(
        "crash-loop",
        "The container ends instead of running on.",
        detail,
        "Read its last log lines; check command, variables and what it connects to.",
        name,
        final,
        container=where,
    )


def _mount(pod: Object, events: Sequence[Object], _now: datetime) -> Cause | None:
    message = _said(events, "FailedMount", "FailedAttachVolume")
    started = any("running" in (c.get("state") or {}) for c in _containers(pod))
    if not message or started:
        return None
    return Cause("volume", "A volume cannot be mounted.", message, "Check the volume.", pod["metadata"]["name"])


def _probe(pod: Object, events: Sequence[Object], _now: datetime) -> Cause | None:
    for container in _containers(pod):
        if container.get("ready") or "running" not in (container.get("state") or {}):
            continue
        where = str(container.get("name") or "")
        message = _said([e for e in events if _is_about(e, where)], "Unhealthy")
        if message:
            kind = message.split(" ", 1)[0].lower()
            kind = kind if kind in {"readiness", "liveness", "startup"} else "readiness"
            return Cause(
                f"{kind}-probe",
                f"The container runs, but its {kind} probe fails.",
                message,
                "Check the port and path it listens on, and the probes of the descriptor.",
                pod["metadata"]["name"],
                container=where,
            )
    return None


def _slow(pod: Object, events: Sequence[Object], now: datetime) -> Cause | None:
    """A pod that has been there for a while: all that can be told where a deadline ends for no other reason."""
    containers = _containers(pod)
    if _age(pod, now) < SLOW_SECONDS or (containers and all(container.get("ready") for container in containers)):
        return None
    name, running = pod["metadata"]["name"], [c for c in containers if "running" in (c.get("state") or {})]
    for container in running:
        if not container.get("ready"):
            where = str(container.get("name") or "")
            advice = "Read its log; or give it longer: strategy.progress_deadline_seconds in the descriptor."
            return Cause(NOT_READY, f"Container {where} runs, but is not ready yet.", "", advice, name, container=where)
    if running:  # its others have ended well, or come after these
        return None
    last = f"{events[-1].get('reason')}: {events[-1].get('message') or ''}" if events else ""
    advice = "Look at the pod's node: it may be busy, pull a large image, or wait for a volume or an address."
    return Cause(NOT_STARTED, "The container has not started yet.", last, advice, name)


def _is_about(event: Object, container: str) -> bool:
    """Whether an Event of a pod is about this container, as far as it tells (``spec.containers{NAME}``)."""
    field = str(event["involvedObject"].get("fieldPath") or "")
    return not field or field.endswith(f"{{{container}}}")


def _replica_set_cause(replica_set: Object, events: Sequence[Object]) -> Cause | None:
    conditions = (replica_set.get("status") or {}).get("conditions") or []
    condition: Object = next((c for c in conditions if c["type"] == "ReplicaFailure"), {})
    message = str(condition.get("message") or "")
    if condition.get("reason") != "FailedCreate":
        return None
    message = message or _said(events, "FailedCreate")
    if "exceeded quota" in message:
        return Cause(
            "quota",
            "The namespace's quota does not allow the pod.",
            message,
            "Lower resources in the descriptor, or ask for a larger quota.",
        )
    if "violates PodSecurity" in message:
        return Cause(
            "pod-security",
            "The namespace's Pod Security Standard does not allow the pod.",
            message,
            "Set security in the descriptor; for `restricted`: run_as_non_root: true and drop_capabilities: [ALL].",
            final=True,
        )
    return Cause(
        "pod-refused",
        "The cluster refuses to create the pod.",
        message,
        "Read the reason: an admission policy, a missing service account, or a limit range.",
    )
