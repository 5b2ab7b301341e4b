# ruff: noqa: E501  # one call a line reads better than a table broken at 120
"""The same calls against the stand-in and, where KUBECONFIG names one, a real cluster: codes, reasons, shapes."""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.sandbox.kubernetes.conftest import Cluster, deployment

NS = "k8s-conformance"
CORE, APPS = f"/api/v1/namespaces/{NS}", f"/apis/apps/v1/namespaces/{NS}"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NS}/leases"
JSON, APPLY = "application/json", "application/apply-patch+yaml"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
WEB = deployment("web", "registry.invalid/web:1", replicas=0)


@dataclass(frozen=True)
class Step:
    """One call and what must come back: code, reason and a part of the message; it may have to settle first."""

    method: str
    path: str
    body: Any = None
    media: str = JSON
    code: int = 200
    reason: str = ""
    message: str = ""
    settles: bool = False


def _changed(**spec: Any) -> dict[str, Any]:
    return {**WEB, "spec": {**WEB["spec"], **spec}}


def _pod(**container: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "registry.invalid/x:1", **container}]},
    }


OTHER = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
STEPS = {
    "create-config": Step("POST", f"{CORE}/configmaps", {"metadata": {"name": "c", "labels": {"a": "b"}}, "data": {"k": "v"}}, code=201),
    "create-again": Step("POST", f"{CORE}/configmaps", {"metadata": {"name": "c"}}, code=409, reason="AlreadyExists", message='configmaps "c" already exists'),
    "get-config": Step("GET", f"{CORE}/configmaps/c"),
    "list-config": Step("GET", f"{CORE}/configmaps?labelSelector=a%20in%20(b,c),!z"),
    "get-missing": Step("GET", f"{CORE}/configmaps/none", code=404, reason="NotFound", message='configmaps "none" not found'),
    "missing-namespace": Step("POST", "/api/v1/namespaces/k8s-none/configmaps", {"metadata": {"name": "c"}}, code=404, reason="NotFound", message='namespaces "k8s-none" not found'),
    "missing-group": Step("GET", "/apis/none.example/v1/things", code=404),
    "bad-selector": Step("GET", f"{CORE}/pods?fieldSelector=foo%3Dx", code=400, reason="BadRequest", message="field label not supported: foo"),
    "stale": Step("PUT", f"{CORE}/configmaps/c", {"metadata": {"name": "c", "resourceVersion": "1"}}, code=409, reason="Conflict", message='Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your changes to the latest version and try again'),
    "wrong-name": Step("PUT", f"{CORE}/configmaps/c", {"metadata": {"name": "d"}}, code=400, reason="BadRequest", message="the name of the object (d) does not match the name on the URL (c)"),
    "put-missing": Step("PUT", f"{CORE}/configmaps/none", {"metadata": {"name": "none"}}, code=404, reason="NotFound"),
    "wrong-kind": Step("POST", f"{CORE}/pods", {"kind": "Foo", "metadata": {"name": "x"}}, code=400, reason="BadRequest"),
    "wrong-namespace": Step("POST", f"{CORE}/pods", {**_pod(), "metadata": {"name": "x", "namespace": "other"}}, code=400, reason="BadRequest", message="the namespace of the provided object does not match the namespace sent on the request"),
    "wrong-media": Step("PATCH", f"{CORE}/configmaps/c", {}, media="application/foo", code=415, reason="UnsupportedMediaType"),
    "json-test": Step("PATCH", f"{CORE}/configmaps/c", [{"op": "test", "path": "/data/k", "value": "x"}], media="application/json-patch+json", code=422, reason="Invalid"),
    "json-patch": Step("PATCH", f"{CORE}/configmaps/c", [{"op": "add", "path": "/data/a~1b", "value": "x"}], media="application/json-patch+json", code=422, reason="Invalid", message="data[a/b]: Invalid value"),
    "merge-patch": Step("PATCH", f"{CORE}/configmaps/c", {"data": {"k": None, "n": "1"}}, media=MERGE),
    "no-image": Step("POST", f"{CORE}/pods", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}, code=422, reason="Invalid", message='Pod "p" is invalid: spec.containers[0].image: Required value'),
    "no-containers": Step("POST", f"{CORE}/pods", {"metadata": {"name": "p"}, "spec": {"containers": []}}, code=422, reason="Invalid", message='Pod "p" is invalid: spec.containers: Required value'),
    "bad-quantity": Step("POST", f"{CORE}/pods", _pod(resources={"requests": {"cpu": "10x"}}), code=400, reason="BadRequest", message="quantities must match the regular expression"),
    "over-limit": Step("POST", f"{CORE}/pods", _pod(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}), code=422, reason="Invalid", message='Invalid value: "2": must be less than or equal to cpu limit'),
    "bad-port": Step("POST", f"{CORE}/pods", _pod(ports=[{"containerPort": 70000}]), code=422, reason="Invalid", message="spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"),
    "no-volume": Step("POST", f"{CORE}/pods", _pod(volumeMounts=[{"name": "v", "mountPath": "/v"}]), code=422, reason="Invalid", message='spec.containers[0].volumeMounts[0].name: Not found: "v"'),
    "wrong-type": Step("POST", f"{APPS}/deployments", _changed(replicas="2"), code=400, reason="BadRequest"),
    "bad-name": Step("POST", f"{APPS}/deployments", {**WEB, "metadata": {"name": "Bad_Name"}}, code=422, reason="Invalid", message='Deployment.apps "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain'),
    "mismatch": Step("POST", f"{APPS}/deployments", _changed(selector={"matchLabels": {"app": "x"}}), code=422, reason="Invalid", message='Deployment.apps "web" is invalid: spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: `selector` does not match template `labels`'),
    "no-selector": Step("POST", f"{APPS}/deployments", {k: ({n: s for n, s in v.items() if n != "selector"} if k == "spec" else v) for k, v in WEB.items()}, code=422, reason="Invalid", message="spec.selector: Required value"),
    "negative": Step("POST", f"{APPS}/deployments", _changed(replicas=-1), code=422, reason="Invalid", message="spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    "dry-run": Step("POST", f"{APPS}/deployments?dryRun=All", WEB, code=201),
    "not-there": Step("GET", f"{APPS}/deployments/web", code=404, reason="NotFound", message='deployments.apps "web" not found'),
    "no-manager": Step("PATCH", f"{APPS}/deployments/web", WEB, media=APPLY, code=422, reason="Invalid", message='PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'),
    "apply": Step("PATCH", f"{APPS}/deployments/web?fieldManager=one", WEB, media=APPLY, code=201),
    "apply-again": Step("PATCH", f"{APPS}/deployments/web?fieldManager=one", WEB, media=APPLY),
    "conflict": Step("PATCH", f"{APPS}/deployments/web?fieldManager=two", {**OTHER, "spec": {"replicas": 3}}, media=APPLY, code=409, reason="Conflict", message='Apply failed with 1 conflict: conflict with "one": .spec.replicas'),
    "conflicts": Step("PATCH", f"{APPS}/deployments/web?fieldManager=two", {**OTHER, "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "main", "image": "x"}]}}}}, media=APPLY, code=409, reason="Conflict", message='Apply failed with 2 conflicts: conflicts with "one":\n- .spec.replicas\n- .spec.template.spec.containers[name="main"].image'),
    "unknown-field": Step("PATCH", f"{APPS}/deployments/web?fieldManager=two", {**OTHER, "spec": {"repicas": 3}}, media=APPLY, code=500, message=".spec.repicas: field not declared in schema"),
    "add": Step("PATCH", f"{APPS}/deployments/web?fieldManager=two", {**OTHER, "spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}}}}, media=APPLY),
    "immutable": Step("PATCH", f"{APPS}/deployments/web", {"spec": {"selector": {"matchLabels": {"a": "b"}}}}, media=MERGE, code=422, reason="Invalid", message="field is immutable"),
    "strategic": Step("PATCH", f"{APPS}/deployments/web", {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "B", "value": "2"}]}]}}}}, media=STRATEGIC),
    "scale": Step("PATCH", f"{APPS}/deployments/web/scale", {"spec": {"replicas": 0}}, media=MERGE),
    "get-scale": Step("GET", f"{APPS}/deployments/web/scale"),
    "bad-service": Step("POST", f"{CORE}/services", {"metadata": {"name": "1x"}, "spec": {"ports": [{"port": 0}]}}, code=422, reason="Invalid", message='metadata.name: Invalid value: "1x": a DNS-1035 label must consist of'),
    "no-ports": Step("POST", f"{CORE}/services", {"metadata": {"name": "s"}, "spec": {"ports": []}}, code=422, reason="Invalid", message='Service "s" is invalid: spec.ports: Required value'),
    "service": Step("POST", f"{CORE}/services", {"metadata": {"name": "s"}, "spec": {"selector": {"app": "none"}, "ports": [{"port": 80}]}}, code=201),
    "proxy-missing": Step("GET", f"{CORE}/services/none:80/proxy/", code=404, reason="NotFound"),
    "proxy-no-endpoint": Step("GET", f"{CORE}/services/s:80/proxy/", code=503, reason="ServiceUnavailable", message="no endpoints available for service", settles=True),
    "bad-pull-secret": Step("POST", f"{CORE}/secrets", {"metadata": {"name": "x"}, "type": "kubernetes.io/dockerconfigjson", "data": {"a": "eA=="}}, code=422, reason="Invalid", message="data[.dockerconfigjson]: Required value"),
    "secret": Step("POST", f"{CORE}/secrets", {"metadata": {"generateName": "x-"}, "stringData": {"a": "b"}}, code=201),
    "bad-label": Step("POST", f"{CORE}/secrets", {"metadata": {"name": "x", "labels": {"a": "b c"}}}, code=422, reason="Invalid", message='metadata.labels: Invalid value: "b c": a valid label must be an empty string'),
    "lease": Step("POST", LEASES, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}}, code=201),
    "log-missing": Step("GET", f"{CORE}/pods/none/log", code=404, reason="NotFound", message='pods "none" not found'),
    "access": Step("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": NS}}}, code=201),
    "delete-precondition": Step("DELETE", f"{CORE}/configmaps/c", {"preconditions": {"uid": "x"}}, code=409, reason="Conflict"),
    "delete": Step("DELETE", f"{CORE}/configmaps/c"),
    "delete-again": Step("DELETE", f"{CORE}/configmaps/c", code=404, reason="NotFound"),
    "delete-deployment": Step("DELETE", f"{APPS}/deployments/web?propagationPolicy=Background"),
}  # fmt: skip
KNOWN = {
    # fields that 1.20 does not write, or newer ones do not: everything else must agree
    "metadata.managedFields", "metadata.selfLink", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy",
    "spec.internalTrafficPolicy", "spec.template.metadata.creationTimestamp", "metadata.creationTimestamp",
    "items.metadata.managedFields", "status.observedGeneration", "details", "details.uid", "details.name",
    "metadata.annotations", "status.conditions",
    "spec.status", "status.reason",
}  # fmt: skip


def run(http: httpx.Client) -> dict[str, httpx.Response]:
    """Every step's answer, in a fresh namespace."""
    deadline = time.monotonic() + 60
    while http.post("/api/v1/namespaces", json={"metadata": {"name": NS}}).status_code != 201:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    answers = {}
    try:
        for name, step in STEPS.items():
            content = None if step.body is None else json.dumps(step.body)
            for _ in range(50 if step.settles else 1):
                answer = http.request(step.method, step.path, content=content, headers={"Content-Type": step.media})
                if answer.status_code == step.code:
                    break
                time.sleep(0.1)
            answers[name] = answer
    finally:
        http.delete(f"/api/v1/namespaces/{NS}")
    return answers


@pytest.fixture(scope="module")
def stand_in(cluster: Cluster) -> dict[str, httpx.Response]:
    return run(cluster.http)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, httpx.Response]]:
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    document = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    target, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    folder = tmp_path_factory.mktemp("pki")
    given = {
        "ca": target.get("certificate-authority-data"),
        "crt": user.get("client-certificate-data"),
        "key": user.get("client-key-data"),
    }
    for name, text in given.items():
        (folder / name).write_bytes(base64.b64decode(text or ""))
    context: Any = ssl.create_default_context(cafile=folder / "ca") if given["ca"] else True
    if given["crt"]:
        context.load_cert_chain(folder / "crt", folder / "key")
    headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
    with httpx.Client(base_url=target["server"], verify=context, headers=headers, timeout=30) as http:
        yield run(http)


def _check(name: str, answer: httpx.Response) -> None:
    step = STEPS[name]
    assert answer.status_code == step.code, answer.text
    if step.reason or step.message:
        body = answer.json()
        assert (body["kind"], body.get("reason", ""), body["code"]) == ("Status", step.reason, step.code)
        assert step.message in body["message"]


@pytest.mark.parametrize("name", STEPS)
def test_the_stand_in_answers_as_written(stand_in: dict[str, httpx.Response], name: str):
    _check(name, stand_in[name])


@pytest.mark.integration
@pytest.mark.parametrize("name", STEPS)
def test_a_real_cluster_answers_as_written(real: dict[str, httpx.Response], name: str):
    _check(name, real[name])


def _shape(value: Any, at: str = "") -> set[str]:
    if isinstance(value, list):
        return set().union(*(_shape(item, at) for item in value[:1])) if value else set()
    if not isinstance(value, dict):
        return {at}
    return {at}.union(*(_shape(item, f"{at}.{key}".lstrip(".")) for key, item in value.items()))


@pytest.mark.integration
@pytest.mark.parametrize("name", [name for name in STEPS if name not in ("missing-group",)])
def test_shapes_agree(stand_in: dict[str, httpx.Response], real: dict[str, httpx.Response], name: str):
    different = _shape(stand_in[name].json()) ^ _shape(real[name].json())
    assert not {path for path in different if not any(path == known or path.startswith(f"{known}.") for known in KNOWN)}
