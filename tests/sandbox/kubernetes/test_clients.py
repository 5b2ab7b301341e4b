"""The unchanged clients: kubernetes (typed and dynamic), kubernetes_asyncio, kubectl; watches and credentials."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_asyncio
import pytest
import yaml
from kubernetes import client, config, watch
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError
from kubernetes.utils import metrics

from tests.sandbox.kubernetes.conftest import Cluster, deployment


@pytest.fixture
def api(cluster: Cluster) -> Iterator[client.ApiClient]:
    with config.new_client_from_config_dict(yaml.safe_load(cluster.kubeconfig)) as found:
        yield found


def test_typed_calls(cluster: Cluster, api: client.ApiClient, namespace: str, registry: str):
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    body = deployment("web", f"{registry}/open/web:1")
    made = apps.patch_namespaced_deployment(
        "web", namespace, body, field_manager="smartclide", _content_type="application/apply-patch+yaml"
    )
    assert made.metadata.generation == 1
    deadline = time.monotonic() + 8
    while not (apps.read_namespaced_deployment("web", namespace).status.available_replicas or 0):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pod = core.list_namespaced_pod(namespace, label_selector="app=web").items[0]
    assert "stand-in" in core.read_namespaced_pod_log(pod.metadata.name, namespace)
    assert core.read_namespaced_service_account("default", namespace).metadata.name == "default"
    assert core.list_node().items[0].metadata.name == "sandbox-node"
    assert client.VersionApi(api).get_code().major == "1"
    review = client.AuthenticationV1Api(api).create_self_subject_review(body=client.V1SelfSubjectReview())
    assert review.status.user_info.username == "smartclide-sandbox"
    assert [item["metadata"]["name"] for item in metrics.get_pods_metrics(api, namespace)["items"]] == [
        pod.metadata.name
    ]
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 0}})
    assert apps.read_namespaced_deployment("web", namespace).spec.replicas == 0


def test_dynamic_client_discovers_and_applies(api: client.ApiClient, namespace: str):
    dynamic = DynamicClient(api)
    for version, kind in (
        ("apps/v1", "Deployment"),
        ("v1", "Secret"),
        ("coordination.k8s.io/v1", "Lease"),
        ("networking.k8s.io/v1", "Ingress"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("batch/v1", "Job"),
        ("policy/v1", "PodDisruptionBudget"),
    ):
        assert dynamic.resources.get(api_version=version, kind=kind).kind == kind
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    body = deployment("web", "registry.invalid/web:1", replicas=0)
    deployments.server_side_apply(body, namespace=namespace, field_manager="smartclide")
    with pytest.raises(ConflictError):
        deployments.server_side_apply(
            {**body, "spec": {**body["spec"], "replicas": 1}}, namespace=namespace, field_manager="x"
        )
    deployments.server_side_apply(
        {**body, "spec": {**body["spec"], "replicas": 1}}, namespace=namespace, field_manager="x", force_conflicts=True
    )
    assert deployments.get(name="web", namespace=namespace).spec.replicas == 1


async def test_asyncio_client(cluster: Cluster):
    found = await kubernetes_asyncio.config.new_client_from_config_dict(yaml.safe_load(cluster.kubeconfig))
    async with found as api:
        names = [item.metadata.name for item in (await kubernetes_asyncio.client.CoreV1Api(api).list_namespace()).items]
    assert "default" in names and "kube-system" in names


def test_watch_sees_what_happens(cluster: Cluster, api: client.ApiClient, namespace: str):
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "a", "labels": {"in": "view"}}})
    version = core.list_namespaced_config_map(namespace).metadata.resource_version

    def change() -> None:
        time.sleep(0.2)
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        merge = {"Content-Type": "application/merge-patch+json"}
        cluster.http.post(path, json={"metadata": {"name": "b", "labels": {"in": "view"}}})
        cluster.http.post(path, json={"metadata": {"name": "c"}})
        cluster.http.patch(f"{path}/b", content=json.dumps({"data": {"k": "v"}}), headers=merge)
        cluster.http.patch(f"{path}/a", content=json.dumps({"metadata": {"labels": None}}), headers=merge)

    thread = threading.Thread(target=change)
    thread.start()
    seen = [
        (event["type"], event["object"].metadata.name)
        for event in watch.Watch().stream(
            core.list_namespaced_config_map,
            namespace,
            label_selector="in=view",
            resource_version=version,
            timeout_seconds=2,
        )
    ]
    thread.join()
    assert seen == [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a")]


def test_watch_ends_with_a_bookmark_and_an_old_one_is_gone(cluster: Cluster, namespace: str):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    query = {"watch": "1", "timeoutSeconds": "1", "allowWatchBookmarks": "true"}
    lines = [json.loads(line) for line in cluster.http.get(path, params=query, timeout=5).text.splitlines()]
    assert [line["type"] for line in lines] == ["ADDED", "BOOKMARK"]
    cluster.kubernetes.store.forget_history()
    old = cluster.http.get(path, params={**query, "resourceVersion": "1"}).json()
    assert (old["type"], old["object"]["code"], old["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_pages(cluster: Cluster, namespace: str):
    path = f"/api/v1/namespaces/{namespace}/secrets"
    for name in ("a", "b", "c"):
        cluster.http.post(path, json={"metadata": {"name": name}})
    first = cluster.http.get(path, params={"limit": 2}).json()
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 1
    second = cluster.http.get(path, params={"limit": 2, "continue": first["metadata"]["continue"]}).json()
    assert [item["metadata"]["name"] for item in second["items"]] == ["c"] and "continue" not in second["metadata"]


def test_credentials(cluster: Cluster):
    wrong = cluster.http.get("/api/v1/pods", headers={"Authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.json()["reason"]) == (401, "Unauthorized")
    none = cluster.http.get("/api/v1/pods", headers={"Authorization": ""})
    assert (none.status_code, none.json()["reason"]) == (403, "Forbidden")
    cluster.kubernetes.api.denied.add(("get", "nodes/proxy"))
    try:
        denied = cluster.http.get("/api/v1/nodes/sandbox-node/proxy/stats/summary")
        assert denied.status_code == 403 and 'cannot get resource "nodes/proxy"' in denied.json()["message"]
    finally:
        cluster.kubernetes.api.denied.clear()


def _kubectl(cluster: Cluster, folder: Path, *arguments: str, text: str = "") -> str:
    (folder / "kubeconfig").write_text(cluster.kubeconfig)
    command = ["kubectl", "--kubeconfig", str(folder / "kubeconfig"), "--cache-dir", str(folder / "cache"), *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl(cluster: Cluster, tmp_path: Path, registry: str):
    def kubectl(*arguments: str, text: str = "") -> str:
        return _kubectl(cluster, tmp_path, *arguments, text=text)

    web: dict[str, Any] = deployment("web", f"{registry}/open/web:1")
    assert kubectl("create", "namespace", "k") == "namespace/k created\n"
    assert kubectl("-n", "k", "apply", "--server-side", "-f", "-", text=json.dumps(web)) == (
        "deployment.apps/web serverside-applied\n"
    )
    assert "successfully rolled out" in kubectl("-n", "k", "rollout", "status", "deployment/web", "--timeout=10s")
    rows = kubectl("-n", "k", "get", "pods").splitlines()
    assert rows[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"] and rows[1].split()[1:3] == [
        "1/1",
        "Running",
    ]
    assert "stand-in" in kubectl("-n", "k", "logs", "deployment/web")
    assert "sandbox-node" in kubectl("top", "nodes")
    assert kubectl("delete", "namespace", "k", "--timeout=20s") == 'namespace "k" deleted\n'
