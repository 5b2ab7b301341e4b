"""Blobs and their uploads: in one request, in chunks, or mounted from another repository."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from sandbox.registry.errors import RegistryError
from sandbox.registry.storage import Storage

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d+)-(\d+)(?:/\S+)?")


async def blob(storage: Storage, request: Request, name: str, digest: str) -> Response:
    """``/v2/NAME/blobs/DIGEST``; GET understands Range."""
    if request.method == "DELETE":
        storage.delete_blob(name, digest)
        return Response(status_code=202, headers={"Docker-Content-Digest": digest})
    if request.method not in ("GET", "HEAD"):
        raise RegistryError("UNSUPPORTED", "The operation is unsupported.")
    path = storage.blob(name, digest)
    headers = {"Docker-Content-Digest": digest, "ETag": f'"{digest}"', "Cache-Control": "max-age=31536000"}
    return FileResponse(path, headers=headers, media_type="application/octet-stream")


async def upload(storage: Storage, request: Request, name: str, upload_id: str) -> Response:
    """``/v2/NAME/blobs/uploads/[ID]``."""
    if request.method == "POST" and not upload_id:
        return await _start(storage, request, name)
    path = storage.upload(upload_id)
    if request.method == "PATCH":
        await _append(request, path)
        return _progress(name, upload_id, path, 202)
    if request.method == "PUT":
        await _append(request, path)
        return await _finish(storage, request, name, upload_id)
    if request.method == "DELETE":
        path.unlink()
        return Response(status_code=204)
    if request.method == "GET":
        return _progress(name, upload_id, path, 204)
    raise RegistryError("UNSUPPORTED", "The operation is unsupported.")


async def _start(storage: Storage, request: Request, name: str) -> Response:
    query = request.query_params
    if "mount" in query and query.get("from") and storage.has_blob(query["from"], query["mount"]):
        storage.link_blob(name, query["mount"])
        return _created(name, query["mount"])
    upload_id = storage.new_upload()
    path = storage.upload(upload_id)
    if "digest" in query:
        await _append(request, path)
        return await _finish(storage, request, name, upload_id)
    return _progress(name, upload_id, path, 202)


async def _append(request: Request, path: Path) -> None:
    """Write the request's body at the upload's end; its Content-Range, if any, must start there."""
    size = path.stat().st_size
    if stated := request.headers.get("content-range"):
        match = _CONTENT_RANGE.fullmatch(stated)
        if not match or int(match[1]) != size:
            raise RegistryError("RANGE_INVALID", "invalid content range", stated, {"Range": f"0-{max(size - 1, 0)}"})
    with path.open("ab") as file:
        async for chunk in request.stream():
            file.write(chunk)


async def _finish(storage: Storage, request: Request, name: str, upload_id: str) -> Response:
    digest = request.query_params.get("digest", "")
    await asyncio.to_thread(storage.finish_upload, name, upload_id, digest)
    return _created(name, digest)


def _created(name: str, digest: str) -> Response:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)


def _progress(name: str, upload_id: str, path: Path, status: int) -> Response:
    headers = {
        "Location": f"/v2/{name}/blobs/uploads/{upload_id}",
        "Range": f"0-{max(path.stat().st_size - 1, 0)}",
        "Docker-Upload-UUID": upload_id,
    }
    return Response(status_code=status, headers=headers)
