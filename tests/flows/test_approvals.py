"""Manual jobs of a running build, asked as pauses of flow runs of their own, and how they end."""

import asyncio
import json
import time

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
)

from console.approvals import waiting
from flows.deploy import deploy
from flows.parameters import DeployOptions

OPTIONAL = b"""
build:
  script: [echo building]
play:
  stage: test
  when: manual
  script: [echo playing]
beside:
  stage: test
  script: ["for n in 1 2 3; do echo beside $n; sleep 0.2; done"]
"""
BLOCKING = b"""
go live:
  when: manual
  allow_failure: false
  script: [echo live]
after:
  stage: deploy
  script: [echo after]
"""
ASK = DeployOptions(manual_jobs="ask")


async def begun(house, path, **parameters):
    """A deployment that runs, once it asks something: its task and the questions."""
    parameters.setdefault("options", ASK)
    running = asyncio.create_task(deploy(project=path, environment=house.environment, return_state=True, **parameters))
    end = time.monotonic() + 60
    while time.monotonic() < end and not running.done():
        found = await asyncio.to_thread(of, path)
        if found:
            return running, found
        await asyncio.sleep(0.2)
    running.cancel()
    raise AssertionError(f"nothing was asked: {await asyncio.gather(running, return_exceptions=True)}")


def of(path):
    with get_client(sync_client=True) as client:
        return [one for one in waiting(client) if f"/{path} #" in one.build]


def questions_of(run_id):
    """The states of a deployment's questions, by question."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["approve"])),
            flow_run_filter=FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run_id])),
        )
    return {run.parameters["question"]: run.state for run in runs}


def decisions_of(run_id):
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id])), limit=200
        )
    tables = [json.loads(one.data) for one in sorted(found, key=lambda a: a.created) if one.key == "approvals"]
    return tables[-1]


def answered(run_id, question):
    """How one question of a deployment ended."""
    state = questions_of(run_id)[question]
    return state.name, state.message


def command(*arguments):
    from cli import smartclide

    smartclide.main(args=list(arguments), prog_name="smartclide", standalone_mode=False)


def console(house, path, number=1):
    return house.jenkins("/job/".join(["job/smartclide", *path.split("/")]) + f"/{number}/consoleText").text


def test_an_approved_manual_job_runs_while_the_others_go_on(house, capsys):
    path = house.project("approvals/said-yes", **{".gitlab-ci.yml": OPTIONAL})

    async def both():
        running, [question] = await begun(house, path)
        await asyncio.sleep(1.5)
        assert "beside 3" in console(house, path), "the other branch went on"
        assert "playing" not in console(house, path)
        assert (question.question, question.build) == ("Run the job play?", f"smartclide/{path} #1")
        await asyncio.to_thread(
            command, "approve", question.deployment, "--comment", "looks good", "--submitter", "ada"
        )
        return await running

    state = asyncio.run(both())
    assert state.is_completed(), state
    assert "Run the job play? (smartclide/approvals/said-yes #1): approve" in capsys.readouterr().out
    assert "\nplaying\n" in console(house, path)
    run_id = state.state_details.flow_run_id
    assert answered(run_id, "Run the job play?") == (
        "Approved", "'Run the job play?' was approved by ada (looks good)",
    )  # fmt: skip
    [row] = decisions_of(run_id)
    assert (row["decision"], row["how"], row["by"], row["comment"]) == ("approve", "answered", "ada", "looks good")
    assert of(path) == []
    command("history", "said-yes", "-e", house.environment, "--json")
    assert json.loads(capsys.readouterr().out)[0]["approvals"] == "'Run the job play?' was approved by ada (looks good)"


def test_the_form_of_the_pause_is_readable(house):
    path = house.project("approvals/form", **{".gitlab-ci.yml": OPTIONAL})

    async def both():
        running, [question] = await begun(house, path)
        async with get_client() as client:
            run = await client.read_flow_run(question.id)
            keys = run.state.state_details.run_input_keyset
            schema, description = [await client.read_flow_run_input(run.id, keys[k]) for k in ("schema", "description")]
            refused = await client.resume_flow_run(run.id, run_input={"decision": "approve", "submitter": ""})
            accepted = await client.resume_flow_run(run.id, run_input={"decision": "reject", "submitter": "bob"})
        return schema, description, refused, accepted, await running

    schema, description, refused, accepted, state = asyncio.run(both())
    schema, description = json.loads(schema), json.loads(description)
    assert {name: field["title"] for name, field in schema["properties"].items()} == {
        "decision": "Decision", "submitter": "Your name", "comment": "Comment",
    }  # fmt: skip
    assert all(field["description"] for field in schema["properties"].values())
    assert schema["properties"]["decision"]["enum"] == ["approve", "reject"]
    assert schema["required"] == ["decision", "submitter"]
    assert description.startswith("**Run the job play?** (smartclide/approvals/form #1, http")
    assert description.endswith("A no skips the job. No answer within 3600 s counts as a no.")
    assert refused.status.value == "REJECT"
    assert accepted.status.value == "ACCEPT"
    assert state.is_completed(), "an optional manual job that is refused is skipped"
    assert "gl-job name=play state=skipped" in console(house, path)
    assert answered(state.state_details.flow_run_id, "Run the job play?")[0] == "Rejected"


@pytest.mark.slow
def test_a_no_to_a_manual_job_that_must_run_ends_the_deployment_and_says_who_said_it(house):
    path = house.project("approvals/said-no", **{".gitlab-ci.yml": BLOCKING})

    async def both():
        running, [question] = await begun(house, path, options=DeployOptions())
        await asyncio.to_thread(command, "reject", question.id, "--comment", "not on Friday", "--submitter", "bob")
        return await running

    state = asyncio.run(both())
    assert state.is_failed()
    assert "was aborted" in state.message
    assert "'Run the job go live?' was rejected by bob (not on Friday)" in state.message
    assert "\nafter\n" not in console(house, path)
    assert house.found("Deployment", "said-no") is None


@pytest.mark.slow
@pytest.mark.parametrize(("how", "said"), [("proceedEmpty", "approved"), ("abort", "rejected")])
def test_an_answer_in_jenkins_ends_the_question(house, how, said):
    path = house.project(f"approvals/in-jenkins-{how.lower()}", **{".gitlab-ci.yml": BLOCKING})

    async def both():
        running, [question] = await begun(house, path, options=DeployOptions())
        state = house.sandbox.state()
        async with httpx.AsyncClient(auth=(state.jenkins_user, state.jenkins_token)) as jenkins:
            (await jenkins.post(f"{question.address}Job-1/{how}")).raise_for_status()
        return await running

    state = asyncio.run(both())
    assert state.is_completed() == (said == "approved"), state
    name, message = answered(state.state_details.flow_run_id, "Run the job go live?")
    assert name == "Answered in Jenkins"
    assert message == f"'Run the job go live?' was {said} in Jenkins by {house.sandbox.state().jenkins_user}"


@pytest.mark.slow
def test_without_an_answer_in_time_an_optional_job_is_skipped(house):
    from blocks.environment import Environment

    path = house.project("approvals/late", **{".gitlab-ci.yml": OPTIONAL})
    place = Environment.load(house.environment)
    hurried = place.model_copy(update={"approval_timeout_seconds": 2, "manual_jobs": "ask"})
    hurried.save(f"{house.environment}-hurried")
    state = asyncio.run(deploy(project=path, environment=f"{house.environment}-hurried", return_state=True))
    assert state.is_completed(), state
    assert "gl-job name=play state=skipped" in console(house, path)
    name, message = answered(state.state_details.flow_run_id, "Run the job play?")
    assert (name, message) == ("Expired", "'Run the job play?' was rejected: nobody answered in time")


@pytest.mark.slow
def test_cancelling_the_deployment_ends_its_questions_and_the_build(house):
    path = house.project("approvals/cancelled", **{".gitlab-ci.yml": BLOCKING})

    async def both():
        running, [question] = await begun(house, path, options=DeployOptions())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return question

    question = asyncio.run(both())
    states = questions_of(question.deployment)
    assert [state.name for state in states.values()] == ["Cancelled"]
    assert console(house, path).rstrip().endswith("Finished: ABORTED")


@pytest.mark.slow
def test_withdrawing_only_the_question_is_a_no(house):
    from prefect.states import Cancelling

    path = house.project("approvals/withdrawn", **{".gitlab-ci.yml": OPTIONAL})

    async def both():
        running, [question] = await begun(house, path)
        async with get_client() as client:
            await client.set_flow_run_state(question.id, Cancelling())
        return await running

    state = asyncio.run(both())
    assert state.is_completed(), state
    assert "gl-job name=play state=skipped" in console(house, path)
    name, message = answered(state.state_details.flow_run_id, "Run the job play?")
    assert (name, "cancelled in Prefect" in message) == ("Cancelled", True)


@pytest.mark.slow
def test_a_question_that_does_not_wait_is_named(house, prefect_server):
    from errors import NotFoundError

    with pytest.raises(NotFoundError, match="`smartclide approve` lists those that do"):
        command("approve", "00000000-0000-0000-0000-000000000000")
