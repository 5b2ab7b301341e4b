"""The Job controller."""

from __future__ import annotations

import time

from sandbox.kubernetes.events import Recorder
from sandbox.kubernetes.load import stamp
from sandbox.kubernetes.objects import Objects, now
from sandbox.kubernetes.owned import MANAGER, PODS, create_pod, is_active, owned
from sandbox.kubernetes.references import is_ready
from sandbox.kubernetes.resources import named
from sandbox.kubernetes.status import Object

JOBS = named("jobs.batch")


class Jobs:
    """Runs the pods of Jobs until enough have succeeded or too many failed."""

    def __init__(self, objects: Objects, recorder: Recorder) -> None:
        self._objects = objects
        self._events = recorder

    def sync(self, namespace: str, name: str) -> float | None:
        """Take a Job one step on."""
        item = self._objects.store.get(JOBS, namespace, name)
        if item is None or item["metadata"].get("deletionTimestamp"):
            return None
        status = dict(item.get("status") or {})
        if status.get("conditions"):
            return self._expire(item, status)
        if item["spec"].get("suspend"):
            return None
        status.setdefault("startTime", now())
        pods = owned(self._objects.store, PODS, item)
        phases = [(pod.get("status") or {}).get("phase") for pod in pods]
        succeeded, failed = phases.count("Succeeded"), phases.count("Failed")
        active = [pod for pod in pods if is_active(pod)]
        retries = failed + sum(_restarts(pod) for pod in active)
        late = self._late(item, status)
        if succeeded >= item["spec"]["completions"]:
            self._complete(item, status)
        elif late or retries > item["spec"]["backoffLimit"]:
            reason = "DeadlineExceeded" if late else "BackoffLimitExceeded"
            self._fail(item, status, reason, active)
            failed, active = failed + len(active), []
        else:
            self._start(item, len(active), item["spec"]["completions"] - succeeded)
            active = [pod for pod in owned(self._objects.store, PODS, item) if is_active(pod)]
        numbers = {"active": len(active), "succeeded": succeeded, "failed": failed, "ready": sum(map(is_ready, active))}
        for key, value in numbers.items():
            status.pop(key, None)
            if value or key == "ready":
                status[key] = value
        self._objects.set_status(JOBS, {**item, "status": status}, MANAGER)
        limit = item["spec"].get("activeDeadlineSeconds")
        return float(limit) + 0.1 - (time.time() - stamp(status["startTime"])) if limit and active else None

    @staticmethod
    def _late(item: Object, status: Object) -> bool:
        limit = item["spec"].get("activeDeadlineSeconds")
        return bool(limit) and time.time() - stamp(status["startTime"]) >= limit

    def _start(self, item: Object, active: int, missing: int) -> None:
        name = item["metadata"]["name"]
        for _ in range(min(item["spec"]["parallelism"], missing) - active):
            pod = create_pod(self._objects, item, item["spec"]["template"], generateName=f"{name}-")
            text = f"Created pod: {pod['metadata']['name']}"
            self._events.record(item, "job-controller", "Normal", "SuccessfulCreate", text)

    def _complete(self, item: Object, status: Object) -> None:
        status["completionTime"] = now()
        status["conditions"] = [
            _condition("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"),
            _condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods"),
        ]
        self._events.record(item, "job-controller", "Normal", "Completed", "Job completed")

    def _fail(self, item: Object, status: Object, reason: str, active: list[Object]) -> None:
        text = {
            "BackoffLimitExceeded": "Job has reached the specified backoff limit",
            "DeadlineExceeded": "Job was active longer than specified deadline",
        }[reason]
        status["conditions"] = [_condition("FailureTarget", reason, text), _condition("Failed", reason, text)]
        self._events.record(item, "job-controller", "Warning", reason, text)
        for pod in active:
            self._objects.delete(PODS, (pod["metadata"]["namespace"], pod["metadata"]["name"]), {})

    def _expire(self, item: Object, status: Object) -> float | None:
        seconds = item["spec"].get("ttlSecondsAfterFinished")
        if seconds is None:
            return None
        ended = stamp(status["conditions"][-1]["lastTransitionTime"])
        left = float(ended + seconds - time.time())
        if left > 0:
            return left
        key = (item["metadata"]["namespace"], item["metadata"]["name"])
        self._objects.delete(JOBS, key, {"propagationPolicy": "Background"})
        return None


def _restarts(pod: Object) -> int:
    return sum(entry["restartCount"] for entry in (pod.get("status") or {}).get("containerStatuses") or [])


def _condition(kind: str, reason: str, message: str) -> Object:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastProbeTime": now(),
        "lastTransitionTime": now(),
    }
