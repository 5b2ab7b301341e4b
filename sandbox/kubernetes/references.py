"""What a pod refers to: its owners, images, secrets and config maps."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.kubernetes.resources import BY_KIND, named
from sandbox.kubernetes.status import Object
from sandbox.kubernetes.store import Store


def owners(store: Store, item: Object) -> set[str]:
    """The names of an object and of everything that owns it."""
    metadata = item["metadata"]
    found = {metadata["name"]}
    for reference in metadata.get("ownerReferences") or []:
        resource = BY_KIND.get((reference["apiVersion"], reference["kind"]))
        owner = store.get(resource, metadata.get("namespace", ""), reference["name"]) if resource else None
        found |= owners(store, owner) if owner else {reference["name"]}
    return found


def images(pod: Object) -> dict[str, str]:
    """Container name -> image reference, init containers first."""
    spec = pod["spec"]
    return {entry["name"]: entry["image"] for entry in [*(spec.get("initContainers") or []), *spec["containers"]]}


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is true."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def pull_secrets(store: Store, pod: Object) -> list[Object]:
    """The pull secrets that exist, the pod's own before its service account's."""
    namespace = pod["metadata"]["namespace"]
    account = store.get(named("serviceaccounts"), namespace, pod["spec"].get("serviceAccountName", "default")) or {}
    listed = [*(account.get("imagePullSecrets") or []), *(pod["spec"].get("imagePullSecrets") or [])]
    found = [store.get(named("secrets"), namespace, entry.get("name", "")) for entry in listed]
    return [secret for secret in found if secret is not None]


def missing_volume(store: Store, pod: Object) -> str | None:
    """The kubelet's words when a volume's secret or config map is not there."""
    for volume in pod["spec"].get("volumes") or []:
        for field, key, kind in (("secret", "secretName", "secret"), ("configMap", "name", "configmap")):
            source = volume.get(field)
            if source and not source.get("optional") and _absent(store, pod, kind, source.get(key, "")):
                text = f'{kind} "{source.get(key, "")}" not found'
                return f'MountVolume.SetUp failed for volume "{volume["name"]}" : {text}'
    return None


def missing_variable(store: Store, pod: Object) -> str | None:
    """The kubelet's words when an environment variable's source is not there."""
    for kind, source, key in _sources(pod):
        if source.get("optional"):
            continue
        name = source.get("name", "")
        if _absent(store, pod, kind, name):
            return f'{kind} "{name}" not found'
        found = store.get(named(f"{kind}s"), pod["metadata"]["namespace"], name) or {}
        if key and key not in (found.get("data") or {}):
            title = {"secret": "Secret", "configmap": "ConfigMap"}[kind]
            return f"couldn't find key {key} in {title} {pod['metadata']['namespace']}/{name}"
    return None


def _sources(pod: Object) -> Iterator[tuple[str, Object, str]]:
    for container in pod["spec"]["containers"]:
        for entry in container.get("envFrom") or []:
            for field, kind in (("secretRef", "secret"), ("configMapRef", "configmap")):
                if field in entry:
                    yield kind, entry[field], ""
        for variable in container.get("env") or []:
            origin = variable.get("valueFrom") or {}
            for field, kind in (("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")):
                if field in origin:
                    yield kind, origin[field], origin[field].get("key", "")


def _absent(store: Store, pod: Object, kind: str, name: str) -> bool:
    return store.get(named(f"{kind}s"), pod["metadata"]["namespace"], name) is None
