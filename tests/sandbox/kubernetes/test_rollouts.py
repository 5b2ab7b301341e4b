"""Deployments, pods, images, Services and Jobs, and what can go wrong with them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.sandbox.kubernetes.conftest import DIGEST, Cluster, deployment


def _progress(item: Any) -> tuple[str, str]:
    found = {entry["type"]: entry for entry in item["status"]["conditions"]}
    return found["Progressing"]["status"], found["Progressing"]["reason"]


def _done(replicas: int) -> Any:
    def test(item: Any) -> bool:
        status = item["status"]
        numbers = [status.get(name, 0) for name in ("updatedReplicas", "availableReplicas", "replicas")]
        return status["observedGeneration"] == item["metadata"]["generation"] and numbers == [replicas] * 3

    return test


def test_a_deployment_becomes_available_and_names_its_image_by_digest(cluster: Cluster, namespace: str, registry: str):
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    made = cluster.apply(f"{apps}/deployments/web", deployment("web", f"{registry}/open/web:1", replicas=2))
    assert made.status_code == 201
    item = cluster.wait(f"{apps}/deployments/web", _done(2))
    assert _progress(item) == ("True", "NewReplicaSetAvailable")
    assert item["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3Dweb")["items"]
    assert [pod["spec"]["nodeName"] for pod in pods] == ["sandbox-node"] * 2
    assert {pod["status"]["containerStatuses"][0]["imageID"] for pod in pods} == {f"{registry}/open/web@{DIGEST}"}
    reasons = [
        event["reason"]
        for event in cluster.get(f"/api/v1/namespaces/{namespace}/events")["items"]
        if event["involvedObject"]["name"] == pods[0]["metadata"]["name"]
    ]
    assert sorted(reasons) == ["Created", "Pulled", "Pulling", "Scheduled", "Started"]


def test_a_rolling_update_keeps_enough_pods_and_a_rollback_takes_the_old_replica_set(
    cluster: Cluster, namespace: str, registry: str
):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    cluster.apply(path, deployment("web", f"{registry}/open/web:1", replicas=3, strategy=rolling))
    cluster.wait(path, _done(3))
    least, most = [], []
    cluster.apply(path, deployment("web", f"{registry}/open/web:2", replicas=3, strategy=rolling))

    def watched(item: Any) -> bool:
        least.append(item["status"].get("availableReplicas", 0))
        most.append(item["status"].get("replicas", 0))
        return bool(_done(3)(item))

    cluster.wait(path, watched)
    assert min(least) >= 3 and max(most) == 4
    cluster.apply(path, deployment("web", f"{registry}/open/web:1", replicas=3, strategy=rolling))
    item = cluster.wait(path, _done(3))
    assert item["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    sets = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/replicasets")["items"]
    assert sorted(
        (entry["metadata"]["annotations"]["deployment.kubernetes.io/revision"], entry["spec"]["replicas"])
        for entry in sets
    ) == [("2", 0), ("3", 3)]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("open/web:nope", "not found"),
        ("closed/web:1", "failed with status code [manifests 1]: 401 Unauthorized"),
        ("open/web@sha256:" + "0" * 64, "not found"),
    ],
)
def test_an_image_that_cannot_be_pulled(cluster: Cluster, namespace: str, registry: str, image: str, words: str):
    apps, core = f"/apis/apps/v1/namespaces/{namespace}", f"/api/v1/namespaces/{namespace}"
    cluster.apply(f"{apps}/deployments/bad", deployment("bad", f"{registry}/{image}", progressDeadlineSeconds=1))
    pods = cluster.wait(
        f"{core}/pods",
        lambda body: (
            body["items"][0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
        ),
    )
    assert pods["items"][0]["status"]["phase"] == "Pending"
    failed = [event["message"] for event in cluster.get(f"{core}/events?fieldSelector=reason%3DFailed")["items"]]
    assert any(
        words in message and message.startswith(f'Failed to pull image "{registry}/{image}"') for message in failed
    )
    item = cluster.wait(f"{apps}/deployments/bad", lambda body: _progress(body)[0] == "False")
    assert _progress(item) == ("False", "ProgressDeadlineExceeded")


def test_a_pull_secret_opens_a_registry_with_a_login(cluster: Cluster, namespace: str, registry: str):
    auth = base64.b64encode(b"robot:s3cret").decode()
    config = base64.b64encode(json.dumps({"auths": {registry: {"auth": auth}}}).encode()).decode()
    cluster.http.post(
        f"/api/v1/namespaces/{namespace}/secrets",
        json={
            "metadata": {"name": "pull"},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": config},
        },
    ).raise_for_status()
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    pod = {"imagePullSecrets": [{"name": "pull"}]}
    cluster.apply(path, deployment("web", f"{registry}/closed/web:1", pod=pod))
    cluster.wait(path, _done(1))


def _pod(cluster: Cluster, namespace: str, test: Any) -> Any:
    return cluster.wait(f"/api/v1/namespaces/{namespace}/pods", lambda body: test(body["items"][0]))["items"][0]


def test_a_crash_loop_counts_restarts_and_keeps_its_last_lines(cluster: Cluster, namespace: str, registry: str):
    cluster.kubernetes.misbehave(namespace, "web", "crash-loop", exit_code=3, log="one\ntwo")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    cluster.apply(path, deployment("web", f"{registry}/open/web:1"))
    pod = _pod(cluster, namespace, lambda item: item["status"]["containerStatuses"][0]["restartCount"] >= 2)
    status = pod["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 3
    log = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/log?previous=true&tailLines=2"
    assert cluster.http.get(log).text == "one\ntwo\n"
    _pod(
        cluster,
        namespace,
        lambda item: (
            item["status"]["containerStatuses"][0]["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
        ),
    )


def test_out_of_memory_is_told(cluster: Cluster, namespace: str, registry: str):
    cluster.kubernetes.misbehave(namespace, "web", "oom", times=1)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    cluster.apply(path, deployment("web", f"{registry}/open/web:1"))
    cluster.wait(path, _done(1))
    pod = _pod(cluster, namespace, lambda item: True)
    ended = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_faults_over_http_are_for_new_pods_of_one_image(cluster: Cluster, namespace: str, registry: str):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    fault = {"namespace": namespace, "name": "web", "kind": "never-ready", "image": "web:2"}
    assert cluster.http.post("/__sandbox__/misbehave", json=fault).status_code == 200
    assert cluster.http.post("/__sandbox__/misbehave", json={**fault, "kind": "x"}).status_code == 400
    cluster.apply(path, deployment("web", f"{registry}/open/web:1"))
    cluster.wait(path, _done(1))
    cluster.apply(path, deployment("web", f"{registry}/open/web:2", progressDeadlineSeconds=1))
    item = cluster.wait(path, lambda body: _progress(body) == ("False", "ProgressDeadlineExceeded"))
    assert (item["status"]["availableReplicas"], item["status"]["updatedReplicas"]) == (1, 1)
    cluster.apply(path, deployment("web", f"{registry}/open/web:1"))
    cluster.wait(path, _done(1))


def test_pods_that_do_not_fit_and_a_quota(cluster: Cluster, namespace: str, registry: str):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    big = {"resources": {"requests": {"cpu": "1000"}}}
    cluster.apply(f"{path}/big", deployment("big", f"{registry}/open/web:1", container=big))
    pod = _pod(cluster, namespace, lambda item: item["status"]["conditions"][0]["reason"] == "Unschedulable")
    assert pod["status"]["conditions"][0]["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    cluster.kubernetes.misbehave(namespace, "full", "quota")
    cluster.apply(f"{path}/full", deployment("full", f"{registry}/open/web:1"))
    item = cluster.wait(
        f"{path}/full", lambda body: "ReplicaFailure" in {e["type"] for e in body["status"]["conditions"]}
    )
    failure = next(entry for entry in item["status"]["conditions"] if entry["type"] == "ReplicaFailure")
    assert failure["reason"] == "FailedCreate" and "exceeded quota" in failure["message"]


def test_a_service_answers_when_a_pod_is_ready(cluster: Cluster, namespace: str, registry: str):
    core = f"/api/v1/namespaces/{namespace}"
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    cluster.http.post(f"{core}/services", json={"metadata": {"name": "web"}, "spec": spec}).raise_for_status()
    refused = cluster.http.get(f"{core}/services/web:80/proxy/")
    assert (refused.status_code, refused.json()["reason"]) == (503, "ServiceUnavailable")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    cluster.apply(path, deployment("web", f"{registry}/open/web:1"))
    cluster.wait(f"{core}/endpoints/web", lambda body: body["subsets"][0]["addresses"])
    page = cluster.http.get(f"{core}/services/web:80/proxy/health")
    assert page.status_code == 200 and f"{registry}/open/web:1" in page.text and "stand-in" in page.text
    assert cluster.http.get(f"{core}/services/web:81/proxy/").status_code == 503
    assert cluster.http.get(f"{core}/services/none:80/proxy/").status_code == 404


def test_jobs_end(cluster: Cluster, namespace: str, registry: str):
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    for name, command in (("good", "echo hi"), ("bad", "echo hi; exit 3")):
        container = {"name": "main", "image": f"{registry}/open/web:1", "command": ["sh", "-c", command]}
        spec = {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
        cluster.http.post(path, json={"metadata": {"name": name}, "spec": spec}).raise_for_status()
    good = cluster.wait(f"{path}/good", lambda body: body["status"]["conditions"])
    assert good["status"]["conditions"][-1]["type"] == "Complete" and good["status"]["succeeded"] == 1
    bad = cluster.wait(f"{path}/bad", lambda body: body["status"]["conditions"])
    ended = bad["status"]["conditions"][-1]
    assert (ended["type"], ended["reason"], bad["status"]["failed"]) == ("Failed", "BackoffLimitExceeded", 1)


def test_deleting_a_deployment_collects_its_pods(cluster: Cluster, namespace: str, registry: str):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    cluster.apply(path, deployment("web", f"{registry}/open/web:1"))
    cluster.wait(path, _done(1))
    answer = cluster.http.delete(path, params={"propagationPolicy": "Foreground"})
    assert answer.json()["metadata"]["finalizers"] == ["foregroundDeletion"]
    cluster.wait(path, lambda body: body.get("reason") == "NotFound")
    assert cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"] == []


def test_a_restart_keeps_objects_and_running_pods(tmp_path: Any, registry: str):
    first = Cluster(tmp_path)
    path = "/apis/apps/v1/namespaces/default/deployments/web"
    first.apply(path, deployment("web", f"{registry}/open/web:1"))
    first.wait(path, _done(1))
    before = first.get("/api/v1/namespaces/default/pods")["items"]
    first.close()
    second = Cluster(tmp_path)
    try:
        assert second.kubeconfig.split("token:")[1] == first.kubeconfig.split("token:")[1]
        assert second.get("/api/v1/namespaces/default/pods")["items"] == before
        second.apply(path, deployment("web", f"{registry}/open/web:2"))
        second.wait(path, _done(1))
    finally:
        second.close()


def test_a_quota_also_stops_what_exists_from_growing(cluster: Cluster, namespace: str, registry: str):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    cluster.apply(path, deployment("web", f"{registry}/open/web:1"))
    cluster.wait(path, _done(1))
    cluster.kubernetes.misbehave(namespace, "web", "quota")
    cluster.apply(path, deployment("web", f"{registry}/open/web:1", replicas=2))
    cluster.wait(path, lambda body: "ReplicaFailure" in {entry["type"] for entry in body["status"]["conditions"]})
    cluster.kubernetes.behave(namespace, "web")
    item = cluster.wait(path, _done(2))
    assert "ReplicaFailure" not in {entry["type"] for entry in item["status"]["conditions"]}
