"""One poller a Jenkins: all builds that a process follows there share its connections, its threads and its queue.

Followers are coroutines that sleep; only a request takes a thread, out of a few. What concerns all of them, the queue,
is asked for once.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from blocks.jenkins_server import JenkinsServer
from tasks.jenkins_build.server import Jenkins, QueueItem

P = ParamSpec("P")
T = TypeVar("T")
_THREADS = 8  # so many requests at once to one Jenkins
_FRESH = 0.5  # seconds for which one look at the queue does for everybody


class Poller:
    """One Jenkins as seen by all its followers in one event loop. Made by `polling`."""

    def __init__(self, jenkins: Jenkins) -> None:
        self.jenkins = jenkins
        self.users = 0
        self.followers = 0
        self._queued = 0
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jenkins")
        self._queue: asyncio.Task[dict[int, QueueItem]] | None = None
        self._queue_time = 0.0

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a method of `jenkins` in one of the threads."""
        call = functools.partial(method, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Count one more build that is looked at all the time."""
        self.followers += 1
        try:
            yield
        finally:
            self.followers -= 1

    @contextmanager
    def queueing(self) -> Iterator[None]:
        """Count one more build that waits in the queue."""
        self._queued += 1
        try:
            yield
        finally:
            self._queued -= 1

    async def queue_item(self, queue_id: int) -> QueueItem:
        """State of a queue item; one request for all where several wait. Errors as of `Jenkins.queue_item`."""
        if self._queued > 1:
            waiting = await self._whole_queue()
            if queue_id in waiting:
                return waiting[queue_id]
        return await self.call(self.jenkins.queue_item, queue_id)

    async def _whole_queue(self) -> dict[int, QueueItem]:
        if self._queue is None or (self._queue.done() and time.monotonic() - self._queue_time > _FRESH):
            self._queue = asyncio.ensure_future(self.call(self.jenkins.queue))
            self._queue.add_done_callback(_retrieved)
            self._queue_time = time.monotonic()
        return await asyncio.shield(self._queue)  # one follower that is cancelled takes nothing from the others

    def close(self) -> None:
        """End the threads and connections."""
        self._threads.shutdown(wait=False)
        self.jenkins.close()


def _retrieved(look: asyncio.Future[Any]) -> None:
    if not look.cancelled():
        look.exception()


_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[Any, ...], Poller]] = WeakKeyDictionary()


@asynccontextmanager
async def polling(server: JenkinsServer) -> AsyncIterator[Poller]:
    """The poller of `server` in this event loop, shared by all who use it at the same time."""
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    key = (server.url, server.username, server.api_token.get_secret_value(), server.folder, server.timeout_seconds,
           server.verify_tls, server.ca_file)  # fmt: skip
    poller = pollers.get(key) or pollers.setdefault(key, Poller(Jenkins(server)))
    poller.users += 1
    try:
        yield poller
    finally:
        poller.users -= 1
        if not poller.users:
            pollers.pop(key, None)
            poller.close()
