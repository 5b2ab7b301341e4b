"""From a job's description to the outcome of its build, through the stand-in, with what may go wrong on the way."""

import asyncio
import json
import logging
import threading
import time
from typing import Any

import pytest
from prefect import Task
from pydantic import SecretStr

from errors import BuildFailedError, ConflictError, DeadlineError, InputError, NotFoundError, UnavailableError
from tasks.jenkins_build import task
from tasks.jenkins_build.following import Limits
from tasks.jenkins_build.job_config import job_config
from tasks.jenkins_build.jobs import Credential, upsert_job
from tasks.jenkins_build.outcome import BuildOutcome, BuildRef, StageOutcome, decide
from tasks.jenkins_build.task import (
    JobSpec,
    ensure_job,
    follow_build,
    lint_jenkinsfile,
    run_build,
    trigger_build,
)
from tasks.jenkins_build.watching import Watch

from .conftest import KEY, Running

DIGEST = "sha256:" + "d" * 64
IMAGE = json.dumps({"image": "registry.example.com/group/app:aaaa", "digest": DIGEST, "commit": "a" * 40})
QUICK = Limits(queue=5, build=10, outage=5, poll=(0.02, 0.1))
Log = pytest.LogCaptureFixture


async def start(jenkins: Running, spec: JobSpec, rebuild: bool = False) -> BuildRef:
    await ensure_job.fn(jenkins.block, spec)
    return await trigger_build.fn(jenkins.block, spec, rebuild)


async def begun(jenkins: Running, ref: BuildRef) -> None:
    """Until the build has left the queue."""
    while ref.queue_id is not None and jenkins.client.queue_item(ref.queue_id).number is None:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)


async def run(jenkins: Running, spec: JobSpec, limits: Limits = QUICK) -> BuildOutcome:
    return await follow_build.fn(jenkins.block, await start(jenkins, spec), limits)


async def test_a_green_build(jenkins: Running, caplog: Log) -> None:
    caplog.set_level(logging.INFO, "smartclide")
    spec = jenkins.spec(
        ("log", "gl-job name=unit%20tests state=running"),
        ("log", "ran 12 tests: äöü"),
        ("wait", 0.2),
        ("log", "gl-job name=unit%20tests state=success"),
        ("log", "[Pipeline] stage\n[Pipeline] { (image)"),
        ("archive", IMAGE),
        project="group/green",
    )
    outcome = await run(jenkins, spec)
    assert outcome.result == "SUCCESS"
    assert outcome.ref.job == "smartclide/group/green"
    assert (outcome.ref.number, outcome.ref.attempt, outcome.ref.build_key) == (1, 1, KEY)
    assert outcome.ref.url == f"{jenkins.server.url}/job/smartclide/job/group/job/green/1/"
    assert [(stage.name, stage.status) for stage in outcome.stages] == [("unit tests", "success"), ("image", "success")]
    assert (outcome.image, outcome.digest) == ("registry.example.com/group/app:aaaa", DIGEST)
    assert outcome.duration_seconds >= 0.2
    assert outcome.failure is None
    shown = "\n".join(caplog.messages)
    assert "ran 12 tests: äöü" in shown
    assert "unit tests: running" in shown and "unit tests: success" in shown
    assert "[Pipeline]" not in shown and "gl-job" not in shown


async def test_a_red_build_says_which_job_and_why(jenkins: Running) -> None:
    spec = jenkins.spec(
        ("log", "gl-job name=build state=running"),
        ("log", "+ make\nmake: *** No targets.  Stop."),
        ("log", "ERROR: script returned exit code 2"),
        ("log", "gl-job name=build state=failed"),
        ("log", "gl-job name=test state=skipped"),
        ("log", 'Stage "image" skipped due to earlier failure(s)'),
        ("end", "FAILURE"),
        project="group/red",
    )
    with pytest.raises(BuildFailedError) as caught:
        await run(jenkins, spec)
    assert str(caught.value).startswith(
        "Build smartclide/group/red #1 failed in job 'build': ERROR: script returned exit code 2."
    )
    assert "\n    make: *** No targets.  Stop.\n" in str(caught.value)
    assert str(caught.value).endswith(f"See {jenkins.server.url}/job/smartclide/job/group/job/red/1/console")
    outcome = caught.value.outcome
    assert isinstance(outcome, BuildOutcome)
    assert outcome.stages == (
        StageOutcome("build", "failed"), StageOutcome("test", "skipped"), StageOutcome("image", "skipped"),
    )  # fmt: skip


async def test_an_allowed_failure_is_no_failure(jenkins: Running) -> None:
    spec = jenkins.spec(
        ("log", "gl-job name=lint state=running"),
        ("log", "gl-job name=lint state=unstable"),
        ("end", "UNSTABLE"),
    )
    outcome = await run(jenkins, spec)
    assert outcome.result == "UNSTABLE"
    assert outcome.stages == (StageOutcome("lint", "unstable"),)
    assert (outcome.image, outcome.digest) == (None, None)


async def test_a_second_click_finds_the_build_while_it_runs_and_after_it_passed(jenkins: Running) -> None:
    spec = jenkins.spec(("wait", 0.3), ("archive", IMAGE))
    first = await start(jenkins, spec)
    second = await start(jenkins, spec)
    assert (second.attempt, second.queue_id) == (1, first.queue_id)
    await follow_build.fn(jenkins.block, first, QUICK)
    third = await start(jenkins, spec)
    assert (third.number, third.attempt) == (1, 1)
    outcome = await follow_build.fn(jenkins.block, third, QUICK)
    assert outcome.digest == DIGEST
    assert len(jenkins.requests("buildWithParameters")) == 1


async def test_the_console_of_a_build_found_again_is_not_shown_again(jenkins: Running, caplog: Log) -> None:
    spec = jenkins.spec(("log", "gl-job name=a state=running\nonce\ngl-job name=a state=success"))
    await run(jenkins, spec)
    caplog.set_level(logging.INFO, "smartclide")
    outcome = await run(jenkins, spec)
    assert [stage.name for stage in outcome.stages] == ["a"]
    assert "once" not in "\n".join(caplog.messages)


async def test_red_and_rebuilt_builds_make_new_attempts(jenkins: Running) -> None:
    red = jenkins.spec(("end", "FAILURE"))
    with pytest.raises(BuildFailedError):
        await run(jenkins, red)
    again = await start(jenkins, red)
    assert again.attempt == 2
    with pytest.raises(BuildFailedError):
        await follow_build.fn(jenkins.block, again, QUICK)
    green = jenkins.spec(("wait", 0.1))
    await run(jenkins, green)
    rebuilt = await start(jenkins, green, rebuild=True)
    assert rebuilt.attempt == 2
    assert (await start(jenkins, green, rebuild=True)).attempt == 2  # still running: joined
    assert (await follow_build.fn(jenkins.block, rebuilt, QUICK)).ref.number == 2


async def test_another_key_is_another_build(jenkins: Running) -> None:
    spec = jenkins.spec(project="group/keys")
    await run(jenkins, spec)
    other = jenkins.spec(project="group/keys", key="f" * 32)
    assert (await run(jenkins, other)).ref.number == 2


@pytest.mark.parametrize("kind", ["drop", "cut", "status"])
async def test_a_lost_answer_to_the_trigger_makes_no_second_build(jenkins: Running, kind: str) -> None:
    spec = jenkins.spec(("wait", 0.2))
    await ensure_job.fn(jenkins.block, spec)
    if kind == "cut":  # the request arrives, its answer does not
        jenkins.server.faults.add("cut", "buildWithParameters")
    else:
        jenkins.server.faults.add(kind, "buildWithParameters")
    ref = await trigger_build.fn(jenkins.block, spec)
    outcome = await follow_build.fn(jenkins.block, ref, QUICK)
    assert (outcome.ref.number, outcome.ref.attempt) == (1, 1)
    with pytest.raises(NotFoundError):
        jenkins.client.build(ref.job, 2)


async def test_faults_while_following_are_borne(jenkins: Running, caplog: Log) -> None:
    spec = jenkins.spec(("log", "line one"), ("wait", 1.0), ("log", "line two"), ("archive", IMAGE))
    ref = await start(jenkins, spec)
    for kind in ("drop", "status", "cut"):
        jenkins.server.faults.add(kind, "GET /job/.*(progressiveHtml|api/json)", times=1)
    jenkins.server.faults.add("status", "image.json", status=502)
    caplog.set_level(logging.INFO, "smartclide")
    outcome = await follow_build.fn(jenkins.block, ref, QUICK)
    assert outcome.digest == DIGEST
    shown = "\n".join(caplog.messages)
    assert shown.count("line one") == 1 and shown.count("line two") == 1
    assert "is back after" in shown


async def test_a_restart_of_jenkins_is_borne(jenkins: Running) -> None:
    ref = await start(jenkins, jenkins.spec(("wait", 1.0), ("log", "gl-job name=a state=success")))
    follower = asyncio.create_task(follow_build.fn(jenkins.block, ref, QUICK))
    await begun(jenkins, ref)
    jenkins.standin.restart(0.4)
    assert [stage.name for stage in (await follower).stages] == ["a"]


async def test_an_outage_has_its_limit(jenkins: Running) -> None:
    ref = await start(jenkins, jenkins.spec(("wait", 0.1)))
    jenkins.server.faults.add("status", "", times=-1)
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await follow_build.fn(jenkins.block, ref, Limits(outage=0.5, poll=(0.02, 0.1)))
    assert 0.4 < time.monotonic() - began < 4


async def test_a_lost_queue_item_is_triggered_again(jenkins: Running) -> None:
    spec = jenkins.spec(("archive", IMAGE))
    jenkins.standin.lose_next_queue_item()
    outcome = await _unwrapped_run_build(jenkins, spec)
    assert (outcome.digest, outcome.ref.attempt) == (DIGEST, 1)
    assert len(jenkins.requests("buildWithParameters")) == 2


async def test_a_build_stopped_by_its_guard_is_tried_again(jenkins: Running) -> None:
    spec = jenkins.spec(("archive", IMAGE), project="group/guarded")
    rewritten = jenkins.spec(
        ("log", "ERROR: job was rewritten for another commit"), ("end", "FAILURE"), project="group/guarded"
    )
    await ensure_job.fn(jenkins.block, rewritten)
    ref = await trigger_build.fn(jenkins.block, spec)
    with pytest.raises(BuildFailedError, match="was rewritten for another commit meanwhile") as caught:
        await follow_build.fn(jenkins.block, ref, QUICK)
    assert isinstance(caught.value.outcome, BuildOutcome) and caught.value.outcome.rewritten
    outcome = await _unwrapped_run_build(jenkins, spec)
    assert (outcome.ref.attempt, outcome.digest) == (2, DIGEST)


async def test_why_it_waits_is_shown_and_has_a_deadline(jenkins: Running, caplog: Log) -> None:
    caplog.set_level(logging.INFO, "smartclide")
    config = job_config(json.dumps([("wait", 20)]), jenkins.parameters, concurrent=False)
    jenkins.client.connection.send("GET", "whoAmI/api/json", what="x")
    upsert_job(jenkins.client, "blocked", config)
    jenkins.client.trigger("blocked", {"BUILD_KEY": f"{'e' * 32}-1"})
    item = jenkins.client.trigger("blocked", {"BUILD_KEY": f"{KEY}-1"})
    ref = BuildRef("blocked", item, None, "http://x/", KEY)
    with pytest.raises(
        DeadlineError, match=r"did not leave Jenkins' queue within 1 s: Build #1 is already in progress"
    ):
        await follow_build.fn(jenkins.block, ref, Limits(queue=0.6, poll=(0.05, 0.1)))
    assert jenkins.client.queue_item(item).cancelled
    assert any("blocked waits: Build #1 is already in progress" in message for message in caplog.messages)
    jenkins.client.stop("blocked", 1)


async def test_a_cancelled_queue_item(jenkins: Running) -> None:
    config = job_config(json.dumps([("wait", 20)]), jenkins.parameters, concurrent=False)
    upsert_job(jenkins.client, "waiting", config)
    jenkins.client.trigger("waiting", {"BUILD_KEY": f"{'e' * 32}-1"})
    item = jenkins.client.trigger("waiting", {"BUILD_KEY": f"{KEY}-1"})
    follower = asyncio.create_task(
        follow_build.fn(jenkins.block, BuildRef("waiting", item, None, "http://x/", KEY), QUICK)
    )
    await asyncio.sleep(0.3)
    jenkins.client.cancel(item)
    with pytest.raises(BuildFailedError, match=r"Somebody took waiting .queue item .* out of Jenkins' queue"):
        await follower
    jenkins.client.stop("waiting", 1)


async def test_a_build_that_takes_too_long_is_stopped(jenkins: Running) -> None:
    ref = await start(jenkins, jenkins.spec(("log", "busy"), ("wait", 30)))
    with pytest.raises(DeadlineError, match="did not end within 1 s, and was stopped"):
        await follow_build.fn(jenkins.block, ref, Limits(build=0.6, poll=(0.05, 0.1)))
    assert jenkins.client.build(ref.job, 1).result == "ABORTED"


async def test_a_build_that_writes_nothing_is_stopped(jenkins: Running) -> None:
    ref = await start(jenkins, jenkins.spec(("log", "gl-job name=slow state=running\nbusy"), ("wait", 30)))
    with pytest.raises(
        DeadlineError, match=r"wrote nothing for 1 s, and was stopped\. Then job 'slow' was running\."
    ) as caught:
        await follow_build.fn(jenkins.block, ref, Limits(silence=0.6, poll=(0.05, 0.1)))
    assert "silence timeout" in str(caught.value)
    assert jenkins.client.build(ref.job, 1).result == "ABORTED"


async def test_waiting_for_an_agent_is_no_silence(jenkins: Running, caplog: Log) -> None:
    caplog.set_level(logging.INFO, "smartclide")
    told = "Still waiting to schedule task\n\u2018Jenkins\u2019 doesn\u2019t have label \u2018gpu\u2019"
    ref = await start(jenkins, jenkins.spec(("log", told), ("wait", 1.5), ("log", "Running on gpu-1 in /w")))
    outcome = await follow_build.fn(jenkins.block, ref, Limits(silence=0.5, poll=(0.05, 0.1)))
    assert outcome.result == "SUCCESS"
    waits = "the build waits for an agent: \u2018Jenkins\u2019 doesn\u2019t have label \u2018gpu\u2019"
    assert waits in caplog.messages


async def test_cancelling_stops_the_build(jenkins: Running) -> None:
    ref = await start(jenkins, jenkins.spec(("wait", 30)))
    follower = asyncio.create_task(follow_build.fn(jenkins.block, ref, QUICK))
    await begun(jenkins, ref)
    follower.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower
    state = jenkins.client.build(ref.job, 1)
    assert (state.building, state.result) == (False, "ABORTED")


async def test_cancelling_again_does_not_cut_the_stop_off(jenkins: Running) -> None:
    ref = await start(jenkins, jenkins.spec(("wait", 30)))
    follower = asyncio.create_task(follow_build.fn(jenkins.block, ref, QUICK))
    await begun(jenkins, ref)
    for _ in range(3):  # as a signal does: from the flow, from the turn, from the end of the loop
        follower.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await follower
    assert jenkins.client.build(ref.job, 1).result == "ABORTED"


def test_a_loop_that_ends_waits_for_the_stop(jenkins: Running) -> None:
    refs: list[BuildRef] = []

    async def interrupted() -> None:
        refs.append(ref := await start(jenkins, jenkins.spec(("wait", 30))))
        follower = asyncio.create_task(follow_build.fn(jenkins.block, ref, QUICK))
        await begun(jenkins, ref)
        follower.cancel()
        await asyncio.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(interrupted())
    assert jenkins.client.build(refs[0].job, 1).result == "ABORTED"


async def test_a_build_that_resists_stop_is_killed(jenkins: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.jenkins_build.stopping.STEPS", (("stop", 0.2), ("term", 0.2), ("kill", 4.0)))
    ref = await start(jenkins, jenkins.spec(("resist", None)))
    follower = asyncio.create_task(follow_build.fn(jenkins.block, ref, QUICK))
    await begun(jenkins, ref)
    follower.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower
    assert jenkins.client.build(ref.job, 1).building is False
    assert [line.rpartition("/")[2] for line in jenkins.requests("POST /job/smartclide")][-3:] == [
        "stop", "term", "kill",
    ]  # fmt: skip


async def test_runs_at_the_same_moment_make_one_build(jenkins: Running) -> None:
    spec = jenkins.spec(("wait", 0.3), ("archive", IMAGE))
    await ensure_job.fn(jenkins.block, spec)
    others = [jenkins.block.model_copy(update={"timeout_seconds": 5.0 + number}) for number in range(4)]
    refs = await asyncio.gather(*(trigger_build.fn(block, spec) for block in others))
    outcomes = await asyncio.gather(*(follow_build.fn(jenkins.block, ref, QUICK) for ref in refs))
    assert [(outcome.ref.number, outcome.digest) for outcome in outcomes] == [(1, DIGEST)] * 4
    assert len(jenkins.requests("buildWithParameters")) == 4, "all four found none before the first was there"
    assert jenkins.client.recent_builds(refs[0].job).known[0].number == 1


@pytest.mark.parametrize("end", ["SUCCESS", "FAILURE"])
async def test_of_two_builds_that_jenkins_did_not_make_one_the_later_gives_way(jenkins: Running, end: str) -> None:
    spec = jenkins.spec(("wait", 2.0), ("archive", IMAGE), ("end", end))
    await ensure_job.fn(jenkins.block, spec)
    jenkins.server.faults.add(
        "latency", "buildWithParameters", seconds=1.8
    )  # the first item leaves the queue meanwhile
    refs = await asyncio.gather(trigger_build.fn(jenkins.block, spec), trigger_build.fn(jenkins.block, spec))
    assert {jenkins.client.queue_item(ref.queue_id).cancelled for ref in refs if ref.queue_id} == {False}
    followed = (follow_build.fn(jenkins.block, ref, QUICK) for ref in refs)
    ends = await asyncio.gather(*followed, return_exceptions=True)
    found = [found if isinstance(found, BuildOutcome) else getattr(found, "outcome", None) for found in ends]
    assert [(outcome.ref.number, outcome.result) for outcome in found if outcome] == [(1, end), (1, end)]
    job = refs[0].job
    assert jenkins.client.build(job, 2).result == "ABORTED"
    known = jenkins.client.find_builds(job)
    assert decide(known, KEY) == ((1, known[1]) if end == "SUCCESS" else (2, None))


async def test_builds_side_by_side_share_threads_connections_and_looks_at_the_queue(jenkins: Running) -> None:
    blocker = job_config(json.dumps([("wait", 3)]), jenkins.parameters, concurrent=False)
    refs = []
    for number in range(20):
        upsert_job(jenkins.client, f"side{number}", blocker)
        jenkins.client.trigger(f"side{number}", {"BUILD_KEY": f"{'e' * 32}-1"})
        item = jenkins.client.trigger(f"side{number}", {"BUILD_KEY": f"{KEY}-1"})
        refs.append(BuildRef(f"side{number}", item, None, "http://x/", KEY))
    jenkins.server.faults.log.clear()
    peers = jenkins.server.peers()
    threads = set()

    async def watch() -> None:
        while True:
            threads.update(each.name for each in threading.enumerate() if each.name.startswith("jenkins_"))
            await asyncio.sleep(0.05)

    watcher = asyncio.create_task(watch())
    outcomes = await asyncio.gather(*(follow_build.fn(jenkins.block, ref, Limits(poll=(0.3, 1.0))) for ref in refs))
    watcher.cancel()
    assert {outcome.result for outcome in outcomes} == {"SUCCESS"}
    assert 1 <= len(threads) <= 8
    assert len(jenkins.server.peers() - peers) <= 8
    looks = len(jenkins.requests("GET /queue/"))
    assert looks < 45, "20 builds of which each looks at the queue about eight times"


async def test_a_build_with_jobs_to_come_is_looked_at_less_often(jenkins: Running) -> None:
    async def looks(state: str, jobs: int) -> int:
        spec = jenkins.spec(("log", f"gl-job name=build state={state}"), ("wait", 2.0), ("archive", IMAGE))
        ref = await start(jenkins, spec)
        outcome = await follow_build.fn(jenkins.block, ref, Limits(poll=(0.1, 2.5)), watch=Watch(jobs))
        return len(jenkins.requests(f"GET {outcome.ref.url.removeprefix(jenkins.server.url)}logText"))

    far, near, failed = await asyncio.gather(looks("running", 2), looks("running", 1), looks("failed", 2))
    assert 1 < far < min(near, failed)


async def test_preparing_a_job_twice_writes_once(jenkins: Running) -> None:
    secret = Credential("gitlab-example", "oauth2", SecretStr("s3cret-t0ken"))
    spec = jenkins.spec(project="deep/er/app", credentials=(secret,))
    assert await ensure_job.fn(jenkins.block, spec) == "smartclide/deep/er/app"
    jenkins.server.faults.log.clear()
    assert await ensure_job.fn(jenkins.block, spec) == "smartclide/deep/er/app"
    assert jenkins.requests("config.xml") == [
        "POST /job/smartclide/credentials/store/folder/domain/_/credential/gitlab-example/config.xml",
        "GET /job/smartclide/job/deep/job/er/job/app/config.xml",
    ]
    assert "s3cret-t0ken" not in repr(spec)


async def test_a_foreign_job_is_a_conflict(jenkins: Running) -> None:
    spec = jenkins.spec(project="theirs")
    await ensure_job.fn(jenkins.block, spec)
    foreign = spec.config.replace("Managed by smartclide: changes made here are lost.", "Mine.")
    jenkins.client.connection.send("POST", "job/smartclide/job/theirs/config.xml", what="job", xml=foreign)
    with pytest.raises(ConflictError):
        await ensure_job.fn(jenkins.block, spec)


async def test_linting(jenkins: Running) -> None:
    stages = "  stages {\n    stage('a') {\n      steps {\n        echo 'x'\n      }\n    }\n  }\n}\n"
    await lint_jenkinsfile.fn(jenkins.block, "pipeline {\n  agent any\n" + stages)
    with pytest.raises(InputError, match='Missing required section "agent"'):
        await lint_jenkinsfile.fn(jenkins.block, "pipeline {\n" + stages)


async def test_logs_of_many_lines_arrive_whole(jenkins: Running, caplog: Log) -> None:
    caplog.set_level(logging.INFO, "smartclide")
    lines = [f"line {number} ü" for number in range(3000)]
    await run(jenkins, jenkins.spec(("log", "\n".join(lines))))
    shown = "\n".join(caplog.messages).splitlines()
    assert [line for line in shown if line.startswith("line ")] == lines


async def _unwrapped_run_build(jenkins: Running, spec: JobSpec) -> BuildOutcome:
    return await run_build(jenkins.block, spec, QUICK)


@pytest.fixture(autouse=True)
def _plain_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`run_build` calls tasks: here their functions, since no Prefect server runs."""
    for name, found in list(vars(task).items()):
        if isinstance(found, Task):
            monkeypatch.setattr(task, name, _Plain(found.fn))


class _Plain:
    def __init__(self, fn: Any) -> None:
        self.fn = fn

    async def __call__(self, *arguments: Any) -> Any:
        return await self.fn(*arguments)
