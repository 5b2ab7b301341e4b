"""Create, update, patch, apply and delete: what the API server does between a request and its store."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox.kubernetes import defaults, managers, validation
from sandbox.kubernetes.decoding import Write, applied, check_applied, decoded
from sandbox.kubernetes.managers import Manager
from sandbox.kubernetes.resources import Resource, named
from sandbox.kubernetes.status import (
    ApiError,
    Object,
    already_exists,
    bad_request,
    forbidden,
    invalid,
    modified,
    not_found,
)
from sandbox.kubernetes.store import Store, clone

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
GRACEFUL = frozenset({"pods"})


def now() -> str:
    """This moment as ``metav1.Time``: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Objects:
    """The writes of the API server on a `Store`."""

    def __init__(self, store: Store, seed: int = 1) -> None:
        self.store = store
        self._seed = seed + store.version
        self._drawn: Counter[str] = Counter()

    def create(self, resource: Resource, namespace: str, body: Object, write: Write) -> tuple[Object, list[str]]:
        """Create an object; returns it and the decoder's warnings."""
        item, warnings = decoded(resource, namespace, body, write)
        metadata = item["metadata"]
        with self.store.lock:
            if not metadata.get("name") and metadata.get("generateName"):
                dice = self._dice(resource.plural, namespace, metadata["generateName"])
                metadata["name"] = metadata["generateName"] + "".join(dice.choices(_SUFFIX, k=5))
            self._admit(resource, namespace)
            if metadata.get("resourceVersion"):
                raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
            self._finish(resource, item, None)
            if self.store.get(resource, namespace, metadata["name"]) is not None:
                raise already_exists(resource.group, resource.plural, metadata["name"])
            managers.track_update(None, item, self._manager(resource, write, "Update"))
            return self._put(resource, item, write), warnings

    def _dice(self, *what: object) -> random.Random:
        """Chance of its own for each object, so that what controllers make meanwhile changes nothing."""
        name = "/".join(map(str, what))
        self._drawn[name] += 1
        return random.Random(f"{self._seed}/{name}/{self._drawn[name]}")

    def update(self, resource: Resource, key: tuple[str, str], body: Object, write: Write) -> tuple[Object, list[str]]:
        """Replace an object, or its status."""
        namespace, name = key
        item, warnings = decoded(resource, namespace, body, write)
        if item["metadata"].setdefault("name", name) != name:
            text = f"the name of the object ({item['metadata']['name']}) does not match the name on the URL ({name})"
            raise bad_request(text)
        with self.store.lock:
            old = self.get(resource, namespace, name)
            return self._replace(resource, old, item, write), warnings

    def patch(
        self, resource: Resource, key: tuple[str, str], change: Callable[[Object], Any], write: Write
    ) -> tuple[Object, list[str]]:
        """Change an object by a patch function of its current state."""
        with self.store.lock:
            old = self.get(resource, *key)
            changed = change(clone(old))
            if not isinstance(changed, dict):
                raise ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})
            given = changed.get("metadata", {})
            if given.get("resourceVersion") == old["metadata"]["resourceVersion"]:
                given.pop("resourceVersion")
            item, warnings = decoded(resource, key[0], changed, write)
            return self._replace(resource, old, item, write), warnings

    def apply(self, resource: Resource, key: tuple[str, str], body: Object, write: Write) -> tuple[Object, bool]:
        """Server-side apply; returns the object and whether it was created."""
        namespace, name = key
        check_applied(resource, key, body, write)
        with self.store.lock:
            old = self.store.get(resource, namespace, name)
            if old is None and write.subresource:
                raise not_found(resource.group, resource.plural, name)
            if old is None:
                self._admit(resource, namespace)
            wanted = applied(resource, key, body)
            live = old or {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
            }
            item = managers.apply(live, wanted, self._manager(resource, write, "Apply"), force=write.force)
            entries = item["metadata"].get("managedFields")
            self._finish(resource, item, old, write.subresource)
            if entries:
                item["metadata"]["managedFields"] = entries
            if old is not None and _same(item, old):
                return old, False
            return self._put(resource, item, write), old is None

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """One object.

        Raises:
            ApiError: 404.
        """
        found = self.store.get(resource, namespace, name)
        if found is None:
            raise not_found(resource.group, resource.plural, name)
        return found

    def delete(self, resource: Resource, key: tuple[str, str], options: Object) -> tuple[Object, bool]:
        """Delete an object as `options` (``DeleteOptions``) say; returns it and whether it is gone at once."""
        with self.store.lock:
            item = self.get(resource, *key)
            metadata = item["metadata"]
            wanted = options.get("preconditions") or {}
            for name, text in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
                if wanted.get(name) and wanted[name] != metadata[name]:
                    raise _precondition(resource, metadata["name"], text, wanted[name], metadata[name])
            if options.get("dryRun"):
                return item, False
            finalizers = [name for name in metadata.get("finalizers") or [] if name not in ("orphan",)]
            policy = options.get("propagationPolicy") or ("Orphan" if options.get("orphanDependents") else "Background")
            if policy == "Foreground" and "foregroundDeletion" not in finalizers and resource.plural != "pods":
                finalizers.append("foregroundDeletion")
            if policy == "Orphan":
                self._orphan(item)
            grace = options.get("gracePeriodSeconds")
            lingers = resource.key == "namespaces" or (resource.key in GRACEFUL and grace != 0 and _runs(item))
            if not finalizers and not lingers:
                return self.store.remove(resource, *key) or item, True
            if not metadata.get("deletionTimestamp"):
                metadata["deletionTimestamp"] = now()
                default = item.get("spec", {}).get("terminationGracePeriodSeconds", 30) if lingers else 0
                metadata["deletionGracePeriodSeconds"] = default if grace is None else grace
                if finalizers:
                    metadata["finalizers"] = finalizers
                if resource.key == "namespaces":
                    item["status"] = {**item.get("status", {}), "phase": "Terminating"}
                item = self.store.put(resource, item)
            return item, False

    def set_status(self, resource: Resource, item: Object, manager: str) -> Object | None:
        """A controller's write of a status (and metadata it owns); None when the object has gone meanwhile."""
        metadata = item["metadata"]
        with self.store.lock:
            old = self.store.get(resource, metadata.get("namespace", ""), metadata["name"])
            if old is None or old["metadata"]["uid"] != metadata["uid"]:
                return None
            fresh = {**old, "status": item.get("status", {})}
            if _same(fresh, old):
                return old
            managers.track_update(old, fresh, self._manager(resource, Write(manager, "status"), "Update"))
            return self.store.put(resource, fresh)

    def finalize(self, resource: Resource, key: tuple[str, str], finalizer: str) -> None:
        """Take a finalizer away; the object goes with its last one."""
        with self.store.lock:
            item = self.store.get(resource, *key)
            if item is None:
                return
            left = [name for name in item["metadata"].get("finalizers") or [] if name != finalizer]
            item["metadata"]["finalizers"] = left
            self._settle(resource, item)

    def _settle(self, resource: Resource, item: Object) -> Object:
        metadata = item["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        if (
            metadata.get("deletionTimestamp")
            and not metadata.get("finalizers")
            and resource.key not in GRACEFUL | {"namespaces"}
        ):
            return self.store.remove(resource, *key) or item
        return self.store.put(resource, item)

    def _orphan(self, owner: Object) -> None:
        from sandbox.kubernetes.resources import STORED

        uid = owner["metadata"]["uid"]
        for resource in STORED:
            for item in self.store.peek(resource, owner["metadata"].get("namespace", "")):
                owners = item["metadata"].get("ownerReferences") or []
                if any(reference["uid"] == uid for reference in owners):
                    freed = clone(item)
                    freed["metadata"]["ownerReferences"] = [entry for entry in owners if entry["uid"] != uid]
                    self.store.put(resource, freed)

    def _admit(self, resource: Resource, namespace: str) -> None:
        if not resource.namespaced:
            return
        found = self.store.get(named("namespaces"), "", namespace)
        if found is None:
            raise not_found("", "namespaces", namespace)
        if found["metadata"].get("deletionTimestamp"):
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = forbidden(resource.group, resource.plural, "", text)
            cause = {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated"}
            (error.details or {}).update(causes=[{**cause, "field": "metadata.namespace"}])
            raise error

    def _finish(self, resource: Resource, item: Object, old: Object | None, subresource: str = "") -> None:
        """Default, number and validate an object about to be written."""
        metadata = item["metadata"]
        if old is None:
            dice = self._dice(resource.plural, metadata.get("namespace", ""), metadata["name"])
            metadata["uid"] = str(uuid.UUID(int=dice.getrandbits(128), version=4))
            metadata["creationTimestamp"] = now()
            for name in ("generation", "deletionTimestamp", "resourceVersion", "managedFields"):
                metadata.pop(name, None)
            if "status" in resource.subresources:
                item.pop("status", None)
        if not metadata.get("namespace"):
            metadata.pop("namespace", None)
        defaults.fill(resource.kind, item)
        if "status" in resource.subresources:
            item.setdefault("status", {})
        if resource.kind == "Job" and old is None:
            defaults.finish_job(item)
        if not subresource:
            self._number(resource, item, old)
        causes = validation.validate(resource.kind, item, old)
        if causes:
            raise invalid(resource.group, resource.kind, metadata.get("name", ""), causes)

    @staticmethod
    def _number(resource: Resource, item: Object, old: Object | None) -> None:
        if not resource.spec_generation:
            return
        before = old["metadata"].get("generation", 0) if old else 0
        changed = old is None or item.get("spec") != old.get("spec")
        item["metadata"]["generation"] = before + 1 if changed else before

    def _replace(self, resource: Resource, old: Object, item: Object, write: Write) -> Object:
        metadata, before = item["metadata"], old["metadata"]
        given = metadata.get("resourceVersion")
        if given and given != before["resourceVersion"]:
            raise modified(resource.group, resource.plural, before["name"])
        if metadata.get("uid") and metadata["uid"] != before["uid"]:
            text = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}"
            error = modified(resource.group, resource.plural, before["name"])
            raise ApiError(409, "Conflict", error.message.partition(": ")[0] + ": " + text, error.details)
        for name in _KEPT:
            metadata.pop(name, None)
            if name in before:
                metadata[name] = before[name]
        forgets = metadata.get("managedFields") == [{}] or metadata.get("managedFields") == []
        metadata.pop("managedFields", None)
        self._keep(resource, old, item, write.subresource)
        self._finish(resource, item, old, write.subresource)
        if forgets:
            before.pop("managedFields", None)
        metadata["resourceVersion"] = before["resourceVersion"]
        if before.get("managedFields"):
            metadata["managedFields"] = before["managedFields"]
        if _same(item, old) and not forgets:
            return old
        managers.track_update(old, item, self._manager(resource, write, "Update"))
        return self._put(resource, item, write)

    @staticmethod
    def _keep(resource: Resource, old: Object, item: Object, subresource: str) -> None:
        if subresource == "status":
            for name, value in old.items():
                if name not in ("status", "metadata"):
                    item[name] = value
        elif "status" in resource.subresources:
            item.pop("status", None)
            if "status" in old:
                item["status"] = old["status"]

    def _put(self, resource: Resource, item: Object, write: Write) -> Object:
        if write.dry_run:
            return item
        return self._settle(resource, item)

    @staticmethod
    def _manager(resource: Resource, write: Write, operation: str) -> Manager:
        subresource = write.subresource if write.subresource != "scale" or operation == "Update" else ""
        return Manager(write.manager, operation, resource.api_version, set(), now(), subresource)


def _runs(pod: Object) -> bool:
    return bool(pod.get("spec", {}).get("nodeName")) and pod.get("status", {}).get("phase") not in (
        "Succeeded",
        "Failed",
    )


def _same(one: Object, other: Object) -> bool:
    def essence(item: Object) -> Object:
        metadata = {key: value for key, value in item["metadata"].items() if key not in ("resourceVersion",)}
        metadata["managedFields"] = [
            {key: value for key, value in entry.items() if key != "time"}
            for entry in metadata.get("managedFields") or []
        ]
        return {**item, "metadata": metadata}

    return essence(one) == essence(other)


def _precondition(resource: Resource, name: str, what: str, wanted: str, have: str) -> ApiError:
    text = f"{what} in precondition: {wanted}, {what} in object meta: {have}"
    error = modified(resource.group, resource.plural, name)
    message = error.message.partition(": ")[0] + f": Precondition failed: {text}"
    return ApiError(409, "Conflict", message, error.details)
