"""One HTTP server for every stand-in: uvicorn in a thread on a loopback port, with fault injection.

Faults are set per server through `Faults` (or ``POST /__sandbox__/faults`` with the same JSON), so that every
production client can be tried against latency, errors and dropped connections without being changed.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

CONTROL = "/__sandbox__/faults"
_transports: dict[tuple[str, int], Any] = {}


@dataclass
class Fault:
    """What to do to the next `times` requests whose method and path match.

    Attributes:
        kind: ``latency`` (wait `seconds`, then answer), ``status`` (answer `status`), ``drop`` (close the connection
            without an answer), ``cut`` (close it after the headers and half of the body), ``garbage`` (200 with HTML),
            ``halve`` (half of the body, as if that were all), ``echo`` (answer `status` with the request's credentials
            wherever a client may look for a reason, as pages of proxies and debugging servers do).
        path: Regular expression searched in ``METHOD /path?query``.
        times: How many requests it applies to; -1 = all until cleared.
    """

    kind: str
    path: str = ""
    times: int = 1
    status: int = 503
    seconds: float = 1.0
    retry_after: float | None = None


@dataclass
class Faults:
    """The faults of one server, first match wins."""

    active: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, path: str = "", **options: Any) -> None:
        """Inject a fault; see `Fault`."""
        with self._lock:
            self.active.append(Fault(kind, path, **options))

    def clear(self) -> None:
        """Take all faults back."""
        with self._lock:
            self.active.clear()

    def take(self, line: str) -> Fault | None:
        """The fault for this request, used up by one."""
        with self._lock:
            self.log.append(line)
            del self.log[:-10_000]
            for fault in self.active:
                if fault.times != 0 and re.search(fault.path, line):
                    fault.times -= 1 if fault.times > 0 else 0
                    return fault
        return None


class _Protocol(H11Protocol):
    """Remembers each connection's transport, so that a fault can cut it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        _transports[transport.get_extra_info("peername")[:2]] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client:
            _transports.pop(self.client, None)
        super().connection_lost(exc)


class FaultInjection:
    """ASGI middleware that applies `Faults` in front of a stand-in."""

    def __init__(self, app: ASGIApp, faults: Faults, peers: set[tuple[str, int]]) -> None:
        self.app = app
        self.faults = faults
        self._peers = peers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or spoil it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"] == CONTROL:
            await self._control(scope, receive, send)
            return
        self._peers.add(tuple(scope["client"]))
        query = scope["query_string"].decode("latin-1")
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        fault = self.faults.take(f"{scope['method']} {raw}{'?' + query if query else ''}")
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
            await self.app(scope, receive, send)
        elif fault.kind == "status":
            extra = [(b"retry-after", str(fault.retry_after).encode())] if fault.retry_after is not None else []
            await _answer(send, fault.status, b"injected fault\n", b"text/plain", extra)
        elif fault.kind == "echo":
            await _echo(send, fault.status, scope["headers"])
        elif fault.kind == "garbage":
            await _answer(send, 200, b"<html><body>not what you asked for</body></html>", b"text/html", [])
        elif fault.kind == "drop":
            _transports[tuple(scope["client"])].abort()
            await receive()  # until uvicorn has seen the connection go
            await asyncio.sleep(0)
        elif fault.kind == "halve":
            await self.app(scope, receive, _halving(send))
        elif fault.kind == "cut":
            await self.app(scope, receive, _cutting(send, _transports[tuple(scope["client"])]))
        else:
            raise ValueError(f"unknown fault {fault.kind!r}")

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            body = b""
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
            self.faults.add(**json.loads(body))
        elif scope["method"] == "DELETE":
            self.faults.clear()
        shown = json.dumps([asdict(fault) for fault in self.faults.active]).encode()
        await _answer(send, 200, shown, b"application/json", [])


async def _answer(send: Send, status: int, body: bytes, kind: bytes, extra: list[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _echo(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
    sent = [(name, value) for name, value in headers if name in (b"authorization", b"private-token")]
    said = " ".join(f"{name.decode()}: {value.decode('latin-1')}" for name, value in sent)
    told = [(name, said.encode("latin-1")) for name in (b"x-error", b"x-required-permission", b"docker-content-digest")]
    reason = {"message": said, "error": said, "error_description": said, "errors": [{"code": said}], "data": said}
    await _answer(send, status, json.dumps(reason).encode(), b"application/json", told)


def _cutting(send: Send, transport: Any) -> Send:
    async def cut(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            return
        body = message.get("body", b"")
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        transport.close()

    return cut


def _halving(send: Send) -> Send:
    begin: Message = {}
    whole = bytearray()

    async def halve(message: Message) -> None:
        if message["type"] == "http.response.start":
            begin.update(message)
            return
        whole.extend(message.get("body", b""))
        if not message.get("more_body"):
            half = bytes(whole[: len(whole) // 2])
            kept = [(name, value) for name, value in begin["headers"] if name.lower() != b"content-length"]
            await send({**begin, "headers": [*kept, (b"content-length", str(len(half)).encode())]})
            await send({"type": "http.response.body", "body": half})

    return halve


class AppServer:
    """An ASGI application on a loopback port, in a thread of its own.

    Use as a context manager, or `start` and `stop`. A restart keeps the port: `stop`, then `start` again.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0, name: str = "stand-in") -> None:
        self.faults = Faults()
        self._peers: set[tuple[str, int]] = set()
        self.name = name
        self.port = port
        self._app = FaultInjection(app, self.faults, self._peers)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, known once started."""
        return f"http://127.0.0.1:{self.port}"

    def peers(self) -> set[tuple[str, int]]:
        """Address and port of every connection that requests came over so far."""
        return set(self._peers)

    def start(self) -> AppServer:
        """Listen; returns when the port accepts connections."""
        # the protocol named: asyncio sets TCP_NODELAY only then, and every answer would wait 40 ms without
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            log_level="warning",
            http=_Protocol,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=1,
            access_log=False,
            loop="asyncio",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name=f"sandbox-{self.name}", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"the {self.name} stand-in did not start")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=10)
        self._server = self._thread = None

    def __enter__(self) -> AppServer:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()
