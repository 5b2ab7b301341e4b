"""Declarative stages that Jenkins could not compile are not written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from errors import InputError
from tasks.interpretation.expressions import Equal, Not, Text, Var
from tasks.interpretation.pipeline import (
    AllowFailure,
    Artifacts,
    Cache,
    Image,
    Job,
    Pipeline,
    Retry,
    Secret,
    Service,
    Undecided,
)
from tasks.jenkins_build.groovy import Block, Step
from tasks.jenkins_build.groovy import Text as Words
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.jenkins_build.job_functions import functions
from tasks.jenkins_build.job_stage import pipeline_stages
from tasks.jenkins_build.method_size import largest, method_size
from tasks.jenkins_build.plan import make_plan
from tasks.jenkins_build.rendered import rendered

SETTINGS = RenderSettings(
    "http://gitlab.example/group/app.git", "0" * 40, registry_credentials_id="reg", git_credentials_id="git"
)
STAGES = replace(SETTINGS, rendering="stages")
MAIN = Equal(Var("CI_COMMIT_BRANCH"), Text("main"))
PLAIN: Mapping[str, Any] = {}
KEEPS: Mapping[str, Any] = {"artifacts": Artifacts(("dist/",))}
CACHES: Mapping[str, Any] = {"caches": (Cache(paths=("a",), key="k"),)}
RULES: Mapping[str, Any] = {"rules": (Undecided(MAIN, variables={"T": "x"}),)}
REPORTS = Artifacts(
    ("dist/",), untracked=True, exclude=("*.tmp",), reports={"junit": ("j.xml",), "dotenv": ("b.env",), "o": ("c",)}
)
EVERYTHING: Mapping[str, Any] = {
    "script": ("echo $CI_REGISTRY_USER",),
    "pre_get_sources": ("echo x",),
    "secrets": (Secret("A"), Secret("B")),
    "retry": Retry(max=2, when=("script_failure",), exit_codes=(1, 2)),
    "rules": (
        Undecided(MAIN, when="manual"),
        Undecided(Not(MAIN), when="delayed", start_in_seconds=3),
        Undecided(MAIN, variables={"T": "x"}),
    ),
    "image": Image("alpine"),
    "services": (Service("postgres:15"),),
    "after_script": ("echo x",),
    "caches": CACHES["caches"],
    "artifacts": REPORTS,
    "tags": ("a", "b"),
    "variables": {"GIT_SUBMODULE_STRATEGY": "normal"},
    "allow_failure": AllowFailure(exit_codes=(3,)),
}


def _pipeline(count: int, fields: Mapping[str, Any]) -> Pipeline:
    jobs = tuple(Job(f"job{n}", f"s{n}", **{"script": ("echo hi",), **fields}) for n in range(count))
    return Pipeline(None, tuple(job.stage for job in jobs), jobs, decided="rules" not in fields)


@pytest.mark.parametrize(
    ("count", "fields", "measured"),
    [(20, PLAIN, 30_589), (20, KEEPS, 51_070), (20, CACHES, 37_209), (20, RULES, 36_067), (5, EVERYTHING, 46_648)],
)
def test_the_estimate_is_close_to_what_jenkins_compiled(count: int, fields: Mapping[str, Any], measured: int) -> None:
    plan = make_plan(_pipeline(count, fields), STAGES)
    assert measured <= largest(pipeline_stages(plan), functions(plan)) <= 1.15 * measured


def test_bare_stages_that_a_real_server_refused_do_not_fit() -> None:
    steps = Block("steps", (Step("echo", (Words("hi"),)),))
    assert method_size([Block(f"stage('s{n}')", (steps,)) for n in range(200)]) > 65_535


def test_heavy_jobs_become_a_graph_though_they_are_few() -> None:
    heavy, few = _pipeline(10, EVERYTHING), _pipeline(6, EVERYTHING)
    assert "void advance(List ready)" in render(heavy, SETTINGS)
    assert rendered(replace(heavy, decided=True), SETTINGS).restart == ()
    assert "stage('job5')" in render(few, SETTINGS)
    assert "stage('job19')" in render(_pipeline(20, KEEPS), SETTINGS)
    assert len(rendered(_pipeline(20, KEEPS), SETTINGS).restart) == 20


def test_heavy_stages_are_refused_where_they_are_asked_for() -> None:
    with pytest.raises(InputError, match=r"take about \d+ bytes of a Java method, which holds 65535.*`graph`"):
        render(_pipeline(10, EVERYTHING), STAGES)


def test_a_job_with_very_many_rules_becomes_a_graph() -> None:
    rules = tuple(Undecided(Equal(Var("X"), Text(str(n))), when="manual") for n in range(300))
    jobs = (Job("one", "a", ("true",), rules=rules),)
    pipeline = Pipeline(None, ("a",), jobs, decided=False)
    assert "void advance(List ready)" in render(pipeline, SETTINGS)
