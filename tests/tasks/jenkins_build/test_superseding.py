from __future__ import annotations

import pytest

from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.jenkins_build.superseding import AutoCancel, auto_cancel
from tests.tasks.interpretation.showing import MAIN

TWO = """
test: {interruptible: true, script: [make test]}
migrate: {script: [make migrate]}
"""


def of(text: str, known: bool = True) -> AutoCancel:
    return auto_cancel(interpret({".gitlab-ci.yml": text}, Context(MAIN if known else None)))


@pytest.mark.parametrize(
    ("policy", "stages", "allowed"),
    [
        (None, {}, True),
        (None, {"test": "running"}, True),
        (None, {"test": "failed", "migrate": "skipped", "image": "running"}, True),
        (None, {"test": "running", "migrate": "running"}, False),
        (None, {"test": "running", "migrate": "success"}, False),
        ("conservative", {"migrate": "success"}, False),
        ("interruptible", {"test": "running", "migrate": "success"}, True),
        ("interruptible", {"migrate": "running"}, False),
        ("none", {}, False),
        ("none", {"test": "running"}, False),
    ],
)
def test_a_build_stops_as_gitlab_would_stop_its_pipeline(policy: str | None, stages: dict, allowed: bool) -> None:
    head = f"workflow: {{auto_cancel: {{on_new_commit: {policy}}}}}\n" if policy else ""
    assert of(head + TWO).allows(stages) is allowed


@pytest.mark.parametrize("policy", ["conservative", "interruptible"])
def test_a_build_whose_jobs_are_not_known_is_not_stopped(policy: str) -> None:
    assert of(f"workflow: {{auto_cancel: {{on_new_commit: {policy}}}}}\n{TWO}").allows(None) is False


def test_a_rule_says_it_for_the_pipeline() -> None:
    rules = "workflow: {rules: [{if: $CI_COMMIT_BRANCH, auto_cancel: {on_new_commit: none}}, {when: always}]}\n"
    assert of(rules + TWO) == AutoCancel("none", ("migrate",))
    assert of(rules + TWO, known=False) == AutoCancel("none", ("migrate",))


def test_a_rule_says_it_for_the_job() -> None:
    rules = "a: {script: [x], rules: [{if: $CI_COMMIT_BRANCH, interruptible: true}, {when: always}]}\n"
    assert of(rules) == AutoCancel("conservative", ())
    assert of(rules, known=False) == AutoCancel("conservative", ("a",))
    default = "default: {interruptible: true}\na: {script: [x]}\nb: {script: [x], interruptible: false}\n"
    assert of(default) == AutoCancel("conservative", ("b",))
