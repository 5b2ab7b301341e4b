"""Builds of running releases outlive the job's retention, whoever else deploys them, and only as long as they run."""

import logging
import time
from collections.abc import Callable, Iterator

import pytest

from tasks.jenkins_build.job_config import Retention, job_config
from tasks.jenkins_build.jobs import ensure_folders, upsert_job
from tasks.jenkins_build.outcome import BuiltBy
from tasks.jenkins_build.task import keep_running_build, retain_build

from .conftest import Running

PROJECT = "kept/app"
JOB = f"smartclide/{PROJECT}"
PATH = "job/smartclide/job/kept/job/app"
STAGING, PRODUCTION = "staging/app", "production/app"


@pytest.fixture
def build(jenkins: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Builds of a job that keeps two."""
    monkeypatch.setattr("tasks.jenkins_build.task.retain_build", retain_build.fn)  # no Prefect server runs
    ensure_folders(jenkins.client, "smartclide/kept")
    upsert_job(jenkins.client, JOB, job_config("[]", [], retention=Retention(builds=2)))

    def run() -> int:
        number = len(seen) + 1
        jenkins.client.connection.send("POST", f"{PATH}/build?delay=0sec", what="job")
        until = time.monotonic() + 10
        while time.monotonic() < until and (number not in kept(jenkins) or jenkins.client.build(JOB, number).building):
            time.sleep(0.02)
        seen.append(number)
        return number

    seen: list[int] = []
    yield run
    jenkins.client.connection.send("POST", f"{PATH}/doDelete", what="job")


def kept(jenkins: Running) -> dict[int, bool]:
    """Whether each build there is is kept for ever."""
    found = jenkins.client.connection.json(f"{PATH}/api/json?tree=allBuilds[number,keepLog]", what="job")
    return {one["number"]: one["keepLog"] for one in found["allBuilds"]}


def description(jenkins: Running, number: int) -> str:
    return str(jenkins.client.connection.json(f"{PATH}/{number}/api/json?tree=description", what="job")["description"])


async def hold(jenkins: Running, number: int | None, holder: str = PRODUCTION) -> None:
    await keep_running_build(jenkins.block, PROJECT, holder, BuiltBy(JOB, number) if number else None)


async def test_the_deployed_build_is_kept_until_another_is_deployed(jenkins: Running, build: Callable[[], int]) -> None:
    await hold(jenkins, build())
    await hold(jenkins, 1)  # the same release once more: nothing is turned over
    for _ in range(3):
        build()
    assert kept(jenkins) == {4: False, 3: False, 1: True}
    assert description(jenkins, 1) == "Kept while it is deployed: production/app"
    jenkins.server.faults.log.clear()
    await hold(jenkins, 4)
    assert kept(jenkins) == {4: True, 3: False, 1: False}
    assert len(jenkins.requests("toggleLogKeep")) == 2
    build()
    until = time.monotonic() + 10
    while 1 in kept(jenkins) and time.monotonic() < until:  # the oldest go when the newest has ended
        time.sleep(0.05)
    assert kept(jenkins) == {5: False, 4: True}


async def test_a_build_is_kept_as_long_as_one_environment_runs_it(jenkins: Running, build: Callable[[], int]) -> None:
    build()
    jenkins.client.connection.send("POST", f"{PATH}/1/submitDescription", what="", form={"description": "mine"})
    await hold(jenkins, 1, STAGING)
    await hold(jenkins, 1, PRODUCTION)
    assert description(jenkins, 1).splitlines() == [
        "mine", "Kept while it is deployed: staging/app", "Kept while it is deployed: production/app",
    ]  # fmt: skip
    await hold(jenkins, None, STAGING)
    assert kept(jenkins) == {1: True}
    await hold(jenkins, None, PRODUCTION)
    assert (kept(jenkins), description(jenkins, 1)) == ({1: False}, "mine")


async def test_what_a_person_keeps_is_left_alone(jenkins: Running, build: Callable[[], int]) -> None:
    build()
    jenkins.client.connection.send("POST", f"{PATH}/1/toggleLogKeep", what="")
    await hold(jenkins, 1)
    await hold(jenkins, build())
    assert kept(jenkins) == {2: True, 1: True}


async def test_the_flag_that_another_run_turned_over_meanwhile_is_set_again(
    jenkins: Running, build: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    build()
    send = type(jenkins.client.connection).send
    meddled = []

    def meddling(connection, method, path, **options):  # type: ignore[no-untyped-def]
        if path.endswith("toggleLogKeep") and not meddled:
            meddled.append(send(connection, method, path, **options))
        return send(connection, method, path, **options)

    monkeypatch.setattr("tasks.jenkins_build.connection.Connection.send", meddling)
    await hold(jenkins, 1)
    assert kept(jenkins) == {1: True}


async def test_a_failure_of_it_is_a_warning(
    jenkins: Running, build: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    build()
    jenkins.server.faults.add("status", "toggleLogKeep", status=403)
    with caplog.at_level(logging.WARNING, "smartclide"):
        await hold(jenkins, 1)
    assert "its log and artifacts may be discarded while it is deployed" in caplog.text
    assert kept(jenkins) == {1: False}


async def test_a_project_without_a_job_holds_nothing(jenkins: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.jenkins_build.task.retain_build", retain_build.fn)
    await keep_running_build(jenkins.block, "none/such", PRODUCTION, None)
    assert [line for line in jenkins.server.faults.log if line.startswith("POST")] == []
