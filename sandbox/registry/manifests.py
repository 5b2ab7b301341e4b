"""Manifests, tags and the catalog."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.registry.errors import RegistryError
from sandbox.registry.storage import INDEX_TYPES, Storage

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
MAX_MANIFEST = 4 * 1024 * 1024


async def manifest(storage: Storage, request: Request, name: str, reference: str) -> Response:
    """``/v2/NAME/manifests/REFERENCE``."""
    if ":" not in reference and not _TAG.fullmatch(reference):
        raise RegistryError("TAG_INVALID", "manifest tag did not match URI", {"tag": reference})
    if request.method in ("GET", "HEAD"):
        return _get(storage, request, name, reference)
    if request.method == "PUT":
        return await _put(storage, request, name, reference)
    if request.method == "DELETE":
        storage.delete_manifest(name, reference)
        return Response(status_code=202)
    raise RegistryError("UNSUPPORTED", "The operation is unsupported.")


def _accepted(request: Request) -> list[str]:
    values = ",".join(request.headers.getlist("accept")).split(",")
    return [value.partition(";")[0].strip() for value in values if value.strip()]


def _get(storage: Storage, request: Request, name: str, reference: str) -> Response:
    digest = storage.resolve(name, reference)
    accepted = _accepted(request)
    media_type, body = storage.manifest(name, digest)
    if accepted and "*/*" not in accepted and media_type not in accepted and ":" not in reference:
        digest = _default_platform(storage, name, media_type, body)
        media_type, body = storage.manifest(name, digest)
        if media_type not in accepted:
            detail = f"{media_type} found, but accept header does not support it"
            raise RegistryError("MANIFEST_UNKNOWN", "manifest unknown", detail)
    headers = {"Docker-Content-Digest": digest, "ETag": f'"{digest}"', "Content-Length": str(len(body))}
    if request.headers.get("if-none-match", "").strip('"') == digest:
        return Response(status_code=304, headers={"ETag": f'"{digest}"'})
    content = b"" if request.method == "HEAD" else body
    return Response(content, headers={**headers, "Content-Type": media_type})


def _default_platform(storage: Storage, name: str, media_type: str, body: bytes) -> str:
    """For a client that knows no index: its linux/amd64 manifest, as distribution serves it."""
    if media_type in INDEX_TYPES:
        for entry in json.loads(body)["manifests"]:
            platform = entry.get("platform", {})
            if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
                return storage.resolve(name, entry["digest"])
    raise RegistryError("MANIFEST_UNKNOWN", "manifest unknown", f"{media_type} found, but not accepted by the client")


async def _put(storage: Storage, request: Request, name: str, reference: str) -> Response:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_MANIFEST:
            raise RegistryError("MANIFEST_INVALID", "manifest invalid", "larger than 4 MiB")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    digest = await asyncio.to_thread(storage.put_manifest, name, reference, media_type, body)
    headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)


async def tags(storage: Storage, request: Request, name: str, _rest: str) -> Response:
    """``/v2/NAME/tags/list``, in pages of ``n`` after ``last``."""
    if request.method not in ("GET", "HEAD"):
        raise RegistryError("UNSUPPORTED", "The operation is unsupported.")
    page, headers = _page(request, storage.tags(name))
    return JSONResponse({"name": name, "tags": page}, headers=headers)


def catalog(storage: Storage, request: Request) -> Response:
    """``/v2/_catalog``, in pages of ``n`` after ``last``."""
    page, headers = _page(request, storage.names())
    return JSONResponse({"repositories": page}, headers=headers)


def _page(request: Request, entries: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    last = request.query_params.get("last", "")
    rest = [entry for entry in entries if entry > last]
    number = request.query_params.get("n")
    if number is None:
        return rest, {}
    if not number.isdecimal():
        raise RegistryError("PAGINATION_NUMBER_INVALID", "invalid number of results requested", {"n": number})
    page = rest[: int(number)]
    if not page or len(page) == len(rest):
        return page, {}
    link = f"{request.url.path}?last={quote(page[-1], safe='')}&n={number}"
    return page, {"Link": f'<{link}>; rel="next"'}
