"""No token or password shows where people and other programs look: flow runs, Jenkins' pages, workspaces, images."""

import base64
import os

import docker
import pytest
import yaml

from tests.integration.real import JENKINS, MARKS, told

pytestmark = MARKS


@pytest.fixture(scope="module")
def secrets(place, guarded):
    """By what it is."""
    state = place.sandbox.state()
    user = yaml.safe_load(place.kubeconfig)["users"][0]["user"]
    found = {
        "GitLab's token": state.gitlab_token,
        "Jenkins' token": place.builder.password,
        "the registry's password": guarded.login.password,
        "the registry's login": guarded.login.basic,
        "Jenkins' login": place.builder.basic,
        "git's login": base64.b64encode(f"oauth2:{state.gitlab_token}".encode()).decode(),
        "the cluster's key": user.get("client-key-data"),
        "the cluster's token": user.get("token"),
    }
    return {what: secret for what, secret in found.items() if secret}


def shown_in(text, secrets):
    return [what for what, secret in secrets.items() if secret in text]


def test_none_in_flow_runs(place, guarded, hello, private, secrets):
    for run in (*place.runs, *guarded.runs):
        logs, artifacts, tasks = told(run)
        assert logs
        texts = {"log": "\n".join(logs), **{key: str(a.data) + str(a.description) for key, a in artifacts.items()}}
        texts |= {name: t.model_dump_json() for name, t in tasks.items()}
        for where, text in texts.items():
            assert shown_in(text, secrets) == [], where


def test_none_in_jenkins_pages_or_left_in_its_home(place, hello, private, secrets):
    for project in ("group/hello", "group/private"):
        job = "/job/".join(["job/smartclide", *project.split("/")])
        assert shown_in(place.console(project), secrets) == []
        for page in ("config.xml", "api/json?depth=2", "1/api/json?depth=2"):
            assert shown_in(place.jenkins(f"{job}/{page}").text, secrets) == [], page
    if os.environ.get(JENKINS):
        return  # its home is elsewhere
    home = place.sandbox.home / "jenkins"
    files = [path for path in home.rglob("*") if path.is_file()]
    holders = [p for p in files if shown_in(p.read_bytes().decode("latin-1"), secrets)]
    assert [p.relative_to(home).as_posix() for p in holders] == ["jobs/smartclide/credentials.json"]  # its store


def test_none_in_images(place, guarded, hello, private, secrets):
    engine = docker.from_env()
    for result in (hello, private):
        image = engine.images.get(result["image"].partition("@")[0] + ":" + result["commit"])
        assert shown_in(str(image.attrs) + str(image.history()), secrets) == []
    engine.close()
