"""Whatever the input: an answer or an InterpretationError, within bounds."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import time
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import InterpretationError
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.keywords import GLOBAL_KEYS, JOB_KEYS
from tests.tasks.interpretation.showing import MAIN

ENTRY = ".gitlab-ci.yml"
WORDS = st.sampled_from(
    [*JOB_KEYS, *GLOBAL_KEYS, ".a", "a", "b", "if", "name", "job", "paths", "value", "matrix", "max"]
)
SCALARS = st.sampled_from(
    ["a", "b", ".a", "1", "true", "null", "1h", "manual", "$A", "'$A == \"b\"'", "/x/", "''", "1.5"]
)
VALUES = st.recursive(
    SCALARS | st.just("!reference [.a, script]") | st.just("!reference [a, b]"),
    lambda v: (
        st.lists(v, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(WORDS, v, max_size=4).map(lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}")
    ),
    max_leaves=12,
)


@settings(max_examples=3 * settings.default.max_examples)
@given(st.dictionaries(WORDS, VALUES, max_size=5), st.booleans())
def test_any_yaml_gives_a_pipeline_or_an_interpretation_error(root: dict[str, str], known: bool) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in root.items())
    with contextlib.suppress(InterpretationError):
        interpret({ENTRY: text}, Context(MAIN if known else None))


@settings(max_examples=3 * settings.default.max_examples)
@given(st.dictionaries(st.sampled_from(sorted(JOB_KEYS)), VALUES, max_size=6))
def test_any_job_gives_a_pipeline_or_an_interpretation_error(job: dict[str, str]) -> None:
    text = ".a: {script: [x]}\njob:\n  script: [a]\n" + "".join(
        f"  {k}: {v}\n" for k, v in job.items() if k != "script"
    )
    with contextlib.suppress(InterpretationError):
        interpret({ENTRY: text}, Context(MAIN))


def pipeline(count: int) -> str:
    jobs = [
        f"j{i}:\n  extends: .base\n  stage: {('build', 'test', 'deploy')[i * 3 // count]}\n"
        f"  variables: {{Y: '$X-{i}'}}\n  script: [make {i}]\n"
        f"  rules: [{{if: '$CI_COMMIT_BRANCH =~ /^ma/ && $X'}}, {{when: manual}}]\n"
        + (f"  needs: [j{i - 1}, {{job: j{max(0, i - 7)}, artifacts: false}}]\n" if i > 7 else "")
        for i in range(count)
    ]
    return "variables: {G: a}\n.base: {image: 'x:$G', variables: {X: '1'}}\n" + "".join(jobs)


def test_a_thousand_jobs_take_seconds_at_most() -> None:
    """On a machine that is slow and busy; ``benchmarks/interpret.py`` measures."""
    text = pipeline(1000)
    started = time.process_time()
    assert len(interpret({ENTRY: text}, Context(MAIN)).jobs) == 1000
    assert time.process_time() - started < 4


@pytest.mark.slow
def test_time_grows_with_the_number_of_jobs() -> None:
    def cost(count: int) -> float:
        text = pipeline(count)
        started = time.process_time()
        interpret({ENTRY: text}, Context(MAIN))
        return time.process_time() - started

    cost(50)
    assert cost(3000) < 10 * 2.5 * min(cost(300) for _ in range(3))


@pytest.mark.parametrize(
    "text",
    [
        "".join(f".a{i}: {{extends: .a{i + 1}}}\n" for i in range(5000))
        + ".a5000: {x: y}\njob: {extends: .a0, script: [a]}\n",
        "".join(f".a{i}: {{extends: [.a{i + 1}, .a{i + 1}]}}\n" for i in range(40))
        + "job: {extends: .a0, script: [a]}\n",
        "".join(f".a{i}: !reference [.a{i + 1}, x]\n" for i in range(3000)) + "job: {script: !reference [.a0, x]}\n",
        "".join(f".r{i}: {{x: [{', '.join([f'!reference [.r{i + 1}, x]'] * 10)}]}}\n" for i in range(12))
        + ".r12: {x: [a]}\njob: {script: !reference [.r0, x]}\n",
        f"job: {{script: [a], parallel: {{matrix: [{{{', '.join(f'V{i}: [a, b, c, d]' for i in range(30))}}}]}}}}\n",
        "job: {script: [a], rules: [{if: '$A =~ /(x+x+)+y/'}]}\nvariables: {A: '" + "x" * 50000 + "'}\n",
        "job: {script: " + "[" * 90 + "]" * 90 + "}\n",
    ],
    ids=["long-chain", "wide-extends", "reference-chain", "reference-bomb", "matrix", "regex", "nested-script"],
)
def test_hostile_input_ends_quickly(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(InterpretationError):
        interpret({ENTRY: text}, Context(MAIN))
    assert time.process_time() - started < 5


def test_the_interpreter_imports_no_heavy_library() -> None:
    code = (
        "import sys, tasks.interpretation.compiler, tasks.interpretation.predefined; "
        "print([m for m in ('prefect', 'pandas', 'pydantic', 'httpx', 'requests', 'urllib3') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def _starting(count: int, file: str) -> str:
    return "".join(f"j{n}: {{trigger: {{include: {file}}}}}\n" for n in range(count))


def test_a_tree_of_child_pipelines_ends_at_gitlabs_limit() -> None:
    files = {
        ENTRY: _starting(40, "middle.yml"),
        "middle.yml": _starting(30, "leaf.yml"),
        "leaf.yml": "job: {script: a}",
    }
    pipeline = interpret(files, Context(MAIN))
    assert sum(1 for job in pipeline.jobs if job.child and job.child.stages) == 999
    refused = {d.message for d in pipeline.diagnostics if d.code == "child-refused"}
    assert "and the job fails: one pipeline and its children are at most 1000." in " ".join(refused)


@pytest.mark.slow
def test_child_pipelines_of_too_many_jobs_are_an_error() -> None:
    many = "".join(f"j{n}: {{script: a}}\n" for n in range(3000))
    with pytest.raises(InterpretationError, match="more than 20000 jobs"):
        interpret({ENTRY: _starting(20, "many.yml"), "many.yml": many}, Context(MAIN))


def test_more_needs_than_gitlabs_default_limit_are_a_warning() -> None:
    text = """
many: {script: a, parallel: 51}
few: {script: a, parallel: 50}
over: {script: a, needs: [many]}
under: {script: a, needs: [few]}
out: {script: a, needs: [many], rules: [{when: never}]}
"""
    pipeline = interpret({ENTRY: text}, Context(MAIN))
    assert [str(d) for d in pipeline.diagnostics if d.code == "needs-limit"] == [
        ".gitlab-ci.yml:4:26: warning: `over` needs 51 jobs: GitLab refuses more than 50, "
        "unless the instance's administrator allows more. [needs-limit]"
    ]
    assert {job.name: len(job.needs or ()) for job in pipeline.jobs[-2:]} == {"over": 51, "under": 50}


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_goes_on_as_before(enabled: bool) -> None:
    class Circle:
        def __init__(self) -> None:
            self.itself = self

    before = weakref.ref(Circle())
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        interpret({ENTRY: "job: {script: a}\n"}, Context(MAIN))
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()
    gc.collect()
    assert before() is None
