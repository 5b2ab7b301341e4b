"""What a deployment has Jenkins build: the settings that go into its Jenkinsfile."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from prefect_docker.credentials import DockerRegistryCredentials
from pydantic import SecretStr

from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from tasks.interpretation.pipeline import AllowFailure, Job, Pipeline
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.jenkins_build.specification import specify
from tasks.rollout.descriptor import ImageOptions
from tasks.source.model import Commit, Snapshot

VALUES: dict[str, Any] = {"project_id": 1, "sha": "a" * 40, "ref_protected": False, "project_path": "group/app"}
COMMIT = Commit(**{field.name: VALUES.get(field.name, "x") for field in fields(Commit)})
LOGIN = DockerRegistryCredentials(
    username="robot", password=SecretStr("s3cret-word"), registry_url="registry.example", reauth=False
)


def jenkinsfile(*jobs: Job, image: ImageOptions, registry: ImageRegistry) -> str:
    pipeline = Pipeline(None, ("a",), jobs)
    snapshot = Snapshot(COMMIT, ".gitlab-ci.yml", has_dockerfile=True)
    return specify(snapshot, pipeline, (GitLabServer(url="https://gitlab.example"), registry), image).jenkinsfile


def test_the_job_that_pushes_gets_the_login_and_no_other() -> None:
    registry = ImageRegistry(address="registry.example", credentials=LOGIN)
    jobs = (Job("push", "a", ("./push.sh",)), Job("lint", "a", ("true",)))
    text = jenkinsfile(*jobs, image=ImageOptions(from_job="push"), registry=registry)
    assert "credentialsId: 'smartclide-registry-registry-example-robot'" in text
    assert text.count("loggedIn {") == 1
    assert "s3cret-word" not in text
    assert "stage('image')" not in text


def test_a_deployment_does_not_wait_for_optional_manual_jobs() -> None:
    play = Job("play", "a", ("true",), when="manual", allow_failure=AllowFailure(always=True))
    text = jenkinsfile(play, image=ImageOptions(), registry=ImageRegistry(address="registry.example"))
    assert "approved('play', 'Job-1', 'Run the job play?', true, 0)" in text
    assert "stage('image')" in text


@pytest.mark.parametrize(("group", "concurrent"), [("production", False), (None, True)])
def test_builds_of_a_job_with_resource_groups_wait_for_each_other(group: str | None, concurrent: bool) -> None:
    pipeline = Pipeline(None, ("a",), (Job("a", "a", ("true",), resource_group=group),))
    servers = (GitLabServer(url="https://gitlab.example"), ImageRegistry(address="registry.example"))
    found = specify(Snapshot(COMMIT, ".gitlab-ci.yml", has_dockerfile=True), pipeline, servers, ImageOptions())
    assert ("DisableConcurrentBuildsJobProperty" not in found.job.config) == concurrent
    assert "disableConcurrentBuilds" not in found.jenkinsfile
    kept = render(replace(pipeline, decided=False), RenderSettings())
    assert ("    disableConcurrentBuilds()\n" not in kept) == concurrent
