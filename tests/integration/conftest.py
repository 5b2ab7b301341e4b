"""Environments on real services: one without and one with a login at the registry, and what is deployed there once."""

import os
import uuid

import pytest

from tests.integration.real import EXAMPLE, EXAMPLE_IMAGE, Login, Place, needed

SMALL = {"build": {"script": ["test -f Dockerfile"]}}


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """GitLab and Jenkins stand-ins; the agents' `docker` is the machine's own."""
    from sandbox.launcher import Sandbox

    with Sandbox(tmp_path_factory.mktemp("sandbox"), engine="docker") as running:
        yield running


@pytest.fixture(scope="session")
def make_place(request, tmp_path_factory):
    """Makes Environments, and removes them at the end."""
    needed("KUBECONFIG", "DOCKER_HOST", "SMARTCLIDE_TEST_REGISTRY")
    base_image = os.environ.get("SMARTCLIDE_TEST_BASE_IMAGE", EXAMPLE_IMAGE)
    made = []

    def make(registry, login=None):
        request.getfixturevalue("prefect_server")
        place = Place(f"it-{uuid.uuid4().hex[:8]}", request.getfixturevalue("sandbox"), registry, base_image, login)
        made.append(place)
        return place.save(tmp_path_factory.mktemp("metrics"))

    yield make
    for place in made:
        place.remove()


@pytest.fixture(scope="session")
def place(make_place):
    """An Environment with a registry that wants no login."""
    [registry] = needed("SMARTCLIDE_TEST_REGISTRY")
    return make_place(registry)


@pytest.fixture(scope="session")
def guarded(make_place):
    """An Environment with a registry that wants a login."""
    name = "SMARTCLIDE_TEST_REGISTRY_LOGIN"
    login = Login(*needed(name, f"{name}_USER", f"{name}_PASSWORD"))
    return make_place(login.address, login)


@pytest.fixture(scope="session")
def hello(place):
    """The example, deployed; the flow's result. Its jobs look for the mark that docker sets in every container."""
    from flows.deploy import deploy

    pipeline = (EXAMPLE / ".gitlab-ci.yml").read_text().replace(EXAMPLE_IMAGE, place.base_image)
    inside = pipeline.replace("- python3 --version", '- test -e /.dockerenv && echo "$CI_JOB_NAME is inside"')
    return place.result(deploy, project=place.project("hello", **{".gitlab-ci.yml": inside}), ref="main")


@pytest.fixture(scope="session")
def private(guarded):
    """A service whose image lies behind a login, deployed; the flow's result. Its pipeline is a generated one."""
    from flows.deploy import deploy
    from flows.parameters import DeployOptions

    path = guarded.project("private", **{".gitlab-ci.yml": None})
    return guarded.result(deploy, project=path, ref="main", options=DeployOptions(generate_pipeline=True))
