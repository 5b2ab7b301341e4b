"""Asks people what a running build asks: each `input` step that waits becomes a question, its answer goes to Jenkins.

Questions stand side by side with the build: its log and its other branches go on. Who asks how is not known here (see
`Ask`). Jenkins is looked at only when the console says that something was asked or answered, or goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from errors import NotFoundError, SmartClideError
from tasks.jenkins_build.console import Console
from tasks.jenkins_build.inputs import ANSWER, RUN, Inputs, PendingInput
from tasks.logs import Logger

_LOOKS = 5  # after a line that an input is asked: Jenkins lists it a moment later
_IDLE_LOOK = 10.0  # seconds between looks while questions are open and the console grows
_CLOSING_SECONDS = 8.0

Verdict = Literal["approve", "reject", ""]
Way = Literal["answered", "elsewhere", "expired", "withdrawn", "cancelled"]
Ended = tuple[Literal["elsewhere", "cancelled"], str]
"""How a question ended without an answer to us, and what Jenkins' console says of it."""


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        build: The build, for people.
        address: Where it can be answered in Jenkins too.
        id: Jenkins' id of the `input` step.
        text: The question.
        optional: A "no" skips the job; else it ends the build.
        values: What further is to be given, by name, with its default.
        seconds: How long the answer is waited for; then it is a "no".
    """

    build: str
    address: str
    id: str
    text: str
    optional: bool
    values: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 3600.0


@dataclass(frozen=True)
class Decision:
    """What became of a question.

    Attributes:
        question: The question's text.
        verdict: Empty when it is not known, as it was answered elsewhere.
        way: ``answered`` to us; ``elsewhere``: in Jenkins, or the build ended; ``expired``: nobody answered;
            ``withdrawn``: only the question was cancelled; ``cancelled``: all of the deployment was.
        submitter: Who decided, by their own word.
        comment: Why.
        at: When, ISO 8601, UTC.
        values: What was given beside the verdict.
    """

    question: str
    verdict: Verdict
    way: Way
    submitter: str = ""
    comment: str = ""
    at: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        said = {"approve": "approved", "reject": "rejected", "": "ended"}[self.verdict]
        how = {
            "answered": f" by {self.submitter}",
            "elsewhere": " in Jenkins" + (f" by {self.submitter}" if self.submitter else ""),
            "expired": ": nobody answered in time",
            "withdrawn": ": the question was cancelled in Prefect",
            "cancelled": ": the deployment was cancelled",
        }[self.way]
        return f"{self.question!r} was {said}{how}" + (f" ({self.comment})" if self.comment else "")


class Ask(Protocol):
    """Asks somebody, and waits."""

    async def __call__(self, question: Question, ended: asyncio.Future[Ended]) -> Decision:
        """The decision.

        Args:
            question: What is asked.
            ended: Done when no answer is wanted any more.
        """


@dataclass
class _Open:
    ended: asyncio.Future[Ended]
    task: asyncio.Task[bool]


@dataclass
class Approvals:
    """The questions of one build.

    Attributes:
        ask: Who asks.
        inputs: What the build waits for.
        seconds: How long each answer is waited for.
        log: Where it is told.
        decisions: What was decided so far.
    """

    ask: Ask
    inputs: Inputs
    seconds: float
    log: Logger
    decisions: list[Decision] = field(default_factory=list)
    _open: dict[str, _Open] = field(default_factory=dict)
    _asked: int = 0
    _answered: int = 0
    _found: int = 0
    _looks: int = 0
    _looked: float = 0.0
    _since: float | None = None
    _waited: float = 0.0

    @property
    def waited(self) -> float:
        """Seconds in which the build waited for somebody: they do not count as the build's."""
        return self._waited + (0.0 if self._since is None else time.monotonic() - self._since)

    async def see(self, console: Console) -> None:
        """The console has grown: find what is asked or was answered, if it says so."""
        if not self._is_due(console):
            return
        self._looked = time.monotonic()
        try:
            found = {pending.id: pending for pending in await self.inputs.look()}
        except NotFoundError as error:
            self.log.warning("what the build asks can only be answered in Jenkins: %s", error)
            self._looks = 0
            return
        self._compare(found, console)
        if self._found >= self._asked:
            self._looks = 0
        self._clock()

    def _is_due(self, console: Console) -> bool:
        if console.asked > self._asked:
            self._asked, self._looks = console.asked, _LOOKS
        if self._looks:
            self._looks -= 1
            return True
        if not self._open:
            self._answered = len(console.answers)
            return False
        return len(console.answers) > self._answered or time.monotonic() - self._looked > _IDLE_LOOK

    def _compare(self, found: Mapping[str, PendingInput], console: Console) -> None:
        for identifier in [one for one in self._open if self._is_over(one, found)]:
            del self._open[identifier]
        gone = [one for identifier, one in self._open.items() if identifier not in found and not one.ended.done()]
        self._end(gone, console, "elsewhere")
        for identifier in found.keys() - self._open.keys():
            self._begin(found[identifier])

    def _question(self, pending: PendingInput) -> Question:
        values = {} if pending.optional else pending.parameters
        build = self.inputs.ref
        where = f"{build.url}input/"
        return Question(str(build), where, pending.id, pending.message, pending.optional, values, self.seconds)

    def _end(self, gone: Sequence[_Open], console: Console, way: Literal["elsewhere", "cancelled"]) -> None:
        """The console does not tell which question was answered; where only one can be meant, it is that."""
        said, self._answered = console.answers[self._answered :], len(console.answers)
        for one in gone:
            one.ended.set_result((way, said[-1] if len(said) == len(gone) == 1 else ""))

    def _is_over(self, identifier: str, found: Mapping[str, PendingInput]) -> bool:
        """Whether a question is done with; the same `input` step may ask once more (a retry): that is a new one."""
        task = self._open[identifier].task
        return task.done() and (identifier not in found or (not task.exception() and task.result()))

    def _begin(self, pending: PendingInput) -> None:
        self._found += 1
        ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._decide(pending, ended))
        task.add_done_callback(self._lost)
        self._open[pending.id] = _Open(ended, task)

    def _lost(self, task: asyncio.Task[bool]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("the build's question cannot be asked here; answer it in Jenkins: %s", error)

    def _clock(self) -> None:
        now = time.monotonic()
        if self._open and self._since is None:
            self._since = now
        elif not self._open and self._since is not None:
            self._waited, self._since = self._waited + now - self._since, None

    async def _decide(self, pending: PendingInput, ended: asyncio.Future[Ended]) -> bool:
        """Ask, and pass the answer on; whether Jenkins has it."""
        decision = await self.ask(self._question(pending), ended)
        self.decisions.append(decision)
        self.log.info("%s", decision)
        if decision.way in ("elsewhere", "cancelled"):
            return True
        values = {ANSWER: RUN} if pending.optional else decision.values
        try:
            await self.inputs.answer(pending, decision.verdict == "approve", values)
        except NotFoundError:
            self.log.warning("%r was answered in Jenkins in the same moment", pending.message)
        except SmartClideError as error:
            self.log.error("the answer to %r did not reach Jenkins; give it there: %s", pending.message, error)
            return False
        return True

    async def close(self, console: Console, way: Literal["elsewhere", "cancelled"] = "elsewhere") -> None:
        """The build has ended, or is followed no more: no question stays open."""
        tasks = [one.task for one in self._open.values()]
        self._end([one for one in self._open.values() if not one.ended.done()], console, way)
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSING_SECONDS)
        for task in tasks:
            task.cancel()
        self._open.clear()
        self._clock()
