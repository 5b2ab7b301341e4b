"""Descriptor + image + identity -> the objects of one release, as dicts. Pure.

Only API versions that are stable since Kubernetes 1.16. Every port names its ``protocol``: server-side apply of
Kubernetes 1.20 refuses ports without (kubernetes/kubernetes#92332). No secret is in a label, annotation or variable.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from docker_hub import login_key
from tasks.rollout.descriptor import Descriptor, Probe, SecretKey
from tasks.rollout.names import PROJECT_PATH, REVISION, Identity

Manifest = dict[str, Any]
_OWN = "smartclide.eu/"
_PULL_TYPE = "kubernetes.io/dockerconfigjson"


@dataclass(frozen=True)
class Origin:
    """Where a release comes from: annotations for people and for later runs.

    Attributes:
        commit_sha: Full commit SHA.
        ref: Branch or tag the user named.
        build_key: Key of the Jenkins build.
        release_key: Key of this release: build key, Environment and descriptor.
        flow_run_id: Prefect's flow run, or empty.
        approvals: What people decided on the way, in sentences, or empty.
        results: What the build's tests came to, as plain values.
    """

    commit_sha: str
    ref: str
    build_key: str
    release_key: str
    flow_run_id: str = ""
    approvals: str = ""
    results: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RegistryLogin:
    """What the cluster pulls the image with. Never logged: the password has no place in the repr."""

    address: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"RegistryLogin(address={self.address!r}, username={self.username!r})"


def namespace(name: str) -> Manifest:
    """A Namespace, created when absent and never owned: others may live in it."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def pull_secret(identity: Identity, login: RegistryLogin) -> Manifest:
    """The Secret the kubelet pulls with, named ``<service>-pull``."""
    token = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    entry = {"username": login.username, "password": login.password, "auth": token}
    text = json.dumps({"auths": {login_key(login.address): entry}}, sort_keys=True)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(identity, pull_secret_name(identity)),
        "type": _PULL_TYPE,
        "data": {".dockerconfigjson": base64.b64encode(text.encode()).decode()},
    }


def pull_secret_name(identity: Identity) -> str:
    """Name of the service's pull Secret."""
    return f"{identity.service}-pull"


def workload(
    descriptor: Descriptor, image: str, identity: Identity, origin: Origin, *, has_login: bool = False
) -> tuple[Manifest, ...]:
    """The Deployment and the Service, without a revision: see `stamp`.

    Args:
        descriptor: How to run it.
        image: ``repository@sha256:...``.
        identity: Whose objects these are.
        origin: Commit and keys, written as annotations.
        has_login: Whether the pods need the pull Secret.
    """
    return _deployment(descriptor, image, identity, origin, has_login), _service(descriptor, identity)


def stamp(manifests: tuple[Manifest, ...], revision: int, *, flow_run_id: str | None = None) -> tuple[Manifest, ...]:
    """The same objects, labelled as one revision (objects and pods alike); a rollback stamps recorded ones anew."""
    stamped = copy.deepcopy(manifests)
    for manifest in stamped:
        manifest["metadata"]["labels"][REVISION] = str(revision)
        if flow_run_id is not None:
            manifest["metadata"].setdefault("annotations", {})[f"{_OWN}flow-run-id"] = flow_run_id
        if manifest["kind"] == "Deployment":
            manifest["spec"]["template"]["metadata"]["labels"][REVISION] = str(revision)
    return stamped


def without_replicas(manifests: tuple[Manifest, ...]) -> tuple[Manifest, ...]:
    """The same objects, leaving the number of pods to a HorizontalPodAutoscaler."""
    released = copy.deepcopy(manifests)
    for manifest in released:
        if manifest["kind"] == "Deployment":
            manifest["spec"].pop("replicas", None)
    return released


def without_secrets(manifests: tuple[Manifest, ...]) -> tuple[Manifest, ...]:
    """The same objects, Secrets without their data: what may be recorded and shown."""
    return tuple(
        {key: value for key, value in manifest.items() if key not in {"data", "stringData"}}
        if manifest["kind"] == "Secret"
        else manifest
        for manifest in manifests
    )


def secrets_in(manifest: Manifest) -> tuple[str, ...]:
    """What of an object must not be repeated: a Secret's values, as they travel and decoded, a login's parts too."""
    if manifest["kind"] != "Secret":
        return ()
    packed = [str(value) for value in (manifest.get("data") or {}).values()]
    texts = [base64.b64decode(value).decode("utf-8", "replace") for value in packed]
    login = json.loads(texts[0])["auths"].values() if manifest.get("type") == _PULL_TYPE else ()
    return (*packed, *texts, *(entry[part] for entry in login for part in ("password", "auth")))


def _metadata(identity: Identity, name: str, extra: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": identity.namespace,
        "labels": dict(identity.labels),
        "annotations": {PROJECT_PATH: identity.project, **(extra or {})},
    }


def _deployment(descriptor: Descriptor, image: str, identity: Identity, origin: Origin, has_login: bool) -> Manifest:
    annotations = {
        f"{_OWN}commit": origin.commit_sha,
        f"{_OWN}ref": origin.ref,
        f"{_OWN}build-key": origin.build_key,
        f"{_OWN}release-key": origin.release_key,
        f"{_OWN}image": image,
        f"{_OWN}flow-run-id": origin.flow_run_id,
        **descriptor.annotations,
    }
    metadata = _metadata(identity, identity.service, annotations)
    metadata["labels"].update(descriptor.labels)
    strategy = descriptor.strategy
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": descriptor.replicas,
            "revisionHistoryLimit": 2,
            "minReadySeconds": strategy.min_ready_seconds,
            "progressDeadlineSeconds": strategy.progress_deadline_seconds,
            "selector": {"matchLabels": identity.selector},
            "strategy": _strategy(descriptor),
            "template": {
                "metadata": {
                    "labels": {**descriptor.labels, **identity.labels},
                    "annotations": {f"{_OWN}commit": origin.commit_sha, **descriptor.annotations},
                },
                "spec": _pod(descriptor, image, identity, has_login),
            },
        },
    }


def _strategy(descriptor: Descriptor) -> Manifest:
    if descriptor.strategy.type == "recreate":
        return {"type": "Recreate"}
    surge, unavailable = descriptor.strategy.max_surge, descriptor.strategy.max_unavailable
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": _int_or_text(surge), "maxUnavailable": _int_or_text(unavailable)},
    }


def _int_or_text(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _pod(descriptor: Descriptor, image: str, identity: Identity, has_login: bool) -> Manifest:
    pod: Manifest = {
        "containers": [_container(descriptor, image, identity)],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    }
    if has_login:
        pod["imagePullSecrets"] = [{"name": pull_secret_name(identity)}]
    if descriptor.service_account:
        pod["serviceAccountName"] = descriptor.service_account
    else:  # a service that names no account has no business with the API server
        pod["automountServiceAccountToken"] = False
    return pod


def _container(descriptor: Descriptor, image: str, identity: Identity) -> Manifest:
    container: Manifest = {
        "name": identity.service,
        "image": image,
        "imagePullPolicy": "IfNotPresent",  # named by digest
        "ports": [{"name": "http", "containerPort": descriptor.port, "protocol": "TCP"}],
        "securityContext": _security(descriptor),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if descriptor.variables:
        container["env"] = [_variable(name, value) for name, value in descriptor.variables.items()]
    resources = descriptor.resources.model_dump(exclude_none=True)
    if amounts := {name: value for name, value in resources.items() if value}:
        container["resources"] = amounts
    if descriptor.command is not None:
        container["command"] = list(descriptor.command)
    if descriptor.args is not None:
        container["args"] = list(descriptor.args)
    probes = descriptor.probes
    for name, probe in (("readiness", probes.readiness), ("liveness", probes.liveness), ("startup", probes.startup)):
        if probe:
            container[f"{name}Probe"] = _probe(probe, descriptor.port)
    return container


def _variable(name: str, value: SecretKey | str) -> Manifest:
    if isinstance(value, SecretKey):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": value.secret, "key": value.key}}}
    return {"name": name, "value": value}


def _security(descriptor: Descriptor) -> Manifest:
    security = descriptor.security
    context: Manifest = {
        "allowPrivilegeEscalation": security.allow_privilege_escalation,
        "readOnlyRootFilesystem": security.read_only_root_filesystem,
    }
    if security.run_as_user is not None:
        context["runAsUser"] = security.run_as_user
    if security.run_as_non_root is not None:
        context["runAsNonRoot"] = security.run_as_non_root
    if security.drop_capabilities:
        context["capabilities"] = {"drop": list(security.drop_capabilities)}
    return context


def _probe(probe: Probe, port: int) -> Manifest:
    port = probe.port or port
    check: Manifest
    if probe.command is not None:
        check = {"exec": {"command": list(probe.command)}}
    elif probe.path is not None:
        check = {"httpGet": {"path": probe.path, "port": port, "scheme": "HTTP"}}
    else:
        check = {"tcpSocket": {"port": port}}
    return {
        **check,
        "initialDelaySeconds": probe.initial_delay_seconds,
        "periodSeconds": probe.period_seconds,
        "timeoutSeconds": probe.timeout_seconds,
        "failureThreshold": probe.failure_threshold,
    }


def _service(descriptor: Descriptor, identity: Identity) -> Manifest:
    metadata = _metadata(identity, identity.service)
    metadata["labels"].update(descriptor.labels)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": "ClusterIP",
            "selector": identity.selector,
            "ports": [{"name": "http", "port": descriptor.port, "targetPort": descriptor.port, "protocol": "TCP"}],
        },
    }
