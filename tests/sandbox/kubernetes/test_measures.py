"""The load model as the kubelet's summary and metrics.k8s.io tell it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from sandbox.kubernetes.load import Load, Wave
from tests.sandbox.kubernetes.conftest import Cluster, deployment

SUMMARY = "/api/v1/nodes/sandbox-node/proxy/stats/summary"


@pytest.fixture
def pod(cluster: Cluster, namespace: str, registry: str) -> Iterator[Any]:
    body = deployment(
        "web", f"{registry}/open/web:1", container={"resources": {"requests": {"cpu": "1", "memory": "128Mi"}}}
    )
    cluster.apply(f"/apis/apps/v1/namespaces/{namespace}/deployments/web", body)
    path = f"/api/v1/namespaces/{namespace}/pods"
    yield cluster.wait(path, lambda found: found["items"][0]["status"]["containerStatuses"][0]["ready"])["items"][0]


def _entry(cluster: Cluster, pod: Any) -> Any:
    found = [entry for entry in cluster.get(SUMMARY)["pods"] if entry["podRef"]["uid"] == pod["metadata"]["uid"]]
    return found[0]


def test_the_summary_has_what_the_kubelet_writes(cluster: Cluster, pod: Any):
    entry = _entry(cluster, pod)
    assert entry["podRef"] == {key: pod["metadata"][key] for key in ("name", "namespace", "uid")}
    container = entry["containers"][0]
    assert set(container["cpu"]) == {"time", "usageNanoCores", "usageCoreNanoSeconds"}
    assert {"time", "usageBytes", "workingSetBytes", "rssBytes"} <= set(container["memory"])
    assert 0.05e9 < container["cpu"]["usageNanoCores"] < 1e9
    assert 20 * 2**20 < container["memory"]["workingSetBytes"] < 128 * 2**20
    assert entry["network"]["interfaces"][0]["rxBytes"] == entry["network"]["rxBytes"]


def test_counters_grow_and_the_rate_moves(cluster: Cluster, pod: Any):
    first = _entry(cluster, pod)
    time.sleep(1.1)
    second = _entry(cluster, pod)
    for path in (("cpu", "usageCoreNanoSeconds"), ("network", "rxBytes"), ("network", "txBytes")):
        assert second[path[0]][path[1]] > first[path[0]][path[1]]
    assert second["cpu"]["usageNanoCores"] != first["cpu"]["usageNanoCores"]


def test_metrics_agree_with_the_summary(cluster: Cluster, pod: Any):
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    item = cluster.get(f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{name}")
    assert (item["kind"], item["window"]) == ("PodMetrics", "1s")
    cores = parse_quantity(item["containers"][0]["usage"]["cpu"])
    assert abs(float(cores) * 1e9 / _entry(cluster, pod)["cpu"]["usageNanoCores"] - 1) < 0.5
    assert parse_quantity(item["containers"][0]["usage"]["memory"]) > 20 * 2**20


def test_sources_can_be_off_or_leave_young_pods_out(cluster: Cluster, pod: Any):
    load, path = cluster.kubernetes.load, f"/apis/metrics.k8s.io/v1beta1/namespaces/{pod['metadata']['namespace']}/pods"
    try:
        load.young_seconds = 60
        assert cluster.get(path)["items"] == []
        load.metrics = load.summary = 503
        assert cluster.http.get(path).status_code == cluster.http.get(SUMMARY).status_code == 503
        load.metrics = load.summary = 404
        assert cluster.http.get(path).status_code == cluster.http.get(SUMMARY).status_code == 404
        assert "metrics.k8s.io" not in {group["name"] for group in cluster.get("/apis")["groups"]}
    finally:
        cluster.kubernetes.load.__dict__.update(Load(1).__dict__)


@given(
    base=st.floats(0.001, 10),
    phases=st.tuples(*[st.floats(0, 6.3)] * 5),
    start=st.floats(1.7e9, 1.9e9),
    seconds=st.floats(0.1, 1e5),
)
def test_a_wave_is_positive_and_its_counter_is_its_integral(
    base: float, phases: tuple[float, ...], start: float, seconds: float
):
    wave = Wave(base, phases)
    assert wave.rate(start) > 0 and wave.total(start, start + seconds) > 0
    step = 0.05
    assert wave.total(start, start + step) / step == pytest.approx(
        wave.rate(start + step / 2), rel=0.01, abs=1e-3 * base
    )
