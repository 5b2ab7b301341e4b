"""Variables that come with a rule which only the build decides: of a job, or of the workflow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from console.interpret import InterpretOptions, interpret_file
from sandbox.jenkins import executor
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tests.tasks.jenkins_build.running import Listening, project
from tests.tasks.jenkins_build.test_rule_needs import run

PIPELINE = """
workflow:
  rules:
    - {if: $CI_COMMIT_TAG, variables: {TARGET: production}}
    - {if: $SKIPPED, when: never}
    - {if: $CI_COMMIT_BRANCH, variables: {TARGET: "$CI_COMMIT_BRANCH-test"}}
variables: {ADDRESS: "https://$TARGET.example"}
plain: {script: ['echo "$TARGET $ADDRESS"']}
own: {variables: {TARGET: mine}, script: ['echo "$TARGET $ADDRESS"']}
ruled:
  variables: {TEXT: "<$MORE>"}
  rules:
    - {if: $TARGET == "production", variables: {MORE: "for $TARGET at $$5"}}
    - {if: $SLOW, variables: {MORE: slow}}
  script: ['echo "$MORE $TEXT"']
"""


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (
            {"CI_COMMIT_TAG": "v1"},
            {
                "plain": "production https://production.example",
                "own": "mine https://mine.example",
                "ruled": "for production at $5 <for production at $5>",
            },
        ),
        ({}, {"plain": "main-test https://main-test.example", "own": "mine https://mine.example"}),
        (
            {"SLOW": "x"},
            {
                "plain": "main-test https://main-test.example",
                "own": "mine https://mine.example",
                "ruled": "slow <slow>",
            },
        ),
        ({"SKIPPED": "x", "SLOW": "x"}, {}),
    ],
)
def test_the_variables_of_the_rule_that_holds(
    tmp_path: Path, given: dict[str, str], lines: dict[str, str], rendering: Literal["stages", "graph"]
) -> None:
    ran = run(tmp_path, PIPELINE, rendering, **given)
    assert {name: state for name, state in ran.states.items() if state != "skipped"} == dict.fromkeys(lines, "success")
    assert {name: "\n".join(ran.lines[name]) for name in lines} == lines


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize(("given", "line"), [({"SLOW": "x"}, "rule 2.0 of-2.0"), ({}, "text-2.0 2.0 of-2.0")])
def test_the_rule_has_its_say_beside_dotenv_reports(
    tmp_path: Path, given: dict[str, str], line: str, rendering: Literal["stages", "graph"]
) -> None:
    text = """
gen: {stage: build, script: [echo TOLD=2.0 > e.env], artifacts: {reports: {dotenv: e.env}}}
a:
  variables: {X: "text-$TOLD", OF: "of-$TOLD"}
  rules: [{if: $SLOW, variables: {X: rule}}, {when: on_success}]
  script: ['echo "$X $TOLD $OF"']
"""
    ran = run(tmp_path, text, rendering, **given)
    assert (ran.states, ran.lines["a"]) == ({"gen": "success", "a": "success"}, [line])


def test_that_the_checkout_does_not_follow_them_is_said() -> None:
    text = """
a:
  rules:
    - {if: $X, variables: {GIT_STRATEGY: none, GIT_CHECKOUT: "false"}}
    - {if: $Y, variables: {GIT_DEPTH: "1"}}
  script: [a]
b: {variables: {GIT_STRATEGY: none}, script: [b]}
"""
    said = "of `a` comes with a rule that only the build decides: the checkout does not follow it. Set it in the job's"
    assert [str(found) for found in interpret({".gitlab-ci.yml": text}, Context()).diagnostics] == [
        f".gitlab-ci.yml:3:3: info: `{name}` {said} `variables`. [git-variable]"
        for name in ("GIT_DEPTH", "GIT_STRATEGY")
    ]
    decided = Context({"CI_COMMIT_BRANCH": "main", "X": "1"})
    assert interpret({".gitlab-ci.yml": text}, decided).diagnostics == ()


USUAL = """
merge: {script: [echo no], rules: [{if: $CI_PIPELINE_SOURCE == "merge_request_event"}]}
push: {script: ['echo "$CI_PIPELINE_SOURCE $CI_DEFAULT_BRANCH"'], rules: [{if: $CI_PIPELINE_SOURCE == "push"}]}
main:
  script: ['echo "of $FROM"']
  variables: {FROM: $CI_DEFAULT_BRANCH}
  rules: [{if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH}]
"""


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({}, {"push": ["push main"], "main": ["of main"]}),
        ({"CI_DEFAULT_BRANCH": "trunk"}, {"push": ["push trunk"]}),
        ({"CI_PIPELINE_SOURCE": "web"}, {"main": ["of main"]}),
    ],
)
def test_a_build_that_is_told_nothing_else_is_of_a_push_and_has_the_default_branch(
    tmp_path: Path, given: dict[str, str], lines: dict[str, list[str]], rendering: Literal["stages", "graph"]
) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text(USUAL)
    made = interpret_file(tmp_path / ".gitlab-ci.yml", InterpretOptions(rendering=rendering))
    commit = project(tmp_path / "repository", {"file": "x"})
    given = {"COMMIT_SHA": commit.sha, "REPO_URL": commit.clone_url, "CI_COMMIT_BRANCH": "main", **given}
    host = Listening(tmp_path, str(made.jenkinsfile), {"PATH": os.environ["PATH"]}, **given)
    assert host.ran(executor.run(host)).lines == lines


CODES = """
a: {script: [exit 2], allow_failure: {exit_codes: 2}, rules: [{if: $STRICT, allow_failure: false}, {when: on_success}]}
b: {script: [exit 3], allow_failure: {exit_codes: 2}, rules: [{if: $STRICT}, {when: on_success, allow_failure: true}]}
"""


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize(
    ("given", "states"),
    [({}, {"a": "unstable", "b": "unstable"}), ({"STRICT": "1"}, {"a": "failed", "b": "failed"})],
)
def test_a_rule_that_says_whether_the_job_may_fail_counts_instead_of_its_exit_codes(
    tmp_path: Path, given: dict[str, str], states: dict[str, str], rendering: Literal["stages", "graph"]
) -> None:
    assert run(tmp_path, CODES, rendering, **given).states == states


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "refs/remotes/origin/main"),
        ({"CI_COMMIT_BRANCH": "feature/a+b"}, "refs/remotes/origin/feature/a+b"),
        ({"CI_COMMIT_BRANCH": "it's $HOME:x"}, "none"),
        ({"CI_COMMIT_BRANCH": "", "CI_COMMIT_TAG": "v1.2"}, "refs/tags/v1.2"),
        ({"CI_COMMIT_BRANCH": ""}, "none"),
    ],
)
def test_scripts_find_the_branch_that_the_build_is_of(
    tmp_path: Path, given: dict[str, str], line: str, rendering: Literal["stages", "graph"]
) -> None:
    text = "a: {script: ['git for-each-ref --format=\"%(refname)\" | grep . || echo none']}"
    assert run(tmp_path, text, rendering, **given).lines["a"] == [line]
