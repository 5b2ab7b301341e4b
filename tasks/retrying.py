"""One rule for retries of all tasks: by error class, with backoff and jitter. Used by every `task.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

from errors import UnavailableError

_DELAYS = [1.0, 2.0, 4.0, 8.0, 15.0]
_LONGEST_WISH = 60.0  # seconds of a server's Retry-After that are honoured


class RetryOptions(TypedDict):
    """Keyword arguments of ``@prefect.task``."""

    retries: int
    retry_delay_seconds: list[float]
    retry_jitter_factor: float
    retry_condition_fn: Callable[[Any, Any, Any], Awaitable[bool]]


async def is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a failed task run may be tried again: only when a server was at fault.

    Where that server said when (``Retry-After``), its time passes here, before Prefect's own delay.

    Arguments are Prefect's ``(task, task_run, state)``; anything that is not `UnavailableError` is final.
    """
    error = state.data if isinstance(state.data, BaseException) else _exception(state)
    if not isinstance(error, UnavailableError):
        return False
    if error.retry_after:
        await asyncio.sleep(min(error.retry_after, _LONGEST_WISH))
    return True


def _exception(state: Any) -> BaseException | None:
    try:
        state.result()
    except Exception as error:  # noqa: BLE001 - Prefect re-raises whatever the task raised
        return error
    return None


TRANSIENT = RetryOptions(
    retries=len(_DELAYS), retry_delay_seconds=_DELAYS, retry_jitter_factor=0.3, retry_condition_fn=is_transient
)
