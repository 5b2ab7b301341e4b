"""Watches: a stream of JSON lines from a resourceVersion on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.selectors import Matcher
from sandbox.kubernetes.status import ApiError, Object
from sandbox.kubernetes.store import Change, Store

_BOOKMARK_SECONDS = 30.0


@dataclass(frozen=True)
class Watch:
    """What a client watches.

    Attributes:
        version: resourceVersion to go on from; None = first list what is there.
        seconds: How long the stream lasts.
    """

    resource: Resource
    namespace: str
    matcher: Matcher
    version: int | None
    seconds: float
    bookmarks: bool
    render: Callable[[Object], Object] = lambda item: item

    def sees(self, change: Change) -> bool:
        """Whether a change is about this resource and namespace."""
        if change.resource.key != self.resource.key:
            return False
        return not self.namespace or change.object["metadata"].get("namespace", "") == self.namespace


async def stream(store: Store, watch: Watch, closed: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The events of a watch until its time is over or the stand-in closes."""
    loop, wake = asyncio.get_running_loop(), asyncio.Event()

    def notify(change: Change) -> None:
        if watch.sees(change) and not loop.is_closed():
            loop.call_soon_threadsafe(wake.set)

    store.listeners.append(notify)
    try:
        start, first = _first(store, watch)
        for line in first:
            yield line
        if watch.version is not None and first:
            return  # too old: the client lists again
        deadline = time.monotonic() + watch.seconds
        bookmark = time.monotonic() + _BOOKMARK_SECONDS
        while not closed() and time.monotonic() < deadline:
            wake.clear()
            for change in store.since(start):
                start = change.version
                if watch.sees(change) and (event := _event(change, watch)):
                    yield event
            if watch.bookmarks and time.monotonic() > bookmark:
                bookmark = time.monotonic() + _BOOKMARK_SECONDS
                yield _bookmark(watch, start)
            await _wait(wake, min(1.0, max(0.0, deadline - time.monotonic())))
        if watch.bookmarks and not closed():
            yield _bookmark(watch, start)
    finally:
        if notify in store.listeners:
            store.listeners.remove(notify)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def _first(store: Store, watch: Watch) -> tuple[int, list[bytes]]:
    with store.lock:
        if watch.version is not None:
            if watch.version < store.oldest:
                text = f"too old resource version: {watch.version} ({store.oldest})"
                error = ApiError(410, "Expired", text)
                return store.version, [_line("ERROR", error.body())]
            return watch.version, []
        found = [item for item in store.copies(watch.resource, watch.namespace) if watch.matcher(item)]
        return store.version, [_line("ADDED", watch.render(item)) for item in found]


def _event(change: Change, watch: Watch) -> bytes | None:
    """A change as a selector sees it: coming into view is ADDED, leaving it DELETED."""
    now = change.type != "DELETED" and watch.matcher(change.object)
    before = change.old is not None and watch.matcher(change.old)
    if not now and not before:
        return None
    kind = "MODIFIED" if now and before else "ADDED" if now else "DELETED"
    return _line(kind, watch.render(change.object))


def _bookmark(watch: Watch, version: int) -> bytes:
    metadata = {"resourceVersion": str(version), "creationTimestamp": None}
    return _line(
        "BOOKMARK", {"kind": watch.resource.kind, "apiVersion": watch.resource.api_version, "metadata": metadata}
    )


def _line(kind: str, item: Object) -> bytes:
    return json.dumps({"type": kind, "object": item}, separators=(",", ":")).encode() + b"\n"
