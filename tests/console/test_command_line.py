"""The command line as a user meets it: as a process."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CI = """
stages: [build]
compile:
  stage: build
  script:
    - make "it's"
"""


def run(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "cli", *map(str, arguments)],
        cwd=cwd or ROOT, text=True, capture_output=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".gitlab-ci.yml").write_text(CI)
    return tmp_path


def commands(group=()):
    text = run(*group, "--help").stdout
    names = re.findall(r"^  ([a-z]+) ", text.split("Commands:")[1], re.M) if "Commands:" in text else []
    return [(*group, name) for name in names]


def test_every_command_has_help_with_an_example():
    top = commands()
    assert [c[0] for c in top] == [
        "approve", "check", "demo", "deploy", "explain", "history", "init", "interpret", "interpreter", "jobs",
        "monitor", "reject", "report", "rollback", "sandbox", "serve", "status", "undeploy",
    ]  # fmt: skip
    groups = [("interpreter",), ("sandbox",)]
    for command in [*(c for c in top if c not in groups), *(c for group in groups for c in commands(group))]:
        done = run(*command, "--help")
        assert done.returncode == 0
        assert f"Example:\n  smartclide {' '.join(command)}" in done.stdout


@pytest.mark.slow
def test_a_prefect_server_that_is_not_there_is_named(tmp_path):
    done = run(
        "history", "hello", "-e", "staging", PREFECT_API_URL="http://127.0.0.1:9/api", PREFECT_HOME=str(tmp_path)
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: The Prefect server at http://127.0.0.1:9/api cannot be reached: ")
    assert len(done.stderr.splitlines()) == 1


def test_interpret_writes_a_jenkinsfile(project):
    done = run("interpret", project / ".gitlab-ci.yml", "-o", project / "Jenkinsfile")
    assert (done.returncode, done.stdout) == (0, "")
    text = (project / "Jenkinsfile").read_text()
    assert "stage('compile')" in text
    assert r"make \"it\'s\"" in text or 'make "it\\\'s"' in text


def test_interpret_prints_the_same_bytes_each_time(project):
    first, second = (run("interpret", project / ".gitlab-ci.yml") for _ in range(2))
    assert first.stdout == second.stdout != ""


def test_interpret_lists_all_errors_with_their_places_and_exits_2(project):
    (project / ".gitlab-ci.yml").write_text(
        "stages: [a]\nx:\n  stage: b\n  script: true\ny:\n  stage: a\n  scrpt: [make]\n"
    )
    done = run("interpret", project / ".gitlab-ci.yml")
    assert done.returncode == 2
    assert done.stdout == ""
    assert ".gitlab-ci.yml:3:" in done.stderr
    assert ".gitlab-ci.yml:7:" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_info_in_several_places_is_one_line(project):
    (project / ".gitlab-ci.yml").write_text("".join(f"{n}: {{script: [a], tags: [x]}}\n" for n in "abc"))
    lines = run("interpret", project / ".gitlab-ci.yml").stderr.splitlines()
    assert [line.rpartition(": info: ")[0] for line in lines] == [".gitlab-ci.yml:1:18"]
    assert lines[0].endswith("[tags] (and 2 more)")


def test_interpret_as_json(project):
    done = run("interpret", project / ".gitlab-ci.yml", "--json")
    answer = json.loads(done.stdout)
    assert answer["jobs"] == [{"name": "compile", "stage": "build", "when": "on_success"}]
    assert answer["stages"] == ["build"]
    assert answer["diagnostics"] == []


def test_interpret_decides_rules_for_a_branch(project):
    (project / ".gitlab-ci.yml").write_text(
        "a:\n  script: echo a\n  rules: [{if: '$CI_COMMIT_BRANCH == \"main\"'}]\nb:\n  script: echo b\n"
    )

    def jobs(*more):
        answer = json.loads(run("interpret", project / ".gitlab-ci.yml", "--json", *more).stdout)
        return [job["name"] for job in answer["jobs"]]

    assert jobs("--branch", "main") == ["a", "b"]
    assert jobs("--branch", "dev") == ["b"]
    assert jobs() == ["a", "b"]


RULED = """\
include: common.yml
build: {extends: .base, script: [[[make]]]}
test:
  script: [make test]
  needs: [{job: build, artifacts: false}]
  rules:
    - {if: $CI_COMMIT_BRANCH == "main", when: manual, allow_failure: true}
    - {changes: [src/**]}
mr: {script: [a], rules: [{if: $CI_PIPELINE_SOURCE == "merge_request_event"}]}
"""
COMMON = "default: {image: alpine}\nvariables: {A: wide}\n.base: {stage: build, variables: {B: own}}\n"


@pytest.fixture
def ruled(tmp_path):
    (tmp_path / ".gitlab-ci.yml").write_text(RULED)
    (tmp_path / "common.yml").write_text(COMMON)
    return tmp_path / ".gitlab-ci.yml"


def test_jobs_says_which_run_and_why(ruled):
    def row(name, *options):
        rows = json.loads(run("jobs", ruled, "--json", *options).stdout)
        return next(r for r in rows if r["name"] == name)

    assert row("test", "--ref", "main") == {
        "name": "test", "stage": "test", "when": "manual", "allow_failure": True,
        "needs": [{"job": "build", "artifacts": False, "optional": False}],
        "reason": "a rule matches", "place": ".gitlab-ci.yml:7:7",
    }  # fmt: skip
    assert row("test", "--ref", "next", "--changed", "doc/a")["reason"] == "no rule matches"
    assert row("test", "--ref", "next", "--changed", "src/a")["place"] == ".gitlab-ci.yml:8:7"
    assert row("mr", "--ref", "main")["when"] == "never"
    assert row("mr")["when"] is None
    assert re.search(r"^mr +test +never +- +no rule matches", run("jobs", ruled, "--ref", "main").stdout, re.M)


def test_jobs_of_a_merge_request(ruled):
    ruled.write_text(RULED.replace("needs: [{job: build, artifacts: false}]", "needs: []"))
    rows = json.loads(run("jobs", ruled, "--json", "--merge-request", "feature", "--changed", "src/a").stdout)
    assert {r["name"]: r["when"] for r in rows} == {"build": "never", "test": "on_success", "mr": "on_success"}


def test_jobs_tells_what_is_not_for_merge_requests(tmp_path):
    path = tmp_path / "ci.yml"
    path.write_text("a: {script: a}\nb: {script: b, only: {changes: [x]}}\nc: {script: c, except: [main]}\n")
    rows = json.loads(run("jobs", path, "--json", "--merge-request", "feature").stdout)
    assert [(r["when"], r["reason"], r["place"]) for r in rows] == [
        ("never", "a job without `rules` and `only` is for branches and tags", ""),
        ("never", "`only` without `refs` is for branches and tags", "ci.yml:2:16"),
        ("never", "a job without `rules` and `only` is for branches and tags", "ci.yml:3:16"),
    ]


def test_jobs_tells_of_a_matrix_without_values(tmp_path):
    path = tmp_path / "ci.yml"
    path.write_text("a: {script: a, parallel: {matrix: [{A: []}]}, rules: [{if: $A}]}\nb: {script: b}\n")
    rows = json.loads(run("jobs", path, "--json").stdout)
    assert [(r["name"], r["when"], r["reason"], r["place"]) for r in rows] == [
        ("a", "never", "its `parallel:matrix` has no values", "ci.yml:1:26"),
        ("b", "on_success", "no condition", ""),
    ]


@pytest.mark.parametrize("command", [["jobs"], ["interpret", "--expanded"]])
def test_errors_are_told_once(tmp_path, command):
    (tmp_path / "ci.yml").write_text("a:\n  script: [x]\n  needs: [zz]\n  foo: 1\n")
    done = run(*command, tmp_path / "ci.yml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ci.yml:3:11: error: `needs` names `zz`, which is no job here. [unknown-job]\n"
        "ci.yml:4:3: error: `foo` is not a keyword of a job. [unknown-keyword]\n"
        "Error: ci.yml has 2 error(s).\n"
    )


def test_a_pipeline_is_for_one_ref(ruled):
    done = run("interpret", ruled, "--ref", "main", "--tag", "v1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: --branch and --tag are for different pipelines. Give one of them.\n"


def test_jobs_lists_those_of_a_child_pipeline(tmp_path):
    (tmp_path / ".gitlab-ci.yml").write_text("start: {trigger: {include: child.yml}}\n")
    (tmp_path / "child.yml").write_text("inner: {script: [b]}\n")
    rows = json.loads(run("jobs", tmp_path / ".gitlab-ci.yml", "--ref", "main", "--json").stdout)
    assert [(r["name"], r["reason"], r["place"]) for r in rows] == [
        ("start", "no condition", ""),
        ("start: inner", "in the child pipeline of `start`", "child.yml:1:1"),
    ]


def test_explain_shows_where_each_key_was_written(ruled):
    assert (
        run("explain", ruled, "build", "--branch", "main").stdout
        == """\
# build: on_success; no condition
build:  # .gitlab-ci.yml:2
  stage: build  # common.yml:3
  variables:  # common.yml:3
    A: wide  # common.yml:2
    B: own  # common.yml:3
  script:  # .gitlab-ci.yml:2
  - make
  image: alpine  # common.yml:1
"""
    )
    done = run("explain", ruled, "biuld")
    assert (done.returncode, "Did you mean `build`?" in done.stderr) == (2, True)


def test_the_expanded_configuration(ruled):
    assert run("interpret", ruled, "--expanded").stdout.startswith("""\
stages:
- .pre
- build
- test
- deploy
- .post
variables:
  A: wide
build:
  stage: build
  variables:
    B: own
  script:
  - make
  image: alpine
test:
""")


def test_interpret_reads_local_includes_from_the_files_folder(project):
    (project / "ci").mkdir()
    (project / "ci" / "more.yml").write_text("from-include:\n  stage: build\n  script: echo more\n")
    (project / ".gitlab-ci.yml").write_text("include: ci/more.yml\n" + CI)
    done = run("interpret", project / ".gitlab-ci.yml", "--json", cwd="/")
    assert [j["name"] for j in json.loads(done.stdout)["jobs"]] == ["from-include", "compile"]


def test_strict_fails_on_what_is_approximated(project):
    (project / ".gitlab-ci.yml").write_text(CI + "  id_tokens: {TOKEN: {aud: x}}\n")
    assert run("interpret", project / ".gitlab-ci.yml").returncode == 0
    done = run("interpret", project / ".gitlab-ci.yml", "--strict")
    assert done.returncode == 2
    assert "[id-tokens]" in done.stderr


def test_a_missing_file_is_one_paragraph(project):
    done = run("interpret", project / "nope.yml")
    assert done.returncode == 2
    assert done.stderr == f"Error: There is no file {project / 'nope.yml'}. Name the project's .gitlab-ci.yml.\n"


def test_bad_usage_exits_2():
    assert run("deploy").returncode == 2
    assert run("monitor", "--samples", "0").returncode == 2
    assert run("nonsense").returncode == 2


@pytest.mark.parametrize("arguments", [["--help"], ["interpret", "examples/hello-service/.gitlab-ci.yml"]])
def test_help_and_interpret_import_neither_prefect_nor_pandas(arguments):
    code = (
        f"import sys, cli\ntry:\n    cli.main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'prefect', 'pandas', 'numpy', 'pydantic', 'kubernetes'}\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_an_unreachable_prefect_server_is_said_in_one_paragraph():
    done = run("deploy", "group/app", "-e", "staging", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The Prefect server")
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_output_that_cannot_be_written_is_bad_input(project):
    done = run("interpret", project / ".gitlab-ci.yml", "-o", project / "no" / "Jenkinsfile")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


@pytest.mark.slow
def test_bad_input_found_by_a_run_exits_2(sandbox, prefect_server):
    from console.sandboxing import save_environment
    from sandbox.launcher import EXAMPLE_PROJECT

    save_environment("codes", sandbox.state())
    done = run("deploy", EXAMPLE_PROJECT, "-e", "codes", "--local", "--set", "replcas=3")
    assert done.returncode == 2
    assert "replcas" in done.stderr
    missing = run("deploy", "demo/none", "-e", "codes", "--local")
    assert missing.returncode == 1


def test_diagnostics_as_json_go_to_standard_error(project):
    text = "a: {script: [a], rules: [{exists: {paths: [x], project: g/p}}]}\n"
    (project / ".gitlab-ci.yml").write_text(text)
    done = run("interpret", project / ".gitlab-ci.yml", "--diagnostics", "json")
    assert done.stdout.startswith("// Made from .gitlab-ci.yml")
    (found,) = [d for d in json.loads(done.stderr) if d["severity"] == "warning"]
    assert found["code"] == "exists-assumed"
    assert found["span"] == {"file": ".gitlab-ci.yml", "line": 1, "column": 35}


def test_optional_manual_jobs_are_asked_about_or_skipped(project):
    file = project / ".gitlab-ci.yml"
    file.write_text("play: {script: a, when: manual}\n")
    assert "'Run the job play?', true, 3600)" in run("interpret", file).stdout
    assert "'Run the job play?', true, 0)" in run("interpret", file, "--manual-jobs", "skip").stdout


def test_a_pipeline_with_nothing_left_to_run_says_why(project):
    file = project / ".gitlab-ci.yml"
    file.write_text("release: {script: ./deploy.sh, environment: production}\n")
    assert "stage('release')" in run("interpret", file).stdout
    done = run("interpret", file, "--no-deploy-jobs")
    assert (done.returncode, done.stdout) == (2, "")
    nothing, left_out = done.stderr.splitlines()
    assert left_out.startswith(
        ".gitlab-ci.yml:1:32: warning: The job `release` is left out: with `environment` it would"
    )
    assert nothing == (
        ".gitlab-ci.yml: error: No job is left to run, so there is no Jenkinsfile. "
        "`smartclide jobs` tells why of each job. [nothing-to-run]"
    )
    assert run("interpret", file, "--image", "127.0.0.1:5000/app").returncode == 0
