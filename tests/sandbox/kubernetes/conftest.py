"""The Kubernetes stand-in and a little registry, served on loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.http import AppServer
from sandbox.kubernetes.server import Kubernetes

CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers"}}).encode()
CONFIG_DIGEST = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "layers": [],
        "config": {"digest": CONFIG_DIGEST, "size": len(CONFIG)},
    }
).encode()
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
BASIC = f"Basic {base64.b64encode(b'robot:s3cret').decode()}"


def _registry(request: Request) -> Response:
    """``open/*`` is for all, ``closed/*`` needs a login; only the tags ``1`` and ``2`` and the digest exist."""
    path = request.path_params["path"]
    if path.startswith("closed/") and request.headers.get("Authorization") != BASIC:
        return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="registry"'})
    if path.endswith(("/manifests/1", "/manifests/2", f"/manifests/{DIGEST}")):
        return Response(MANIFEST, headers={"Docker-Content-Digest": DIGEST})
    return Response(CONFIG) if path.endswith(f"/blobs/{CONFIG_DIGEST}") else Response(status_code=404)


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """``host:port`` of a registry with one image."""
    app = Starlette(routes=[Route("/v2/{path:path}", _registry, methods=["GET", "HEAD"])])
    with AppServer(app, name="registry") as server:
        yield f"127.0.0.1:{server.port}"


class Cluster:
    """A stand-in that is served, with a client that knows its token."""

    def __init__(self, home: Path, **options: Any) -> None:
        self.kubernetes = Kubernetes(home, lambda: self.server.url, **options)
        self.server = AppServer(self.kubernetes.app, name="kubernetes").start()
        self.kubeconfig = self.kubernetes.kubeconfig()
        token = yaml.safe_load(self.kubeconfig)["users"][0]["user"]["token"]
        self.http = httpx.Client(base_url=self.server.url, headers={"Authorization": f"Bearer {token}"})

    def close(self) -> None:
        self.http.close()
        self.server.stop()
        self.kubernetes.close()

    def get(self, path: str) -> Any:
        return self.http.get(path).json()

    def apply(self, path: str, body: dict[str, Any], manager: str = "test", **query: str) -> httpx.Response:
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self.http.patch(
            path, params={"fieldManager": manager, **query}, content=json.dumps(body), headers=headers
        )

    def wait(self, path: str, test: Callable[[Any], Any], seconds: float = 8.0) -> Any:
        """What `path` answers once `test` holds for it."""
        deadline = time.monotonic() + seconds
        while True:
            body = self.get(path)
            try:
                if test(body):
                    return body
            except (KeyError, IndexError):
                pass
            assert time.monotonic() < deadline, json.dumps(body)[:3000]
            time.sleep(0.03)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("kubernetes"))
    yield made
    made.close()


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    name = "t-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    cluster.http.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
    yield name
    cluster.kubernetes.behave()
    cluster.http.delete(f"/api/v1/namespaces/{name}").raise_for_status()


def deployment(name: str, image: str, **spec: Any) -> dict[str, Any]:
    """A Deployment with one container ``main``; `spec` overrides."""
    pod = spec.pop("pod", {})
    container = {"name": "main", "image": image, "ports": [{"containerPort": 8080}], **spec.pop("container", {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}},
            **spec,
        },
    }
