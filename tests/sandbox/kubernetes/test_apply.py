"""Server-side apply and field ownership, generations, validation modes, deletion."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes import ownership, patches
from tests.sandbox.kubernetes.conftest import Cluster, deployment


def _web(**container: Any) -> dict[str, Any]:
    return deployment("web", "registry.invalid/web:1", replicas=0, container=container)


def _path(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/web"


def test_managed_fields_are_written_as_kubernetes_writes_them(cluster: Cluster, namespace: str):
    made = cluster.apply(_path(namespace), _web(env=[{"name": "A", "value": "b"}]), "smartclide").json()
    entry = made["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("smartclide", "Apply", "apps/v1")
    container = {
        ".": {},
        "f:name": {},
        "f:image": {},
        "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
        "f:ports": {'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
    }
    template = {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": {'k:{"name":"main"}': container}}}
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": template},
    }


def test_what_is_no_longer_applied_goes_unless_another_owns_it(cluster: Cluster, namespace: str):
    path = _path(namespace)
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    cluster.apply(path, _web(env=env, command=["run"]), "one")
    shared = {**_web(), "spec": {"template": {"spec": {"containers": [{"name": "main", "env": env[1:]}]}}}}
    shared["metadata"] = {"name": "web"}
    assert cluster.apply(path, shared, "two").status_code == 200
    container = cluster.apply(path, _web(), "one").json()["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "B", "value": "2"}]
    assert "command" not in container
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]


def test_an_ordinary_write_owns_what_it_changed(cluster: Cluster, namespace: str):
    path = _path(namespace)
    cluster.apply(path, _web(), "one")
    cluster.http.patch(
        path,
        params={"fieldManager": "hpa"},
        content=json.dumps({"spec": {"replicas": 2}}),
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()
    refused = cluster.apply(path, _web(), "one")
    assert refused.status_code == 409
    assert (
        refused.json()["message"] == 'Apply failed with 1 conflict: conflict with "hpa" using apps/v1: .spec.replicas'
    )
    without = _web()
    del without["spec"]["replicas"]
    assert cluster.apply(path, without, "one").json()["spec"]["replicas"] == 2
    forced = cluster.apply(path, _web(), "one", force="true").json()
    assert forced["spec"]["replicas"] == 0
    assert "hpa" not in {entry["manager"] for entry in forced["metadata"]["managedFields"]}


def test_generation_counts_specs_and_nothing_else(cluster: Cluster, namespace: str):
    path = _path(namespace)
    first = cluster.apply(path, _web()).json()["metadata"]
    same = cluster.apply(path, _web()).json()["metadata"]
    labelled = cluster.apply(path, {**_web(), "metadata": {"name": "web", "labels": {"x": "y"}}}).json()["metadata"]
    changed = cluster.apply(path, _web(command=["x"])).json()["metadata"]
    assert [item["generation"] for item in (first, same, labelled, changed)] == [1, 1, 1, 2]
    assert same["managedFields"][0] == first["managedFields"][0]
    assert labelled["labels"] == {"x": "y"}


def test_dry_run_stores_nothing(cluster: Cluster, namespace: str):
    path = _path(namespace)
    shown = cluster.apply(path, _web(), dryRun="All")
    assert shown.status_code == 201 and shown.json()["spec"]["progressDeadlineSeconds"] == 600
    assert cluster.http.get(path).status_code == 404


def test_unknown_fields_warn_or_are_refused(cluster: Cluster, namespace: str):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"metadata": {"name": "c"}, "dta": {"a": "b"}}
    strict = cluster.http.post(path, json=body, params={"fieldValidation": "Strict"})
    assert strict.status_code == 400 and 'strict decoding error: unknown field "dta"' in strict.json()["message"]
    warned = cluster.http.post(path, json=body)
    assert warned.headers["Warning"] == '299 - "unknown field \\"dta\\""' and "dta" not in warned.json()


def test_a_namespace_goes_with_all_it_holds(cluster: Cluster):
    cluster.http.post("/api/v1/namespaces", json={"metadata": {"name": "gone"}}).raise_for_status()
    cluster.apply(_path("gone"), _web())
    assert cluster.http.delete("/api/v1/namespaces/gone").json()["status"]["phase"] == "Terminating"
    refused = cluster.http.post("/api/v1/namespaces/gone/secrets", json={"metadata": {"name": "s"}})
    assert refused.status_code in (403, 404)
    cluster.wait("/api/v1/namespaces/gone", lambda body: body.get("code") == 404)
    assert cluster.http.get(_path("gone")).status_code == 404


@pytest.mark.parametrize(
    ("patch", "wanted"),
    [
        ({"containers": [{"name": "b", "image": "2"}]}, [{"name": "a"}, {"name": "b", "image": "2"}]),
        ({"containers": [{"name": "a", "$patch": "delete"}]}, []),
        ({"containers": [{"$patch": "replace"}, {"name": "c"}]}, [{"name": "c"}]),
    ],
)
def test_strategic_merge_of_named_lists(patch: Any, wanted: Any):
    assert patches.strategic({"containers": [{"name": "a"}]}, patch)["containers"] == wanted


_json = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["spec", "data"]), _json))
def test_fields_survive_their_encoding(item: Any):
    fields = set(ownership.fields_of(item))
    assert ownership.from_v1(ownership.to_v1(fields)) == fields
