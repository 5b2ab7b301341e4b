"""Deployments whose Environment names a remote interpreter: our own service, and one that gives a Jenkinsfile only."""

import pytest
from pydantic import SecretStr

from blocks import Environment, InterpreterServer
from console.checks import check_all
from console.interpreter_service import application
from flows.deploy import deploy
from flows.parameters import DeployOptions
from sandbox.http import AppServer
from tests.flows.test_build_view import jobs_of
from tests.tasks.remote_interpretation.kairos import Kairos

EXAMPLE = "demo/hello-service"
JENKINSFILE = """\
pipeline {
    agent any
    stages {
        stage('publish') {
            steps {
                checkout([$class: 'GitSCM', branches: [[name: params.COMMIT_SHA]],
                    userRemoteConfigs: [[url: params.REPO_URL, refspec: params.COMMIT_SHA]]])
                sh "docker build -t IMAGE:${params.COMMIT_SHA} . && docker push IMAGE:${params.COMMIT_SHA}"
                sh "test ${params.CI_COMMIT_BRANCH} = main"
            }
        }
    }
}
"""
PIPELINE = b"""\
include: ci/more.yml
publish: {script: [./publish.sh], rules: [{if: $CI_COMMIT_BRANCH == "main"}]}
tagged: {script: [never], rules: [{if: $CI_COMMIT_TAG}]}
"""


@pytest.fixture(scope="module")
def place(house):
    """Save an Environment like the module's own with an interpreter; its name."""

    def save(name, url, token=None):
        like = Environment.load(house.environment)
        fields = {field: getattr(like, field) for field in Environment.model_fields if hasattr(like, field)}
        fields |= {"interpreter": InterpreterServer(url=url, token=token), "namespace": f"{like.namespace}-{name}"}
        Environment(**fields).save(f"{house.environment}-{name}", overwrite=True)
        return f"{house.environment}-{name}"

    return save


@pytest.fixture
def ours():
    with AppServer(application(), name="interpreter") as server:
        yield server


def artifact(house, state, key):
    from tests.flows.test_deploy import told

    return told(state.state_details.flow_run_id)[1][key].data


@pytest.mark.slow
def test_our_own_service_deploys_what_the_embedded_interpreter_would(house, run, place, ours):
    name = place("ours", ours.url)
    state = run(deploy, project=EXAMPLE, ref="main", environment=name)
    assert state.is_completed(), state
    assert state.result()["action"] == "deployed"
    assert [line for line in ours.faults.log if "pipeline" in line] == [
        "POST /api/v1/pipeline/jenkins?diagnostics=json"
    ]
    embedded = run(deploy, project=EXAMPLE, ref="main", options=DeployOptions(dry_run=True))
    changed = artifact(house, embedded, "jenkinsfile").replace(house.environment, name)
    assert artifact(house, state, "jenkinsfile") == changed


def test_a_service_that_is_down_for_a_moment_is_asked_again(run, place, ours, monkeypatch):
    ours.faults.add("status", "pipeline", times=1)
    state = run(deploy, project=EXAMPLE, ref="main", environment=place("ours", ours.url),
                options=DeployOptions(dry_run=True))  # fmt: skip
    assert state.is_completed(), state
    assert [line for line in ours.faults.log if line.startswith("POST")] == [
        "POST /api/v1/pipeline/jenkins?diagnostics=json"
    ] * 2


@pytest.mark.slow
def test_another_service_gives_the_script_and_a_job_pushes_the_image(house, run, place):
    project = house.project("demo/kairos", visibility="public", **{
        ".gitlab-ci.yml": PIPELINE, "ci/more.yml": b"more: {script: [echo more]}\n",
    })  # fmt: skip
    image = f"{house.sandbox.state().registry}/demo/kairos"
    kairos = Kairos(JENKINSFILE.replace("IMAGE", image).encode())
    with kairos.served() as server:
        name = place("kairos", server.url)
        refused = run(deploy, project=project, ref="main", environment=name)
        assert "gives a Jenkinsfile only, which builds no image" in refused.message
        state = run(
            deploy, project=project, ref="main", environment=name, descriptor={"image": {"from_job": "publish"}}
        )
    assert state.is_completed(), state
    assert state.result()["image"].startswith(f"{image}@sha256:")
    assert len(kairos.texts) == 1
    assert "tagged" not in kairos.texts[0]
    assert "echo more" in kairos.texts[0]
    shown = artifact(house, state, "jenkinsfile")
    assert JENKINSFILE.splitlines()[-3] in shown
    assert "job was rewritten for commit" in shown
    assert "remote-interpreter" in artifact(house, state, "diagnostics")
    stages = jobs_of(state.state_details.flow_run_id, 1)
    assert {name: stage.state.name for name, stage in stages.items()} == {"publish": "Completed"}


def test_what_the_service_refuses_is_the_inputs_fault(run, place):
    with Kairos(b"line 3: no such stage", 400).served() as server:
        name = place("refusing", server.url, SecretStr("t0ken-w0rd"))
        state = run(deploy, project=EXAMPLE, ref="main", environment=name,
                    descriptor={"image": {"builder": "engine"}})  # fmt: skip
    assert state.message.endswith(f"InputError: The interpreter at {server.url} refuses the pipeline (400): "
                                  "line 3: no such stage")  # fmt: skip
    assert "t0ken-w0rd" not in state.message


def test_check_gives_it_a_line(place, ours):
    def verdict(name):
        found = {v.system: v for v in check_all(Environment.load(name))}
        return found["Interpreter"].ok, found["Interpreter"].message

    assert verdict(place("ours", ours.url)) == (True, f"{ours.url}: gives Jenkinsfiles, SmartCLIDE")
    with Kairos().served() as other:
        assert verdict(place("other", other.url)) == (
            True, f"{other.url}: gives Jenkinsfiles, another service of the Kairos contract",
        )  # fmt: skip
    ok, message = verdict(place("other", other.url))
    assert (ok, "refused the connection" in message) == (False, True)
