"""StatefulSets and DaemonSets, in the least that behaves: ordered pods, updates one by one, one pod on the node."""

from __future__ import annotations

from sandbox.kubernetes.deployments import template_hash
from sandbox.kubernetes.events import Recorder
from sandbox.kubernetes.node import NODE
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.owned import MANAGER, PODS, create_pod, is_active, owned
from sandbox.kubernetes.references import is_ready
from sandbox.kubernetes.resources import named
from sandbox.kubernetes.status import Object
from sandbox.kubernetes.store import clone

_REVISION = "controller-revision-hash"


class Sets:
    """Both controllers."""

    def __init__(self, objects: Objects, recorder: Recorder) -> None:
        self._objects = objects
        self._events = recorder

    def sync_stateful(self, namespace: str, name: str) -> float | None:
        """Create NAME-0, NAME-1... in order, remove from the end, replace outdated pods from the end."""
        item = self._objects.store.get(named("statefulsets.apps"), namespace, name)
        if item is None or item["metadata"].get("deletionTimestamp"):
            return None
        revision = f"{name}-{template_hash(item['spec']['template'])}"
        pods = {pod["metadata"]["name"]: pod for pod in owned(self._objects.store, PODS, item)}
        wanted = [f"{name}-{index}" for index in range(item["spec"]["replicas"])]
        self._step(item, revision, wanted, pods)
        mine = [pod for pod in owned(self._objects.store, PODS, item) if is_active(pod)]
        ready, updated = sum(map(is_ready, mine)), sum(_has(pod, revision) for pod in mine)
        done = updated == len(mine) == item["spec"]["replicas"] == ready
        old = (item.get("status") or {}).get("currentRevision", revision)
        status = {
            "observedGeneration": item["metadata"]["generation"],
            "replicas": len(mine),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": updated,
            "updateRevision": revision,
            "currentRevision": revision if done else old,
            "currentReplicas": updated if done else len(mine) - updated,
        }
        self._objects.set_status(named("statefulsets.apps"), {**item, "status": status}, MANAGER)
        return None

    def _step(self, item: Object, revision: str, wanted: list[str], pods: dict[str, Object]) -> None:
        parallel = item["spec"].get("podManagementPolicy") == "Parallel"
        for name in wanted:
            if name not in pods:
                self._create(item, revision, name)
                if not parallel:
                    return
            elif not parallel and not is_ready(pods[name]) and _has(pods[name], revision):
                return
        for name in reversed([*wanted, *sorted(set(pods) - set(wanted))]):
            pod = pods.get(name)
            if pod is None:
                continue
            if pod["metadata"].get("deletionTimestamp"):
                return
            if name not in wanted or not _has(pod, revision):
                self._objects.delete(PODS, (pod["metadata"]["namespace"], name), {})
                return

    def sync_daemon(self, namespace: str, name: str) -> float | None:
        """Keep one pod of the present template on the node."""
        item = self._objects.store.get(named("daemonsets.apps"), namespace, name)
        if item is None or item["metadata"].get("deletionTimestamp"):
            return None
        revision = template_hash(item["spec"]["template"])
        pods = owned(self._objects.store, PODS, item)
        for pod in pods:
            if is_active(pod) and not _has(pod, revision):
                self._objects.delete(PODS, (namespace, pod["metadata"]["name"]), {})
        if not pods:
            self._create(item, revision, "")
        mine = [pod for pod in owned(self._objects.store, PODS, item) if is_active(pod)]
        ready = sum(map(is_ready, mine))
        status = {
            "observedGeneration": item["metadata"]["generation"],
            "currentNumberScheduled": len(mine),
            "desiredNumberScheduled": 1,
            "numberMisscheduled": 0,
            "numberReady": ready,
            "numberAvailable": ready,
            "updatedNumberScheduled": sum(_has(pod, revision) for pod in mine),
            "numberUnavailable": 1 - ready,
        }
        self._objects.set_status(named("daemonsets.apps"), {**item, "status": status}, MANAGER)
        return None

    def _create(self, item: Object, revision: str, name: str) -> None:
        template = clone(item["spec"]["template"])
        labels = template["metadata"].setdefault("labels", {})
        labels[_REVISION] = revision
        if name:
            labels["statefulset.kubernetes.io/pod-name"] = name
            template["spec"]["hostname"] = name
            metadata = {"name": name}
        else:
            template["spec"]["nodeName"] = NODE
            metadata = {"generateName": f"{item['metadata']['name']}-"}
        pod = create_pod(self._objects, item, template, **metadata)
        text = f"create Pod {pod['metadata']['name']} in {item['kind']} {item['metadata']['name']} successful"
        self._events.record(item, f"{item['kind'].lower()}-controller", "Normal", "SuccessfulCreate", text)


def _has(pod: Object, revision: str) -> bool:
    return bool(pod["metadata"]["labels"].get(_REVISION) == revision)
