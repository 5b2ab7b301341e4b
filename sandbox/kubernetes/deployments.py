"""The Deployment controller: ReplicaSets for templates, rolling updates, conditions and revisions."""

from __future__ import annotations

import hashlib
import json
import math
import time
from typing import Any

from sandbox.kubernetes.decoding import Write
from sandbox.kubernetes.events import Recorder
from sandbox.kubernetes.load import stamp
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.owned import MANAGER, PODS, owned, reference, set_condition
from sandbox.kubernetes.replicas import REPLICA_SETS
from sandbox.kubernetes.resources import named
from sandbox.kubernetes.status import Object
from sandbox.kubernetes.store import clone

DEPLOYMENTS = named("deployments.apps")
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION)


def template_hash(template: Object) -> str:
    """Ten letters that name a pod template."""
    text = json.dumps(template, sort_keys=True)
    number = int(hashlib.sha256(text.encode()).hexdigest(), 16)
    return "".join(_ALPHABET[number // 27**index % 27] for index in range(10))


def portion(value: Any, replicas: int, *, up: bool) -> int:
    """An absolute number or a percentage of the replicas."""
    if isinstance(value, str) and value.endswith("%"):
        exact = int(value[:-1]) * replicas / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value or 0)


class Deployments:
    """Moves Deployments from one template to the next."""

    def __init__(self, objects: Objects, recorder: Recorder) -> None:
        self._objects = objects
        self._store = objects.store
        self._events = recorder

    def sync(self, namespace: str, name: str) -> float | None:
        """Take a Deployment one step on; returns when its progress deadline is due.

        Under the store's lock: what is written here is what was read here, and no other write in between is undone.
        """
        with self._store.lock:
            return self._sync(namespace, name)

    def _sync(self, namespace: str, name: str) -> float | None:
        item = self._store.get(DEPLOYMENTS, namespace, name)
        if item is None or item["metadata"].get("deletionTimestamp"):
            return None
        sets = owned(self._store, REPLICA_SETS, item)
        key = template_hash(item["spec"]["template"])
        new = next((entry for entry in sets if entry["metadata"]["labels"].get(HASH) == key), None)
        olds = [entry for entry in sets if entry is not new]
        created = False
        if not item["spec"].get("paused"):
            if new is None:
                new, created = self._create(item, key, sets), True
            new = self._revise(item, new, olds)
            item = self._store.get(DEPLOYMENTS, namespace, name) or item
        if new is not None:
            self._roll(item, new, olds)
        again = self._write(item, new, created=created)
        if item["spec"]["strategy"]["type"] == "Recreate" and self._left(olds):
            return 0.1  # the last change of the old ReplicaSet is before the end of its last pod
        return again

    def _create(self, item: Object, key: str, sets: list[Object]) -> Object:
        template = clone(item["spec"]["template"])
        labels = template["metadata"].setdefault("labels", {})
        labels[HASH] = key
        selector = clone(item["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH] = key
        name, replicas = f"{item['metadata']['name']}-{key}", item["spec"]["replicas"]
        body = {
            "metadata": {
                "name": name,
                "labels": dict(labels),
                "ownerReferences": [reference(item)],
                "annotations": {
                    **_copied(item),
                    REVISION: str(_last(sets) + 1),
                    "deployment.kubernetes.io/desired-replicas": str(replicas),
                    "deployment.kubernetes.io/max-replicas": str(replicas + self._surge(item)),
                },
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        least = item["spec"].get("minReadySeconds")
        if least:
            body["spec"]["minReadySeconds"] = least
        created, _ = self._objects.create(REPLICA_SETS, item["metadata"]["namespace"], body, Write(MANAGER))
        return created

    def _revise(self, item: Object, new: Object, olds: list[Object]) -> Object:
        """Number the new ReplicaSet after all others (a rollback takes an old one up again)."""
        annotations = new["metadata"].setdefault("annotations", {})
        wanted = {**annotations, **_copied(item)}
        if int(annotations.get(REVISION, "0")) <= _last(olds) and olds:
            wanted[REVISION] = str(_last(olds) + 1)
        if wanted != annotations:
            new["metadata"]["annotations"] = wanted
            new = self._store.put(REPLICA_SETS, new)
        mine = item["metadata"].get("annotations") or {}
        if mine.get(REVISION) != wanted[REVISION]:
            item["metadata"]["annotations"] = {**mine, REVISION: wanted[REVISION]}
            self._store.put(DEPLOYMENTS, item)
        return new

    def _surge(self, item: Object) -> int:
        strategy = item["spec"]["strategy"]
        rolling = strategy.get("rollingUpdate") or {}
        return portion(rolling.get("maxSurge", 0), item["spec"]["replicas"], up=True)

    def _unavailable(self, item: Object) -> int:
        strategy, replicas = item["spec"]["strategy"], item["spec"]["replicas"]
        if strategy["type"] == "Recreate":
            return 0
        allowed = portion((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 0), replicas, up=False)
        if allowed == 0 and self._surge(item) == 0:
            return 1  # both rounded down to nothing: Kubernetes lets one go
        return min(allowed, int(replicas))

    def _roll(self, item: Object, new: Object, olds: list[Object]) -> None:
        replicas = item["spec"]["replicas"]
        if new["spec"]["replicas"] > replicas:
            self._scale(item, new, replicas)
        if item["spec"].get("paused"):
            if not [old for old in olds if old["spec"]["replicas"]]:
                self._scale(item, new, replicas)
            return
        if item["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(item, new, olds)
            return
        total = new["spec"]["replicas"] + sum(old["spec"]["replicas"] for old in olds)
        room = replicas + self._surge(item) - total
        grow = min(room, replicas - new["spec"]["replicas"])
        if grow > 0:
            self._scale(item, new, new["spec"]["replicas"] + grow)
        else:
            self._shrink(item, new, olds)

    def _recreate(self, item: Object, new: Object, olds: list[Object]) -> None:
        for old in olds:
            self._scale(item, old, 0)
        if not self._left(olds):
            self._scale(item, new, item["spec"]["replicas"])

    def _left(self, olds: list[Object]) -> bool:
        return any(owned(self._store, PODS, old) for old in olds)

    def _shrink(self, item: Object, new: Object, olds: list[Object]) -> None:
        """Scale old ReplicaSets down: first pods that are not available, then as many as may be missed."""
        replicas = item["spec"]["replicas"]
        everything = new["spec"]["replicas"] + sum(old["spec"]["replicas"] for old in olds)
        least = replicas - self._unavailable(item)
        spare = everything - least - (new["spec"]["replicas"] - _available(new))
        for old in sorted(olds, key=_created):
            broken = min(old["spec"]["replicas"] - _available(old), spare)
            if broken > 0:
                self._scale(item, old, old["spec"]["replicas"] - broken)
                spare -= broken
        surplus = _available(new) + sum(_available(old) for old in olds) - least
        for old in sorted(olds, key=_created):
            drop = min(old["spec"]["replicas"], surplus, max(0, spare))
            if drop > 0:
                self._scale(item, old, old["spec"]["replicas"] - drop)
                surplus -= drop
                spare -= drop

    def _scale(self, item: Object, target: Object, replicas: int) -> None:
        before = target["spec"]["replicas"]
        if before == replicas:
            return
        target["spec"]["replicas"] = replicas
        target["metadata"]["generation"] += 1
        annotations = target["metadata"].setdefault("annotations", {})
        annotations["deployment.kubernetes.io/desired-replicas"] = str(item["spec"]["replicas"])
        fresh = self._store.put(REPLICA_SETS, target)
        target["metadata"] = fresh["metadata"]
        word = "up" if replicas > before else "down"
        text = f"Scaled {word} replica set {target['metadata']['name']} from {before} to {replicas}"
        self._events.record(item, "deployment-controller", "Normal", "ScalingReplicaSet", text)

    def _write(self, item: Object, new: Object | None, *, created: bool) -> float | None:
        sets = owned(self._store, REPLICA_SETS, item)
        replicas = item["spec"]["replicas"]
        mine = [entry for entry in sets if new is not None and entry["metadata"]["uid"] == new["metadata"]["uid"]]
        total, ready = _sum(sets, "replicas"), _sum(sets, "readyReplicas")
        available = _sum(sets, "availableReplicas")
        status: Object = {
            "observedGeneration": item["metadata"]["generation"],
            "replicas": total,
            "updatedReplicas": _sum(mine, "replicas"),
            "readyReplicas": ready,
            "availableReplicas": available,
            "unavailableReplicas": max(0, sum(entry["spec"]["replicas"] for entry in sets) - available),
        }
        old = item.get("status") or {}
        conditions = clone(old.get("conditions") or [])
        self._judge_availability(item, conditions, available)
        again = self._judge_progress(item, status, old, conditions, mine, created=created)
        _failure(conditions, sets)
        shown = {key: value for key, value in status.items() if value}
        self._objects.set_status(DEPLOYMENTS, {**item, "status": {**shown, "conditions": conditions}}, MANAGER)
        if status["updatedReplicas"] == total == available == replicas:
            self._prune(item, mine, sets)
        return again

    def _judge_availability(self, item: Object, conditions: list[Object], available: int) -> None:
        enough = available >= item["spec"]["replicas"] - self._unavailable(item)
        reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
        text = "has minimum availability" if enough else "does not have minimum availability"
        set_condition(conditions, "Available", str(enough), reason, f"Deployment {text}.")

    def _judge_progress(
        self, item: Object, status: Object, old: Object, conditions: list[Object], mine: list[Object], *, created: bool
    ) -> float | None:
        if item["spec"].get("paused"):
            set_condition(conditions, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
            return None
        found = next((entry for entry in conditions if entry["type"] == "Progressing"), None)
        name = mine[0]["metadata"]["name"] if mine else item["metadata"]["name"]
        replicas = item["spec"]["replicas"]
        if status["updatedReplicas"] == status["replicas"] == status["availableReplicas"] == replicas:
            text = f'ReplicaSet "{name}" has successfully progressed.'
            set_condition(conditions, "Progressing", "True", "NewReplicaSetAvailable", text)
            return None
        if created:
            text = f'Created new replica set "{name}"'
            set_condition(conditions, "Progressing", "True", "NewReplicaSetCreated", text, touch=True)
        elif _progressed(status, old) or found is None or _is_new(item, found, old):
            text = f'ReplicaSet "{name}" is progressing.'
            set_condition(conditions, "Progressing", "True", "ReplicaSetUpdated", text, touch=True)
        return self._deadline(item, conditions, name)

    @staticmethod
    def _deadline(item: Object, conditions: list[Object], name: str) -> float | None:
        found = next(entry for entry in conditions if entry["type"] == "Progressing")
        if found["reason"] in ("ProgressDeadlineExceeded", "NewReplicaSetAvailable"):
            return None
        left: float = stamp(found["lastUpdateTime"]) + item["spec"]["progressDeadlineSeconds"] - time.time()
        if left > 0:
            return left + 0.05
        text = f'ReplicaSet "{name}" has timed out progressing.'
        set_condition(conditions, "Progressing", "False", "ProgressDeadlineExceeded", text)
        return None

    def _prune(self, item: Object, mine: list[Object], sets: list[Object]) -> None:
        names = {entry["metadata"]["name"] for entry in mine}
        idle = [
            entry
            for entry in sets
            if entry["metadata"]["name"] not in names
            and not entry["spec"]["replicas"]
            and not _sum([entry], "replicas")
        ]
        extra = len(idle) - item["spec"]["revisionHistoryLimit"]
        for entry in sorted(idle, key=lambda one: int(one["metadata"]["annotations"].get(REVISION, "0")))[
            : max(0, extra)
        ]:
            self._objects.delete(REPLICA_SETS, (entry["metadata"]["namespace"], entry["metadata"]["name"]), {})


def _copied(item: Object) -> Object:
    annotations = item["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key not in _NOT_COPIED}


def _last(sets: list[Object]) -> int:
    return max((int((entry["metadata"].get("annotations") or {}).get(REVISION, "0")) for entry in sets), default=0)


def _created(item: Object) -> str:
    return str(item["metadata"]["creationTimestamp"])


def _available(item: Object) -> int:
    return int((item.get("status") or {}).get("availableReplicas", 0))


def _sum(sets: list[Object], name: str) -> int:
    return sum((entry.get("status") or {}).get(name, 0) for entry in sets)


def _progressed(status: Object, old: Object) -> bool:
    """More updated, ready or available pods, or fewer old ones, than before."""
    stale, was = status["replicas"] - status["updatedReplicas"], old.get("replicas", 0) - old.get("updatedReplicas", 0)
    names = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return stale < was or any(status[name] > old.get(name, 0) for name in names)


def _is_new(item: Object, found: Object, old: Object) -> bool:
    """Whether a finished or failed rollout begins anew with a changed template."""
    changed = old.get("observedGeneration") != item["metadata"]["generation"]
    return changed and found["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused")


def _failure(conditions: list[Object], sets: list[Object]) -> None:
    failed = [
        entry
        for owner in sets
        for entry in (owner.get("status") or {}).get("conditions") or []
        if entry["type"] == "ReplicaFailure"
    ]
    conditions[:] = [entry for entry in conditions if entry["type"] != "ReplicaFailure"] if not failed else conditions
    if failed:
        set_condition(conditions, "ReplicaFailure", "True", failed[0]["reason"], failed[0]["message"])
