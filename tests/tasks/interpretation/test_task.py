from __future__ import annotations

import logging
import re

import pytest

from errors import InputError, InterpretationError
from tasks.interpretation import task as module
from tasks.interpretation.predefined import predefined_variables
from tasks.interpretation.task import InterpretationOptions, interpret_pipeline
from tasks.source.model import Commit, Snapshot

COMMIT = Commit(
    project_id=7,
    project_path="group/sub/My-App",
    project_name="My App",
    default_branch="main",
    ref="feature/Größe_1",
    ref_kind="branch",
    sha="0123456789abcdef0123456789abcdef01234567",
    title="Add it",
    message="Add it\n\nBecause.\n",
    author="A <a@example.com>",
    timestamp="2026-01-02T03:04:05+00:00",
    ref_protected=False,
    clone_url="https://gitlab.example.com/group/sub/My-App.git",
    web_url="https://gitlab.example.com/group/sub/My-App",
    visibility="private",
    server_url="https://gitlab.example.com:8443",
)


@pytest.fixture(autouse=True)
def _logger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "get_run_logger", lambda: logging.getLogger("test"))


def snapshot(text: str) -> Snapshot:
    return Snapshot(COMMIT, ".gitlab-ci.yml", {".gitlab-ci.yml": text})


def test_predefined_variables() -> None:
    known = predefined_variables(COMMIT, "Review/1", "registry.example.com:5000/group/app")
    expected = {
        "CI": "true",
        "CI_COMMIT_SHORT_SHA": "01234567",
        "CI_COMMIT_BRANCH": "feature/Größe_1",
        "CI_COMMIT_REF_NAME": "feature/Größe_1",
        "CI_COMMIT_REF_SLUG": "feature-gr--e-1",
        "CI_COMMIT_REF_PROTECTED": "false",
        "CI_COMMIT_DESCRIPTION": "Because.",
        "CI_PROJECT_NAME": "My-App",
        "CI_PROJECT_TITLE": "My App",
        "CI_PROJECT_NAMESPACE": "group/sub",
        "CI_PROJECT_ROOT_NAMESPACE": "group",
        "CI_PROJECT_PATH_SLUG": "group-sub-my-app",
        "CI_SERVER_HOST": "gitlab.example.com",
        "CI_SERVER_PORT": "8443",
        "CI_API_V4_URL": "https://gitlab.example.com:8443/api/v4",
        "CI_ENVIRONMENT_NAME": "Review/1",
        "CI_ENVIRONMENT_SLUG": "review-1-bxuli4",
        "CI_REGISTRY": "registry.example.com:5000",
        "CI_REGISTRY_IMAGE": "registry.example.com:5000/group/app",
        "CI_PIPELINE_SOURCE": "push",
    }
    assert {k: known[k] for k in expected} == expected
    assert "CI_COMMIT_TAG" not in known


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("production", "production"),
        ("PRODUCTION", r"production-[0-9a-z]{6}"),
        ("staging-1234567890123456", "staging-1234567890123456"),
        ("staging-12345678901234567", r"staging-123456789-[0-9a-z]{6}"),
        ("9-staging-123456789012345", r"env-9-staging-123-[0-9a-z]{6}"),
        ("staging-12345678-01234567", r"staging-12345678-[0-9a-z]{6}"),
        ("foo-", "foo"),
        ("foo--bar", r"foo-bar-[0-9a-z]{6}"),
        ("*-foo", r"env-foo-[0-9a-z]{6}"),
    ],
)
def test_the_slug_of_an_environment(name: str, expected: str) -> None:
    slugs = {predefined_variables(COMMIT, given)["CI_ENVIRONMENT_SLUG"] for given in (name, name)}
    assert len(slugs) == 1
    assert re.fullmatch(expected, slugs.pop())


async def test_the_task_interprets_for_the_commit() -> None:
    text = "job: {script: [a], image: '$CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA', "
    text += "rules: [{if: $CI_COMMIT_BRANCH =~ /^feature/}]}\n"
    pipeline = await interpret_pipeline.fn(snapshot(text), InterpretationOptions(image_name="r/app"))
    assert pipeline.decided
    assert [(j.name, j.image and j.image.name) for j in pipeline.jobs] == [("job", "r/app:01234567")]


async def test_errors_warnings_and_no_pipeline() -> None:
    with pytest.raises(InterpretationError) as caught:
        await interpret_pipeline.fn(snapshot("job: {scirpt: [a]}\n"))
    assert [d.code for d in caught.value.diagnostics] == ["missing-script", "unknown-keyword"]
    with pytest.raises(InterpretationError, match="1 warning"):
        text = "job: {script: [a], release: {tag_name: a, description: b}}\n"
        await interpret_pipeline.fn(snapshot(text), InterpretationOptions(strict=True))
    with pytest.raises(InputError, match="workflow:rules"):
        await interpret_pipeline.fn(snapshot("workflow: {rules: [{if: $NO}]}\njob: {script: [a]}\n"))
