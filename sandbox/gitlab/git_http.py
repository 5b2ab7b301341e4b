"""git's smart HTTP: ``git http-backend`` as a CGI process per request, both bodies streamed.

Source: git-scm.com/docs/git-http-backend (environment), RFC 3875 (CGI answers).
"""

from __future__ import annotations

import asyncio
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.gitlab.repository import git_environment

_CHUNK = 65536
_PASSED_ON = {
    "content-type": "CONTENT_TYPE",
    "content-encoding": "HTTP_CONTENT_ENCODING",
    "content-length": "CONTENT_LENGTH",
    "git-protocol": "GIT_PROTOCOL",
}


def backend() -> str:
    """The CGI program's path."""
    folder = subprocess.run(["git", "--exec-path"], capture_output=True, check=True, text=True).stdout.strip()
    return str(Path(folder) / "git-http-backend")


class _Stream(Response):
    """Sends chunks as they come. Starlette's own would listen for a disconnect and so eat the request's body."""

    def __init__(self, chunks: AsyncIterator[bytes], status: int, headers: dict[str, str]) -> None:
        super().__init__(None, status, headers)
        del self.headers["content-length"]
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def serve(request: Request, program: str, repository: Path, service: str, user: str | None) -> Response:
    """Answer one git request.

    Args:
        request: As it came.
        program: `backend`.
        repository: The bare repository.
        service: What follows the repository in the URL, e.g. ``info/refs``.
        user: Who pushes; None lets git refuse a push.
    """
    environment = {
        **git_environment(),
        "GIT_PROJECT_ROOT": str(repository.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repository.name}/{service}",
        "QUERY_STRING": request.scope["query_string"].decode("latin-1"),
        "REQUEST_METHOD": request.method,
        "REMOTE_ADDR": "127.0.0.1",
        **({"REMOTE_USER": user} if user else {}),
        **{name: request.headers[key] for key, name in _PASSED_ON.items() if key in request.headers},
    }
    process = await asyncio.create_subprocess_exec(
        program, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    feeding = asyncio.create_task(_feed(request, process))
    status, headers = await _head(process)
    return _Stream(_body(process, feeding), status, headers)


async def _feed(request: Request, process: Process) -> None:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    try:
        async for chunk in request.stream():
            process.stdin.write(chunk)
            await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # git has read enough: it answers before the end of a request it refuses
    except ClientDisconnect:
        process.kill()
    process.stdin.close()


async def _head(process: Process) -> tuple[int, dict[str, str]]:
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    status, headers = 200, {}
    while line := (await process.stdout.readline()).decode("latin-1").strip():
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name] = value.strip()
    return (status if headers else 500), headers


async def _body(process: Process, feeding: asyncio.Task[None]) -> AsyncIterator[bytes]:
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    try:
        while chunk := await process.stdout.read(_CHUNK):
            yield chunk
        await feeding
    finally:
        feeding.cancel()
        if process.returncode is None and not process.stdout.at_eof():
            process.kill()
        await process.wait()
