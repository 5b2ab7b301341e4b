"""The interpreter over HTTP: ``POST /api/v1/pipeline/jenkins`` turns a .gitlab-ci.yml into a Jenkinsfile.

Consumes the multipart field ``file``; produces the Jenkinsfile as a download. It reads no file and opens no connection
for includes, unless it was started so. Imports neither Prefect nor pandas.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, TypeVar

import click
import uvicorn
from msgspec import to_builtins
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from console.including import checked_address
from console.interpret import Interpreted, InterpretOptions, interpret_text, paths_below
from console.interpreter_api import PATH, describe, page
from console.interpreter_requests import Posted, RefusedError, read_body, read_request
from errors import InputError, InterpretationError, SmartClideError
from tasks.interpretation.diagnostics import Diagnostic
from tasks.remote_interpretation.exchange import SERVICE, Order, carry_out
from tasks.source.model import CI_FILE

_DRAIN_SECONDS = 10
T = TypeVar("T")


@dataclass(frozen=True)
class ServiceOptions:
    """What the service may do, and how much.

    Attributes:
        files: Folder that local includes are read from; None = none is read.
        gitlab_url, gitlab_token, templates, allow_remote: As in `InterpretOptions`.
        max_bytes: Largest request.
        max_seconds: Longest time to send a request, and longest time to interpret one.
        at_once: How many are interpreted side by side.
    """

    files: Path | None = None
    gitlab_url: str | None = None
    gitlab_token: str | None = field(default=None, repr=False)
    templates: Path | None = None
    allow_remote: bool = False
    max_bytes: int = 2**20
    max_seconds: float = 30.0
    at_once: int = 4

    def includes(self) -> dict[str, Any]:
        """What of them `InterpretOptions` takes."""
        names = ("gitlab_url", "gitlab_token", "templates", "allow_remote")
        return {name: getattr(self, name) for name in names}


def application(options: ServiceOptions | None = None) -> Starlette:
    """The service as an ASGI application."""
    service = _Service(options or ServiceOptions())
    return Starlette(
        routes=[
            Route(PATH, service.pipeline, methods=["POST"]),
            Route("/healthz", service.health),
            Route("/openapi.json", service.openapi),
            Route("/docs", service.docs),
        ]
    )


def serve(host: str, port: int, options: ServiceOptions) -> None:
    """Serve until interrupted; requests that have begun get ten seconds to end.

    Raises:
        InputError: The address of the GitLab is malformed, or the address to listen on cannot be had.
    """
    if options.gitlab_url:
        checked_address(options.gitlab_url)
    listener = _listener(host, port)
    app, drain = application(options), _DRAIN_SECONDS
    place = f"[{host}]" if ":" in host else host
    click.echo(f"Listening at http://{place}:{port}/api/v1/pipeline/jenkins, described at /docs.", err=True)
    config = uvicorn.Config(app, log_level="info", lifespan="off", timeout_graceful_shutdown=drain)
    uvicorn.Server(config).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]  # Python adds the address it has just been told
        raise InputError(
            f"Cannot listen on {host} port {port}: {why}.", remedy="Give another --host or --port."
        ) from error


class _Service:
    def __init__(self, options: ServiceOptions) -> None:
        self.options = options
        self.slots = BoundedSemaphore(options.at_once) if options.at_once > 0 else None

    async def pipeline(self, request: Request) -> Response:
        as_json = request.query_params.get("diagnostics") == "json"
        try:
            body = await read_body(request, self.options.max_bytes, self.options.max_seconds)
            posted = read_request(request.headers.get("content-type", ""), body, request.query_params.multi_items())
            if posted.order is not None:
                return await self.work(partial(_carried_out, posted.order))
            return _answer(await self.work(lambda: _interpret(posted, self.options)), posted)
        except RefusedError as error:
            return _refusal(str(error), error.status, as_json, error.headers)

    async def work(self, work: Callable[[], T]) -> T:
        """Run it in a thread, within the limits."""
        if self.slots is None or not self.slots.acquire(blocking=False):
            message = f"{self.options.at_once} interpretations are running; try again."
            raise RefusedError(503, message, {"Retry-After": "1"})
        # the slot is given back by the thread, which goes on to its end after a timeout
        running = asyncio.create_task(asyncio.to_thread(_holding, self.slots, work))
        try:
            return await asyncio.wait_for(asyncio.shield(running), self.options.max_seconds)
        except TimeoutError:
            running.add_done_callback(lambda done: done.exception())
            message = f"The interpretation took longer than {self.options.max_seconds:g} s."
            raise RefusedError(422, message) from None
        except SmartClideError as error:
            raise RefusedError(400, str(error)) from error

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": "up", "service": SERVICE})

    async def openapi(self, _request: Request) -> Response:
        return JSONResponse(describe(self.options.max_bytes, self.options.max_seconds))

    async def docs(self, _request: Request) -> Response:
        return HTMLResponse(page(describe(self.options.max_bytes, self.options.max_seconds)))


def _holding(slots: BoundedSemaphore, work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        slots.release()


def _carried_out(order: Order) -> Response:
    try:
        return JSONResponse(to_builtins(carry_out(order)))
    except InterpretationError as error:
        diagnostics = [to_builtins(d) for d in error.diagnostics if isinstance(d, Diagnostic)]
        return JSONResponse({"message": str(error), "diagnostics": diagnostics}, 400)


def _interpret(posted: Posted, service: ServiceOptions) -> Interpreted:
    options = InterpretOptions(**{**posted.options, **service.includes()})
    if service.files is not None:
        return interpret_text(posted.text, service.files / CI_FILE, options, paths_below(service.files))
    with tempfile.TemporaryDirectory() as empty:
        return interpret_text(posted.text, Path(empty) / CI_FILE, options, None)


def _answer(result: Interpreted, posted: Posted) -> Response:
    failed = result.jenkinsfile is None or bool(result.errors) or (posted.strict and bool(result.warnings))
    if posted.as_json:
        message = {"message": "The file cannot be interpreted."} if failed else {}
        return JSONResponse({**message, **result.to_dict()}, 400 if failed else 200)
    if failed or result.jenkinsfile is None:
        all_of_them = posted.strict or result.pipeline is not None  # nothing is wrong, but nothing is left either
        shown = [str(d) for d in result.diagnostics if d.severity == "error" or all_of_them]
        return _refusal("\n".join(shown), 400, as_json=False)
    headers = {
        "Content-Disposition": 'attachment; filename="Jenkinsfile"',
        "X-Diagnostics": f"{len(result.warnings)} warnings of {len(result.diagnostics)}",
    }
    return Response(result.jenkinsfile, media_type="application/octet-stream", headers=headers)


def _refusal(message: str, status: int, as_json: bool, headers: dict[str, str] | None = None) -> Response:
    if as_json:
        return JSONResponse({"message": message, "diagnostics": []}, status, headers)
    return PlainTextResponse(f"{message}\n", status, headers)
