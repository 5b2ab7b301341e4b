"""A decided pipeline written down again: read anew, it means the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from errors import InputError, InterpretationError
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.diagnostics import Span
from tasks.interpretation.pipeline import Job, Pipeline
from tasks.remote_interpretation.plain import plain_text, runnable
from tests.tasks.interpretation.showing import MAIN, files_of

CASES = Path(__file__).parents[2] / "cases"
FOUND = sorted(CASES.glob("*/*.yml"))


def decided(path: Path) -> Pipeline | None:
    """The case as a deployment of main would have it; None when it is an error."""
    described = path.with_suffix(".json") if path.stem != "input" else path.with_name("expected.json")
    given = json.loads(described.read_text()).get("context", {}) if described.exists() else {}
    known = {"run_deploy_jobs", "inputs", "overrides"}
    try:
        return interpret(files_of(path.parent, path), Context(MAIN, **{k: v for k, v in given.items() if k in known}))
    except InterpretationError:
        return None


def shown(job: Job) -> Job:
    """The job without its secrets, which are not told, and what the text's form decides: where a value is final."""
    needs = None if job.needs is None else tuple(replace(need, optional=False) for need in job.needs)
    told = replace(job, needs=needs, secrets=())
    return replace(told, span=Span(""), unresolved_variables=frozenset(), excluded_variables=())


@pytest.mark.parametrize("path", FOUND, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_the_text_means_what_the_pipeline_meant(path: Path) -> None:
    pipeline = decided(path)
    if pipeline is None or not pipeline.created or any(job.rules for job in pipeline.jobs) or not runnable(pipeline):
        return
    if any(job.child for job in runnable(pipeline)):
        with pytest.raises(InputError, match="start a child pipeline"):
            plain_text(pipeline)
        return
    text = plain_text(pipeline)
    again = interpret({".gitlab-ci.yml": text}, Context({}, run_deploy_jobs=True))
    assert [shown(job) for job in again.jobs] == [shown(job) for job in runnable(pipeline)], text
    assert dict(again.variables) == dict(pipeline.variables), text
    assert not yaml.safe_load(text).keys() & {"include", "default", "workflow"}


def test_most_cases_are_compared() -> None:
    pipelines = [pipeline for path in FOUND if (pipeline := decided(path)) and pipeline.jobs]
    assert len(pipelines) > 30


def plain(text: str, **context: object) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(plain_text(interpret({".gitlab-ci.yml": text}, Context(MAIN, **context))))  # type: ignore[arg-type]
    return found


def test_only_what_runs_is_in_it() -> None:
    text = """\
    .base: {image: alpine, tags: [big]}
    a: {extends: .base, script: [make], rules: [{if: $CI_COMMIT_BRANCH == "main", variables: {WHY: rule}}]}
    b: {script: [never], rules: [{if: $CI_COMMIT_TAG}]}
    c: {script: [ask], when: manual}
    d: {script: [after], needs: [c]}
    e: {script: [after], needs: [a, {job: b, optional: true}, {job: c, optional: true}]}
    deploy: {script: [ship], environment: production}
    """
    found = plain(text)
    assert list(found) == ["stages", "variables", "a", "e"]
    assert found["a"] == {
        "stage": "test",
        "image": "alpine",
        "tags": ["big"],
        "variables": {"WHY": "rule"},
        "script": ["make"],
    }
    assert found["e"] == {"stage": "test", "script": ["after"], "needs": ["a"]}


def test_secret_values_are_not_in_it_and_stronger_variables_win() -> None:
    text = "variables: {LEVEL: text, KEY: $TOKEN}\na: {script: [make], variables: {LEVEL: job}}\n"
    found = plain(text, overrides={"LEVEL": "project"}, secrets={"TOKEN": "s3cret"})
    assert found["variables"] == {**MAIN, "LEVEL": "project", "KEY": "$TOKEN"}
    assert found["a"] == {"stage": "test", "script": ["make"]}
