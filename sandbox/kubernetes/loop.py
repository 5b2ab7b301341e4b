"""One thread that calls what is due: keys with a time, each at most once in the queue."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable

Key = tuple[str, str, str]
LOG = logging.getLogger("sandbox.kubernetes")


class Loop:
    """A work queue with a thread.

    Args:
        work: Called with a key; returns the seconds after which it wants to be called again, or None.
    """

    def __init__(self, work: Callable[[Key], float | None]) -> None:
        self._work = work
        self._condition = threading.Condition()
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="sandbox-kubernetes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread after what it is doing."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def add(self, key: Key, seconds: float = 0.0) -> None:
        """Have a key worked on in some seconds, or earlier when it is due earlier already."""
        at = time.monotonic() + seconds
        with self._condition:
            if key in self._due and self._due[key] <= at:
                return
            self._due[key] = at
            heapq.heappush(self._heap, (at, key))
            self._condition.notify()

    def _run(self) -> None:
        while (key := self._next()) is not None:
            try:
                again = self._work(key)
            except Exception:  # one broken object must not stop the cluster
                LOG.exception("controller failed on %s", key)
                again = 1.0
            if again is not None:
                self.add(key, again)

    def _next(self) -> Key | None:
        with self._condition:
            while not self._stopping:
                now = time.monotonic()
                while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
                    heapq.heappop(self._heap)
                if self._heap and self._heap[0][0] <= now:
                    _, key = heapq.heappop(self._heap)
                    del self._due[key]
                    return key
                self._condition.wait(self._heap[0][0] - now if self._heap else None)
        return None
