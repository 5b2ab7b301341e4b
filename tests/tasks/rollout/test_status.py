import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect_kubernetes.diagnostics import diagnose_k8s_pod

from errors import AccessError
from tasks.rollout.cause import find_cause
from tasks.rollout.names import Identity
from tasks.rollout.operations import observe, status, with_log
from tasks.rollout.status import Cause, rollout_progress, service_status

PODS = Path(__file__).parent / "pods"
"""Pods, ReplicaSets and Events of Kubernetes 1.20.2 as they were when each of these things happened."""


def recorded(name):
    return json.loads((PODS / f"{name}.json").read_text())


def deployment(generation=2, observed=2, spec=3, conditions=(), **status):
    return {
        "metadata": {"generation": generation, "labels": {"smartclide.eu/revision": "7"}},
        "spec": {
            "replicas": spec,
            "progressDeadlineSeconds": 60,
            "template": {"spec": {"containers": [{"image": "r/shop@sha256:1"}]}},
        },
        "status": {"observedGeneration": observed, "conditions": list(conditions), **status},
    }


TIMED_OUT = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
ALL = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}


@pytest.mark.parametrize(
    ("found", "state", "message"),
    [
        (deployment(**ALL), "done", "3 of 3 pods updated and available"),
        (deployment(observed=1, **ALL), "waiting", "waiting for the Deployment controller to see the change"),
        (deployment(observed=1, conditions=[TIMED_OUT], **ALL), "waiting", "waiting for the Deployment controller"),
        (deployment(), "waiting", "0 of 3 pods updated"),
        (deployment(**{**ALL, "updatedReplicas": 2}), "waiting", "2 of 3 pods updated"),
        (deployment(**{**ALL, "replicas": 4}), "waiting", "1 old pods still to stop"),
        (deployment(**{**ALL, "availableReplicas": 1}), "waiting", "1 of 3 updated pods available"),
        (deployment(conditions=[TIMED_OUT], **ALL), "failed", "no progress within 60 s"),
        (deployment(spec=0), "done", "0 of 0 pods updated and available"),
    ],
)
def test_kubectls_rules(found, state, message):
    progress = rollout_progress(found)
    assert progress.state == state
    assert progress.message.startswith(message)


@pytest.mark.parametrize(
    ("category", "final", "detail"),
    [
        ("image-not-found", True, "not found"),
        ("image-platform", True, "no match for platform in manifest"),
        ("image-access", True, "401 Unauthorized"),
        ("image-pull", False, "connection refused"),
        ("image-invalid", True, "couldn't parse image reference"),
        ("crash-loop", True, "exit code 3 (Error), 3 restarts. boom"),
        ("out-of-memory", True, "exit code 137 (OOMKilled), 3 restarts."),
        ("container-start", True, "exit code 128 (StartError), 3 restarts."),
        ("configuration", True, 'secret "nope" not found'),
        ("readiness-probe", False, "Readiness probe failed: Get"),
        ("startup-probe", False, "Startup probe failed: HTTP probe failed with statuscode: 404"),
        ("unschedulable-resources", False, "0/1 nodes are available: 1 Insufficient cpu."),
        ("unschedulable-affinity", False, "didn't match Pod's node affinity"),
        ("quota", False, "exceeded quota: q, requested: requests.cpu=2, used: requests.cpu=0, limited: requests.cpu=1"),
        ("pod-refused", False, "error looking up service account"),
    ],
)
def test_causes_as_a_real_cluster_shows_them(category, final, detail):
    seen = recorded(category)
    now = _first_seen(seen) + timedelta(seconds=30)
    cause = find_cause(seen["pods"], seen["events"], seen["replica_sets"], 1, now)
    assert cause.category == category
    assert cause.final is final
    assert detail in cause.detail
    assert cause.resolution


def _first_seen(seen):
    things = seen["pods"] or seen["replica_sets"]
    return datetime.fromisoformat(things[0]["metadata"]["creationTimestamp"].replace("Z", "+00:00"))


def test_a_pull_that_fails_for_a_passing_reason_is_given_up_after_a_while():
    seen = recorded("image-pull")
    later = _first_seen(seen) + timedelta(seconds=91)
    assert find_cause(seen["pods"], seen["events"], seen["replica_sets"], 1, later).final


@pytest.mark.parametrize(("tries", "seconds", "final"), [(1, 5, False), (2, 20, True), (1, 91, True)])
def test_a_refused_pull_with_a_login_is_tried_again(tries, seconds, final):
    """Seen on a real cluster: the node could not read the pull Secret of a new namespace yet, and pulled without."""
    seen = recorded("image-access")
    seen["pods"][0]["spec"]["imagePullSecrets"] = [{"name": "shop-pull"}]
    for event in seen["events"]:
        if event["message"].startswith("Failed to pull image"):
            event["count"] = tries
    cause = find_cause(seen["pods"], seen["events"], [], 1, _first_seen(seen) + timedelta(seconds=seconds))
    assert (cause.category, cause.final) == ("image-access", final)


@pytest.mark.parametrize(("seconds", "final"), [(5, False), (91, True)])
def test_a_setting_that_the_node_cannot_read_yet_is_waited_for(seconds, final):
    seen = recorded("configuration")
    waiting = seen["pods"][0]["status"]["containerStatuses"][0]["state"]["waiting"]
    waiting["message"] = "failed to sync secret cache: timed out waiting for the condition"
    cause = find_cause(seen["pods"], seen["events"], [], 1, _first_seen(seen) + timedelta(seconds=seconds))
    assert (cause.category, cause.final) == ("configuration", final)


def test_healthy_pods_and_pods_of_other_revisions_have_no_cause():
    seen = recorded("healthy")
    assert find_cause(seen["pods"], seen["events"], seen["replica_sets"], 1, datetime.now(UTC)) is None
    seen = recorded("crash-loop")
    assert find_cause(seen["pods"], seen["events"], seen["replica_sets"], 2, datetime.now(UTC)) is None


def test_a_pod_that_takes_long_to_start_is_told_with_its_last_event_unless_there_is_a_fault():
    seen = recorded("readiness-probe")
    pod = seen["pods"][0]
    pod["status"]["containerStatuses"][0] |= {"state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {}}
    known = [event for event in seen["events"] if event["reason"] in ("Scheduled", "Pulling")]
    pulling = {
        **known[0],
        "reason": "Pulling",
        "message": 'Pulling image "shop"',
        "lastTimestamp": "2999-01-01T00:00:00Z",
    }
    soon, later = (_first_seen(seen) + timedelta(seconds=seconds) for seconds in (9, 11))
    assert find_cause([pod], [pulling], [], 1, soon) is None
    cause = find_cause([pod], [pulling], [], 1, later)
    assert (cause.category, cause.final) == ("not-started", False)
    assert str(cause) == 'The container has not started yet. Pulling: Pulling image "shop"'
    assert find_cause([pod], [], [], 1, later).detail == ""
    failing = recorded("readiness-probe")["pods"][0]
    assert find_cause([pod, failing], seen["events"], [], 1, later).category == "readiness-probe"


def test_pods_on_their_way_out_are_not_the_cause():
    seen = recorded("crash-loop")
    seen["pods"][0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert find_cause(seen["pods"], seen["events"], seen["replica_sets"], 1, datetime.now(UTC)) is None


PREFECTS = {
    "ImagePullError": {"image-not-found", "image-platform", "image-access", "image-pull"},
    "CrashLoopBackOff": {"crash-loop", "out-of-memory", "container-start"},
    "OOMKilled": {"out-of-memory"},
    "Unschedulable.InsufficientResources": {"unschedulable-resources"},
    "Unschedulable.NodeAffinity": {"unschedulable-affinity"},
}


@pytest.mark.parametrize("path", sorted(PODS.glob("*.json")), ids=lambda p: p.stem)
def test_the_categories_agree_with_prefect_kubernetes(path):
    seen = json.loads(path.read_text())
    for pod in seen["pods"]:
        theirs = diagnose_k8s_pod(pod["status"])
        if theirs is not None:
            ours = find_cause([pod], seen["events"], [], 1, datetime.now(UTC))
            assert ours.category in PREFECTS[theirs.category.value]


def test_the_status_of_a_running_service():
    seen = recorded("healthy")
    found = service_status(
        "healthy",
        "apps",
        deployment(spec=1, replicas=1, updatedReplicas=1, readyReplicas=1, availableReplicas=1),
        seen["pods"],
        {"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]},
    )
    assert (found.state, found.revision, found.endpoint_ready) == ("running", 7, True)
    (pod,) = found.pods
    assert (pod.ready, pod.restarts, pod.phase, pod.revision) == (True, 0, "Running", "1")
    assert pod.image_digest == "sha256:5be982e1fb1211109aacc1bad9cf2defc3e45df9cc9117397c5be223bbb8b91f"
    assert pod.node == "stack-node"


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (None, "absent"),
        (deployment(spec=0), "stopped"),
        (deployment(), "down"),
        (deployment(readyReplicas=1), "degraded"),
    ],
)
def test_states(found, state):
    assert service_status("shop", "apps", found, [], None).state == state


def test_the_last_termination_of_a_crashing_pod():
    seen = recorded("crash-loop")
    (pod,) = service_status("crash-loop", "apps", deployment(spec=1), seen["pods"], None).pods
    assert (pod.last_termination, pod.restarts) == ("exit code 3 (Error)", 3)


MESH = {
    "name": "a-mesh",
    "ready": True,
    "restartCount": 0,
    "imageID": "mesh@sha256:0",
    "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    "lastState": {},
}


def test_containers_that_others_put_into_pods_are_not_the_service():
    """The kubelet sorts statuses by name (``SortedContainerStatuses``); native sidecars are init containers."""
    seen = recorded("crash-loop")
    status = seen["pods"][0]["status"]
    status["containerStatuses"].insert(0, MESH)
    status["initContainerStatuses"] = [{**MESH, "name": "native"}]
    (pod,) = service_status("crash-loop", "apps", deployment(spec=1), seen["pods"], None).pods
    assert (pod.last_termination, pod.restarts) == ("exit code 3 (Error)", 3)
    assert pod.image_digest.startswith("sha256:5be982e1")
    cause = find_cause(seen["pods"], seen["events"], [], 1, datetime.now(UTC))
    assert (cause.category, cause.container) == ("crash-loop", "crash-loop")


def test_a_probe_of_another_container_is_not_the_service_s():
    seen = recorded("readiness-probe")
    (ours,) = seen["pods"][0]["status"]["containerStatuses"]
    mesh = {**MESH, "ready": False}
    seen["pods"][0]["status"]["containerStatuses"] = [mesh, {**ours, "ready": True}]
    soon, later = (_first_seen(seen) + timedelta(seconds=seconds) for seconds in (9, 11))
    assert find_cause(seen["pods"], seen["events"], [], 1, soon) is None
    cause = find_cause(seen["pods"], seen["events"], [], 1, later)
    assert (cause.category, cause.container) == ("not-ready", "a-mesh")
    assert str(cause) == "Container a-mesh runs, but is not ready yet."
    seen["pods"][0]["status"]["containerStatuses"] = [mesh, ours]
    assert find_cause(seen["pods"], seen["events"], [], 1, datetime.now(UTC)).container == "readiness-probe"


HUB_LIMIT = (
    'failed to pull and unpack image "docker.io/acme/app@sha256:1": failed to copy: httpReadSeeker: failed open: '
    "unexpected status code https://registry-1.docker.io/v2/acme/app/manifests/sha256:1: 429 Too Many Requests - "
    "Server message: toomanyrequests: You have reached your unauthenticated pull rate limit. "
    "https://www.docker.com/increase-rate-limit"
)
NON_ROOT = 'container has runAsNonRoot and image will run as root (pod: "shop-1_apps(1)", container: shop)'


@pytest.mark.parametrize(
    ("recording", "reason", "message", "category", "final"),
    [
        ("image-pull", "ErrImagePull", HUB_LIMIT, "image-rate-limit", False),
        ("configuration", "CreateContainerConfigError", NON_ROOT, "run-as-root", True),
    ],
)
def test_what_newer_clusters_say_of_a_container(recording, reason, message, category, final):
    seen = recorded(recording)
    seen["pods"][0]["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": reason, "message": message}}
    cause = find_cause(seen["pods"], seen["events"], [], 1, _first_seen(seen) + timedelta(seconds=30))
    assert (cause.category, cause.final, cause.detail) == (category, final, message)


def test_a_pod_security_standard_is_final_and_says_what_to_set():
    seen = recorded("pod-refused")
    text = (
        'pods "shop-1" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities (container '
        '"shop" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "shop" '
        "must set securityContext.runAsNonRoot=true)"
    )
    for condition in seen["replica_sets"][0]["status"]["conditions"]:
        condition["message"] = text
    cause = find_cause([], seen["events"], seen["replica_sets"], 1, datetime.now(UTC))
    assert (cause.category, cause.final, cause.detail) == ("pod-security", True, text)
    assert "run_as_non_root: true and drop_capabilities: [ALL]" in cause.resolution


def test_a_scheduling_gate_is_told():
    seen = recorded("unschedulable-resources")
    seen["pods"][0]["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "Scheduling is blocked"}
    ]
    cause = find_cause(seen["pods"], seen["events"], [], 1, datetime.now(UTC))
    assert (cause.category, cause.detail, cause.final) == ("scheduling-gated", "Scheduling is blocked", False)


class RunningAgain:
    """A cluster where the container that ended has been started anew."""

    def log_tail(self, namespace, pod, *, previous):
        assert (namespace, pod) == ("n", ("shop-1", "shop"))
        return ("boom",) if previous else ("starting",)

    def find(self, kind, namespace, name):
        assert (kind, namespace, name) == ("Pod", "n", "shop-1")


@pytest.mark.parametrize(
    ("category", "log"), [("crash-loop", "boom"), ("out-of-memory", "boom"), ("readiness-probe", "starting")]
)
def test_the_log_is_of_the_run_that_ended(category, log):
    cause = Cause(category, "s", "d", "r", "shop-1", container="shop")
    assert with_log(RunningAgain(), Identity("shop", "n", "e", "g/shop"), cause).log_tail == (log,)


class Telling:
    """A cluster with a container that tells its password when it fails."""

    def log_tail(self, namespace, pod, *, previous):
        return ("no login: postgres://shop:s3cret@database/shop", "with s3cret, which is not open", "line-0f-key")

    def find(self, kind, namespace, name):
        def given(key):
            return {"name": key, "valueFrom": {"secretKeyRef": {"name": "database", "key": key}}}

        first, second = [{"name": "A", "value": "open"}, given("password"), given("none")], [given("key")]
        if (kind, name) == ("Pod", "shop-1"):
            return {"spec": {"containers": [{"env": first}, {"env": second}]}}
        assert (kind, name) == ("Secret", "database")
        return {"data": {"password": "czNjcmV0", "key": "YmVnaW4KbGluZS0wZi1rZXkK", "user": "b3Blbg=="}}


def test_a_log_is_told_without_the_secrets_that_the_pod_is_given():
    cause = Cause("crash-loop", "s", "ended: s3cret", "r", "shop-1", container="shop")
    told = with_log(Telling(), Identity("shop", "n", "e", "g/shop"), cause)
    assert told.detail == "ended: ***"
    assert told.log_tail == ("no login: postgres://***@database/shop", "with ***, which is not open", "***")


class Crashing:
    """A cluster as recorded with a container that crashes: its last words are its own log, with a password."""

    def __init__(self, refused):
        self.refused, self.seen = refused, recorded("crash-loop")
        (self.pod,) = self.seen["pods"]
        self.pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = "no login: s3cret\n"
        key = {"secretKeyRef": {"name": "database", "key": "password"}}
        self.pod["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "valueFrom": key}]

    def find(self, kind, _namespace, _name):
        if kind == "Secret" and self.refused:
            raise AccessError("secrets are not for you")
        found = deployment(spec=1, replicas=1)
        found["metadata"]["labels"]["smartclide.eu/revision"] = "1"
        return {"Deployment": found, "Pod": self.pod, "Secret": {"data": {"password": "czNjcmV0"}}}[kind]

    def list(self, kind, _namespace, _selector=""):
        return self.seen[{"Pod": "pods", "ReplicaSet": "replica_sets", "Event": "events"}[kind]]


@pytest.mark.parametrize(
    ("refused", "detail"), [(False, "It ended with exit code 3 (Error), 3 restarts. no login: ***"), (True, "")]
)
def test_what_a_rollout_waits_for_is_told_without_the_secrets_that_the_pod_is_given(refused, detail):
    _, cause = observe(Crashing(refused), Identity("crash-loop", "apps", "staging", "group/crash-loop"), 1)
    assert (cause.category, cause.detail) == ("crash-loop", detail)


class WithoutEndpoints:
    """A cluster that makes EndpointSlices only."""

    def __init__(self, ready):
        self.ready = ready

    def find(self, kind, _namespace, _name):
        return deployment(spec=1) if kind == "Deployment" else None

    def list(self, kind, namespace, selector):
        if kind != "EndpointSlice":
            return []
        assert (namespace, selector) == ("n", "kubernetes.io/service-name=shop")
        conditions = {} if self.ready is None else {"ready": self.ready}
        return [{"endpoints": None}, {"endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions}]}]


@pytest.mark.parametrize(("ready", "found"), [(True, True), (None, True), (False, False)])
def test_endpoint_slices_where_there_are_no_endpoints(ready, found):
    assert status(WithoutEndpoints(ready), Identity("shop", "n", "e", "g/shop")).endpoint_ready is found
