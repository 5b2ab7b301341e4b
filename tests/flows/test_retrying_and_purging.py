"""A red build taken up again from the stage that failed, and a project that leaves Jenkins with its last release."""

import httpx
import pytest
from pydantic import SecretStr

from flows.deploy import deploy
from flows.parameters import DeployOptions
from flows.undeploy import undeploy

AGAIN = DeployOptions(from_failed_stage=True)


def pipeline(flag, **more):
    return f"""
compile:
  stage: build
  script: [echo made > made, echo compiling]
  artifacts: {{paths: [made]{more.get("artifacts", "")}}}
unit:
  stage: test
  script: [cat made, test -e {flag}]
lint:
  stage: test
  script: [echo linting]
""".encode()


def console(house, path, number):
    return house.jenkins("/job/".join(["job/smartclide", *path.split("/")]) + f"/{number}/consoleText").text


def causes(house, path, number):
    found = house.jenkins("/job/".join(["job/smartclide", *path.split("/")]) + f"/{number}/api/json").json()
    return [cause["shortDescription"] for action in found["actions"] for cause in action.get("causes", [])]


@pytest.mark.slow
def test_what_passed_before_the_failed_stage_does_not_run_again(house, run, tmp_path):
    path = house.project("again/stage", **{".gitlab-ci.yml": pipeline(tmp_path / "flag")})
    first = run(deploy, project=path)
    assert first.is_failed()
    assert "failed in job 'unit'" in first.message
    (tmp_path / "flag").touch()
    second = run(deploy, project=path, options=AGAIN)
    assert second.is_completed(), second
    assert house.builds(path) == [2, 1]
    assert "Restarted from build #1, stage test" in causes(house, path, 2)
    text = console(house, path, 2)
    assert 'Stage "compile" skipped due to this build restarting at stage "test"' in text
    assert "compiling" not in text
    assert "\nmade\n" in text, "the artifact of the build before"
    assert "gl-job name=lint state=success" in text, "all of the stage runs again"
    third = run(deploy, project=path)
    assert third.result()["action"] == "already-deployed", "found again, by the same build key"
    assert house.builds(path) == [2, 1]


@pytest.mark.slow
def test_a_second_failure_is_taken_up_once_more(house, run, tmp_path):
    path = house.project("again/twice", **{".gitlab-ci.yml": pipeline(tmp_path / "flag")})
    assert run(deploy, project=path).is_failed()
    assert run(deploy, project=path, options=AGAIN).is_failed()
    (tmp_path / "flag").touch()
    assert run(deploy, project=path, options=AGAIN).is_completed()
    assert house.builds(path) == [3, 2, 1]
    assert "Restarted from build #2, stage test" in causes(house, path, 3)
    assert "\nmade\n" in console(house, path, 3)


@pytest.mark.slow
def test_where_it_cannot_be_right_a_fresh_build_is_made(house, run, tmp_path):
    """dotenv variables of jobs that do not run again would be missing."""
    text = pipeline(tmp_path / "flag", artifacts=", reports: {dotenv: made.env}").replace(
        b"echo compiling", b"echo A=1 > made.env"
    )
    path = house.project("again/fresh", **{".gitlab-ci.yml": text})
    assert run(deploy, project=path).is_failed()
    (tmp_path / "flag").touch()
    assert run(deploy, project=path, options=AGAIN).is_completed()
    assert house.builds(path) == [2, 1]
    assert not any("Restarted" in cause for cause in causes(house, path, 2))


@pytest.mark.slow
def test_without_the_wish_a_fresh_build_is_made(house, run, tmp_path):
    path = house.project("again/unasked", **{".gitlab-ci.yml": pipeline(tmp_path / "flag")})
    assert run(deploy, project=path).is_failed()
    (tmp_path / "flag").touch()
    assert run(deploy, project=path).is_completed()
    assert not any("Restarted" in cause for cause in causes(house, path, 2))


@pytest.mark.slow
def test_purging_the_last_release_removes_the_jenkins_job(house, run, tmp_path):
    path = house.project("purged/app", **{".gitlab-ci.yml": b"build: {script: [echo building]}"})
    assert run(deploy, project=path).is_completed()
    kept = run(undeploy, service="app")
    assert house.builds(path) == [1]
    assert not any("Jenkins" in line for line in kept.result())
    assert run(deploy, project=path, options=DeployOptions(redeploy=True)).is_completed()
    gone = run(undeploy, service="app", purge=True)
    assert gone.is_completed(), gone
    assert {"Jenkins job smartclide/purged/app", "Jenkins folder smartclide/purged"} <= set(gone.result())
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        house.builds(path)


def test_a_purge_that_fails_in_jenkins_can_be_repeated(house, run):
    """The history goes last: without it nobody would find the service again, nor its job and secrets in Jenkins."""
    from blocks import JenkinsServer

    path = house.project("purged/mended", **{".gitlab-ci.yml": b"build: {script: [echo building]}"})
    assert run(deploy, project=path).is_completed()
    block = JenkinsServer.load(house.environment)
    right, block.api_token = block.api_token, SecretStr("wrong")
    block.save(house.environment, overwrite=True)
    try:
        failed = run(undeploy, service="mended", purge=True)
    finally:
        block.api_token = right
        block.save(house.environment, overwrite=True)
    assert (
        "Deleted before that: Deployment mended, Service mended. The history is kept: repeat the purge"
        in failed.message
    )
    assert house.found("Deployment", "mended") is None
    gone = run(undeploy, service="mended", purge=True)
    assert gone.result()[0] == "Jenkins job smartclide/purged/mended"
    assert gone.result()[-1] == "Secret smartclide.mended.v1"
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        house.builds(path)
