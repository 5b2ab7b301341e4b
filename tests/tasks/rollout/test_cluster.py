"""The adapter's answers to a server that misbehaves, over a real socket."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr

from blocks.cluster import Cluster
from errors import AccessError, ConflictError, InputError, NotFoundError, ProtocolError, UnavailableError
from tasks.rollout.cluster import ClusterClient

CONFLICT = {
    "message": 'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
    "details": {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl" using apps/v1',
                "field": ".spec.replicas",
            }
        ]
    },
}


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        answer = (200, b"{}")
        patience = "7"
        asked = []

        def do_PATCH(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def do_GET(self):
            Handler.asked.append((self.command, self.path, self.headers.get("Content-Type")))
            status, body = Handler.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Retry-After", Handler.patience)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    listener = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    yield listener, Handler
    listener.shutdown()
    listener.server_close()
    thread.join()


def kubeconfig(address):
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "c", "user": {"token": "t0ken"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    return json.dumps(config)


@pytest.fixture
def client(server):
    address = f"http://127.0.0.1:{server[0].server_port}"
    client = ClusterClient(Cluster(kubeconfig=kubeconfig(address), timeout_seconds=2))
    yield client
    client.close()


DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "apps"}}


def test_an_apply_is_server_side_and_not_forced_and_needs_no_discovery(client, server):
    client.apply(DEPLOYMENT, dry_run=True)
    method, path, content_type = server[1].asked[-1]
    assert (method, content_type) == ("PATCH", "application/apply-patch+yaml")
    assert path == "/apis/apps/v1/namespaces/apps/deployments/web?dryRun=All&fieldManager=smartclide"


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, AccessError, "refuses the credentials"),
        (403, AccessError, "Deployment web in namespace apps: no."),
        (404, NotFoundError, "Deployment web in namespace apps: no."),
        (422, InputError, "Deployment web in namespace apps: no."),
        (429, UnavailableError, "Deployment web in namespace apps: no."),
        (500, UnavailableError, "Deployment web in namespace apps: no."),
        (418, ProtocolError, r"The cluster at .* answered 418: no\."),
    ],
)
def test_statuses_become_our_errors_once(client, server, status, error, message):
    server[1].answer = (status, b'{"message": "no"}')
    asked = len(server[1].asked)
    with pytest.raises(error, match=message) as caught:
        client.apply(DEPLOYMENT)
    assert "t0ken" not in repr(caught.value)
    assert len(server[1].asked) == asked + 1
    assert getattr(caught.value, "retry_after", 7.0) == 7.0


def test_patience_may_be_asked_for_by_a_date(client, server):
    server[1].answer, server[1].patience = (503, b""), "Fri, 31 Dec 2199 23:59:59 GMT"
    with pytest.raises(UnavailableError) as caught:
        client.apply(DEPLOYMENT)
    assert (caught.value.retry_after or 0) > 1_000_000


@pytest.mark.parametrize(
    "message",
    [
        'admission webhook "validation.gatekeeper.sh" denied the request: [owner] you must provide labels',
        "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        'pods "web" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        'pods "web" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
    ],
)
def test_a_policy_is_no_missing_permission(client, server, message):
    server[1].answer = (403, json.dumps({"message": message}).encode())
    with pytest.raises(InputError, match="It is a rule of the cluster"):
        client.apply(DEPLOYMENT)


def test_the_log_is_that_of_the_named_container(client, server):
    server[1].answer = (200, b"one\ntwo\n")
    assert client.log_tail("apps", ("web-1", "web"), previous=True) == ("one", "two")
    assert server[1].asked[-1][1] == "/api/v1/namespaces/apps/pods/web-1/log?tailLines=20&previous=true&container=web"


def test_a_conflict_names_the_other_manager_and_the_field(client, server):
    server[1].answer = (409, json.dumps(CONFLICT).encode())
    with pytest.raises(ConflictError, match=r'another manager owns \.spec\.replicas \(conflict with "kubectl"'):
        client.apply(DEPLOYMENT)


@pytest.mark.parametrize("body", [b"<html>login</html>", b"[]", b'"text"'])
def test_what_is_no_kubernetes_says_so(client, server, body):
    server[1].answer = (200, body)
    with pytest.raises(ProtocolError, match="not Kubernetes' API"):
        client.find("Pod", "apps", "web")


def test_nobody_there(server, client):
    server[0].shutdown()
    server[0].server_close()
    with pytest.raises(UnavailableError, match=r"The cluster at .* refused the connection"):
        client.find("Pod", "apps", "web")


def test_tls_spoken_to_plain_http_is_bad_input_in_one_line(server):
    cluster = Cluster(kubeconfig=kubeconfig(f"https://127.0.0.1:{server[0].server_port}"))
    with pytest.raises(InputError, match="find no TLS that both speak") as caught:
        ClusterClient(cluster).version()
    assert "\n" not in str(caught.value)


def with_plugin(tmp_path: Path, port: int, script: str, timeout: float = 20.0) -> Cluster:
    """A cluster whose kubeconfig has a credential plugin, as those of EKS, GKE and AKS have."""
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(0o755)
    command = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": str(plugin),
        "args": ["get-token"],
        "env": None,
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": True,
    }
    config = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"exec": command}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return Cluster(kubeconfig=SecretStr(json.dumps(config)), timeout_seconds=timeout)


def test_a_credential_plugin_gives_the_token(server, tmp_path):
    credential = json.dumps(
        {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": "k8s-t"}}
    )
    cluster = with_plugin(tmp_path, server[0].server_port, f"test \"$1\" = get-token && echo '{credential}'")
    api = cluster.get_client()
    assert api.configuration.get_api_key_with_prefix("BearerToken") == "Bearer k8s-t"


@pytest.mark.parametrize(
    ("script", "timeout", "message"),
    [("exit 1", 20.0, "its plugin failed"), ("exec sleep 3", 0.1, r"plugin gave nothing for 0\.3 s")],
)
def test_a_credential_plugin_that_gives_none(server, tmp_path, script, timeout, message):
    with pytest.raises(AccessError, match=message):
        with_plugin(tmp_path, server[0].server_port, script, timeout).get_client()
