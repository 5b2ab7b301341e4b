"""Garbage collection by ownerReferences, and the life of namespaces."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.kubernetes.decoding import Write
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.resources import STORED, Resource, named
from sandbox.kubernetes.status import ApiError, Object

NAMESPACES = named("namespaces")
_AUTHORITY = "stand-in: this cluster is spoken to over plain HTTP on loopback and has no certificate authority\n"


class Collector:
    """Deletes what has lost its owner."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._store = objects.store

    def sync_owner(self, namespace: str, uid: str) -> None:
        """Delete the dependents of an owner that has gone, or that waits for them to go."""
        owner = self._find(uid)
        if owner is not None and "foregroundDeletion" not in (owner[1]["metadata"].get("finalizers") or []):
            return
        dependents = list(self._dependents(namespace, uid))
        for resource, item in dependents:
            if not item["metadata"].get("deletionTimestamp"):
                policy = "Foreground" if owner is not None else "Background"
                self._delete(resource, item, {"propagationPolicy": policy})
        if owner is not None and not list(self._dependents(namespace, uid)):
            metadata = owner[1]["metadata"]
            self._objects.finalize(owner[0], (metadata.get("namespace", ""), metadata["name"]), "foregroundDeletion")

    def sync_namespace(self, _: str, name: str) -> float | None:
        """Give a namespace what every one has; empty and remove one that is being deleted."""
        item = self._store.get(NAMESPACES, "", name)
        if item is None:
            return None
        if not item["metadata"].get("deletionTimestamp"):
            self._furnish(name)
            return None
        left = [
            (resource, entry)
            for resource in STORED
            if resource.namespaced
            for entry in self._store.peek(resource, name)
        ]
        if not left:
            self._store.remove(NAMESPACES, "", name)
            return None
        for resource, entry in left:
            if not entry["metadata"].get("deletionTimestamp"):
                self._delete(resource, entry, {"propagationPolicy": "Background"})
        return 0.05

    def _furnish(self, namespace: str) -> None:
        for resource, name, data in (
            (named("serviceaccounts"), "default", {}),
            (named("configmaps"), "kube-root-ca.crt", {"data": {"ca.crt": _AUTHORITY}}),
        ):
            if self._store.get(resource, namespace, name) is None:
                write = Write("kube-controller-manager")
                self._objects.create(resource, namespace, {"metadata": {"name": name}, **data}, write)

    def _delete(self, resource: Resource, item: Object, options: Object) -> None:
        metadata = item["metadata"]
        try:
            self._objects.delete(resource, (metadata.get("namespace", ""), metadata["name"]), options)
        except ApiError:
            return  # gone meanwhile

    def _find(self, uid: str) -> tuple[Resource, Object] | None:
        for resource in STORED:
            for item in self._store.peek(resource):
                if item["metadata"]["uid"] == uid:
                    return resource, item
        return None

    def _dependents(self, namespace: str, uid: str) -> Iterator[tuple[Resource, Object]]:
        for resource in STORED:
            for item in self._store.peek(resource, namespace):
                owners = item["metadata"].get("ownerReferences") or []
                if any(reference["uid"] == uid for reference in owners):
                    others = [reference for reference in owners if reference["uid"] != uid]
                    if not any(self._find(reference["uid"]) for reference in others):
                        yield resource, item
