"""`input` steps of a running build: which of them wait, and how they are answered. A part of the adapter.

Needs the plugin pipeline-rest-api, one of those that Jenkins suggests.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from errors import ProtocolError
from tasks.jenkins_build.connection import job_path
from tasks.jenkins_build.outcome import BuildRef
from tasks.jenkins_build.server import Jenkins

ANSWER, RUN, SKIP = "ANSWER", "run", "skip"
"""The one parameter of the `input` of an optional manual job, and its choices; see `helpers.APPROVED`."""
_HIDDEN = "PasswordParameterDefinition"
_AS_IT_IS = "<DEFAULT>"  # what Jenkins' own page sends for a password that nobody typed


@dataclass(frozen=True)
class PendingInput:
    """An `input` step that waits for somebody.

    Attributes:
        id: As Jenkins' addresses have it: the first letter is a capital, whatever the Jenkinsfile says.
        message: The question.
        parameters: Default by name of what it asks for; that of a password is not told.
    """

    id: str
    message: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def optional(self) -> bool:
        """Whether it asks about an optional manual job: a "no" skips the job, and the build goes on."""
        return set(self.parameters) == {ANSWER}


def pending_inputs(jenkins: Jenkins, job: str, number: int) -> list[PendingInput]:
    """The `input` steps of a build that wait.

    Raises:
        NotFoundError: There is no such build, or Jenkins lacks the plugin.
        ProtocolError: The answer cannot be read.
    """
    what = f"the waiting inputs of build {job} #{number} (plugin pipeline-rest-api)"
    answer = jenkins.connection.send("GET", f"{job_path(job)}/{number}/wfapi/pendingInputActions", what=what)
    try:
        return [_pending(entry) for entry in json.loads(answer.content)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProtocolError(f"{jenkins} gave an unreadable list of {what}.") from error


def _pending(entry: Mapping[str, Any]) -> PendingInput:
    defaults = {str(one["name"]): _default(one) for one in entry.get("inputs") or ()}
    return PendingInput(str(entry["id"]), str(entry.get("message") or entry["id"]), defaults)


def _default(parameter: Mapping[str, Any]) -> str:
    if parameter.get("type") == _HIDDEN:
        return _AS_IT_IS
    value = (parameter.get("definition") or {}).get("defaultVal")
    return str(value).lower() if isinstance(value, bool) else str(value or "")


def proceed(jenkins: Jenkins, build: tuple[str, int], pending: PendingInput, values: Mapping[str, str]) -> None:
    """Let the build go on with these values.

    Raises:
        NotFoundError: It was answered already.
    """
    path, what = _place(build, pending)
    given = [{"name": name, "value": values.get(name, default)} for name, default in pending.parameters.items()]
    # Not by wfapi/inputSubmit, which the list of those that wait names: that fails (500) for one that was answered. Nor
    # by proceedEmpty, which does not tell the step who answered (`submitterParameter`).
    form = {"json": json.dumps({"parameter": given})}
    jenkins.connection.send("POST", f"{path}/input/{quote(pending.id, safe='')}/proceed", what=what, form=form)


def refuse(jenkins: Jenkins, build: tuple[str, int], pending: PendingInput) -> None:
    """Say no: an optional manual job is skipped; anything else ends the build (ABORTED).

    Raises:
        NotFoundError: It was answered already.
    """
    if pending.optional:
        proceed(jenkins, build, pending, {ANSWER: SKIP})
        return
    path, what = _place(build, pending)
    jenkins.connection.send("POST", f"{path}/input/{quote(pending.id, safe='')}/abort", what=what)


def _place(build: tuple[str, int], pending: PendingInput) -> tuple[str, str]:
    job, number = build
    return f"{job_path(job)}/{number}", f"the waiting input {pending.id} of build {job} #{number}"


@dataclass(frozen=True)
class Inputs:
    """The inputs of one build that runs, asked for with the patience of whoever follows it.

    Attributes:
        jenkins: Where it runs.
        ref: The build.
        patiently: Calls a function in a thread, again and again while Jenkins is out of reach.
    """

    jenkins: Jenkins
    ref: BuildRef
    patiently: Callable[..., Awaitable[Any]]

    async def look(self) -> list[PendingInput]:
        """Those that wait; errors as of `pending_inputs`."""
        found: list[PendingInput] = await self.patiently(pending_inputs, self.jenkins, *self._build)
        return found

    async def answer(self, pending: PendingInput, yes: bool, values: Mapping[str, str]) -> None:
        """Pass an answer on; `values` go with a "yes". Errors as of `proceed`."""
        if yes:
            await self.patiently(proceed, self.jenkins, self._build, pending, values)
        else:
            await self.patiently(refuse, self.jenkins, self._build, pending)

    @property
    def _build(self) -> tuple[str, int]:
        assert self.ref.number is not None  # noqa: S101 - only a build that runs asks
        return self.ref.job, self.ref.number
