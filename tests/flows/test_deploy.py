"""The main job over the sandbox: from a GitLab project to a running service, again, wrong, and back."""

import asyncio
import json

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)

from flows.deploy import deploy
from flows.monitor import monitor
from flows.parameters import DeployOptions
from flows.report import report
from flows.rollback import rollback
from flows.undeploy import undeploy

EXAMPLE = "demo/hello-service"


def failure(state):
    assert state.is_failed(), state
    return state.message


def told(run_id):
    """All a reader of the run sees: log lines, artifacts, task names."""
    with get_client(sync_client=True) as client:
        logs, offset = [], 0
        while page := client.read_logs(
            LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])), limit=200, offset=offset
        ):
            logs += [entry.message for entry in page]
            offset += len(page)
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id])), limit=200
        )
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])), limit=200)
    return logs, {a.key: a for a in artifacts}, [t.name for t in tasks]


@pytest.fixture(scope="module")
def deployed(house):
    """The example, deployed once for all tests of this module."""
    state = asyncio.run(deploy(project=EXAMPLE, ref="main", environment=house.environment, return_state=True))
    assert state.is_completed(), state
    return state


def test_the_example_runs_by_digest(house, deployed):
    result = deployed.result()
    assert (result["action"], result["service"], result["revision"]) == ("deployed", "hello", 1)
    registry = house.sandbox.state().registry
    name, _, digest = result["image"].partition("@")
    assert name == f"{registry}/{EXAMPLE}"
    assert digest.startswith("sha256:")
    found = house.found("Deployment", "hello")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == result["image"]
    assert found["status"]["availableReplicas"] == 2


def test_the_timeline_tells_the_story(deployed):
    _, artifacts, tasks = told(deployed.state_details.flow_run_id)
    steps = [name.rpartition("-")[0] for name in tasks]
    for step in ("resolve commit", "read source", "interpret pipeline", "lint Jenkinsfile", "ask cluster",
                 "prepare Jenkins job", "trigger Jenkins build", "follow Jenkins build", "confirm image",
                 "apply release", "wait for rollout", "record release"):  # fmt: skip
        assert step in steps
    assert {
        "jenkinsfile",
        "diagnostics",
        "image",
        "build-stages",
        "jenkins-build",
        "release-hello",
        "result-deploy",
    } <= set(artifacts)
    stages = json.loads(artifacts["build-stages"].data)
    done = {s["stage"]: s["status"] for s in stages}
    jobs = ["build", "unit-test", "lint", "package", "integration-test"]
    assert [done.get(job) for job in jobs] == ["success"] * 5


def test_no_secret_shows_anywhere(house, deployed):
    logs, artifacts, _ = told(deployed.state_details.flow_run_id)
    everything = "\n".join(logs) + "\n".join(str(a.data) for a in artifacts.values())
    config = house.jenkins("job/smartclide/job/demo/job/hello-service/config.xml").text
    console = house.jenkins("job/smartclide/job/demo/job/hello-service/1/consoleText").text
    for secret in house.secrets:
        assert secret not in everything
        assert secret not in config
        assert secret not in console


def test_the_same_deployment_again_builds_and_deploys_nothing(run, house, deployed):
    state = run(deploy, project=EXAMPLE, ref="main")
    result = state.result()
    assert (result["action"], result["revision"]) == ("already-deployed", 1)
    assert house.builds(EXAMPLE) == [1]


def test_a_dry_run_changes_nothing(run, house, deployed):
    state = run(deploy, project=EXAMPLE, ref="main", descriptor={"replicas": 5}, options=DeployOptions(dry_run=True))
    changes = state.result()["changes"]
    assert {"object": "Deployment hello", "field": "spec.replicas", "from": "2", "to": "5"}.items() <= next(
        c for c in changes if c["field"] == "spec.replicas"
    ).items()
    found = house.found("Deployment", "hello")
    assert found["spec"]["replicas"] == 2


def test_a_dry_run_of_what_runs_shows_no_change_of_the_image(run, house, deployed):
    state = run(deploy, project=EXAMPLE, ref="main", options=DeployOptions(dry_run=True))
    assert [c for c in state.result()["changes"] if c["action"] != "unchanged"] == []


def test_a_dry_run_of_what_is_not_built_names_the_tag(run, house):
    path = house.project("plans/new")
    state = run(deploy, project=path, ref="main", options=DeployOptions(dry_run=True))
    assert state.is_completed(), state
    assert {c["action"] for c in state.result()["changes"]} == {"create"}


def test_samples_and_report(run, house, deployed, tmp_path):
    state = run(monitor, samples=3, interval=0.5)
    assert state.result() == 6  # two pods, three samples
    figures = json.loads(told(state.state_details.flow_run_id)[1]["result-monitor"].data)
    assert len(figures) == 2
    for row in figures:
        assert {type(row[name]) for name in ("CPU cores", "memory MiB", "restarts")} <= {float, int}
        assert {type(row[name]) for name in ("received B/s", "sent B/s")} <= {int, type(None)}  # seen once: no rate
        assert row["memory MiB"] > 1
    state = run(report, hours=1.0, output=str(tmp_path))
    paths = state.result()
    assert sorted(paths) == ["report.html", "report.json", "report.md", "samples.csv", "services.csv"]
    [row] = json.loads((tmp_path / "report.json").read_text())["services"]
    assert (row["service"], row["samples"], row["gaps"]) == ("hello", 3, 0)
    assert row["cpu_mean_cores"] > 0
    assert row["memory_max_bytes"] > 0
    assert row["network_rx_rate"] > 0
    assert "<svg" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"project": "demo/nothing", "ref": "main"}, ["demo/nothing", "not"]),
        ({"project": EXAMPLE, "ref": "mian"}, ["mian", "main"]),
        ({"project": EXAMPLE, "ref": "main", "environment": "nowhere"}, ["no Environment named 'nowhere'"]),
        ({"project": EXAMPLE, "ref": "main", "descriptor": {"replcas": 3}}, ["replcas", "replicas"]),
    ],
)
def test_mistakes_are_named(run, deployed, parameters, words):
    message = failure(run(deploy, **parameters))
    for word in words:
        assert word in message


@pytest.mark.slow
def test_a_project_without_pipeline_definition(run, house, deployed):
    path = house.project("demo/bare", **{".gitlab-ci.yml": None})
    assert "generate_pipeline" in failure(run(deploy, project=path, ref="main"))
    state = run(deploy, project=path, ref="main", options=DeployOptions(generate_pipeline=True))
    assert state.result()["service"] == "bare"


def test_a_project_without_dockerfile(run, house, deployed):
    path = house.project("demo/nodocker", Dockerfile=None)
    assert "Dockerfile" in failure(run(deploy, project=path, ref="main"))


def test_a_yaml_error_has_its_place(run, house, deployed):
    path = house.project("demo/typo", **{".gitlab-ci.yml": b"build:\n  script: [make\n"})
    assert ".gitlab-ci.yml:" in failure(run(deploy, project=path, ref="main"))


def test_a_red_build_stops_there_and_names_the_job(run, house, deployed):
    path = house.project("demo/red", **{"tests/test_unit.py": b"import nothing_of_that_name\n"})
    message = failure(run(deploy, project=path, ref="main"))
    assert "unit-test" in message
    assert house.found("Deployment", "red") is None


@pytest.mark.slow
def test_a_rollout_that_fails_is_rolled_back_and_says_why(run, house, deployed):
    path = house.project("demo/shaky")
    assert run(deploy, project=path, ref="main").is_completed()
    house.sandbox.kubernetes.misbehave(house.environment, "shaky", "crash-loop")
    sha = house.sandbox.gitlab.commit(path, "main", {"hello/extra.py": "x = 1\n"}, "Second version")
    try:
        message = failure(run(deploy, project=path, ref="main"))
    finally:
        house.sandbox.kubernetes.behave(house.environment, "shaky")
    assert "crash" in message.lower()
    assert "Rolled back to revision 1" in message or "back to revision 1" in message
    assert sha not in str(house.found("Deployment", "shaky"))


def test_rollback_and_undeploy(run, house, deployed):
    path = house.project("demo/cycle")
    assert run(deploy, project=path, ref="main").is_completed()
    house.sandbox.gitlab.commit(path, "main", {"hello/extra.py": "x = 2\n"}, "Second version")
    second = run(deploy, project=path, ref="main").result()
    assert second["revision"] == 2
    back = run(rollback, service="cycle").result()
    assert (back["action"], back["revision"]) == ("rolled-back", 3)
    assert back["image"] != second["image"]
    assert "rolled back" in failure(run(deploy, project=path, ref="main"))
    again = run(deploy, project=path, ref="main", options=DeployOptions(redeploy=True)).result()
    assert (again["revision"], again["image"]) == (4, second["image"])
    assert run(undeploy, service="cycle").result() == ["Deployment cycle", "Service cycle"]
    assert house.found("Deployment", "cycle") is None
    assert "has no service 'nobody'" in failure(run(rollback, service="nobody"))


@pytest.mark.slow
def test_a_public_project_needs_no_token_and_jenkins_clones_it_without_one(house, deployed):
    from console.setup import build_environment, save

    path = house.project("demo/public", visibility="public")
    private = house.project("demo/hidden")
    state = house.sandbox.state()
    answers = {
        "gitlab_url": state.gitlab_url, "jenkins_url": state.jenkins_url, "jenkins_user": state.jenkins_user,
        "jenkins_token": state.jenkins_token, "registry": state.registry, "registry_http": True,
        "kubeconfig_text": state.kubeconfig, "namespace": house.environment, "metrics_store": "memory://anonymous",
    }  # fmt: skip
    save("anonymous", build_environment("anonymous", answers))
    done = asyncio.run(deploy(project=path, ref="main", environment="anonymous", return_state=True))
    assert done.is_completed(), done
    console = house.jenkins("job/smartclide/job/demo/job/public/1/consoleText").text
    assert "using credential" not in console
    assert "using credential" in house.jenkins("job/smartclide/job/demo/job/hello-service/1/consoleText").text
    refused = asyncio.run(deploy(project=private, ref="main", environment="anonymous", return_state=True))
    assert "token" in failure(refused)
