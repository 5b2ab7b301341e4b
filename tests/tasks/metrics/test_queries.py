import pytest

from tasks.metrics.queries import Usage, pod_row, quantity, requested, usage_from_metrics_api, usage_from_summary

SUMMARY = {
    "node": {"nodeName": "node-1"},
    "pods": [
        {
            "podRef": {"name": "hello-1", "namespace": "n", "uid": "uid-1"},
            "containers": [
                {"name": "hello", "cpu": {"time": "2026-01-01T00:00:00Z", "usageNanoCores": 1},
                 "memory": {"workingSetBytes": 2}},
            ],
            "cpu": {"time": "2026-01-01T00:00:05Z", "usageNanoCores": 12_345_678, "usageCoreNanoSeconds": 9},
            "memory": {"time": "2026-01-01T00:00:05Z", "workingSetBytes": 20_971_520},
            "network": {"time": "2026-01-01T00:00:07Z", "rxBytes": 1000, "txBytes": 2000},
        },
        {
            "podRef": {"name": "old-1", "namespace": "n", "uid": "uid-2"},
            "containers": [
                {"name": "a", "cpu": {"time": "2026-01-01T00:00:01Z", "usageNanoCores": 1_000_000},
                 "memory": {"workingSetBytes": 100}},
                {"name": "b", "cpu": {"time": "2026-01-01T00:00:02Z", "usageNanoCores": 2_000_000},
                 "memory": {"workingSetBytes": 50}},
            ],
        },
        {"podRef": {"name": "young-1", "namespace": "n", "uid": "uid-3"}, "containers": []},
    ],
}  # fmt: skip


def test_the_kubelets_summary_gives_usage_by_pod_uid():
    assert usage_from_summary(SUMMARY) == {
        "uid-1": Usage("kubelet", "2026-01-01T00:00:05Z", 0.012345678, 20_971_520, "2026-01-01T00:00:07Z", 1000, 2000),
        "uid-2": Usage("kubelet", "2026-01-01T00:00:01Z", 0.003, 150),
        "uid-3": Usage("kubelet"),
    }


def test_without_eth0_the_interfaces_are_summed():
    interfaces = [{"name": "lo", "rxBytes": 9, "txBytes": 9}, {"name": "ens5", "rxBytes": 1, "txBytes": 2},
                  {"name": "net1", "rxBytes": 10, "txBytes": 20}]  # fmt: skip
    network = {"time": "2026-01-01T00:00:07Z", "interfaces": interfaces}
    found = usage_from_summary({"pods": [{"podRef": {"uid": "u"}, "containers": [], "network": network}]})["u"]
    assert (found.network_rx_bytes, found.network_tx_bytes) == (11, 22)


def test_the_metrics_api_gives_cpu_and_memory_by_pod_name():
    items = [
        {
            "metadata": {"name": "hello-1"},
            "timestamp": "2026-01-01T00:00:00Z",
            "window": "10s",
            "containers": [
                {"name": "a", "usage": {"cpu": "12345678n", "memory": "20480Ki"}},
                {"name": "b", "usage": {"cpu": "5m", "memory": "1Mi"}},
            ],
        },
        {"metadata": {"name": "hello-2"}, "timestamp": "2026-01-01T00:00:00Z", "containers": []},
    ]
    assert usage_from_metrics_api(items) == {
        "hello-1": Usage("metrics.k8s.io", "2026-01-01T00:00:00Z", 0.017345678, 22_020_096),
        "hello-2": Usage("metrics.k8s.io", "2026-01-01T00:00:00Z"),
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("250m", 0.25), ("2", 2), ("64Mi", 67_108_864), ("1k", 1000), ("1E", 1e18), ("1e3", 1000), ("12e6", 12e6),
     ("1Ei", 2.0**60), ("100u", 0.0001), ("0.5Gi", 536_870_912)],
)  # fmt: skip
def test_quantities(text, value):
    assert quantity(text) == pytest.approx(value, rel=1e-12)


def pod(*resources, **status):
    return {
        "metadata": {"name": "hello-1", "uid": "uid-1"},
        "spec": {"nodeName": "node-1", "containers": [{"resources": one} for one in resources]},
        "status": status,
    }


def test_requests_are_summed_and_a_missing_limit_means_unlimited():
    one = {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "64Mi"}}
    two = {"requests": {"cpu": "50m", "memory": "1Mi"}, "limits": {"memory": "64Mi"}}
    both = pod(one, two)
    assert requested(both, "requests", "cpu") == pytest.approx(0.15)
    assert requested(both, "requests", "memory") == 1_048_576
    assert requested(both, "limits", "cpu") is None
    assert requested(both, "limits", "memory") == 134_217_728
    assert requested(pod({}), "requests", "cpu") is None


def test_a_missing_measure_is_named_with_its_reason():
    row = pod_row(pod({}, phase="Running"), Usage("metrics.k8s.io", "t", 0.1, 5.0), "kubelet refused")
    assert row["gap"] == "no network: kubelet refused"
    assert row["source"] == "metrics.k8s.io"
    assert pod_row(pod({}, phase="Pending"), None, "too new")["gap"] == "no CPU, memory, network: too new"


def test_status_columns():
    row = pod_row(
        pod({}, phase="Running", conditions=[{"type": "Ready", "status": "True"}],
            containerStatuses=[{"restartCount": 2, "imageID": "r/app@sha256:1"}, {"restartCount": 1}]),
        None, "-",
    )  # fmt: skip
    assert (row["phase"], row["ready"], row["restarts"], row["image"]) == ("Running", True, 3, "r/app@sha256:1")
