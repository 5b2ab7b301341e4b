"""A real cluster and registry, where the environment names them; and the Kubernetes stand-in, always."""

import asyncio
import hashlib
import json
import os
import subprocess
import time
import uuid
from pathlib import Path

import httpx
import pytest
from prefect import Task, flow
from prefect.context import FlowRunContext
from prefect_docker import DockerRegistryCredentials
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from blocks.cluster import Cluster
from blocks.image_registry import ImageRegistry
from errors import UnavailableError
from sandbox.http import AppServer
from sandbox.kubernetes.kubelet import Timing
from sandbox.kubernetes.server import Kubernetes
from tasks.rollout import operations, rollout
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.descriptor import resolve
from tasks.rollout.lease import DEFAULT_TIMES
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


def real_image():
    """The web image of the test registry, by digest."""
    registry = needed("SMARTCLIDE_TEST_REGISTRY")
    return f"{registry}/stack/web@{digest(f'http://{registry}/v2/stack/web/manifests/1')}"


def digest(url, auth=None):
    response = httpx.head(url, headers={"Accept": _ACCEPT}, auth=auth)
    response.raise_for_status()
    return response.headers["Docker-Content-Digest"]


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

    usual = {}
    plain = False

    def __init__(self, cluster, image, namespace=None):
        self.cluster, self.image = cluster, image
        self.identity = Identity("web", namespace or f"hard-{uuid.uuid4().hex[:8]}", "staging", "group/web")
        self.client = ClusterClient(cluster)
        self.rollouts = Rollouts(cluster, None, self.identity, timeout_seconds=120)

    def release(self, *, build="build-1", image=None, has_login=False, **descriptor):
        resolved = resolve(
            None, {"probes": {"readiness": {"period_seconds": 1}}, **self.usual, **descriptor}, "group/web"
        )
        image = image or self.image
        key = release_key(build, self.identity, resolved, image)
        return Release(self.identity, resolved, image, Origin("a" * 40, "main", build, key, "run-1"), has_login)

    async def run(self, work):
        """Run ``await work()`` in the flow run around it, else in one of its own; in none where tasks are plain."""
        if self.plain or FlowRunContext.get():
            return await work()

        @flow
        async def test_flow():
            return await work()

        return await test_flow()

    async def roll_out(self, **what):
        again = what.pop("again", False)
        times = what.pop("times", DEFAULT_TIMES)
        return await self.run(lambda: self.rollouts.roll_out(self.release(**what), "test run", times, again=again))

    async def roll_back(self, revision=None):
        return await self.run(lambda: self.rollouts.roll_back("test run", revision))

    def records(self):
        """The recorded revisions, as (revision, state)."""
        return [(r.revision, r.state) for r in operations.records(self.client, self.identity)]

    def found(self, kind, name="web"):
        """An object in the service's namespace, or None."""
        return self.client.find(kind, self.identity.namespace, name)

    def holder(self):
        """Who holds the service's Lease, or None; the Lease itself must be there."""
        return self.found("Lease", "smartclide.web")["spec"].get("holderIdentity")

    async def get(self):
        """What the service answers, through the API server's proxy."""
        path = f"/api/v1/namespaces/{self.identity.namespace}/services/web:8080/proxy/"
        return self.client._dynamic.request("get", path, serialize=False, _request_timeout=10).status


class RealPlace(Place):
    """A service on the real cluster, whose pods end at once when they are asked to."""

    usual = {"command": "echo hello >/www/index.html; httpd -f -p 8080 -h /www & trap 'exit 0' TERM; wait"}

    def __init__(self):
        super().__init__(Cluster(kubeconfig=Path(needed("KUBECONFIG")).read_text()), real_image())


class Cases:
    """Independent cases on the real cluster, run together: most of their time is waiting."""

    AT_ONCE = 16

    def __init__(self):
        self.all = {}
        self.seconds = {}

    def __call__(self, case):
        self.all[case.__name__] = case
        return case

    async def run(self, names):
        """Run those of these names; each one's exception, or None, by name.

        All in one flow run: Prefect's server on SQLite refuses some of many that are created at the same moment
        (it reads, then writes, in a deferred transaction), again and again.
        """
        places = asyncio.Semaphore(self.AT_ONCE)

        @flow
        async def cases():
            return await asyncio.gather(*(self._one(name, places) for name in names), return_exceptions=True)

        return dict(zip(names, await cases(), strict=True))

    async def _one(self, name, places):
        async with places:
            began, place = time.monotonic(), RealPlace()
            try:
                await self.all[name](place)
            finally:
                self.seconds[name] = time.monotonic() - began
                place.client.delete("Namespace", None, place.identity.namespace)
                place.client.close()


case = Cases()


@pytest.fixture(scope="session")
def results(request):
    """Each selected case's exception, or None; by name."""
    needed("KUBECONFIG")
    request.getfixturevalue("prefect_server")
    items = [item for item in request.session.items if getattr(item, "originalname", "") == "test_on_the_real_cluster"]
    return asyncio.run(case.run([item.callspec.params["name"] for item in items]))


@pytest.fixture
def of_case(request, results, name, record_property):
    """The exception of the case `name`, or None; when pytest tries the test again, the case runs again, alone."""
    if getattr(request.node, "execution_count", 1) > 1:
        results |= asyncio.run(case.run([name]))
    record_property("seconds", case.seconds.get(name))
    print(f"{name}: {case.seconds.get(name, 0.0):.1f} s")
    return results[name]


CONFIG = json.dumps({"config": {"ExposedPorts": {"8080/tcp": {}}}}).encode()
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "layers": [],
        "config": {"digest": f"sha256:{hashlib.sha256(CONFIG).hexdigest()}", "size": len(CONFIG)},
    }
).encode()
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


def little_registry(request):
    """One image, in every repository."""
    path = request.path_params["path"]
    if path.endswith(f"/manifests/{DIGEST}"):
        return Response(MANIFEST, headers={"Docker-Content-Digest": DIGEST})
    return Response(CONFIG) if "/blobs/" in path else Response(status_code=404)


class StandIn:
    """The Kubernetes stand-in, served, with a registry that has one image."""

    def __init__(self, home):
        self.kubernetes = Kubernetes(home, lambda: self.server.url, timing=Timing(retry=0.1, retry_limit=0.5))
        self.server = AppServer(self.kubernetes.app, name="kubernetes").start()
        self.registry = AppServer(
            Starlette(routes=[Route("/v2/{path:path}", little_registry, methods=["GET", "HEAD"])]), name="registry"
        ).start()
        self.cluster = Cluster(kubeconfig=self.kubernetes.kubeconfig(), timeout_seconds=2)
        self.image = f"127.0.0.1:{self.registry.port}/group/web@{DIGEST}"

    def close(self):
        self.server.stop()
        self.kubernetes.close()
        self.registry.stop()


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    running = StandIn(tmp_path_factory.mktemp("kubernetes"))
    yield running
    running.close()


def plainly(task):
    """A task as a plain function, tried again as its options say."""

    async def tried(*arguments, **keywords):
        for pause in task.retry_delay_seconds if task.retries else ():
            try:
                return await task.fn(*arguments, **keywords)
            except UnavailableError:
                await asyncio.sleep(pause)
        return await task.fn(*arguments, **keywords)

    return tried


@pytest.fixture
def away(stand_in, monkeypatch):
    """A service in a namespace of its own on the stand-in, where everything goes quickly.

    Its tasks are plain functions: Prefect's part is tested by tests/flows and on the real cluster, and costs the most.
    """
    for name, value in list(vars(rollout).items()):
        if isinstance(value, Task):
            monkeypatch.setattr(rollout, name, plainly(value))
    monkeypatch.setattr("tasks.rollout.task.FIRST_POLL_SECONDS", 0.1)
    monkeypatch.setattr("tasks.rollout.task.POLL_SECONDS", 0.3)
    place = Place(stand_in.cluster, stand_in.image)
    place.plain = True
    yield place
    stand_in.server.faults.clear()
    stand_in.kubernetes.behave()
    place.client.delete("Namespace", None, place.identity.namespace)
    place.client.close()
