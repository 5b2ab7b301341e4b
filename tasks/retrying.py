"""One rule for retries of all tasks: by error class, with backoff and jitter. Used by every `task.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from errors import UnavailableError

_DELAYS = [1.0, 2.0, 4.0, 8.0, 15.0]


class RetryOptions(TypedDict):
    """Keyword arguments of ``@prefect.task``."""

    retries: int
    retry_delay_seconds: list[float]
    retry_jitter_factor: float
    retry_condition_fn: Callable[[Any, Any, Any], bool]


def is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a failed task run may be tried again: only when a server was at fault.

    Arguments are Prefect's ``(task, task_run, state)``; anything that is not `UnavailableError` is final.
    """
    return isinstance(state.data if isinstance(state.data, BaseException) else _exception(state), UnavailableError)


def _exception(state: Any) -> BaseException | None:
    try:
        state.result()
    except Exception as error:  # noqa: BLE001 - Prefect re-raises whatever the task raised
        return error
    return None


TRANSIENT = RetryOptions(
    retries=len(_DELAYS), retry_delay_seconds=_DELAYS, retry_jitter_factor=0.3, retry_condition_fn=is_transient
)
