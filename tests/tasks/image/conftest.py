"""Registries: stand-ins with every kind of login, and an image in each."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prefect_docker import DockerRegistryCredentials
from pydantic import SecretStr

from blocks.image_registry import ImageRegistry
from sandbox.http import AppServer
from sandbox.registry.server import Registry as StandIn

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
USERS = {"robot": "s3cret"}
Serve = Callable[..., AppServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a registry stand-in; options as of `sandbox.registry.server.Registry`."""
    started: list[tuple[AppServer, StandIn]] = []

    def start(**options: object) -> AppServer:
        standin = StandIn(tmp_path / f"registry{len(started)}", **options)  # type: ignore[arg-type]
        server = AppServer(standin.app, name="registry").start()
        started.append((server, standin))
        return server

    yield start
    for server, standin in started:
        server.stop()
        standin.close()


def block(server: AppServer | str, login: tuple[str, str] | None = None, **options: object) -> ImageRegistry:
    address = server if isinstance(server, str) else f"127.0.0.1:{server.port}"
    credentials = (
        DockerRegistryCredentials(username=login[0], password=SecretStr(login[1]), registry_url=address)
        if login
        else None
    )
    return ImageRegistry(address=address, credentials=credentials, plain_http=True, **options)


def put_image(server: AppServer, name: str, tag: str, labels: dict[str, str] | None = None) -> str:
    """Push an image without layers into a registry without a login; its digest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": labels or {}}}).encode()
    with httpx.Client(base_url=server.url) as client:
        digest = _put_blob(client, name, config)
        described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}).encode()
        answer = client.put(f"/v2/{name}/manifests/{tag}", content=manifest, headers={"Content-Type": MANIFEST})
        assert answer.status_code == 201, answer.text
    return "sha256:" + hashlib.sha256(manifest).hexdigest()


def _put_blob(client: httpx.Client, name: str, content: bytes) -> str:
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    place = client.post(f"/v2/{name}/blobs/uploads/").headers["Location"]
    answer = client.put(place, params={"digest": digest}, content=content)
    assert answer.status_code == 201, answer.text
    return digest
