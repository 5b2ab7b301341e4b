"""The rollout's effects on a cluster, each safe to repeat. Synchronous; `task` wraps them for Prefect."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from errors import AccessError, ConflictError, InputError, NotFoundError, SmartClideError
from tasks.hiding import Hider
from tasks.rollout import history, manifest, names
from tasks.rollout.cause import NOT_READY, find_cause
from tasks.rollout.cluster import ClusterClient, owned
from tasks.rollout.history import ReleaseRecord
from tasks.rollout.manifest import Manifest, RegistryLogin
from tasks.rollout.names import Identity
from tasks.rollout.plan import Change, change
from tasks.rollout.status import Cause, Progress, ServiceStatus, endpoints_of, rollout_progress, service_status

_ENDED = {"crash-loop", "out-of-memory"}
_LOGGED = _ENDED | {"readiness-probe", "liveness-probe", "startup-probe", NOT_READY}


def plan(
    client: ClusterClient, identity: Identity, manifests: tuple[Manifest, ...], login: RegistryLogin | None
) -> tuple[Change, ...]:
    """What applying would change, found by dry runs on the server."""
    changes = []
    fresh = _namespace_is_absent(client, identity.namespace)
    for wanted in _with_pull_secret(client, identity, manifests, login):
        found = client.refuse_foreign(wanted, identity)
        changes.append(change(found, wanted if fresh else client.apply(wanted, dry_run=True)))
    return tuple(changes)


def _namespace_is_absent(client: ClusterClient, namespace: str) -> bool:
    try:
        return client.find("Namespace", None, namespace) is None
    except AccessError:  # who may not look has been given one
        return False


def apply(
    client: ClusterClient, identity: Identity, manifests: tuple[Manifest, ...], login: RegistryLogin | None
) -> tuple[Manifest, ...]:
    """Apply the objects of one revision; all are tried on the server first, so that a refusal changes nothing.

    Returns:
        The objects as the server answered.

    Raises:
        ConflictError: A name is taken, or another manager owns a field.
        InputError: The API server finds an object invalid.
    """
    client.ensure_namespace(manifest.namespace(identity.namespace))
    wanted = _with_pull_secret(client, identity, manifests, login)
    for one in wanted:
        client.refuse_foreign(one, identity)
        client.apply(one, dry_run=True)
    return tuple(client.apply(one) for one in wanted)


def _with_pull_secret(
    client: ClusterClient, identity: Identity, manifests: tuple[Manifest, ...], login: RegistryLogin | None
) -> tuple[Manifest, ...]:
    secrets = (manifest.pull_secret(identity, login),) if login else ()
    return secrets + _replicas(client, identity, manifests)


def _replicas(client: ClusterClient, identity: Identity, manifests: tuple[Manifest, ...]) -> tuple[Manifest, ...]:
    """Leave the number of pods to a HorizontalPodAutoscaler where there is one.

    A field that we alone own and stop applying would fall back to its default, 1 pod. So while we still own
    ``replicas``, it is applied with the value it has.
    """
    scalers = _if_allowed(client, "HorizontalPodAutoscaler", identity.namespace)
    targets = [s["spec"]["scaleTargetRef"] for s in scalers]
    if not any(t.get("kind") == "Deployment" and t.get("name") == identity.service for t in targets):
        return manifests
    live = client.find("Deployment", identity.namespace, identity.service)
    if live is None or not _own_replicas(live):
        return manifest.without_replicas(manifests)
    return tuple(
        {**m, "spec": {**m["spec"], "replicas": live["spec"]["replicas"]}} if m["kind"] == "Deployment" else m
        for m in manifests
    )


def _if_allowed(client: ClusterClient, kind: str, namespace: str) -> list[Manifest]:
    """All objects of a kind; none where the cluster has no such kind or this identity may not see it."""
    try:
        return client.list(kind, namespace)
    except (AccessError, NotFoundError):
        return []


def _own_replicas(deployment: Manifest) -> bool:
    entries = deployment["metadata"].get("managedFields") or []
    return any(
        e.get("manager") == names.FIELD_MANAGER and "f:replicas" in e.get("fieldsV1", {}).get("f:spec", {})
        for e in entries
    )


def observe(client: ClusterClient, identity: Identity, revision: int) -> tuple[Progress, Cause | None]:
    """How far the rollout of `revision` is, and what holds it up, without the Secrets that its pod is given.

    Raises:
        ConflictError: The Deployment is gone, or is of another revision now.
    """
    deployment = client.find("Deployment", identity.namespace, identity.service)
    if deployment is None:
        raise ConflictError(f"Deployment {identity.service} was deleted while revision {revision} was rolled out.")
    found = deployment["metadata"].get("labels", {}).get(names.REVISION)
    if found != str(revision):
        raise ConflictError(f"Deployment {identity.service} is of revision {found} now, not {revision}.")
    progress = rollout_progress(deployment)
    if progress.state == "done":
        return progress, None
    selector = names.selector_text(identity.selector)
    pods, sets = (client.list(kind, identity.namespace, selector) for kind in ("Pod", "ReplicaSet"))
    events = _if_allowed(client, "Event", identity.namespace)
    cause = find_cause(pods, events, sets, revision, datetime.now(UTC))
    if cause is None or not cause.container:
        return progress, cause
    try:  # a container's last words are among Kubernetes' own
        hide = Hider(*_secrets_given(client, identity.namespace, cause.pod))
    except AccessError:
        return progress, replace(cause, detail="")
    return progress, replace(cause, detail=hide(cause.detail))


def with_log(client: ClusterClient, identity: Identity, cause: Cause | None) -> Cause | None:
    """The cause with the container's last lines, where it ran, without the Secrets that its pod is given."""
    if cause is None or cause.category not in _LOGGED or not cause.pod:
        return cause
    ended = cause.category in _ENDED  # it may run again by now, with nothing to say yet
    try:
        place = (cause.pod, cause.container)
        lines = client.log_tail(identity.namespace, place, previous=ended)
        lines = lines or client.log_tail(identity.namespace, place, previous=not ended)
        hide = Hider(*_secrets_given(client, identity.namespace, cause.pod))
    except SmartClideError:  # a help for the reader; the cause itself stands without
        return cause
    return replace(cause, detail=hide(cause.detail), log_tail=tuple(map(hide, lines)))


def _secrets_given(client: ClusterClient, namespace: str, pod: str) -> list[str]:
    """Values of Secrets that are environment variables of a pod's containers: programs tell them when they fail."""
    spec = (client.find("Pod", namespace, pod) or {}).get("spec") or {}
    variables = [v for c in spec.get("containers") or [] for v in c.get("env") or []]
    keys = [v["valueFrom"]["secretKeyRef"] for v in variables if "secretKeyRef" in (v.get("valueFrom") or {})]
    data = {
        name: (client.find("Secret", namespace, name) or {}).get("data") or {} for name in {key["name"] for key in keys}
    }
    packed = [data[key["name"]].get(key["key"]) or "" for key in keys]
    return [base64.b64decode(value).decode("utf-8", "replace") for value in packed]


def status(client: ClusterClient, identity: Identity) -> ServiceStatus:
    """How the service is now."""
    deployment = client.find("Deployment", identity.namespace, identity.service)
    pods = client.list("Pod", identity.namespace, names.selector_text(identity.selector)) if deployment else []
    endpoints = client.find("Endpoints", identity.namespace, identity.service)
    if deployment and endpoints is None:
        endpoints = dict(endpoints_of(_slices(client, identity)))
    return service_status(identity.service, identity.namespace, deployment, pods, endpoints)


def _slices(client: ClusterClient, identity: Identity) -> list[Manifest]:
    """EndpointSlices, for clusters that make no Endpoints any more (deprecated since Kubernetes 1.33)."""
    try:
        return client.list("EndpointSlice", identity.namespace, f"kubernetes.io/service-name={identity.service}")
    except (AccessError, NotFoundError):
        return []


def records(client: ClusterClient, identity: Identity) -> tuple[ReleaseRecord, ...]:
    """All recorded revisions of this project in this Environment, oldest first."""
    selector = names.selector_text({**identity.selector, names.PART: "release"})
    secrets = client.list("Secret", identity.namespace, selector)
    return tuple(sorted((history.decode(s) for s in secrets if owned(s, identity)), key=lambda r: r.revision))


def record(client: ClusterClient, identity: Identity, release: ReleaseRecord) -> None:
    """Write one record, creating or replacing it, and forget those too old.

    Raises:
        ConflictError: The revision's name is taken by someone else.
    """
    _write(client, identity, release)
    if release.state == "deployed":
        _supersede(client, identity, release.revision)
    for revision in history.to_prune(records(client, identity)):
        client.delete("Secret", identity.namespace, history.secret_name(identity.service, revision))


def _write(client: ClusterClient, identity: Identity, release: ReleaseRecord) -> None:
    secret = history.encode(release, identity)
    for tries_left in (2, 1, 0):
        there = client.refuse_foreign(secret, identity) is not None
        try:
            client.replace(secret) if there else client.create(secret)
            return
        except (ConflictError, NotFoundError):  # made, changed or deleted meanwhile: look again
            if not tries_left:
                raise


def _supersede(client: ClusterClient, identity: Identity, newest: int) -> None:
    for old in records(client, identity):
        if old.revision < newest and old.state == "deployed":
            _write(client, identity, replace(old, state="superseded"))


def choose(found: tuple[ReleaseRecord, ...], wanted: int | None) -> ReleaseRecord:
    """The revision to go back to: `wanted`, or the last good one that is another release than what runs.

    After a first or only release was undeployed, that is the one that ran last.

    Raises:
        NotFoundError: There is none.
        InputError: The wanted one never ran.
    """
    good = [r for r in found if r.state in history.GOOD]
    if wanted is None:
        current = history.deployed(found)
        others = [r for r in good if current is None or r.release_key != current.release_key]
        if not others:
            raise NotFoundError("There is no earlier release to go back to.", remedy="Deploy a working version.")
        return others[-1]
    chosen = next((r for r in found if r.revision == wanted), None)
    if chosen is None:
        known = ", ".join(str(r.revision) for r in found) or "none"
        raise NotFoundError(f"There is no revision {wanted}; recorded: {known}.")
    if chosen not in good:
        raise InputError(f"Revision {wanted} is {chosen.state}.", remedy="Choose one that was deployed.")
    return chosen


def remove(client: ClusterClient, identity: Identity, *, purge: bool) -> tuple[str, ...]:
    """Delete what we own of a service; the history stays (``uninstalled``) unless `purge`.

    Never the Namespace, and not the Lease: it is held by who calls this, who deletes it after releasing it.

    Returns:
        What was deleted, e.g. ``Deployment shop``.
    """
    selector = names.selector_text(identity.selector)
    deleted = []
    for kind in ("Deployment", "Service", "Secret"):
        for one in client.list(kind, identity.namespace, selector):
            of_history = one["metadata"]["labels"].get(names.PART) == "release"
            name = one["metadata"]["name"]
            if owned(one, identity) and (purge or not of_history) and client.delete(kind, identity.namespace, name):
                deleted.append(f"{kind} {name}")
    if not purge:
        for old in records(client, identity):
            if old.state == "deployed":
                _write(client, identity, replace(old, state="uninstalled"))
    return tuple(deleted)


def owned_pods(client: ClusterClient, identity: Identity) -> tuple[str, ...]:
    """Names of the service's pods that are still there; none while its name is someone else's."""
    pods = client.list("Pod", identity.namespace, names.selector_text(identity.selector))
    ours = identity.labels[names.PROJECT]
    return tuple(p["metadata"]["name"] for p in pods if p["metadata"]["labels"].get(names.PROJECT) == ours)


def login_of(registry: Any) -> RegistryLogin | None:
    """The login the cluster pulls with, from an `ImageRegistry` block (None: no registry, or no login)."""
    login = registry.login() if registry is not None else None
    return RegistryLogin(registry.address, *login) if login else None
