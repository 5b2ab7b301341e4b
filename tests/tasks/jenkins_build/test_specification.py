"""What a deployment has Jenkins build: the settings that go into its Jenkinsfile."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import fields, replace
from prefect_docker.credentials import DockerRegistryCredentials
from pydantic import SecretStr

from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from tasks.interpretation.pipeline import AllowFailure, Artifacts, Job, Need, Pipeline, Secret
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.jenkins_build.job_config import Retention
from tasks.jenkins_build.resumable import TopStage
from tasks.jenkins_build.specification import Specification, Terms, Wanted, specify
from tasks.rollout.descriptor import ImageOptions
from tasks.source.model import Commit, Snapshot

VALUES: dict[str, Any] = {"project_id": 1, "sha": "a" * 40, "ref_protected": False, "project_path": "group/app"}
COMMIT = Commit(**{field.name: VALUES.get(field.name, "x") for field in fields(Commit)})
LOGIN = DockerRegistryCredentials(
    username="robot", password=SecretStr("s3cret-word"), registry_url="registry.example", reauth=False
)


def specified(
    *jobs: Job, image: ImageOptions | None = None, registry: ImageRegistry | None = None, terms: Terms | None = None
) -> Specification:
    pipeline = Pipeline(None, tuple(dict.fromkeys(job.stage for job in jobs)), jobs)
    snapshot = Snapshot(COMMIT, ".gitlab-ci.yml", has_dockerfile=True)
    gitlab = GitLabServer(url="https://gitlab.example")
    registry = registry or ImageRegistry(address="registry.example")
    return specify(Wanted(snapshot, gitlab, registry, image or ImageOptions(), terms or Terms()), pipeline)


def jenkinsfile(*jobs: Job, image: ImageOptions, registry: ImageRegistry, terms: Terms | None = None) -> str:
    return specified(*jobs, image=image, registry=registry, terms=terms).jenkinsfile


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
    snapshot = Snapshot(COMMIT, ".gitlab-ci.yml", has_dockerfile=True)
    found = specify(Wanted(snapshot, *servers, ImageOptions()), pipeline)
    assert ("DisableConcurrentBuildsJobProperty" not in found.job.config) == concurrent
    assert "disableConcurrentBuilds" not in found.jenkinsfile
    kept = render(replace(pipeline, decided=False), RenderSettings())
    assert ("    disableConcurrentBuilds()\n" not in kept) == concurrent


def test_a_deployment_that_asks_leaves_jenkins_its_own_later_deadline() -> None:
    play = Job("play", "a", ("true",), when="manual", allow_failure=AllowFailure(always=True))
    text = specified(play, terms=Terms(manual="ask", manual_seconds=600)).jenkinsfile
    assert "approved('play', 'Job-1', 'Run the job play?', true, 720)" in text


def test_the_job_says_what_it_is_of_and_how_many_builds_are_kept() -> None:
    terms = Terms(retention=Retention(7, 30), deployments="http://prefect.example")
    config = specified(Job("build", "a", ("true",)), terms=terms).job.config
    assert "<description>GitLab project group/app: x\nDeployments: http://prefect.example\n\nManaged by" in config
    assert "<daysToKeep>30</daysToKeep><numToKeep>7</numToKeep>" in config


FILES = Artifacts(paths=("out",))


def test_a_build_can_be_taken_up_again_at_its_top_level_stages() -> None:
    jobs = (Job("compile", "a", ("true",), artifacts=FILES), Job("x", "b", ("true",)), Job("y", "b", ("true",)))
    made = specified(*jobs)
    assert made.job.restart == (
        TopStage("compile", ("compile",)), TopStage("b", ("x", "y")), TopStage("image", ("image",)),
    )  # fmt: skip
    assert "preserveStashes buildCount: 3" in made.jenkinsfile
    assert "PreserveStashesJobProperty><buildCount>3<" in made.job.config


@pytest.mark.parametrize(
    "job",
    [
        Job("use", "b", ("true",), needs=(Need("compile"),)),
        Job("with space", "b", ("true",), artifacts=FILES),
        Job("report", "b", ("true",), artifacts=Artifacts(reports={"dotenv": ("a.env",)})),
    ],
    ids=lambda job: job.name,
)
def test_where_a_restart_would_miss_something_there_is_none(job: Job) -> None:
    made = specified(Job("compile", "a", ("true",), artifacts=FILES), job)
    assert made.job.restart == ()
    assert "preserveStashes" not in made.jenkinsfile
    assert "PreserveStashes" not in made.job.config


def test_a_project_whose_jobs_have_secrets_gets_a_folder_of_its_own() -> None:
    found = specified(Job("a", "a", ("true",), secrets=(Secret("TOKEN"),)))
    assert found.job.project_path == "group/app.git/app"
    assert "id: 'gitlab-secret-TOKEN'" in found.jenkinsfile
