"""The interpreter over HTTP: ``POST /api/v1/pipeline/jenkins`` turns a .gitlab-ci.yml into a Jenkinsfile.

Consumes the multipart field ``file``; produces the Jenkinsfile as a download. It reads no file and opens no connection
for includes. Imports neither Prefect nor pandas.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import asdict
from email.parser import BytesParser
from pathlib import Path
from threading import BoundedSemaphore

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console.interpret import Interpreted, InterpretOptions, interpret_text
from errors import SmartClideError
from tasks.source.model import CI_FILE

PATH = "/api/v1/pipeline/jenkins"
MAX_BYTES = 2**20
MAX_SECONDS = 30.0
MAX_AT_ONCE = 4
_OPTIONS = frozenset({"branch", "tag", "default_branch", "image", "image_credentials", "git_credentials", "rendering"})


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def application() -> Starlette:
    """The service as an ASGI application."""
    slots = BoundedSemaphore(MAX_AT_ONCE)

    async def pipeline(request: Request) -> Response:
        try:
            fields = _fields(request.headers.get("content-type", ""), await _body(request))
            return await _interpret({**dict(request.query_params), **fields}, _wants_json(request), slots)
        except _RefusedError as error:
            return JSONResponse({"message": str(error), "diagnostics": []}, error.status)

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "up"})

    return Starlette(routes=[Route(PATH, pipeline, methods=["POST"]), Route("/health", health)])


def serve(host: str, port: int) -> None:
    """Serve until interrupted."""
    uvicorn.run(application(), host=host, port=port, log_level="info", lifespan="off")


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise _RefusedError(413, f"The request is larger than {MAX_BYTES // 2**20} MiB.")
    return body


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    if not content_type.lower().startswith("multipart/form-data") or "\n" in content_type:
        raise _RefusedError(400, "Send multipart/form-data with the .gitlab-ci.yml in the field `file`.")
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    fields = {}
    for part in message.walk():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            try:
                fields[name] = content.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise _RefusedError(400, f"The field {name!r} is not UTF-8 text (byte {error.start}).") from error
    return fields


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


async def _interpret(fields: dict[str, str], as_json: bool, slots: BoundedSemaphore) -> Response:
    text, strict = fields.pop("file", None), fields.pop("strict", "") in {"1", "true", "yes"}
    if text is None:
        raise _RefusedError(400, "There is no field `file`.")
    if unknown := sorted(fields.keys() - _OPTIONS):
        raise _RefusedError(400, f"Unknown fields {unknown}; there are {sorted(_OPTIONS | {'file', 'strict'})}.")
    if fields.get("rendering", "auto") not in {"auto", "stages", "graph"}:
        raise _RefusedError(400, "`rendering` is auto, stages or graph.")
    if not slots.acquire(blocking=False):
        raise _RefusedError(503, f"{MAX_AT_ONCE} interpretations are running; try again.")
    # the slot is given back by the thread, which goes on to its end after a timeout
    work = asyncio.create_task(asyncio.to_thread(_work, text, InterpretOptions(**fields), slots))  # type: ignore[arg-type]  # rendering: just checked
    try:
        result = await asyncio.wait_for(asyncio.shield(work), MAX_SECONDS)
    except TimeoutError:
        work.add_done_callback(lambda done: done.exception())
        raise _RefusedError(503, f"The interpretation took longer than {MAX_SECONDS:.0f} s.") from None
    except SmartClideError as error:
        raise _RefusedError(400, str(error)) from error
    return _answer(result, as_json, strict)


def _work(text: str, options: InterpretOptions, slots: BoundedSemaphore) -> Interpreted:
    try:
        with tempfile.TemporaryDirectory() as empty:
            return interpret_text(text, Path(empty) / CI_FILE, options, None)
    finally:
        slots.release()


def _answer(result: Interpreted, as_json: bool, strict: bool) -> Response:
    diagnostics = [asdict(diagnostic) for diagnostic in result.diagnostics]
    if result.jenkinsfile is None or result.errors or (strict and result.warnings):
        return JSONResponse({"message": "The file cannot be interpreted.", "diagnostics": diagnostics}, 400)
    if as_json:
        return JSONResponse(result.to_dict())
    headers = {
        "Content-Disposition": 'attachment; filename="Jenkinsfile"',
        "X-Diagnostics": f"{len(result.warnings)} warnings of {len(diagnostics)}",
    }
    return Response(result.jenkinsfile, media_type="application/octet-stream", headers=headers)
