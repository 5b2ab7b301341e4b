"""The ReplicaSet controller."""

from __future__ import annotations

import time

from sandbox.kubernetes import references
from sandbox.kubernetes.events import Recorder
from sandbox.kubernetes.load import stamp
from sandbox.kubernetes.misbehaviour import Misbehaviour
from sandbox.kubernetes.objects import Objects, now
from sandbox.kubernetes.owned import MANAGER, PODS, create_pod, is_active, owned
from sandbox.kubernetes.resources import named
from sandbox.kubernetes.status import ApiError, Object, forbidden

REPLICA_SETS = named("replicasets.apps")


class ReplicaSets:
    """Keeps the number of pods a ReplicaSet wants."""

    def __init__(self, objects: Objects, recorder: Recorder, misbehaviour: Misbehaviour) -> None:
        self._objects = objects
        self._events = recorder
        self._faults = misbehaviour

    def sync(self, namespace: str, name: str) -> float | None:
        """Create or delete pods, then write the status."""
        item = self._objects.store.get(REPLICA_SETS, namespace, name)
        if item is None or item["metadata"].get("deletionTimestamp"):
            return None
        active = [pod for pod in owned(self._objects.store, PODS, item) if is_active(pod)]
        failure = self._scale(item, active)
        pods = [pod for pod in owned(self._objects.store, PODS, item) if is_active(pod)]
        wait = self._write(item, pods, failure)
        return 1.0 if failure else wait

    def _scale(self, item: Object, active: list[Object]) -> str:
        missing = item["spec"]["replicas"] - len(active)
        try:
            for _ in range(missing):
                self._create(item)
        except ApiError as error:
            self._events.record(
                item, "replicaset-controller", "Warning", "FailedCreate", f"Error creating: {error.message}"
            )
            return error.message
        for pod in sorted(active, key=_rank)[: max(0, -missing)]:
            metadata = pod["metadata"]
            self._objects.delete(PODS, (metadata["namespace"], metadata["name"]), {})
            text = f"Deleted pod: {metadata['name']}"
            self._events.record(item, "replicaset-controller", "Normal", "SuccessfulDelete", text)
        return ""

    def _create(self, item: Object) -> None:
        name = item["metadata"]["name"]
        template = item["spec"]["template"]
        asked = {"metadata": {**item["metadata"], "uid": f"{item['metadata']['uid']}/create"}, "spec": template["spec"]}
        if self._faults.of(asked, references.owners(self._objects.store, item), "quota"):
            limits = "requested: pods=1, used: pods=0, limited: pods=0"
            raise forbidden("", "pods", f"{name}-xxxxx", f"exceeded quota: stand-in, {limits}")
        pod = create_pod(self._objects, item, template, generateName=f"{name}-")
        text = f"Created pod: {pod['metadata']['name']}"
        self._events.record(item, "replicaset-controller", "Normal", "SuccessfulCreate", text)

    def _write(self, item: Object, pods: list[Object], failure: str) -> float | None:
        least = item["spec"].get("minReadySeconds", 0)
        ready = [pod for pod in pods if references.is_ready(pod)]
        ages = [_ready_for(pod) for pod in ready]
        available = sum(age >= least for age in ages)
        status = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": len(ready),
            "availableReplicas": available,
            "observedGeneration": item["metadata"]["generation"],
        }
        shown: Object = {key: value for key, value in status.items() if value or key == "replicas"}
        if failure:
            old = (item.get("status") or {}).get("conditions") or []
            moment = old[0]["lastTransitionTime"] if old else now()
            shown["conditions"] = [
                {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "reason": "FailedCreate",
                    "message": failure,
                    "lastTransitionTime": moment,
                }
            ]
        self._objects.set_status(REPLICA_SETS, {**item, "status": shown}, MANAGER)
        young = [least - age for age in ages if age < least]
        return max(0.05, min(young)) if young else None


def _ready_for(pod: Object) -> float:
    moments = [entry["lastTransitionTime"] for entry in pod["status"]["conditions"] if entry["type"] == "Ready"]
    return time.time() - stamp(moments[0]) if moments else 0.0


def _rank(pod: Object) -> tuple[bool, bool, float]:
    """Which pod goes first: unscheduled, then not ready, then the youngest."""
    created = stamp(pod["metadata"]["creationTimestamp"])
    return bool(pod["spec"].get("nodeName")), references.is_ready(pod), -created
