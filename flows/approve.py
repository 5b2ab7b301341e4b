"""The `approve` flow: one question of a running Jenkins build, as a pause that people answer.

It is no flow to be started by hand: `deploy` runs one beside the build for each `input` step that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed
from pydantic import Field, create_model

from errors import SmartClideError, printable
from tasks import markdown
from tasks.jenkins_build.approvals import Decision, Ended, Question, Verdict, Way

APPROVE = "approve"
_MARGIN_SECONDS = 120  # Prefect's own deadline of a pause: after ours, as it makes the run a failed one
_POLL_SECONDS = 2
_WITHDRAWN_LOOK_SECONDS = 5.0
_NAMES: Mapping[tuple[Way, Verdict], str] = {
    ("answered", "approve"): "Approved",
    ("answered", "reject"): "Rejected",
    ("expired", "reject"): "Expired",
}


class Answer(RunInput):
    """The form of the pause."""

    decision: Literal["approve", "reject"] = Field(
        title="Decision", description="approve: the build goes on. reject: see above what happens then."
    )
    submitter: str = Field(title="Your name", description="Who decides; kept with the release.", min_length=1)
    comment: str = Field("", title="Comment", description="Why; kept with the release.")


class AnswerWithValues(Answer):
    """The form where the build wants to know more than yes or no."""

    values: dict[str, str] = Field({}, title="Parameters", description="What the build asks for, by name.")


def form(question: Question, description: str) -> type[Answer]:
    """The form of a question; Prefect shows the description above it."""
    if not question.values:
        return Answer.with_initial_data(description=description)
    field = AnswerWithValues.model_fields["values"]
    default = Field(dict(question.values), title=field.title, description=field.description)
    made = create_model("Answer", __base__=AnswerWithValues, values=(dict[str, str], default))
    made._description = description
    return made


@dataclass
class _Wait:
    question: Question
    ended: asyncio.Future[Ended]
    decision: Decision | None = None


_waits: ContextVar[_Wait] = ContextVar("approval")


@flow(name=APPROVE, flow_run_name="{question} {build}", description="A question of a running Jenkins build.")
async def approve(question: str, build: str, address: str, consequence: str, seconds: float) -> State[Any]:
    """Wait for an answer.

    Args:
        question: What the build asks.
        build: The Jenkins build.
        address: Where it can be answered in Jenkins too.
        consequence: What a "no" means.
        seconds: How long the answer is waited for.

    Returns:
        A state named Approved, Rejected, Expired, Answered in Jenkins or Cancelled.
    """
    wait = _waits.get()
    asked, where = markdown.plain(question), markdown.plain(build)
    wait.decision = decision = await _decide(wait, f"**{asked}** ({where}, {address}) {consequence}", seconds)
    if decision.way in ("withdrawn", "cancelled"):
        return Cancelled(message=str(decision))
    name = _NAMES.get((decision.way, decision.verdict), "Answered in Jenkins")
    return Completed(name=name, message=str(decision))


async def _decide(wait: _Wait, description: str, seconds: float) -> Decision:
    pause = asyncio.ensure_future(_pause(form(wait.question, description), seconds))
    withdrawn = asyncio.ensure_future(_withdrawn())
    try:
        any_of: set[asyncio.Future[Any]] = {pause, withdrawn, wait.ended}
        await asyncio.wait(any_of, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return _read(wait, pause, withdrawn)
    except asyncio.CancelledError:  # the deployment is: its build is stopped by whoever follows it
        return _decision(wait.question, "reject", "cancelled")
    finally:
        for one in (pause, withdrawn):
            one.cancel()
        await asyncio.wait({pause, withdrawn})


def _read(wait: _Wait, pause: asyncio.Future[Answer], withdrawn: asyncio.Future[None]) -> Decision:
    if pause.done():
        answer = pause.result()
        values = answer.values if isinstance(answer, AnswerWithValues) else {}
        by = (answer.submitter, answer.comment)
        return _decision(wait.question, answer.decision, "answered", by, values)
    if wait.ended.done():
        way, said = wait.ended.result()
        verb, _, who = said.partition(" by ")
        verdict: Verdict = "approve" if verb == "Approved" else "reject" if verb == "Rejected" else ""
        return _decision(wait.question, "reject" if way == "cancelled" else verdict, way, (who, ""))
    if withdrawn.done():
        withdrawn.result()
        return _decision(wait.question, "reject", "withdrawn")
    return _decision(wait.question, "reject", "expired")


def _decision(
    question: Question,
    verdict: Verdict,
    way: Way,
    by: tuple[str, str] = ("", ""),
    values: Mapping[str, str] = {},
) -> Decision:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Decision(question.text, verdict, way, *by, at, dict(values))


async def _pause(asked: type[Answer], seconds: float) -> Answer:
    return await apause_flow_run(
        wait_for_input=asked, timeout=int(seconds) + _MARGIN_SECONDS, poll_interval=_POLL_SECONDS
    )


async def _withdrawn() -> None:
    """Until this run is cancelled in the UI: nobody else would notice, as it has no process of its own."""
    async with get_client() as client:
        while True:
            await asyncio.sleep(_WITHDRAWN_LOOK_SECONDS)
            state = (await client.read_flow_run(flow_run.id)).state
            if state is not None and (state.is_cancelling() or state.is_cancelled()):
                return


@dataclass
class Approver:
    """Asks by the `approve` flow; a `tasks.jenkins_build.approvals.Ask`.

    Attributes:
        decisions: What was decided, in order.
    """

    decisions: list[Decision] = field(default_factory=list)

    async def __call__(self, question: Question, ended: asyncio.Future[Ended]) -> Decision:
        """Run the flow beside the build."""
        no = "A no skips the job." if question.optional else "A no ends the build, and with it the deployment."
        late = f"No answer within {question.seconds:.0f} s counts as a no."
        get_run_logger().warning(
            "waits for approval: %s %s %s Answer in the UI (the paused run %r), by `smartclide approve`, or at %s",
            printable(question.text), no, late, APPROVE, question.address,
        )  # fmt: skip
        wait = _Wait(question, ended)
        token = _waits.set(wait)
        try:
            terms = (question.text, question.build, question.address, f"{no} {late}", question.seconds)
            state = await approve(*terms, return_state=True)
        finally:
            _waits.reset(token)
        if wait.decision is None:
            raise SmartClideError(f"The question {question.text!r} cannot be asked in Prefect: {state.message}")
        self.decisions.append(wait.decision)
        await self._publish()
        return wait.decision

    async def _publish(self) -> None:
        rows = [
            {
                "question": decision.question,
                "decision": decision.verdict,
                "how": decision.way,
                "by": decision.submitter,
                "comment": decision.comment,
                "when": decision.at,
            }
            for decision in self.decisions
        ]
        await acreate_table_artifact(rows, key="approvals", description="What people were asked, and decided.")

    @property
    def summary(self) -> str:
        """What people let happen, for the release's record."""
        return "; ".join(str(decision) for decision in self.decisions)
