"""Sampling over the Kubernetes stand-in: both sources, none, young pods, a service without pods."""

import math
import time

import pandas as pd
import pytest
from pydantic import SecretStr

from blocks import Cluster
from errors import UnavailableError
from sandbox.docker_cli.main import Setting
from sandbox.docker_cli.main import main as docker
from sandbox.http import AppServer
from sandbox.kubernetes.server import Kubernetes
from sandbox.registry.server import Registry
from tasks.metrics.frames import DTYPES, with_rates
from tasks.metrics.sampling import Scope, take_sample
from tasks.rollout.cluster import ClusterClient

LABELS = {
    "app.kubernetes.io/name": "hello", "app.kubernetes.io/managed-by": "smartclide",
    "smartclide.eu/environment": "staging", "smartclide.eu/revision": "7",
}  # fmt: skip
SCOPE = Scope("staging", "default")


def deployment(image, replicas=2, name="hello"):
    container = {
        "name": "hello", "image": image,
        "resources": {"requests": {"cpu": "50m"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
    }  # fmt: skip
    labels = {**LABELS, "app.kubernetes.io/name": name}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                 "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A small image in a registry."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "Dockerfile").write_text('FROM scratch\nCMD ["serve"]\n')
    registry = Registry(folder / "registry")
    with AppServer(registry.app, name="registry") as server:
        name = f"127.0.0.1:{server.port}/hello:1"
        for words in (["build", "-q", "-t", name, str(folder)], ["push", name]):
            assert docker(words, Setting(folder / "docker", ())) == 0
        yield name


@pytest.fixture
def cluster(tmp_path):
    kubernetes = Kubernetes(tmp_path, lambda: server.url)
    server = AppServer(kubernetes.app, name="kubernetes")
    with server:
        client = ClusterClient(Cluster(kubeconfig=SecretStr(kubernetes.kubeconfig())))
        yield kubernetes, client, server
        client.close()
        kubernetes.close()


def running(client, image, count=2):
    client.apply(deployment(image, count))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = client.find("Deployment", "default", "hello") or {}
        if found.get("status", {}).get("availableReplicas") == count:
            return
        time.sleep(0.05)
    raise AssertionError("the pods did not get ready")


def settled(client, wanted, seconds=20):
    """A sample of which `wanted` holds: figures of young pods take a moment."""
    deadline = time.monotonic() + seconds
    while True:
        frame = take_sample(client, SCOPE)
        if wanted(frame) or time.monotonic() > deadline:
            return frame
        time.sleep(0.2)


def test_nothing_deployed_is_an_empty_frame(cluster):
    _, client, _ = cluster
    frame = take_sample(client, SCOPE)
    assert frame.empty
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == DTYPES


def test_a_service_without_pods_has_a_row_that_says_so(cluster, image):
    _, client, _ = cluster
    client.apply(deployment(image, replicas=0))
    [row] = take_sample(client, SCOPE).to_dict("records")
    assert (row["service"], row["pod"], row["desired"], row["revision"], row["gap"]) == ("hello", "", 0, 7, "no pods")
    assert row["ready"] is False


def test_pods_of_other_environments_and_of_others_are_left_out(cluster, image):
    _, client, _ = cluster
    other = deployment(image, 1, "other")
    other["metadata"]["labels"]["smartclide.eu/environment"] = "production"
    client.apply(other)
    assert take_sample(client, SCOPE).empty


def test_the_kubelet_denied_falls_back_to_the_metrics_api_and_says_what_is_missing(cluster, image):
    kubernetes, client, _ = cluster
    running(client, image)
    kubernetes.api.denied.add(("get", "nodes/proxy"))
    kubernetes.load.young_seconds = 0
    frame = settled(client, lambda f: (f["source"] == "metrics.k8s.io").all())
    assert len(frame) == 2
    for row in frame.to_dict("records"):
        assert row["gap"].startswith("no network: kubelet statistics of node sandbox-node")
        assert row["cpu_cores"] > 0
        assert row["memory_bytes"] > 0
        assert row["ready"] is True
        assert math.isnan(row["network_rx_bytes"])


def test_no_source_at_all_leaves_gaps_not_zeros(cluster, image):
    kubernetes, client, _ = cluster
    running(client, image, 1)
    kubernetes.api.denied.add(("get", "nodes/proxy"))
    kubernetes.load.metrics = 404
    [row] = take_sample(client, SCOPE).to_dict("records")
    assert row["source"] == "none"
    assert math.isnan(row["cpu_cores"])
    assert math.isnan(row["memory_bytes"])
    assert row["gap"].startswith("no CPU, memory, network: ")
    assert row["cpu_limit_cores"] == 0.5
    assert row["memory_limit_bytes"] == 67_108_864
    assert row["memory_request_bytes"] == 67_108_864  # Kubernetes' own default: the limit


def test_a_source_that_fails_is_a_gap_but_pods_that_cannot_be_listed_are_an_error(cluster, image):
    _, client, server = cluster
    running(client, image, 1)
    server.faults.add("status", "stats/summary", status=503)
    [row] = take_sample(client, SCOPE).to_dict("records")
    assert row["source"] in ("none", "metrics.k8s.io")
    server.faults.add("status", "/pods", times=-1, status=503)
    with pytest.raises(UnavailableError):
        take_sample(client, SCOPE)
    server.faults.clear()


def test_counters_of_two_samples_become_rates(cluster, image):
    kubernetes, client, _ = cluster
    running(client, image, 1)
    kubernetes.load.young_seconds = 0
    first = settled(client, lambda f: f["network_rx_bytes"].notna().all())
    time.sleep(1.1)
    rates = with_rates(pd.concat([first, take_sample(client, SCOPE)], ignore_index=True))
    assert math.isnan(rates["network_rx_rate"].iloc[0])
    assert rates["network_rx_rate"].iloc[-1] > 0
