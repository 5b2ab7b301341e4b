"""Scheduler and kubelet of the one node: takes each pod through its life, without running anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sandbox.kubernetes import processes, references, scheduling
from sandbox.kubernetes.events import Recorder
from sandbox.kubernetes.images import Puller, PullError, logins
from sandbox.kubernetes.misbehaviour import Fault, Misbehaviour
from sandbox.kubernetes.node import NODE
from sandbox.kubernetes.objects import Objects, now
from sandbox.kubernetes.pod_status import Run, container_id, quality, status, waiting
from sandbox.kubernetes.processes import Ending
from sandbox.kubernetes.resources import named
from sandbox.kubernetes.status import Object

CRASH_LOG = "sandbox.smartclide.eu/crash-log"
PODS = named("pods")


@dataclass(frozen=True)
class Timing:
    """How fast pods live, in seconds of real time.

    Attributes:
        start: From pulled to running.
        ready: From running to ready, without a probe's initial delay.
        finish: How long the container of a Job runs.
        crash: How long a crashing container runs.
        retry: First wait after a failed pull or a crash; doubles up to `retry_limit`.
        delete: From the request to delete a running pod to its end.
        probe_scale: Real seconds for each second of a probe's delay and period.
    """

    start: float = 0.05
    ready: float = 0.2
    finish: float = 0.3
    crash: float = 0.1
    retry: float = 0.5
    retry_limit: float = 5.0
    delete: float = 0.1
    probe_scale: float = 0.02

    def backoff(self, times: int) -> float:
        """The wait before try number `times` + 1."""
        return float(min(self.retry_limit, self.retry * 2 ** max(0, times - 1)))


class Kubelet:
    """Binds pods to the node and moves them on.

    Args:
        wake: Called with namespace and name when a pod has something to do after a pull.
    """

    def __init__(
        self, objects: Objects, misbehaviour: Misbehaviour, timing: Timing, wake: Callable[[str, str], None]
    ) -> None:
        self.puller = Puller()
        self._objects = objects
        self._store = objects.store
        self._faults = misbehaviour
        self._timing = timing
        self._wake = wake
        self._events = Recorder(objects)
        self._runs: dict[str, Run] = {}
        self._pullers = ThreadPoolExecutor(4, thread_name_prefix="sandbox-kubernetes-pull")

    def close(self) -> None:
        self._pullers.shutdown(wait=True, cancel_futures=True)

    def sync(self, namespace: str, name: str) -> float | None:
        """Take a pod one step on; returns when the next one is due, in seconds."""
        pod = self._store.get(PODS, namespace, name)
        if pod is None:
            return None
        run = self._runs.setdefault(pod["metadata"]["uid"], _remembered(pod))
        left = run.due - time.monotonic()
        if pod["metadata"].get("deletionTimestamp"):
            return self._end(pod, run)
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return None
        if left > 0:
            return left
        if not pod["spec"].get("nodeName"):
            return self._schedule(pod)
        step = getattr(self, f"_{run.stage.replace('-', '_')}")
        again: float | None = step(pod, run)
        return again

    def _say(self, pod: Object, kind: str, reason: str, message: str) -> None:
        component = "default-scheduler" if reason in ("Scheduled", "FailedScheduling") else "kubelet"
        self._events.record(pod, component, kind, reason, message)

    def _write(
        self, pod: Object, run: Run, phase: str, state: Object, *, ready: bool = False, first: Object | None = None
    ) -> None:
        """Write a status in which every container has one state; the `first` may have another."""
        states = {container["name"]: state for container in pod["spec"]["containers"]}
        if first is not None:
            states[pod["spec"]["containers"][0]["name"]] = first
        self._objects.set_status(PODS, {**pod, "status": status(pod, run, phase, states, ready=ready)}, "kubelet")

    def _fault(self, pod: Object, *kinds: str) -> Fault | None:
        return self._faults.of(pod, references.owners(self._store, pod), *kinds)

    def _schedule(self, pod: Object) -> float | None:
        problem = scheduling.obstacle(self._store, pod)
        if self._fault(pod, "unschedulable"):
            problem = "0/1 nodes are available: 1 Insufficient cpu."
        if problem:
            condition = {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": problem,
                "lastProbeTime": None,
                "lastTransitionTime": now(),
            }
            old = (pod.get("status") or {}).get("conditions") or []
            if not old or old[0].get("message") != problem:
                fresh = {"phase": "Pending", "conditions": [condition], "qosClass": quality(pod)}
                self._objects.set_status(PODS, {**pod, "status": fresh}, "kube-scheduler")
                self._say(pod, "Warning", "FailedScheduling", problem)
            return 0.5
        pod["spec"]["nodeName"] = NODE
        bound = self._store.put(PODS, pod)
        metadata = pod["metadata"]
        where = f"{metadata['namespace']}/{metadata['name']}"
        self._say(bound, "Normal", "Scheduled", f"Successfully assigned {where} to {NODE}")
        return 0.0

    def _new(self, pod: Object, run: Run) -> float | None:
        if not run.pulls:
            self._write(pod, run, "Pending", waiting("ContainerCreating"))
        missing = references.missing_volume(self._store, pod)
        if missing:
            self._say(pod, "Warning", "FailedMount", missing)
            return 0.5
        run.pulls += 1
        run.stage = "pulling"
        for image in references.images(pod).values():
            self._say(pod, "Normal", "Pulling", f'Pulling image "{image}"')
        self._pullers.submit(self._pull, pod, run)
        return None

    def _pull(self, pod: Object, run: Run) -> None:
        began = time.monotonic()
        metadata = pod["metadata"]
        try:
            credentials = logins(references.pull_secrets(self._store, pod))
            run.error = None
            for name, image in references.images(pod).items():
                try:
                    run.pulled[name] = self.puller.pull(image, credentials)
                    run.images[name] = run.pulled[name].id
                except PullError as error:
                    run.error = (image, str(error))
                    break
                took = f"{(time.monotonic() - began) * 1000:.0f}ms"
                self._say(pod, "Normal", "Pulled", f'Successfully pulled image "{image}" in {took}')
        finally:
            run.stage = "pulled"
            self._wake(metadata["namespace"], metadata["name"])

    def _pulling(self, _pod: Object, _run: Run) -> float | None:
        return None

    def _pulled(self, pod: Object, run: Run) -> float | None:
        if run.error is None:
            run.stage = "config"
            return 0.0
        image, text = run.error
        reason = "InvalidImageName" if "invalid reference format" in text else "ErrImagePull"
        self._write(pod, run, "Pending", waiting("ContainerCreating"), first=waiting(reason, text))
        self._say(pod, "Warning", "Failed", f'Failed to pull image "{image}": {text}')
        self._say(pod, "Warning", "Failed", f"Error: {reason}")
        run.stage = "backing-off"
        run.due = time.monotonic() + 0.2
        return 0.2

    def _backing_off(self, pod: Object, run: Run) -> float | None:
        image, text = run.error or ("", "")
        message = f'Back-off pulling image "{image}"'
        if text:
            message += f": ErrImagePull: {text}"
        self._write(pod, run, "Pending", waiting("ContainerCreating"), first=waiting("ImagePullBackOff", message))
        self._say(pod, "Normal", "BackOff", f'Back-off pulling image "{image}"')
        self._say(pod, "Warning", "Failed", "Error: ImagePullBackOff")
        run.stage = "new"
        run.due = time.monotonic() + self._timing.backoff(run.pulls)
        return self._timing.backoff(run.pulls)

    def _config(self, pod: Object, run: Run) -> float | None:
        missing = references.missing_variable(self._store, pod)
        if missing:
            reason = "CreateContainerConfigError"
            self._write(pod, run, "Pending", waiting("ContainerCreating"), first=waiting(reason, missing))
            self._say(pod, "Warning", "Failed", f"Error: {missing}")
            return 0.5
        for container in pod["spec"]["containers"]:
            self._say(pod, "Normal", "Created", f"Created container {container['name']}")
        run.stage = "starting"
        run.due = time.monotonic() + self._timing.start
        return self._timing.start

    def _starting(self, pod: Object, run: Run) -> float | None:
        for container in pod["spec"]["containers"]:
            self._say(pod, "Normal", "Started", f"Started container {container['name']}")
        run.began = now()
        run.stage = "running"
        run.up_at = time.monotonic()
        run.ready_at = run.up_at + self._ready_seconds(pod)
        self._write(pod, run, "Running", {"running": {"startedAt": run.began}})
        if self._ending(pod, run):
            run.due = time.monotonic() + (self._timing.finish if _is_job(pod) else self._timing.crash)
            return run.due - time.monotonic()
        return self._ready_seconds(pod)

    def _ready_seconds(self, pod: Object) -> float:
        probes = [container.get("readinessProbe") or {} for container in pod["spec"]["containers"]]
        delay = max(probe.get("initialDelaySeconds", 0) for probe in probes) * self._timing.probe_scale
        return self._timing.ready + float(delay)

    def _ending(self, pod: Object, run: Run) -> Ending | None:
        """How the container will end, or None when it goes on."""
        fault = self._fault(pod, "crash-loop", "oom")
        if fault and fault.times not in range(run.restarts + 1):
            if fault.kind == "oom":
                return Ending(137, "OOMKilled", fault.log)
            return Ending(fault.exit_code, "Error" if fault.exit_code else "Completed", fault.log)
        first = pod["spec"]["containers"][0]
        log = (pod["metadata"].get("annotations") or {}).get(CRASH_LOG)
        found = processes.ending(first, run.pulled.get(first["name"]), log)
        return Ending(0, "Completed") if found is None and _is_job(pod) else found

    def _running(self, pod: Object, run: Run) -> float | None:
        ending = self._ending(pod, run)
        if ending:
            return self._terminate(pod, run, ending)
        for kind in ("startup", "liveness"):
            refused = self._refusal(pod, run, kind)
            if refused and time.monotonic() > run.up_at + self._patience(pod, kind):
                return self._kill(pod, run, kind)
            if refused and kind == "startup":
                return self._unready(pod, run, refused)
            if refused:  # it may be ready meanwhile, until it is ended
                self._unhealthy(pod, run, refused)
        if self._fault(pod, "never-ready"):
            return self._unready(pod, run, "Readiness probe failed: HTTP probe failed with statuscode: 503")
        if references.is_ready(pod):
            return 0.2 if self._refusal(pod, run, "liveness") else 1.0
        slow = self._fault(pod, "slow")
        left = run.ready_at + (slow.seconds if slow else 0.0) - time.monotonic()
        if left > 0:
            return min(left, 1.0)
        refused = self._refusal(pod, run, "readiness")
        if refused:
            return self._unready(pod, run, refused)
        self._write(pod, run, "Running", {"running": {"startedAt": run.began}}, ready=True)
        return 0.2 if self._refusal(pod, run, "liveness") else None

    def _refusal(self, pod: Object, run: Run, kind: str) -> str | None:
        """What a probe of the first container with such a failing probe is told."""
        address = (pod.get("status") or {}).get("podIP", "")
        found = [
            processes.refusal(entry, kind, run.pulled.get(entry["name"]), address)
            for entry in pod["spec"]["containers"]
        ]
        return next((text for text in found if text), None)

    def _patience(self, pod: Object, kind: str) -> float:
        return max(processes.patience(entry, kind) for entry in pod["spec"]["containers"]) * self._timing.probe_scale

    def _kill(self, pod: Object, run: Run, kind: str) -> float | None:
        name = pod["spec"]["containers"][0]["name"]
        self._say(pod, "Normal", "Killing", f"Container {name} failed {kind} probe, will be restarted")
        return self._terminate(pod, run, Ending(137, "Error"))

    def _unhealthy(self, pod: Object, run: Run, text: str) -> None:
        if time.monotonic() >= run.unhealthy_at:
            run.unhealthy_at = time.monotonic() + 1.0
            self._say(pod, "Warning", "Unhealthy", text)

    def _unready(self, pod: Object, run: Run, text: str) -> float:
        if references.is_ready(pod):
            self._write(pod, run, "Running", {"running": {"startedAt": run.began}})
        self._unhealthy(pod, run, text)
        return 0.2

    def _terminate(self, pod: Object, run: Run, ending: Ending) -> float | None:
        code, log, name = ending.code, ending.log, pod["spec"]["containers"][0]["name"]
        ended = {
            "exitCode": code,
            "reason": ending.reason,
            "startedAt": run.began,
            "finishedAt": now(),
            "containerID": container_id(pod, name, run.restarts),
        }
        if log:
            self._keep_log(pod, log)
        state = {"terminated": ended}
        policy = pod["spec"].get("restartPolicy", "Always")
        if policy == "Never" or (policy == "OnFailure" and code == 0):
            self._write(pod, run, "Failed" if code else "Succeeded", state)
            return None
        self._write(pod, run, "Running", state)
        run.last = state
        run.stage = "crashed"
        run.due = time.monotonic() + 0.05
        return 0.05

    def _keep_log(self, pod: Object, log: str) -> None:
        with self._store.lock:
            fresh = self._store.get(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
            if fresh is not None and (fresh["metadata"].get("annotations") or {}).get(CRASH_LOG) != log:
                fresh["metadata"].setdefault("annotations", {})[CRASH_LOG] = log
                pod["metadata"] = self._store.put(PODS, fresh)["metadata"]

    def _crashed(self, pod: Object, run: Run) -> float | None:
        wait = self._timing.backoff(run.restarts)
        metadata, name = pod["metadata"], pod["spec"]["containers"][0]["name"]
        title = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        if run.restarts:
            shown = f"back-off {10 * 2 ** min(5, run.restarts - 1)}s restarting failed container={name} pod={title}"
            self._write(pod, run, "Running", waiting("CrashLoopBackOff", shown))
            self._say(pod, "Warning", "BackOff", f"Back-off restarting failed container {name} in pod {title}")
        run.restarts += 1
        run.stage = "config"
        run.due = time.monotonic() + (wait if run.restarts > 1 else 0.0)
        return max(0.0, run.due - time.monotonic())

    def _end(self, pod: Object, run: Run) -> float | None:
        metadata = pod["metadata"]
        if run.stage != "ending":
            if pod.get("status", {}).get("phase") == "Running":
                for container in pod["spec"]["containers"]:
                    self._say(pod, "Normal", "Killing", f"Stopping container {container['name']}")
            run.stage = "ending"
            run.due = time.monotonic() + self._timing.delete
            return self._timing.delete
        if run.due > time.monotonic():
            return run.due - time.monotonic()
        if metadata.get("finalizers"):
            return 0.5
        self._runs.pop(metadata["uid"], None)
        self._store.remove(PODS, metadata["namespace"], metadata["name"])
        return None


def _is_job(pod: Object) -> bool:
    return bool(pod["spec"].get("restartPolicy", "Always") != "Always")


def _remembered(pod: Object) -> Run:
    """The run of a pod that was there before this process: a running one goes on."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    run = Run()
    if statuses and all(entry.get("imageID") for entry in statuses):
        first = statuses[0]
        run.images = {entry["name"]: entry["imageID"] for entry in statuses}
        run.restarts, run.last = first["restartCount"], first["lastState"]
        run.stage = "running" if "running" in first["state"] else "config"
        run.began = (first["state"].get("running") or {}).get("startedAt", now())
    return run
