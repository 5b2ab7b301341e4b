"""Releases that fail on a real cluster: the right cause is told, and the last good one answers again."""

import hashlib

import httpx
import pytest

from flows.deploy import deploy
from tests.integration.conftest import SMALL
from tests.integration.real import MARKS, told

pytestmark = MARKS
QUICK = {"strategy": {"progress_deadline_seconds": 45}}  # in which even a busy node has started a container
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def shaky(place):
    """A service that runs well, to be broken by the tests; its image."""
    path = place.project("shaky", jobs=SMALL, descriptor={"replicas": 1})
    return place.result(deploy, project=path, ref="main")["image"]


def broken(place, image, **parameters):
    """The message of a deployment that fails and leaves the good release running."""
    before = place.releases("shaky")
    message = place.failure(deploy, project="group/shaky", **{"ref": "main", **parameters})
    *old, bad, back = place.releases("shaky")
    assert len(old) == len(before)
    assert (bad.state, back.state, back.image) == ("rolled-back", "deployed", image)
    assert bad.cause
    assert bad.cause in message
    assert f"Rolled back to revision {before[-1].revision}, as revision {back.revision}." in message
    assert place.get("shaky", "/?name=Ada") == {"message": "Hello from the cluster, Ada!"}
    return message


def test_a_command_that_crashes(place, shaky):
    program = "raise SystemExit('no settings: giving up')\n"
    place.sandbox.gitlab.commit("group/shaky", "broken", {"hello/__main__.py": program}, "Break it")
    message = broken(place, shaky, ref="broken", descriptor=QUICK)
    assert "The container ends instead of running on." in message
    assert "no settings: giving up" in message
    logs = told(place.runs[-1])[0]
    assert any("no settings: giving up" in line for line in logs)


def test_a_pod_that_never_gets_ready(place, shaky):
    message = broken(place, shaky, descriptor={**QUICK, "probes": {"readiness": {"path": "/nothing-here"}}})
    assert "its readiness probe fails" in message
    assert "404" in message


def test_an_image_for_another_kind_of_machine(place, shaky):
    """It is in the registry, so that only the node can find out."""
    tag = foreign(place, shaky)
    message = broken(place, shaky, descriptor={"image": {"from_job": "build", "reference": tag}})
    assert "The image is not built for the node's kind of machine." in message


def test_an_image_that_is_not_there_is_refused_before_the_cluster_is_touched(place, shaky):
    before = place.releases("shaky")
    absent = f"{place.registry}/{place.name}/group/shaky:never-pushed"
    message = place.failure(
        deploy, project="group/shaky", ref="main", descriptor={"image": {"from_job": "build", "reference": absent}}
    )
    assert "never-pushed" in message
    assert place.releases("shaky") == before


def foreign(place, image):
    """Tag `image` for a machine of another kind only; the tag's name."""
    name, _, digest = image.partition("@")
    url = f"http://{place.registry}/v2/{name.partition('/')[2]}/manifests"
    known = httpx.get(f"{url}/{digest}", headers={"Accept": MANIFEST})
    entry = {
        "mediaType": known.headers["Content-Type"], "size": len(known.content), "digest": digest,
        "platform": {"architecture": "s390x", "os": "linux"},
    }  # fmt: skip
    assert "sha256:" + hashlib.sha256(known.content).hexdigest() == digest
    body = {"schemaVersion": 2, "mediaType": LIST, "manifests": [entry]}
    httpx.put(f"{url}/mainframe", json=body, headers={"Content-Type": LIST}).raise_for_status()
    return f"{name}:mainframe"
