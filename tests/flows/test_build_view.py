"""What a user of Prefect sees of a Jenkins build: its jobs as task runs, its log, its results."""

import asyncio
import io
import json
import threading
import time

import pytest
from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
    LogFilterTaskRunId,
)
from rich.console import Console

from blocks.environment import load_environment
from console.follow import follow, start_local
from console.views import show_history
from flows.deploy import deploy
from tasks.rollout.history import decode

PIPELINE = b"""
build:
  stage: build
  script: [echo building]
left:
  stage: test
  script: ["for n in 1 2 3 4 5; do echo left $n; sleep 0.8; done"]
right:
  stage: test
  script: ["for n in 1 2 3 4 5; do echo right $n; sleep 0.8; done"]
shaky:
  stage: test
  allow_failure: true
  script: [exit 4]
on failure:
  stage: deploy
  when: on_failure
  script: [echo never]
"""


def settled(ask, wanted, seconds=20):
    """What `ask` gives once it is `wanted`: Prefect's server takes task runs and logs in with some delay."""
    end = time.monotonic() + seconds
    while not wanted(found := ask()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def jobs_of(run_id, count):
    return settled(
        lambda: _jobs_of(run_id), lambda jobs: len(jobs) == count and all(j.state.is_final() for j in jobs.values())
    )


def _jobs_of(run_id):
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])), limit=200)
        return {run.name: run for run in runs if run.task_key.startswith("gitlab_job-")}


def lines_of(run_id, task_run=None):
    with get_client(sync_client=True) as client:
        only = LogFilterTaskRunId(any_=[task_run.id]) if task_run else None
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]), task_run_id=only), limit=200)
        return [line for log in sorted(logs, key=lambda log: log.timestamp) for line in log.message.split("\n")]


def artifacts_of(run_id):
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id])), limit=200
        )
        return {artifact.key: artifact for artifact in found}


@pytest.fixture(scope="module")
def shown(house):
    """A build with jobs side by side, deployed once."""
    path = house.project("demo/shown", **{".gitlab-ci.yml": PIPELINE})
    state = asyncio.run(deploy(project=path, environment=house.environment, return_state=True))
    assert state.is_completed(), state
    return state


def test_every_job_is_a_task_run_with_its_own_state_time_and_lines(shown):
    run_id = shown.state_details.flow_run_id
    jobs = jobs_of(run_id, 6)
    assert {name: job.state.name for name, job in jobs.items()} == {
        "build": "Completed", "left": "Completed", "right": "Completed", "shaky": "Unstable",
        "on failure": "Skipped", "image": "Completed",
    }  # fmt: skip
    assert all(job.state.is_completed() for job in jobs.values())
    assert jobs["shaky"].state.message == (
        "failed, and is allowed to: ERROR: script returned exit code 4, in the command `exit 4`"
    )
    assert jobs["build"].end_time <= jobs["left"].start_time
    assert max(jobs[side].start_time for side in ("left", "right")) < min(jobs[s].end_time for s in ("left", "right"))
    for side in ("left", "right"):
        lines = settled(lambda side=side: lines_of(run_id, jobs[side]), lambda lines, side=side: f"{side} 5" in lines)
        assert [line for line in lines if line.startswith(("left", "right"))] == [f"{side} {n}" for n in range(1, 6)]


def test_the_progress_ends_at_all_of_it(shown):
    progress = artifacts_of(shown.state_details.flow_run_id)["build-progress"]
    assert (progress.type, progress.data) == ("progress", 100.0)


def test_the_command_line_shows_the_jobs_by_their_names(shown):
    run_id = shown.state_details.flow_run_id
    jobs_of(run_id, 6)
    out = io.StringIO()
    follow(run_id, Console(file=out))
    lines = [
        line.rpartition(" ")[0].rpartition(" ")[0] for line in out.getvalue().splitlines() if line.startswith("job ")
    ]
    assert sorted(lines) == [
        "job build: Completed", "job image: Completed", "job left: Completed", "job on failure: Skipped",
        "job right: Completed", "job shaky: Unstable",
    ]  # fmt: skip


def test_a_run_without_news_shows_what_it_says(prefect_server, monkeypatch):
    monkeypatch.setattr("console.follow._SILENT_SECONDS", 0.5)
    shown = threading.Event()

    class Terminal(io.StringIO):
        def write(self, text):
            if text.startswith("log waits"):
                shown.set()
            return super().write(text)

    @flow(flow_run_name="hello-to-cluster-401")
    def waiting():
        get_run_logger().info("waits: hello is being deployed by another run")
        assert shown.wait(60)
        time.sleep(2)  # it says nothing new

    local, out = start_local(waiting, {}), Terminal()
    follow(local.run_id, Console(file=out), local)
    lines = out.getvalue().splitlines()
    assert [line for line in lines if line.startswith("log waits")] == [
        "log waits: hello is being deployed by another run"
    ]
    assert lines[-1].startswith("run hello-to-cluster-401: Completed")


def test_a_local_run_that_ends_before_its_time_is_not_waited_for(prefect_server, monkeypatch):
    def refused(*_arguments, **_options):
        raise ConnectionError("the server refuses the run's state")

    monkeypatch.setattr("console.follow.run_flow", refused)
    local = start_local(flow(lambda: None, name="idle"), {})
    with pytest.raises(ConnectionError, match="refuses the run's state"):
        follow(local.run_id, Console(file=io.StringIO()), local)


def test_the_whole_log_is_kept_as_a_file(house, shown):
    store = asyncio.run(load_environment(house.environment)).metrics
    filesystem, root = store.get_client()
    with filesystem.open(f"{root}/builds/smartclide/demo/shown/1/console.log") as file:
        text = file.read().decode()
    console = house.jenkins("job/smartclide/job/demo/job/shown/1/consoleText").text
    assert text.splitlines() == console.splitlines()


RED = b"""
good:
  script: [echo fine]
bad:
  script:
    - echo first
    - |
      echo no such thing >&2
      exit 7
  after_script: [echo tidied up]
"""


def test_a_failed_job_fails_its_task_run_and_says_where_and_why(house, run):
    state = run(deploy, project=house.project("demo/red-job", **{".gitlab-ci.yml": RED}))
    assert state.is_failed()
    assert "failed in job 'bad': ERROR: script returned exit code 7, in the command `echo no such" in state.message
    assert "\n    no such thing\n" in state.message
    jobs = jobs_of(state.state_details.flow_run_id, 3)
    assert {name: job.state.name for name, job in jobs.items()} == {
        "good": "Completed", "bad": "Failed", "image": "Skipped",
    }  # fmt: skip
    assert jobs["bad"].run_count == 1


TESTED = b"""
unit:
  coverage: '/TOTAL .*?(\\d+)%/'
  script:
    - echo "TOTAL 120 12 90%"
    - printf '<testsuite name="s"><testcase classname="c.A" name="ok"/><testcase classname="c.A" name="bad"><failure message="boom"/></testcase></testsuite>' > r.xml
  artifacts:
    reports: {junit: r.xml}
"""  # noqa: E501


@pytest.mark.slow
def test_tests_and_coverage_are_shown_and_recorded(house, run):
    state = run(deploy, project=house.project("demo/tested", **{".gitlab-ci.yml": TESTED}))
    assert state.is_completed(), state
    table = json.loads(artifacts_of(state.state_details.flow_run_id)["test-results"].data)
    assert [(row["test"], row["result"], row["message"]) for row in table] == [
        ("all", "2 tests: 1 passed, 1 failed", ""), ("coverage of unit", "90 %", ""), ("c.A.bad", "failed", "boom"),
    ]  # fmt: skip
    secret = house.found("Secret", "smartclide.tested.v1")
    assert decode(secret).results == {
        "passed": 1, "failed": 1, "skipped": 0, "coverage": 90.0,
        "build": {"job": "smartclide/demo/tested", "number": 1},
    }  # fmt: skip
    build = house.jenkins("job/smartclide/job/demo/job/tested/1/api/json").json()
    assert (build["keepLog"], build["description"].splitlines()[-1]) == (
        True, f"Kept while it is deployed: {house.environment}/tested",
    )  # fmt: skip
    summary = artifacts_of(state.state_details.flow_run_id)["release-tested"].data
    assert "| tests | 2: 1 passed, 1 failed |\n| coverage | 90 % |\n" in summary


ARCHIVING = b"""
make:
  script:
    - mkdir -p dist/sub
    - printf 'abc' > dist/app.tar.gz
    - printf 'not wanted' > dist/notes.txt
    - printf '%01000d' 0 > "dist/sub/big file.tar.gz"
  artifacts: {paths: [dist/]}
"""
KEPT = b"name: archiving\nartifacts: ['dist/**/*.tar.gz']\n"
SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.slow
def test_artifacts_are_listed_and_those_wanted_are_kept_with_the_release(house, run, capsys):
    files = {".gitlab-ci.yml": ARCHIVING, ".smartclide.yml": KEPT}
    state = run(deploy, project=house.project("demo/archiving", **files))
    assert state.is_completed(), state
    shown = artifacts_of(state.state_details.flow_run_id)
    filesystem, root = asyncio.run(load_environment(house.environment)).metrics.get_client()
    folder = f"{root}/builds/smartclide/demo/archiving/1"
    jenkins = f"{house.sandbox.state().jenkins_url}/job/smartclide/job/demo/job/archiving/1/artifact"
    rows = json.loads(shown["build-artifacts"].data)
    assert [row for row in rows if "image.json" not in row["file"]] == [
        {"file": f"[dist/app.tar.gz]({jenkins}/dist/app.tar.gz)", "bytes": 3,
         "kept": f"file://{folder}/artifacts/dist/app.tar.gz"},
        {"file": f"[dist/notes.txt]({jenkins}/dist/notes.txt)", "bytes": 10, "kept": ""},
        {"file": f"[dist/sub/big file.tar.gz]({jenkins}/dist/sub/big%20file.tar.gz)", "bytes": 1000,
         "kept": f"file://{folder}/artifacts/dist/sub/big file.tar.gz"},
    ]  # fmt: skip
    assert filesystem.cat(f"{folder}/artifacts/dist/app.tar.gz") == b"abc"
    assert filesystem.cat(f"{folder}/artifacts/dist/sub/big file.tar.gz") == b"0" * 1000
    assert not filesystem.exists(f"{folder}/artifacts/dist/notes.txt")
    assert shown["jenkins-log"].data == f"[whole log](file://{folder}/console.log)"
    capsys.readouterr()
    show_history(house.environment, "archiving", True)
    first = json.loads(capsys.readouterr().out)[0]["results"]["artifacts"][0]
    assert first == {
        "path": "dist/app.tar.gz", "size": 3, "sha256": SHA256_OF_ABC,
        "address": f"file://{folder}/artifacts/dist/app.tar.gz",
    }  # fmt: skip
    assert "| artifacts | `dist/app.tar.gz` (3 bytes): `file://" in shown["release-archiving"].data
