"""The graph's runner under Debian's groovy, the very version in Jenkins, over toy steps (see shim.groovy)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.interpretation.expressions import And, Equal, Match, Not, Null, Or, Pattern, Text, Truth, Var
from tasks.interpretation.pipeline import AllowFailure, Artifacts, Job, Need, Pipeline, Retry, Undecided
from tasks.jenkins_build.jenkinsfile import RenderSettings, render

MAIN = Equal(Var("CI_COMMIT_BRANCH"), Text("main"))
JOBS = (
    Job(
        "make: it's",
        "build",
        ("mkdir -p dist; echo 'made $5' > dist/app; echo 'V=it'\"'s\" > b.env",),
        artifacts=Artifacts(("dist/",), reports={"dotenv": ("b.env",), "junit": ("j.xml",)}),
    ),
    Job("bad", "build", ("exit 3",), after_script=("echo status $CI_JOB_STATUS",)),
    Job("code", "build", ("exit 4",), allow_failure=AllowFailure(exit_codes=(4,))),
    Job("use", "test", ("cat dist/app; echo $V",), needs=(Need("make: it's"),), variables={"GIT_DEPTH": "3"}),
    Job("later", "test", ("true",)),
    Job("tell", "test", ("true",), when="on_failure", retry=Retry(2, ("script_failure",), (3,))),
    Job("mourn", "test", ("true",), needs=(Need("later"),)),
    Job(
        "again",
        "test",
        ("test -e ../tried || { touch ../tried; exit 3; }",),
        needs=(),
        retry=Retry(1, exit_codes=(3,)),
    ),
    Job("asked", "deploy", ("true",), when="manual", needs=(Need("use"),)),
    Job("optional", "deploy", ("true",), when="manual", needs=(), allow_failure=AllowFailure(always=True)),
    Job("yes", "deploy", ("echo $W",), needs=(), rules=(Undecided(MAIN, variables={"W": "a b"}),)),
    Job("no", "deploy", ("true",), needs=(), rules=(Undecided(And((MAIN, Not(MAIN)))),)),
    Job(
        "match", "deploy", ("true",), needs=(), rules=(Undecided(Match(Var("CI_COMMIT_BRANCH"), Pattern("^MA", "i"))),)
    ),
    Job("set", "deploy", ("true",), needs=(), rules=(Undecided(Or((Truth(Var("NONE")), Equal(Var("X"), Null())))),)),
    Job("tidy", "deploy", ("true",), when="always"),
)


@pytest.fixture
def groovy() -> str:
    found = shutil.which("groovy")
    if found is None or not os.environ.get("JAVA_HOME"):
        pytest.skip("groovy (Debian: apt-get install groovy) and JAVA_HOME are needed")
    return found


def test_the_runner_runs_under_groovy(groovy: str, tmp_path: Path) -> None:
    pipeline = Pipeline(None, ("build", "test", "deploy"), JOBS, decided=False)
    path = tmp_path / "Jenkinsfile"
    path.write_text(render(pipeline, RenderSettings(manual="skip", rendering="graph")), encoding="ascii")
    (tmp_path / "classes").mkdir()
    words: list[str | Path] = [groovy, Path(__file__).with_name("shim.groovy"), path, tmp_path, tmp_path / "classes"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    states = dict(re.findall(r"^gl-job name=(\S+) state=(\w+)$", done.stdout, re.MULTILINE))
    assert states == {
        "make%3A%20it%27s": "success",
        "bad": "failed",
        "code": "unstable",
        "use": "success",
        "later": "skipped",
        "tell": "success",
        "mourn": "skipped",
        "again": "success",
        "asked": "success",
        "optional": "skipped",
        "yes": "success",
        "no": "skipped",
        "match": "success",
        "set": "success",
        "tidy": "success",
    }, done.stdout + done.stderr
    assert "result FAILURE" in done.stdout
    for line in ("made $5\nit's\n", "status failed\n", "asked Job-9\n", "a b\n", "checkout c0ffee depth 3\n"):
        assert line in done.stdout
