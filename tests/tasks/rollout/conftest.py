"""A real cluster and registry, where the environment names them."""

import os
import subprocess
import uuid
from pathlib import Path

import httpx
import pytest
from prefect import flow
from prefect.testing.utilities import prefect_test_harness
from prefect_docker import DockerRegistryCredentials

from blocks.cluster import Cluster
from blocks.image_registry import ImageRegistry
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.descriptor import resolve
from tasks.rollout.manifest import Origin
from tasks.rollout.names import Identity
from tasks.rollout.release import Release, release_key
from tasks.rollout.rollout import Rollouts

_ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def needed(name):
    """An environment variable, or a skip that names it."""
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"needs {name} in the environment")
    return value


@pytest.fixture(scope="session")
def prefect_server():
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def cluster():
    return Cluster(kubeconfig=Path(needed("KUBECONFIG")).read_text())


@pytest.fixture
def image():
    """The web image of the test registry, by digest."""
    registry = needed("SMARTCLIDE_TEST_REGISTRY")
    return f"{registry}/stack/web@{digest(f'http://{registry}/v2/stack/web/manifests/1')}"


def digest(url, auth=None):
    response = httpx.head(url, headers={"Accept": _ACCEPT}, auth=auth)
    response.raise_for_status()
    return response.headers["Docker-Content-Digest"]


@pytest.fixture
def private(image):
    """The same image in the registry with a login, and that registry's block."""
    address = needed("SMARTCLIDE_TEST_REGISTRY_LOGIN")
    repository = f"rollout/{uuid.uuid4().hex[:8]}"  # a name the node has not pulled yet
    user, password = needed("SMARTCLIDE_TEST_REGISTRY_LOGIN_USER"), needed("SMARTCLIDE_TEST_REGISTRY_LOGIN_PASSWORD")
    copy = ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds", f"{user}:{password}"]
    subprocess.run([*copy, f"docker://{image}", f"docker://{address}/{repository}:1"], check=True, capture_output=True)
    found = digest(f"http://{address}/v2/{repository}/manifests/1", (user, password))
    credentials = DockerRegistryCredentials(username=user, password=password, registry_url=address)
    registry = ImageRegistry(address=address, credentials=credentials, plain_http=True)
    return f"{address}/{repository}@{found}", registry


class Place:
    """One service in a namespace of its own, with what tests do to it."""

    def __init__(self, cluster, image):
        self.cluster, self.image = cluster, image
        self.identity = Identity("web", f"rollout-{uuid.uuid4().hex[:8]}", "staging", "group/web")
        self.client = ClusterClient(cluster)
        self.rollouts = Rollouts(cluster, None, self.identity, timeout_seconds=120)

    def release(self, *, build="build-1", image=None, has_login=False, **descriptor):
        resolved = resolve(None, {"probes": {"readiness": {"period_seconds": 1}}, **descriptor}, "group/web")
        image = image or self.image
        key = release_key(build, self.identity, resolved, image)
        return Release(self.identity, resolved, image, Origin("a" * 40, "main", build, key, "run-1"), has_login)

    async def run(self, work):
        """Run ``await work()`` inside a flow run."""

        @flow
        async def test_flow():
            return await work()

        return await test_flow()

    async def roll_out(self, **what):
        return await self.run(lambda: self.rollouts.roll_out(self.release(**what), "test run"))

    async def get(self):
        """What the service answers, through the API server's proxy."""
        path = f"/api/v1/namespaces/{self.identity.namespace}/services/web:8080/proxy/"
        return self.client._dynamic.request("get", path, serialize=False, _request_timeout=10).status


@pytest.fixture
def place(prefect_server, cluster, image):
    place = Place(cluster, image)
    yield place
    place.client.delete("Namespace", None, place.identity.namespace)
    place.client.close()
