"""What a killed flow run leaves open in Prefect, and who ends it: the worker's hook, or the next run."""

import json
import os
import subprocess
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

from prefect import get_client
from prefect.states import Completed, Crashed, Paused, Running
from prefect.variables import Variable

from flows.approve import approve
from flows.deploy import deploy
from tasks.jenkins_build.leftovers import bury, end_leftovers
from tasks.jenkins_build.mirrors import gitlab_job
from tasks.logs import task_logger
from tasks.turns import Claim, TurnTimes, take_turn

QUICK = TurnTimes(renew=0.5, look=0.3, stale=6.0)


async def begun(client):
    """A deployment as its process leaves it that is killed while a job runs and a question is asked."""
    run = await client.create_flow_run(deploy, parameters={}, state=Running())
    job = await client.create_task_run(gitlab_job, run.id, "job-0", state=Running())
    ended = await client.create_task_run(gitlab_job, run.id, "job-1", state=Completed())
    stand_in = await client.create_task_run(gitlab_job, run.id, "approve-0", state=Running())
    question = await client.create_flow_run(
        approve, parameters={}, parent_task_run_id=stand_in.id, state=Paused(timeout_seconds=600)
    )
    return SimpleNamespace(run=run.id, job=job.id, ended=ended.id, question=question.id)


async def states(client, left):
    return {
        "run": (await client.read_flow_run(left.run)).state.type.value,
        "question": (await client.read_flow_run(left.question)).state.type.value,
        "job": (await client.read_task_run(left.job)).state.type.value,
        "ended": (await client.read_task_run(left.ended)).state.type.value,
    }


async def test_the_workers_hook_ends_jobs_and_questions(prefect_server):
    async with get_client() as client:
        left = await begun(client)
        run = await client.read_flow_run(left.run)
        await end_leftovers(deploy, run, Crashed())
        found = await states(client, left)
        assert found == {"run": "RUNNING", "question": "CANCELLED", "job": "CANCELLED", "ended": "COMPLETED"}
        message = (await client.read_flow_run(left.question)).state.message
        assert message == "Nobody hears the answer any more: the deployment that asked is over (Crashed)."


async def test_the_next_run_ends_what_a_killed_one_left_that_no_worker_saw(prefect_server):
    async with get_client() as client:
        left = await begun(client)
        dead = Claim("leftovers", "app", "k", str(left.run), "dead", datetime.now(UTC))
        async with take_turn(dead, "wait", 30, task_logger(), QUICK):
            pass
        await of_process(dead, os.getpid())
        async with take_turn(dead, "wait", 30, task_logger(), QUICK) as same:
            assert await same.lost() is None, "it is the same run, tried again"
        following = Claim("leftovers", "app", "k", "next", "next", datetime.now(UTC))
        async with take_turn(following, "wait", 30, task_logger(), QUICK) as turn:
            assert await turn.lost() is None, "its process lives"
        with subprocess.Popen(["true"]) as process:
            process.wait()
        async with take_turn(dead, "wait", 30, task_logger(), QUICK):
            pass
        await of_process(dead, process.pid)
        async with take_turn(following, "wait", 30, task_logger(), QUICK) as turn:
            assert await turn.lost() == left.run
            await bury(await turn.lost(), task_logger())
            assert await turn.lost() == left.run, "what crashed may have left something, too"
        found = await states(client, left)
        assert found == {"run": "CRASHED", "question": "CANCELLED", "job": "CANCELLED", "ended": "COMPLETED"}
        await client.set_flow_run_state(left.run, Completed(), force=True)
        async with take_turn(dead, "wait", 30, task_logger(), QUICK):
            pass
        async with take_turn(following, "wait", 30, task_logger(), QUICK) as turn:
            assert await turn.lost() is None, "it ended by itself"


async def of_process(claim, pid):
    """Whoever had the turn last did so in that process, and did not give it back."""
    name = claim.variable("turn")
    note = json.loads(await Variable.aget(name))
    await Variable.aset(name, json.dumps({**note, "pid": pid, "lease": str(uuid4())}), overwrite=True)
