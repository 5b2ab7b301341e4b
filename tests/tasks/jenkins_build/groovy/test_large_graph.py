"""Ten thousand jobs in one Jenkinsfile: compiled and run by groovy 2.4.21, and on the stand-in's executor."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from sandbox.jenkins import executor
from tasks.interpretation.expressions import Equal, Text, Var
from tasks.interpretation.pipeline import AllowFailure, Artifacts, Job, Need, Pipeline, Undecided
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tests.sandbox.jenkins.fake_host import FakeHost
from tests.tasks.jenkins_build.groovy.bytecode import LIMIT, method_sizes
from tests.tasks.jenkins_build.groovy.running import HERE, repository, tool_of

MARKER = re.compile(r"gl-job name=(\S+) state=(\w+)")
SCRIPT = "echo a line of a script that is not short and has an ümlaut, 'quotes' and a \\ in it"


def _job(number: int) -> Job:
    when = (Undecided(Equal(Var("RUN"), Text(str(number // 2)))),)  # two of them run
    needs = (Need(f"job {number - 1}"),) if number % 2 else None
    script = (*(SCRIPT,) * 10, f'echo "out:{number} $N $(cat f 2>/dev/null)"', "echo kept > f")
    own = {"N": f"it's {number}"}
    return Job(f"job {number}", f"s{number % 2}", script, variables=own, needs=needs, rules=when,
               artifacts=Artifacts(("f",)))  # fmt: skip


def _jenkinsfile(count: int) -> str:
    jobs = tuple(map(_job, range(count)))
    return render(Pipeline(None, ("s0", "s1"), jobs, decided=False), RenderSettings())


def _check(result: str, console: str, count: int) -> None:
    assert result == "SUCCESS", console[-3000:]
    states = dict(MARKER.findall(console))
    middle = count // 4 * 2
    ran = {f"job%20{middle}": "success", f"job%20{middle + 1}": "success"}
    assert {name: state for name, state in states.items() if state != "skipped"} == ran
    assert len(states) == count
    said = re.findall(r"^out:(.*?)\r?$", console, re.MULTILINE)
    assert said == [f"{middle} it's {middle} ", f"{middle + 1} it's {middle + 1} kept"]


@pytest.mark.slow
def test_ten_thousand_jobs_compile_and_run_under_groovy(tmp_path: Path) -> None:
    tool, environment = tool_of()
    url, sha = repository(tmp_path / "origin.git")
    folder = tmp_path / "files" / "large"
    folder.mkdir(parents=True)
    (folder / "Jenkinsfile").write_text(_jenkinsfile(10_000), encoding="ascii")
    given = {"COMMIT_SHA": sha, "REPO_URL": url, "RUN": "2500"}
    case = {"parameters": given, "answers": {}, "path": environment["PATH"], "credentials": {}}
    (folder / "case.json").write_text(json.dumps(case))
    words: list[str | Path] = [tool, "-cp", HERE, HERE / "run.groovy", tmp_path / "files", "1"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "result.json").read_text())
    _check(found["result"], found["console"], 10_000)
    for path in (folder / "classes").glob("*.class"):
        assert {name: size for name, size in method_sizes(path).items() if size > LIMIT / 2} == {}


def test_jobs_of_a_group_exclude_each_other_among_very_many() -> None:
    jobs = tuple(Job(f"job {number}", "a", ("true",), resource_group="one") for number in range(1_100))
    text = render(Pipeline(None, ("a",), jobs, decided=False), RenderSettings())
    index = text.split("String jobs0()")[1].split("\n}\n")[0]
    assert index.count('"group": ') > 50  # what the runner asks before a job starts is not in its details
    assert '"script": ' not in index


def test_very_much_text_is_asked_for_by_small_methods() -> None:
    jobs = tuple(Job(f"job {number}", "a", ("echo " + 1_400 * "x",)) for number in range(1_100))
    text = render(Pipeline(None, ("a",), jobs), RenderSettings())
    parts = text.count("String details")
    methods = [method for method in text.split("@NonCPS\n") if "switch (part" in method]
    assert [method.count("case ") for method in methods] == [50, 8, 2]
    assert parts == 58 + 3
    assert "case 50: return detailsIn1(part)" in methods[2]
    assert "case 57: return details57()" in methods[1]


def test_the_same_rules_of_very_many_jobs_are_written_once() -> None:
    rules = (Undecided(Equal(Var("RUN"), Text("the only mention"))),)
    jobs = tuple(Job(f"job {number}", "a", ("true",), rules=rules) for number in range(1_100))
    text = render(Pipeline(None, ("a",), jobs, decided=False), RenderSettings())
    assert text.count("the only mention") == 1


def test_jobs_that_fill_very_many_functions_are_all_found(tmp_path: Path) -> None:
    url, sha = repository(tmp_path / "origin.git")
    codes = AllowFailure(exit_codes=tuple(range(2, 700)))  # so much that a function holds two jobs
    jobs = tuple(
        Job(f"{number}", "a", (f"echo out:{number}",), allow_failure=codes, when="on_success" if runs else "on_failure")
        for number in range(110)
        for runs in [number in (3, 109)]
    )
    text = render(Pipeline(None, ("a",), jobs), RenderSettings(url, sha, rendering="graph"))
    assert text.count("\nMap jobs") == 55 + 2 + 1  # each part, two rows of them, and what gives a part
    host = FakeHost(tmp_path / "standin", text, {"COMMIT_SHA": sha})
    assert executor.run(host) == "SUCCESS"  # type: ignore[arg-type]  # the fake's attributes are not annotated
    assert sorted(re.findall(r"^out:(.*?)\r?$", host.console, re.MULTILINE)) == ["109", "3"]
    assert dict(MARKER.findall(host.console))["50"] == "skipped"


@pytest.mark.slow
def test_very_many_jobs_run_on_the_stand_in(tmp_path: Path) -> None:
    url, sha = repository(tmp_path / "origin.git")
    host = FakeHost(tmp_path / "standin", _jenkinsfile(1_200), {"COMMIT_SHA": sha, "REPO_URL": url, "RUN": "300"})
    _check(executor.run(host), host.console, 1_200)  # type: ignore[arg-type]
