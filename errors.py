"""The errors of this project: one root, a class only where someone catches it.

The tree::

    SmartClideError                 anything this project raises on purpose
    ├── InputError                  the user's input is wrong: exit code 2, never retried
    │   └── InterpretationError     .gitlab-ci.yml has errors; carries every diagnostic
    ├── NotFoundError               a named thing is not there (project, ref, file, job, image, Environment)
    ├── AccessError                 credentials refused (401) or a permission missing (403)
    ├── ConflictError               someone else owns or holds it (409, name taken, lease held)
    │   └── SupersededError         a newer run does this one's work: the run ends as cancelled
    ├── UnavailableError            a server's fault: timeout, 429, 5xx, dropped connection; the only one retried
    ├── ProtocolError               a server answered what its API does not say
    ├── DeadlineError               a wait of ours ran out of time
    ├── BuildFailedError            Jenkins finished, and not with success; carries the outcome
    └── RolloutFailedError          Kubernetes did not get the release running; carries the cause

Messages name the place; ``remedy`` says what to do. Neither ever contains a secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# All control characters but tab and line feed, and those that turn the direction of writing.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""The text for a terminal, a log or a page: what would steer one is written out.

    >>> printable("job \x1b[2J\n")
    'job \\x1b[2J\n'
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class SmartClideError(Exception):
    """Root of the tree.

    Args:
        message: What went wrong and where, in one sentence.
        remedy: What the reader can do about it, in one sentence.
    """

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return printable(then(self.message, self.remedy) if self.remedy else self.message)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all attributes: Prefect persists exceptions of task runs."""
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


def then(message: str, further: str) -> str:
    r"""A message that goes on: on a line of its own where it ends with lines of a log.

    >>> then("It failed.", "Look."), then("It failed:\n  boom", "Look.")
    ('It failed. Look.', 'It failed:\n  boom\nLook.')
    """
    return f"{message}\n{further}" if "\n" in message else f"{message} {further}"


def _rebuild(cls: type[SmartClideError], args: tuple[object, ...], state: dict[str, object]) -> SmartClideError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class InputError(SmartClideError):
    """The user's input is wrong: a parameter, a file, a descriptor."""


class InterpretationError(InputError):
    """The pipeline definition has errors.

    Attributes:
        diagnostics: All of them, in the order of the text (`tasks.interpretation.diagnostics.Diagnostic`).
    """

    def __init__(self, message: str, *, diagnostics: Sequence[object] = (), remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.diagnostics = tuple(diagnostics)


class NotFoundError(SmartClideError):
    """A thing named by the user or by configuration does not exist, or is hidden from these credentials."""


class AccessError(SmartClideError):
    """Credentials were refused, or a permission is missing."""


class ConflictError(SmartClideError):
    """Someone else owns or holds what this step wants to change."""


class SupersededError(ConflictError):
    """A newer run takes over what this one was to do."""


class UnavailableError(SmartClideError):
    """A server failed in a way that may pass: timeout, 429, 5xx, dropped or refused connection.

    Attributes:
        retry_after: Seconds the server asked to wait, or None.
    """

    def __init__(self, message: str, *, remedy: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class ProtocolError(SmartClideError):
    """A server answered something its API does not document (HTML for JSON, a missing field)."""


class DeadlineError(SmartClideError):
    """A wait of ours ran out of time."""


class BuildFailedError(SmartClideError):
    """Jenkins finished the build without success.

    Attributes:
        outcome: The `tasks.jenkins_build.outcome.BuildOutcome`.
    """

    def __init__(self, message: str, *, outcome: object = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.outcome = outcome


class RolloutFailedError(SmartClideError):
    """Kubernetes did not get the release running.

    Attributes:
        cause: The `tasks.rollout.status.Cause` found, or None.
    """

    def __init__(self, message: str, *, cause: object = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.cause = cause
