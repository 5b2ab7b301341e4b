"""What a container's process would do: where it listens, how it ends, what it lacks."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kubernetes.images import Pulled
from sandbox.kubernetes.processes import ending, listens
from tests.sandbox.kubernetes.conftest import Cluster, deployment


@pytest.mark.parametrize(
    ("container", "image", "ports"),
    [
        ({"ports": [{"containerPort": 9090}]}, Pulled("i", frozenset({8080})), {8080}),
        ({"ports": [{"containerPort": 9090}]}, Pulled("i"), {9090}),
        ({"env": [{"name": "PORT", "value": "7000"}]}, Pulled("i", frozenset({8080})), {7000, 8080}),
        ({"ports": [{"containerPort": 9090}]}, None, None),
        ({}, Pulled("i"), None),
    ],
)
def test_where_a_process_listens(container: Any, image: Pulled | None, ports: Any):
    assert listens(container, image) == ports


@pytest.mark.parametrize(
    ("container", "image", "how"),
    [
        (
            {"command": ["sh", "-c", "echo one; echo 'two words' && exit 3"]},
            Pulled("i"),
            (3, "Error", "one\ntwo words"),
        ),
        ({"command": ["false"]}, Pulled("i"), (1, "Error", "stand-in: the command ends in exit 1")),
        ({"command": ["sh", "-c", "echo hi; exit 0"]}, Pulled("i"), (0, "Completed", "hi")),
        ({}, Pulled("i", command=("sh", "-c", "exit 4")), (4, "Error", "stand-in: the command ends in exit 4")),
        ({"args": ["exit 5"]}, Pulled("i", entrypoint=("sh", "-c"), command=("serve",)), (5, "Error", None)),
        ({"command": ["serve"]}, Pulled("i", command=("false",)), None),
        ({}, Pulled("i", entrypoint=("serve",)), None),
        ({}, None, None),
    ],
)
def test_how_a_process_ends(container: Any, image: Pulled | None, how: Any):
    found = ending(container, image, None)
    assert (found and (found.code, found.reason, found.log if how[2] is not None else None)) == how


def _deploy(cluster: Cluster, namespace: str, registry: str, **container: Any) -> str:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    body = deployment("web", f"{registry}/open/web:1", progressDeadlineSeconds=2, container=container)
    cluster.apply(path, body).raise_for_status()
    return path


def _unhealthy(cluster: Cluster, namespace: str) -> Any:
    path = f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3DUnhealthy"
    return cluster.wait(path, lambda body: body["items"])["items"][0]["message"]


def _container(cluster: Cluster, namespace: str, test: Any) -> Any:
    def holds(body: Any) -> bool:
        return bool(test(body["items"][0]["status"]["containerStatuses"][0]))

    found = cluster.wait(f"/api/v1/namespaces/{namespace}/pods", holds)
    return found["items"][0]["status"]["containerStatuses"][0]


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        ({"tcpSocket": {"port": 9999}}, r"Readiness probe failed: dial tcp {ip}:9999: connect: connection refused"),
        (
            {"httpGet": {"path": "/health", "port": 9999}},
            'Readiness probe failed: Get "http://{ip}:9999/health": dial tcp {ip}:9999: connect: connection refused',
        ),
    ],
)
def test_a_readiness_probe_of_a_port_nobody_listens_on(
    cluster: Cluster, namespace: str, registry: str, probe: Any, message: str
):
    path = _deploy(cluster, namespace, registry, readinessProbe=probe)
    said = _unhealthy(cluster, namespace)
    pod = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"][0]
    assert said == message.format(ip=pod["status"]["podIP"])
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["containerStatuses"][0]["ready"] is False
    item = cluster.wait(path, lambda body: body["status"]["conditions"][-1]["reason"] == "ProgressDeadlineExceeded" or
                        body["status"]["conditions"][0]["reason"] == "ProgressDeadlineExceeded")  # fmt: skip
    assert item["status"].get("availableReplicas", 0) == 0


def test_a_probe_of_a_named_port_or_by_command_passes(cluster: Cluster, namespace: str, registry: str):
    named = {"ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": {"tcpSocket": {"port": "http"}}}
    _deploy(cluster, namespace, registry, **named)
    _container(cluster, namespace, lambda entry: entry["ready"])
    _deploy(cluster, namespace, registry, readinessProbe={"exec": {"command": ["true"]}})
    _container(cluster, namespace, lambda entry: entry["ready"])


def test_a_failing_liveness_probe_restarts_a_ready_container(cluster: Cluster, namespace: str, registry: str):
    _deploy(cluster, namespace, registry, livenessProbe={"tcpSocket": {"port": 9999}, "periodSeconds": 10})
    _container(cluster, namespace, lambda entry: entry["ready"])
    assert _unhealthy(cluster, namespace).startswith("Liveness probe failed: dial tcp ")
    ended = _container(cluster, namespace, lambda entry: entry["restartCount"])["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")
    killing = cluster.get(f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3DKilling")["items"]
    assert killing[0]["message"] == "Container main failed liveness probe, will be restarted"


def test_a_failing_startup_probe_holds_readiness_back(cluster: Cluster, namespace: str, registry: str):
    _deploy(cluster, namespace, registry, startupProbe={"tcpSocket": {"port": 9999}, "failureThreshold": 30})
    assert _unhealthy(cluster, namespace).startswith("Startup probe failed: dial tcp ")
    assert _container(cluster, namespace, lambda entry: True)["ready"] is False


def test_crash_logs_are_what_the_command_echoes_or_the_pod_says(cluster: Cluster, namespace: str, registry: str):
    _deploy(cluster, namespace, registry, command=["sh", "-c", "echo boom; exit 3"])
    _container(cluster, namespace, lambda entry: entry["restartCount"])
    pod = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"][0]["metadata"]["name"]
    log = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?previous=true&tailLines=1"
    assert cluster.http.get(log).text == "boom\n"
    name = "sandbox.smartclide.eu/crash-log"
    body = deployment("said", f"{registry}/open/web:1", container={"command": ["false"]})
    body["spec"]["template"]["metadata"]["annotations"] = {name: "Traceback\nKeyError: 'DATABASE_URL'"}
    cluster.apply(f"/apis/apps/v1/namespaces/{namespace}/deployments/said", body).raise_for_status()
    found = cluster.wait(
        f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3Dsaid",
        lambda body: body["items"][0]["status"]["containerStatuses"][0]["restartCount"],
    )["items"][0]["metadata"]["name"]
    log = f"/api/v1/namespaces/{namespace}/pods/{found}/log?previous=true&tailLines=2"
    assert cluster.http.get(log).text == "Traceback\nKeyError: 'DATABASE_URL'\n"


def test_missing_references_are_configuration_errors_until_they_are_there(
    cluster: Cluster, namespace: str, registry: str
):
    core = f"/api/v1/namespaces/{namespace}"

    def waits(message: str) -> None:
        def holds(entry: Any) -> bool:
            found = entry["state"].get("waiting") or {}
            return (found.get("reason"), found.get("message")) == ("CreateContainerConfigError", message)

        _container(cluster, namespace, holds)

    source = {"secretKeyRef": {"name": "login", "key": "password"}}
    _deploy(cluster, namespace, registry, env=[{"name": "P", "valueFrom": source}],
            envFrom=[{"configMapRef": {"name": "settings"}}])  # fmt: skip
    waits('configmap "settings" not found')
    cluster.http.post(f"{core}/configmaps", json={"metadata": {"name": "settings"}}).raise_for_status()
    waits('secret "login" not found')
    cluster.http.post(f"{core}/secrets", json={"metadata": {"name": "login"}}).raise_for_status()
    waits(f"couldn't find key password in Secret {namespace}/login")
    merge = {"Content-Type": "application/merge-patch+json"}
    cluster.http.patch(f"{core}/secrets/login", content='{"stringData": {"password": "x"}}', headers=merge)
    _container(cluster, namespace, lambda entry: entry["ready"])
