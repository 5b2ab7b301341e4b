"""What `--branch`, `--tag`, `--merge-request` and `--var` decide, and what they leave to the build."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.examining import listed
from console.interpret import InterpretOptions, interpret_file
from errors import InputError


@pytest.fixture
def when(tmp_path: Path):
    """What becomes of a job with this `if`, by options; None = the build decides."""

    def of(condition: str, **options) -> str | None:
        file = tmp_path / ".gitlab-ci.yml"
        file.write_text(f"a: {{script: [x], rules: [{{if: '{condition}'}}]}}")
        return listed(file, InterpretOptions(**options))[0].when

    return of


@pytest.mark.parametrize(
    "condition",
    [
        "$CI_MERGE_REQUEST_IID",  # of GitLab's own Workflows/MergeRequest-Pipelines template
        "$CI_MERGE_REQUEST_ID && $CI_OPEN_MERGE_REQUESTS",
        '$CI_PIPELINE_SOURCE == "merge_request_event" && $CI_COMMIT_BRANCH == null',
        '$CI_COMMIT_REF_SLUG == "fix-a" && $CI_MERGE_REQUEST_SOURCE_BRANCH_NAME == "fix/A"',
    ],
)
def test_every_merge_request_has_what_all_have(when, condition):
    assert when(condition, merge_request="fix/A") == "on_success"
    assert when(condition, branch="fix/A") == "never"


def test_the_labels_of_a_merge_request_are_the_builds_to_know(when):
    condition = "$CI_MERGE_REQUEST_LABELS =~ /urgent/"
    assert when(condition, merge_request="a") is None
    assert when(condition, merge_request="a", variables=["CI_MERGE_REQUEST_LABELS=urgent"]) == "on_success"
    assert when(condition, branch="a") == "never"


@pytest.mark.parametrize("name", ["CI_PROJECT_NAMESPACE", "CI_COMMIT_MESSAGE", "CI_COMMIT_REF_PROTECTED"])
def test_what_nobody_told_is_not_taken_for_another_value(when, name):
    assert when(f'${name} == "x"', branch="main") is None
    assert when(f'${name} == "x"', tag="v1", variables=[f"{name}=x"]) == "on_success"
    assert when(f'${name} == "x"', tag="v1", variables=[f"{name}=y"]) == "never"


def test_the_projects_path_tells_its_parts(when):
    condition = '$CI_PROJECT_ROOT_NAMESPACE == "a" && $CI_PROJECT_NAMESPACE == "a/b" && $CI_PROJECT_NAME == "c"'
    assert when(condition, branch="main", variables=["CI_PROJECT_PATH=a/b/c"]) == "on_success"


def test_the_address_of_gitlab_is_known_where_it_is_given(when):
    condition = '$CI_SERVER_HOST == "gitlab.example.com"'
    assert when(condition, branch="main") is None
    assert when(condition, branch="main", gitlab_url="https://gitlab.example.com") == "on_success"
    assert when(condition, branch="main", gitlab_url="https://other.example.com") == "never"
    with pytest.raises(InputError, match="--gitlab-url is no address"):
        when(condition, branch="main", gitlab_url="https://gitlab.example.com:port")


def test_no_text_is_made_of_a_merge_request_that_is_any(tmp_path):
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text("a: {script: [x], variables: {URL: mr-$CI_MERGE_REQUEST_IID}, rules: [{when: always}]}")
    text = interpret_file(file, InterpretOptions(merge_request="a")).jenkinsfile or ""
    assert """'export URL=mr-"${CI_MERGE_REQUEST_IID-}"',""" in text
    assert "CI_MERGE_REQUEST_IID=" not in text
