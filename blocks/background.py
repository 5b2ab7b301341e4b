"""Work that may never end, in a thread that keeps no program from ending: it can be left, not stopped."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

_T = TypeVar("_T")


def begun(work: Callable[[], _T]) -> Future[_T]:
    """Begin `work`; ``result(timeout=...)`` waits for it, and raises TimeoutError where it takes longer."""
    done: Future[_T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return done
