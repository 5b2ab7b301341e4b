"""Kinds of workload and settings of them that the demo does not use, and registries of other kinds."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.http import AppServer
from tests.sandbox.kubernetes.conftest import BASIC, CONFIG, CONFIG_DIGEST, DIGEST, MANIFEST, Cluster, deployment


def _done(replicas: int) -> Any:
    def test(item: Any) -> bool:
        status = item["status"]
        numbers = [status.get(name, 0) for name in ("updatedReplicas", "availableReplicas", "replicas")]
        return status["observedGeneration"] == item["metadata"]["generation"] and numbers == [replicas] * 3

    return test


def _apps(namespace: str, plural: str = "deployments") -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/{plural}"


def test_recreate_has_no_two_versions_at_once(cluster: Cluster, namespace: str, registry: str):
    path = f"{_apps(namespace)}/web"
    how = {"strategy": {"type": "Recreate"}, "replicas": 2}
    cluster.apply(path, deployment("web", f"{registry}/open/web:1", **how)).raise_for_status()
    cluster.wait(path, _done(2))
    cluster.apply(path, deployment("web", f"{registry}/open/web:2", **how)).raise_for_status()
    images: list[set[str]] = []

    def watched(item: Any) -> bool:
        pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        images.append({pod["spec"]["containers"][0]["image"][-1] for pod in pods})
        return bool(_done(2)(item))

    cluster.wait(path, watched)
    assert {"1", "2"} not in images and images[-1] == {"2"}


def test_a_paused_deployment_rolls_when_it_is_resumed(cluster: Cluster, namespace: str, registry: str):
    path = f"{_apps(namespace)}/web"
    cluster.apply(path, deployment("web", f"{registry}/open/web:1")).raise_for_status()
    cluster.wait(path, _done(1))
    cluster.apply(path, deployment("web", f"{registry}/open/web:2", paused=True)).raise_for_status()
    item = cluster.wait(path, lambda body: body["status"]["observedGeneration"] == body["metadata"]["generation"])
    reasons = {entry["type"]: entry["reason"] for entry in item["status"]["conditions"]}
    assert reasons["Progressing"] == "DeploymentPaused"
    assert len(cluster.get(_apps(namespace, "replicasets"))["items"]) == 1
    cluster.apply(path, deployment("web", f"{registry}/open/web:2", paused=False)).raise_for_status()
    cluster.wait(path, _done(1))
    assert len(cluster.get(_apps(namespace, "replicasets"))["items"]) == 2


def test_the_history_limit_keeps_so_many_old_replica_sets(cluster: Cluster, namespace: str, registry: str):
    path = f"{_apps(namespace)}/web"
    for number in range(4):
        container = {"env": [{"name": "N", "value": str(number)}]}
        body = deployment("web", f"{registry}/open/web:1", revisionHistoryLimit=1, container=container)
        cluster.apply(path, body).raise_for_status()
        cluster.wait(path, _done(1))
    found = cluster.wait(_apps(namespace, "replicasets"), lambda body: len(body["items"]) == 2)["items"]
    annotation = "deployment.kubernetes.io/revision"
    assert sorted(entry["metadata"]["annotations"][annotation] for entry in found) == ["3", "4"]


def test_a_slow_pod_becomes_ready_in_its_time(cluster: Cluster, namespace: str, registry: str):
    cluster.kubernetes.misbehave(namespace, "web", "slow", seconds=1.5)
    path = f"{_apps(namespace)}/web"
    cluster.apply(path, deployment("web", f"{registry}/open/web:1")).raise_for_status()
    running = cluster.wait(
        f"/api/v1/namespaces/{namespace}/pods", lambda body: body["items"][0]["status"]["phase"] == "Running"
    )
    assert running["items"][0]["status"]["containerStatuses"][0]["ready"] is False
    cluster.wait(path, _done(1))


def test_init_containers_have_ended_before_the_others_run(cluster: Cluster, namespace: str, registry: str):
    pod = {"initContainers": [{"name": "migrate", "image": f"{registry}/open/web:2"}]}
    path = f"{_apps(namespace)}/web"
    cluster.apply(path, deployment("web", f"{registry}/open/web:1", pod=pod)).raise_for_status()
    cluster.wait(path, _done(1))
    status = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"][0]["status"]
    (first,) = status["initContainerStatuses"]
    assert (first["name"], first["image"], first["ready"]) == ("migrate", f"{registry}/open/web:2", True)
    assert (first["state"]["terminated"]["exitCode"], first["imageID"]) == (0, f"{registry}/open/web@{DIGEST}")


def test_an_init_containers_missing_image_holds_the_pod(cluster: Cluster, namespace: str, registry: str):
    pod = {"initContainers": [{"name": "migrate", "image": f"{registry}/open/web:nope"}]}
    cluster.apply(f"{_apps(namespace)}/web", deployment("web", f"{registry}/open/web:1", pod=pod)).raise_for_status()
    path = f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3DFailed"
    messages = [event["message"] for event in cluster.wait(path, lambda body: len(body["items"]) > 1)["items"]]
    assert any(text.startswith(f'Failed to pull image "{registry}/open/web:nope"') for text in messages)


def _set(kind: str, image: str, **spec: Any) -> dict[str, Any]:
    body = deployment("db", image, **spec)
    return {**body, "kind": kind, "spec": {**body["spec"], **({"serviceName": "db"} if kind == "StatefulSet" else {})}}


def test_a_stateful_set_has_its_pods_in_order(cluster: Cluster, namespace: str, registry: str):
    path = f"{_apps(namespace, 'statefulsets')}/db"
    cluster.apply(path, _set("StatefulSet", f"{registry}/open/web:1", replicas=2)).raise_for_status()
    cluster.wait(path, lambda body: body["status"]["readyReplicas"] == 2)
    pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    assert [pod["metadata"]["name"] for pod in pods] == ["db-0", "db-1"]
    first, second = (pod["status"]["startTime"] for pod in pods)
    assert first <= second
    uids = {pod["metadata"]["uid"] for pod in pods}
    cluster.apply(path, _set("StatefulSet", f"{registry}/open/web:2", replicas=2)).raise_for_status()

    def updated(body: Any) -> bool:
        status = body["status"]
        return bool(status["updatedReplicas"] == status["readyReplicas"] == 2
                    and status["currentRevision"] == status["updateRevision"]
                    and status["observedGeneration"] == body["metadata"]["generation"])  # fmt: skip

    cluster.wait(path, updated)
    pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    assert [pod["spec"]["containers"][0]["image"][-1] for pod in pods] == ["2", "2"]
    assert uids.isdisjoint(pod["metadata"]["uid"] for pod in pods)
    cluster.apply(path, _set("StatefulSet", f"{registry}/open/web:2", replicas=1)).raise_for_status()
    cluster.wait(f"/api/v1/namespaces/{namespace}/pods", lambda body: len(body["items"]) == 1)


def test_a_daemon_set_has_one_pod_on_the_node(cluster: Cluster, namespace: str, registry: str):
    path = f"{_apps(namespace, 'daemonsets')}/db"
    cluster.apply(path, _set("DaemonSet", f"{registry}/open/web:1")).raise_for_status()
    item = cluster.wait(path, lambda body: body["status"]["numberReady"] == 1)
    assert (item["status"]["desiredNumberScheduled"], item["status"]["numberUnavailable"]) == (1, 0)
    (pod,) = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    assert pod["spec"]["nodeName"] == "sandbox-node"


INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {"digest": "sha256:" + "1" * 64, "platform": {"os": "unknown", "architecture": "unknown"}},
            {"digest": "sha256:" + "2" * 64, "platform": {"os": "linux", "architecture": "arm64"}},
            {"digest": DIGEST, "platform": {"os": "linux", "architecture": "amd64"}},
        ],
    }
).encode()
INDEX_DIGEST = f"sha256:{hashlib.sha256(INDEX).hexdigest()}"


def _other_registry(request: Request) -> Response:
    """``token/*`` wants a Bearer token of ``/token``, which wants robot's password; ``many/*`` has an image index."""
    path = request.path_params["path"]
    if path == "token":
        if request.headers.get("Authorization") != BASIC:
            return Response(status_code=401)
        assert dict(request.query_params) == {"service": "registry", "scope": "repository:token/web:pull"}
        return JSONResponse({"token": "t0ken"})
    if path.startswith("v2/token/") and request.headers.get("Authorization") != "Bearer t0ken":
        realm = f'Bearer realm="{request.base_url}token",service="registry",scope="repository:token/web:pull"'
        return Response(status_code=401, headers={"WWW-Authenticate": realm})
    if path == "v2/many/web/manifests/1":
        return Response(INDEX, headers={"Docker-Content-Digest": INDEX_DIGEST})
    if path.endswith(("web/manifests/1", f"/manifests/{DIGEST}")):
        return Response(MANIFEST, headers={"Docker-Content-Digest": DIGEST})
    return Response(CONFIG) if path.endswith(f"/blobs/{CONFIG_DIGEST}") else Response(status_code=404)


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    app = Starlette(routes=[Route("/{path:path}", _other_registry, methods=["GET", "HEAD"])])
    with AppServer(app, name="other registry") as server:
        yield f"127.0.0.1:{server.port}"


def _image_id(cluster: Cluster, namespace: str, image: str, **pod: Any) -> str:
    path = f"{_apps(namespace)}/web"
    cluster.apply(path, deployment("web", image, pod=pod)).raise_for_status()
    cluster.wait(path, _done(1))
    pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    return str(pods[0]["status"]["containerStatuses"][0]["imageID"])


def test_an_image_index_is_named_by_its_own_digest(cluster: Cluster, namespace: str, other: str):
    """The children for other platforms are not even there: only the node's own is pulled."""
    assert _image_id(cluster, namespace, f"{other}/many/web:1") == f"{other}/many/web@{INDEX_DIGEST}"


def test_a_registry_with_bearer_tokens(cluster: Cluster, namespace: str, other: str):
    auth = base64.b64encode(b"robot:s3cret").decode()
    config = base64.b64encode(json.dumps({"auths": {f"http://{other}": {"auth": auth}}}).encode()).decode()
    secret = {
        "metadata": {"name": "pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": config},
    }
    cluster.http.post(f"/api/v1/namespaces/{namespace}/secrets", json=secret).raise_for_status()
    found = _image_id(cluster, namespace, f"{other}/token/web:1", imagePullSecrets=[{"name": "pull"}])
    assert found == f"{other}/token/web@{DIGEST}"


def test_a_registry_with_bearer_tokens_refuses_who_has_no_login(cluster: Cluster, namespace: str, other: str):
    cluster.apply(f"{_apps(namespace)}/web", deployment("web", f"{other}/token/web:1")).raise_for_status()
    path = f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3DFailed"
    messages = [event["message"] for event in cluster.wait(path, lambda body: len(body["items"]) > 1)["items"]]
    assert any("401 Unauthorized" in text for text in messages)


def test_one_seed_gives_the_same_names_and_load(tmp_path: Path, registry: str):
    def names(home: str, seed: int) -> tuple[str, str]:
        cluster = Cluster(tmp_path / home, seed=seed)
        try:
            made = [
                cluster.http.post(
                    "/api/v1/namespaces/default/configmaps", json={"metadata": {"generateName": "x-"}}
                ).json()["metadata"]
                for _ in range(3)
            ]
            wave = cluster.kubernetes.load.cpu({"metadata": made[0]}, {"name": "main"})
            return ",".join(f"{one['name']} {one['uid']}" for one in made), f"{wave}"
        finally:
            cluster.close()

    first, again, other = names("a", 7), names("b", 7), names("c", 8)
    assert first == again
    assert first[0] != other[0] and first[1] != other[1]
