"""The controllers: what changes, who has to look at it, and who looks."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.kubernetes.collector import Collector
from sandbox.kubernetes.deployments import Deployments
from sandbox.kubernetes.events import Recorder
from sandbox.kubernetes.jobs import Jobs
from sandbox.kubernetes.kubelet import Kubelet, Timing
from sandbox.kubernetes.loop import Key, Loop
from sandbox.kubernetes.misbehaviour import Misbehaviour
from sandbox.kubernetes.node import bootstrap
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.replicas import ReplicaSets
from sandbox.kubernetes.resources import BY_KIND, STORED
from sandbox.kubernetes.services import Services
from sandbox.kubernetes.sets import Sets
from sandbox.kubernetes.status import ApiError
from sandbox.kubernetes.store import Change

Sync = Callable[[str, str], float | None]


class Controllers:
    """All controllers in one thread, woken by changes of the store."""

    def __init__(self, objects: Objects, misbehaviour: Misbehaviour, timing: Timing) -> None:
        self._store = objects.store
        self._loop = Loop(self._work)
        recorder = Recorder(objects)
        self.kubelet = Kubelet(objects, misbehaviour, timing, lambda *key: self._loop.add(("pods", *key)))
        self._collector = Collector(objects)
        sets = Sets(objects, recorder)
        self._syncs: dict[str, Sync] = {
            "pods": self.kubelet.sync,
            "deployments.apps": Deployments(objects, recorder).sync,
            "replicasets.apps": ReplicaSets(objects, recorder, misbehaviour).sync,
            "statefulsets.apps": sets.sync_stateful,
            "daemonsets.apps": sets.sync_daemon,
            "jobs.batch": Jobs(objects, recorder).sync,
            "services": Services(objects).sync,
            "namespaces": self._collector.sync_namespace,
        }
        bootstrap(objects)

    def start(self) -> None:
        """Look at everything once, then at what changes."""
        self._store.listeners.append(self._changed)
        for resource in STORED:
            if resource.key in self._syncs:
                for item in self._store.peek(resource):
                    self._loop.add((resource.key, item["metadata"].get("namespace", ""), item["metadata"]["name"]))
        self._loop.start()

    def stop(self) -> None:
        """End the thread and the pulls."""
        self._loop.stop()
        self.kubelet.close()

    def _work(self, key: Key) -> float | None:
        kind, namespace, name = key
        if kind == "collect":
            self._collector.sync_owner(namespace, name)
            return None
        try:
            return self._syncs[kind](namespace, name)
        except ApiError:
            return 0.2  # its namespace goes away, or it has changed meanwhile: look again

    def _changed(self, change: Change) -> None:
        metadata = change.object["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        if change.resource.key in self._syncs:
            self._loop.add((change.resource.key, namespace, name))
        for reference in metadata.get("ownerReferences") or []:
            owner = BY_KIND.get((reference["apiVersion"], reference["kind"]))
            if owner is not None and owner.key in self._syncs:
                self._loop.add((owner.key, namespace, reference["name"]))
        if change.type == "DELETED" or "foregroundDeletion" in (metadata.get("finalizers") or []):
            self._loop.add(("collect", namespace, metadata["uid"]))
        if change.type == "DELETED":
            for reference in metadata.get("ownerReferences") or []:
                self._loop.add(("collect", namespace, reference["uid"]))
        if change.resource.key == "pods":
            for service in Services.of_pod(self._store, change.object):
                self._loop.add(("services", namespace, service))
