"""The build queue: quiet period, blocking, coalescing, and items remembered for a while after they left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sandbox.jenkins.builds import Build, Cause, Order, now
from sandbox.jenkins.items import Job

REMEMBERED_MS = 5 * 60 * 1000  # jenkins core: Queue.leftItems expire five minutes after leaving


@dataclass(eq=False)
class QueueItem:
    """One item; `job` is None for the node step of a running pipeline, whose `why` is given."""

    id: int
    since: int
    due: int
    job: Job | None = None
    order: Order = field(default_factory=Order)
    blocked_by: str | None = None
    buildable_since: int | None = None
    why_waiting: str = ""
    stuck: bool = False
    left: int | None = None
    cancelled: bool = False
    build: Build | None = None

    @property
    def phase(self) -> str:
        """The class Jenkins shows: WaitingItem, BlockedItem, BuildableItem or LeftItem."""
        if self.left is not None:
            return "LeftItem"
        if self.job is None:
            return "BuildableItem"
        if now() < self.due:
            return "WaitingItem"
        return "BlockedItem" if self.blocked_by else "BuildableItem"

    @property
    def why(self) -> str | None:
        """The reason it waits."""
        if self.left is not None:
            return None
        if self.job is None:
            return self.why_waiting
        if now() < self.due:
            return f"In the quiet period. Expires in {_span(self.due - now())}"
        return self.blocked_by or "Waiting for next available executor"


def _span(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} sec" if milliseconds >= 1000 else f"{milliseconds} ms"


class Queue:
    """Items in order; a thread starts what is due through `start`, asking `blocker` first."""

    def __init__(self, start: Callable[[QueueItem], Build], blocker: Callable[[Job], str | None]) -> None:
        self.changed = threading.Condition()
        self._start = start
        self._blocker = blocker
        self._items: dict[int, QueueItem] = {}
        self._last_id = 0
        self._lose = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="jenkins-queue", daemon=True)
        self._thread.start()

    def schedule(self, job: Job, order: Order, delay: float) -> tuple[QueueItem, bool]:
        """A new item, or the queued one with the same parameters (False), which gains the causes."""
        with self.changed:
            for item in self._items.values():
                if item.left is None and item.job is job and _same(item.order, order):
                    item.order = replace(item.order, causes=item.order.causes + order.causes)
                    return item, False
            item = QueueItem(self._next_id(), now(), now() + int(delay * 1000), job, order)
            if self._lose:
                self._lose -= 1
            else:
                self._items[item.id] = item
            self.changed.notify_all()
            return item, True

    def add_node_step(self, why: str, *, stuck: bool) -> QueueItem:
        """The ``node`` step of a running pipeline waits for an executor."""
        with self.changed:
            item = QueueItem(self._next_id(), now(), now(), why_waiting=why, buildable_since=now(), stuck=stuck)
            self._items[item.id] = item
            return item

    def leave(self, item: QueueItem) -> None:
        """A node step got its executor, or gave up."""
        with self.changed:
            item.left = item.left or now()
            self.changed.notify_all()

    def get(self, item_id: int) -> QueueItem | None:
        """An item that waits, or left not long ago."""
        with self.changed:
            self._expire()
            return self._items.get(item_id)

    def waiting(self) -> list[QueueItem]:
        """Items in the queue, newest first as Jenkins lists them."""
        with self.changed:
            return [item for item in reversed(self._items.values()) if item.left is None]

    def of(self, job: Job) -> QueueItem | None:
        """A job's first waiting item."""
        with self.changed:
            return next((item for item in self._items.values() if item.job is job and item.left is None), None)

    def cancel(self, item_id: int) -> bool:
        """Take an item out; False when it is not waiting."""
        with self.changed:
            item = self._items.get(item_id)
            if item is None or item.left is not None:
                return False
            item.cancelled, item.left = True, now()
            self.changed.notify_all()
            return True

    def cancel_all(self, job: Job) -> None:
        """The job was deleted."""
        with self.changed:
            for item in self._items.values():
                if item.job is job and item.left is None:
                    item.cancelled, item.left = True, now()

    def lose_next(self) -> None:
        """Fault: the next item vanishes as soon as it was answered for."""
        with self.changed:
            self._lose += 1

    def forget_left(self) -> None:
        """A restart: ids of items that left are unknown from now on."""
        with self.changed:
            self._items = {key: item for key, item in self._items.items() if item.left is None}

    def close(self) -> None:
        """End the thread; nothing starts any more."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        self._thread.join(timeout=5)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _expire(self) -> None:
        old = [key for key, item in self._items.items() if item.left is not None and item.left < now() - REMEMBERED_MS]
        for key in old:
            del self._items[key]

    def _run(self) -> None:
        with self.changed:
            while not self._closed:
                self._maintain()
                self.changed.wait(self._nap())

    def _nap(self) -> float | None:
        waits = [item.due - now() for item in self._items.values() if item.job is not None and item.left is None]
        if not waits:
            return None
        return min(0.1, max(0.005, min(waits) / 1000))

    def _maintain(self) -> None:
        for item in list(self._items.values()):
            if item.job is None or item.left is not None or now() < item.due:
                continue
            item.blocked_by = self._blocker(item.job)
            item.buildable_since = item.buildable_since or now()
            if item.blocked_by is None:
                item.build = self._start(item)
                item.left = now()
                self.changed.notify_all()


def _same(one: Order, other: Order) -> bool:
    return (dict(one.parameters), one.script, one.restart) == (dict(other.parameters), other.script, other.restart)


def started_by(user: str) -> Cause:
    """The cause of a request."""
    return Cause("hudson.model.Cause$UserIdCause", f"Started by user {user}", {"userId": user, "userName": user})
