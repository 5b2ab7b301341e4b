"""The same pipeline under groovy and on the stand-in's executor: the same states, texts and order (see `cases`)."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from tasks.interpretation.pipeline import Job
from tests.tasks.jenkins_build.groovy.bytecode import LIMIT, method_sizes
from tests.tasks.jenkins_build.groovy.cases import CASES, Case
from tests.tasks.jenkins_build.groovy.running import RENDERINGS, Outcomes, Ran

pytestmark = pytest.mark.slow
MARKER = re.compile(r"^gl-job name=(\S+) state=(\w+)\r?$", re.MULTILINE)
ENDED = {"success", "unstable", "failed", "canceled", "skipped"}


@pytest.mark.parametrize(("name", "rendering"), list(product(CASES, RENDERINGS)))
def test_groovy_and_the_stand_in_do_what_gitlab_does(outcomes: Outcomes, name: str, rendering: str) -> None:
    case = CASES[name]
    for ran in (outcomes.groovy[name, rendering], outcomes.standin[name, rendering]):
        assert dict(MARKER.findall(ran.console)) == case.states, ran.console
        assert ran.result == case.result, ran.console
        assert sorted(re.findall(r"^out:(.*?)\r?$", ran.console, re.MULTILINE)) == sorted(case.out), ran.console
        assert "s3cret-word" not in ran.console
        assert_order(case, ran)


@pytest.mark.parametrize(("name", "rendering"), list(product(CASES, RENDERINGS)))
def test_every_job_is_announced_alike(outcomes: Outcomes, name: str, rendering: str) -> None:
    there, here = (by_job(ran[name, rendering]) for ran in (outcomes.groovy, outcomes.standin))
    assert there == here


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_the_image_is_described(outcomes: Outcomes, rendering: str) -> None:
    for ran in (outcomes.groovy["image stage", rendering], outcomes.standin["image stage", rendering]):
        assert '"image": "registry.example/app:tag", "digest": "sha256:000' in str(ran.description)


def by_job(ran: Ran) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, state in MARKER.findall(ran.console):
        found.setdefault(name, []).append(state)
    return found


def assert_order(case: Case, ran: Ran) -> None:
    """A job starts after its needs, or after all jobs of the stages before its own."""
    stages = list(dict.fromkeys(job.stage for job in case.jobs))
    marks = MARKER.findall(ran.console)
    names = dict(zip((job.name for job in case.jobs), case.states, strict=False))
    starts = {name: place for place, (name, state) in reversed(list(enumerate(marks))) if state == "running"}
    ends = {name: place for place, (name, state) in enumerate(marks) if state in ENDED}
    for job in case.jobs:
        for other in waited_for(job, case, stages):
            if names.get(job.name) in starts:
                assert ends[names[other]] < starts[names[job.name]], (other, job.name)


def waited_for(job: Job, case: Case, stages: list[str]) -> list[str]:
    if job.needs is not None:
        return [need.job for need in job.needs]
    there = [other for other in case.jobs if other.parent == job.parent and not is_optional(other)]
    return [other.name for other in there if stages.index(other.stage) < stages.index(job.stage)]


def is_optional(job: Job) -> bool:
    """Whether a graph goes on while it asks."""
    return job.when == "manual" and job.allow_failure.always


# The largest share of the JVM's limit that a method of the plain Groovy may take: 2,000 values of a graph's jobs are
# to stay below it (`graph.NODES_PER_FUNCTION`). That is all of it for @NonCPS methods, which hold the bulk. The rest
# Jenkins rewrites for CPS first, closures into the method around them: by how much it grows is not measured here. A
# real server ran 25 declarative stages and refused 30, though no plain method of 25 has more than 2 KB.
SHARE = 0.35


def test_no_method_is_near_the_limit_of_the_jvm(outcomes: Outcomes) -> None:
    names = [name for name in outcomes.classes if name.startswith(("golden ", "largest "))]
    assert {"golden stages", "golden graph", "largest stages", "largest graph"} <= set(names)
    for name in names:
        sizes = _sizes(outcomes.classes[name])
        assert "WorkflowScript.run" in sizes, (outcomes.classes[name] / "result.json").read_text()
        assert {method: size for method, size in sizes.items() if size > SHARE * LIMIT} == {}, name


def _sizes(folder: Path) -> dict[str, int]:
    return {method: size for path in folder.glob("classes/*.class") for method, size in method_sizes(path).items()}
