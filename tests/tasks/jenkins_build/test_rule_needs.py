"""Needs that a rule brings, where only the build decides the rule: they take the place of the job's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from errors import InputError
from sandbox.jenkins import executor
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.expressions import Equal, Null
from tasks.interpretation.pipeline import Job, Need, Pipeline, Undecided
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tests.tasks.jenkins_build.running import Listening, Ran, before, project

PIPELINE = """
stages: [a, b, c]
slow: {stage: a, script: [sleep 1, echo slow > f], artifacts: {paths: [f]}}
quick: {stage: a, script: [echo quick > f], artifacts: {paths: [f]}}
other: {stage: b, script: [cat f], needs: [quick]}
chooses:
  stage: c
  script: [cat f]
  needs: [slow]
  rules:
    - if: $FAST
      needs: [quick]
    - if: $LAST == "yes"
      needs: [{job: other, artifacts: false}, {job: slow, artifacts: true}]
    - when: on_success
"""
OPTIONAL = """
maybe: {script: [echo], rules: [{if: $MAYBE}]}
bad: {script: [exit 1], allow_failure: true, rules: [{if: $MAYBE}]}
strict: {script: [echo], needs: [maybe]}
lenient: {script: [echo], needs: [{job: maybe, optional: true}, {job: bad, optional: true}]}
"""


def run(folder: Path, text: str, rendering: str, **parameters: str) -> Ran:
    commit = project(folder / "repository", {"file": "x"})
    pipeline = interpret({".gitlab-ci.yml": text}, Context())
    assert pipeline.diagnostics == ()
    jenkinsfile = render(pipeline, RenderSettings(rendering=rendering))  # type: ignore[arg-type]
    given = {"COMMIT_SHA": commit.sha, "REPO_URL": commit.clone_url, "CI_COMMIT_BRANCH": "main", **parameters}
    host = Listening(folder, jenkinsfile, {"PATH": os.environ["PATH"]}, **given)
    return host.ran(executor.run(host))


@pytest.mark.parametrize(
    ("given", "lines", "waited"),
    [({"FAST": "1"}, ["quick"], ["quick"]), ({"LAST": "yes"}, ["slow"], ["other", "slow"]), ({}, ["slow"], ["slow"])],
)
def test_the_needs_of_the_rule_that_holds(
    tmp_path: Path, given: dict[str, str], lines: list[str], waited: list[str]
) -> None:
    ran = run(tmp_path, PIPELINE, "auto", **given)
    assert (ran.result, set(ran.states.values())) == ("SUCCESS", {"success"}), ran.console
    assert ran.lines["chooses"] == lines
    assert [name for name in ("other", "slow", "quick") if name in waited and not before(ran, name, "chooses")] == []
    if given.get("FAST"):
        assert not before(ran, "slow", "chooses")


def test_declarative_stages_cannot_choose_needs() -> None:
    pipeline = interpret({".gitlab-ci.yml": PIPELINE}, Context())
    assert pipeline.jobs[3].rules[0].needs == (Need("quick"),)
    with pytest.raises(InputError, match=r"Rules of \['chooses'\] bring `needs` of their own"):
        render(pipeline, RenderSettings(rendering="stages"))


def test_a_circle_that_rules_make_is_said(tmp_path: Path) -> None:
    always = Equal(Null(), Null())
    jobs = tuple(
        Job(name, "a", ("true",), rules=(Undecided(always, needs=(Need(other),)),))
        for name, other in (("one", "two"), ("two", "one"))
    )
    jenkinsfile = render(Pipeline(None, ("a",), jobs, decided=False), RenderSettings())
    host = Listening(tmp_path, jenkinsfile, {"PATH": os.environ["PATH"]}, COMMIT_SHA="0" * 40, REPO_URL="x")
    ran = host.ran(executor.run(host))
    assert (ran.result, ran.states) == ("FAILURE", {})
    assert "these jobs need each other in a circle: one, two" in ran.console


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_an_optional_need_of_a_job_that_is_not_in_the_pipeline_is_none(tmp_path: Path, rendering: str) -> None:
    ran = run(tmp_path, OPTIONAL, rendering)
    assert ran.states == {"maybe": "skipped", "bad": "skipped", "strict": "skipped", "lenient": "success"}


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_an_optional_need_of_one_that_is_there_is_waited_for(tmp_path: Path, rendering: str) -> None:
    ran = run(tmp_path, OPTIONAL, rendering, MAYBE="1")
    assert ran.states == {"maybe": "success", "bad": "unstable", "strict": "success", "lenient": "success"}
    assert before(ran, "maybe", "lenient")
