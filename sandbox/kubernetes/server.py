"""The Kubernetes stand-in: an API server, its controllers and one node, in this process."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as WebRoute

from sandbox.kubernetes import tables, watching
from sandbox.kubernetes.api import Api
from sandbox.kubernetes.controllers import Controllers
from sandbox.kubernetes.images import Puller
from sandbox.kubernetes.kubelet import Timing
from sandbox.kubernetes.load import Load
from sandbox.kubernetes.misbehaviour import Misbehaviour
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.reading import matcher
from sandbox.kubernetes.routes import Call, Route
from sandbox.kubernetes.status import ApiError, Object
from sandbox.kubernetes.store import Store

LOG = logging.getLogger("sandbox.kubernetes")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Kubernetes:
    """A cluster of one node, for `sandbox.http.AppServer`.

    It speaks the API server's protocol; its pods run nothing: they pull their image's manifest, become ready and
    emit load from a seeded model.

    Args:
        home: Folder of its state; a restart with the same folder goes on with the same objects.
        public_url: Its address once it is served, such as ``http://127.0.0.1:40123``.
        seed: Seed of the load model and of generated names.
        timing: How fast pods start, fail and end.
        trust_kubectl: Let kubectl in without a token: client-go sends none over plain HTTP.
        plain_http_registries: ``host:port`` of registries to pull from besides those on loopback.
    """

    def __init__(
        self,
        home: Path,
        public_url: Callable[[], str],
        *,
        seed: int = 1,
        timing: Timing | None = None,
        trust_kubectl: bool = True,
        plain_http_registries: frozenset[str] = frozenset(),
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._public_url = public_url
        self._token = _token(home / "token")
        self._closed = False
        self.store = Store(home / "objects.sqlite")
        self.objects = Objects(self.store, seed)
        self.misbehaviour = Misbehaviour()
        self.load = Load(seed)
        self.controllers = Controllers(self.objects, self.misbehaviour, timing or Timing())
        self.api = Api(self.objects, self.load, self._token, trust_kubectl=trust_kubectl)
        self.controllers.kubelet.puller = Puller(plain_http_registries)
        self.controllers.start()
        self.app = Starlette(
            routes=[
                WebRoute("/__sandbox__/misbehave", self._misbehave, methods=["GET", "POST", "DELETE"]),
                WebRoute("/{path:path}", self._serve, methods=_METHODS),
            ]
        )
        LOG.info("Kubernetes stand-in: no container runs, pods are simulated")

    def close(self) -> None:
        """End the controllers and every watch, and close the files."""
        if not self._closed:
            self._closed = True
            self.controllers.stop()
            self.store.close()

    def kubeconfig(self) -> str:
        """A kubeconfig with a token for this cluster (YAML text)."""
        name = "smartclide-sandbox"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "preferences": {},
            "clusters": [{"name": name, "cluster": {"server": self._public_url()}}],
            "users": [{"name": name, "user": {"token": self._token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        }
        return yaml.safe_dump(document, sort_keys=False)

    def misbehave(self, namespace: str, name: str, kind: str, **options: Any) -> None:
        """Make the pods of a workload that are created from now on fail; see `Misbehaviour.add`."""
        self.misbehaviour.add(namespace, name, kind, **options)

    def behave(self, namespace: str = "", name: str = "") -> None:
        """Take back what `misbehave` said, for one workload or for all."""
        self.misbehaviour.clear(namespace, name)

    async def _misbehave(self, request: Request) -> Response:
        """Unauthenticated, like `sandbox.http.CONTROL`: it exists on loopback only, for tests and the demo."""
        if request.method == "POST":
            try:
                self.misbehaviour.add(**(await request.json()))
            except (TypeError, ValueError) as error:
                return Response(f"{error}\n", 400)
        elif request.method == "DELETE":
            self.misbehaviour.clear(request.query_params.get("namespace", ""), request.query_params.get("name", ""))
        return _json(200, {"active": self.misbehaviour.shown()})

    async def _serve(self, request: Request) -> Response:
        scope = request.scope
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        call = Call(request.method, raw, dict(request.query_params), dict(request.headers), await request.body())
        try:
            found = self.api.authorize(call)
            if found is not None and call.flag("watch") and call.method == "GET" and not found.subresource:
                return self._watch(found, call)
            return _response(await run_in_threadpool(self.api.answer, found, call), call)
        except ApiError as error:
            return _json(error.code, error.body())

    def _watch(self, route: Route, call: Call) -> Response:
        version = call.query.get("resourceVersion", "")
        table = tables.wanted(call)
        watch = watching.Watch(
            route.resource,
            route.namespace,
            matcher(route.resource, call.query, route.name),
            int(version) if version not in ("", "0") else None,
            float(call.query.get("timeoutSeconds") or 1800),
            call.flag("allowWatchBookmarks"),
            (lambda item: tables.table(route.resource, [item], str(item["metadata"]["resourceVersion"])))
            if table
            else (lambda item: item),
        )
        lines = watching.stream(self.store, watch, lambda: self._closed)
        return StreamingResponse(lines, media_type="application/json", headers=_BRAND)


_BRAND = {"X-Smartclide-Stand-In": "kubernetes"}


def _token(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(24))
    return path.read_text()


def _json(code: int, body: Object, headers: Mapping[str, str] | None = None) -> Response:
    text = json.dumps(body, separators=(",", ":"))
    return Response(text, code, {**_BRAND, **(headers or {})}, media_type="application/json")


def _response(answer: tuple[int, Any, list[str]], call: Call) -> Response:
    code, body, warnings = answer
    if isinstance(body, str):
        kind = "text/html" if body.startswith("<!doctype") else "text/plain"
        return Response(body, code, _BRAND, media_type=kind)
    response = _json(code, body)
    for warning in warnings:
        response.headers.append("Warning", f'299 - "{warning.replace(chr(34), chr(92) + chr(34))}"')
    return response
