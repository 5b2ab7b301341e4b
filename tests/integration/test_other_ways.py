"""Other ways to an image: behind a login, by the worker's own engine; and a job with a service beside it."""

import base64
import json

import docker
import pytest

from flows.deploy import deploy
from flows.undeploy import undeploy
from tests.integration.real import MARKS, told

pytestmark = MARKS

ASK = """
import time, urllib.request
for host in ("web", "{alias}"):
    for _ in range(50):
        try:
            print(host, "answers:", urllib.request.urlopen(f"http://{{host}}:8000/word").read().decode())
            break
        except OSError:
            time.sleep(0.2)
    else:
        raise SystemExit(host + " does not answer")
"""


def test_an_image_behind_a_login_is_pulled_and_the_login_leaves_with_the_service(guarded, private):
    repository = private["image"].partition("@")[0]
    assert repository == f"{guarded.login.address}/{guarded.name}/group/private"
    assert [pod["status"]["phase"] for pod in guarded.pods("private")] == ["Running"] * 2
    assert guarded.get("private", "/?name=Ada") == {"message": "Hello from the cluster, Ada!"}
    [name] = {s["name"] for pod in guarded.pods("private") for s in pod["spec"]["imagePullSecrets"]}
    secret = guarded.find("Secret", name)
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    assert config["auths"][guarded.login.address]["auth"] == guarded.login.basic
    assert f"Secret {name}" in guarded.result(undeploy, service="private")
    assert guarded.find("Secret", name) is None
    assert [r.state for r in guarded.releases("private")] == ["uninstalled"]


@pytest.fixture(scope="module")
def engine_built(place):
    """A service that the worker builds; its pipeline has one job, with a service beside it. The flow's result."""
    image = place.base_image
    name = image.rpartition("@")[0] or image
    host, _, rest = name.partition("/")
    alias = f"{host.partition(':')[0]}-{rest}" if rest else host
    alias = alias.partition(":")[0].replace("/", "-")
    server = "mkdir /tmp/s && cd /tmp/s && printf hello > word && exec python3 -m http.server 8000"
    service = {"name": image, "alias": "web", "entrypoint": ["sh", "-c"], "command": [server]}
    jobs = {"ask": {"image": image, "services": [service], "script": [f"python3 -c '{ASK.format(alias=alias)}'"]}}
    options = {"replicas": 1, "image": {"builder": "engine"}}
    return place.result(deploy, project=place.project("engine", jobs=jobs, descriptor=options), ref="main")


def test_the_worker_builds_and_pushes_from_gitlabs_archive(place, engine_built):
    logs, _, tasks = told(place.runs[-1])
    assert {"build image with engine", "wait for rollout"} <= set(tasks)
    assert any(line.startswith("Step 1/") for line in logs)
    assert "docker push" not in place.console("group/engine")
    assert "(image)" not in place.console("group/engine")
    repository, _, digest = engine_built["image"].partition("@")
    engine = docker.from_env()
    image = engine.images.get(f"{repository}:{engine_built['commit']}")
    engine.close()
    assert f"{repository}@{digest}" in image.attrs["RepoDigests"]
    [pod] = place.pods("engine")
    assert pod["spec"]["containers"][0]["image"] == engine_built["image"]
    assert place.get("engine", "/?name=Ada") == {"message": "Hello from the cluster, Ada!"}


def test_a_job_reaches_its_service_by_each_of_its_names(place, engine_built):
    answers = [line for line in place.console("group/engine").splitlines() if "answers:" in line]
    assert [line.partition(" answers: ")[2] for line in answers] == ["hello", "hello"]
    engine = docker.from_env()
    labels = [container.labels for container in engine.containers.list(all=True, filters={"label": "gl-job"})]
    networks = [network.name for network in engine.networks.list() if "smartclide-group-engine" in network.name]
    engine.close()
    assert networks == []
    assert [label for label in labels if "smartclide-group-engine" in label["jenkins"]] == []
