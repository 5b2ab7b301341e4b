"""A registry on loopback that speaks Docker's Registry HTTP API V2 and keeps real images on disk.

A stand-in for a company's registry: ``docker push``, ``skopeo copy`` and our own client work unchanged against it.
Source: github.com/opencontainers/distribution-spec, ``spec.md``; where that leaves a choice, what
github.com/distribution/distribution (the ``registry:2`` image) does.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.registry import blobs, manifests
from sandbox.registry.auth import LIFETIME, Access, Gate
from sandbox.registry.errors import RegistryError
from sandbox.registry.storage import Storage

_log = logging.getLogger("sandbox.registry")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_HEADERS = {"Docker-Distribution-Api-Version": "registry/2.0", "X-Sandbox": "registry stand-in"}

Handler = Callable[[Storage, Request, str, str], Awaitable[Response]]
_ROUTES: tuple[tuple[re.Pattern[str], Handler], ...] = (
    (re.compile(r"(?P<name>.+)/tags/list()"), manifests.tags),
    (re.compile(r"(?P<name>.+)/manifests/(?P<rest>[^/]+)"), manifests.manifest),
    (re.compile(r"(?P<name>.+)/blobs/uploads/(?P<rest>[^/]*)"), blobs.upload),
    (re.compile(r"(?P<name>.+)/blobs/(?P<rest>[^/]+)"), blobs.blob),
)


class Registry:
    """The stand-in.

    Args:
        home: A folder of its own; images survive a restart.
        users: Name -> password. None: no login.
        token_auth: Bearer tokens from the registry's own ``/token``, instead of Basic.
        public_url: Where clients reach it, for the token realm; by default taken from each request.
        token_lifetime: Seconds.

    Attributes:
        app: The ASGI application.
    """

    def __init__(
        self,
        home: Path,
        users: Mapping[str, str] | None = None,
        token_auth: bool = False,
        *,
        public_url: Callable[[], str] | None = None,
        token_lifetime: float = LIFETIME,
    ) -> None:
        self._storage = Storage(home)
        self._gate = Gate(users, token_auth, token_lifetime)
        self._public_url = public_url
        self.app = Starlette(
            routes=[
                Route("/token", self._token, methods=["GET"]),
                Route("/v2", self._serve, methods=_METHODS),
                Route("/v2/{path:path}", self._serve, methods=_METHODS),
            ]
        )
        _log.info("registry stand-in, images below %s", home)

    def close(self) -> None:
        """Nothing to end: no threads, no processes."""

    async def _token(self, request: Request) -> Response:
        try:
            return JSONResponse(self._gate.issue(request))
        except RegistryError as error:
            return error.response()

    async def _serve(self, request: Request) -> Response:
        try:
            response = await self._dispatch(request)
        except RegistryError as error:
            response = error.response()
        response.headers.update(_HEADERS)
        return response

    def _check(self, request: Request, wanted: Access | None) -> None:
        base = self._public_url() if self._public_url else str(request.base_url)
        self._gate.check(request, wanted, base.rstrip("/") + "/token")

    async def _dispatch(self, request: Request) -> Response:
        path = request.path_params.get("path", "")
        if path in ("", "/"):
            self._check(request, None)
            return JSONResponse({})
        if path == "_catalog":
            self._check(request, Access("registry", "catalog", ("*",)))
            return manifests.catalog(self._storage, request)
        for pattern, handler in _ROUTES:
            if match := pattern.fullmatch(path):
                return await self._handle(request, handler, match["name"], match[2])
        return Response("404 page not found\n", 404, media_type="text/plain")

    async def _handle(self, request: Request, handler: Handler, name: str, rest: str) -> Response:
        actions = ("pull",) if request.method in ("GET", "HEAD") else ("pull", "push")
        wanted = Access("repository", name, ("delete",) if request.method == "DELETE" else actions)
        if "/blobs/uploads/" in request.url.path:
            wanted = Access("repository", name, ("pull", "push"))
        self._check(request, wanted)
        if not _NAME.fullmatch(name) or len(name) > 255:
            raise RegistryError("NAME_INVALID", "invalid repository name", {"name": name})
        return await handler(self._storage, request, name, rest)
