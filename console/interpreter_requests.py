"""What a client sends to the interpreter's service: the multipart form, read and checked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import Any

from starlette.requests import Request

from errors import InputError
from tasks.remote_interpretation.exchange import ORDER_FIELD, Order, read_order

OPTIONS = {
    "branch": "Decide rules for this branch; without a ref undecided rules become `when` conditions.",
    "ref": "The same as `branch`.",
    "tag": "Decide rules for this tag.",
    "merge_request": "Decide rules for a merge request of this branch into the default branch.",
    "default_branch": "CI_DEFAULT_BRANCH; `main`.",
    "image": "`registry/repository`: end with a stage that builds and pushes the Dockerfile.",
    "image_credentials": "Id of the registry's login in Jenkins' credentials store.",
    "git_credentials": "Id of GitLab's token in Jenkins' credentials store.",
    "rendering": "`auto`, `stages` or `graph`.",
    "manual_jobs": "Optional manual jobs: `ask` about them for an hour, the default, or `skip` them.",
}
LISTS = {
    "var": "`KEY=VALUE`: a variable's value.",
    "input": "`NAME=VALUE`: a value of the file's own `spec:inputs`.",
    "changed": "A file that changed, for `rules:changes`; without one it is not known what changed.",
}
FLAGS = {
    "run_deploy_jobs": "`no` leaves out jobs that deploy by themselves (`environment:`), as a deployment does; `yes`.",
    "strict": "Warnings are errors.",
}
_USUAL = {"run_deploy_jobs": "yes"}  # of the flags: what no word means
_NAMES = {"ref": "branch", "var": "variables", "input": "inputs"}  # what `InterpretOptions` calls them
_RENDERINGS, _MANUAL_JOBS = ("auto", "stages", "graph"), ("ask", "skip")
_TRUE, _FALSE = frozenset({"1", "true", "yes"}), frozenset({"", "0", "false", "no"})


class RefusedError(Exception):
    """A request that is not carried out.

    Attributes:
        status: The HTTP status.
        headers: Of the answer.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


@dataclass(frozen=True)
class Posted:
    """A request.

    Attributes:
        text: The .gitlab-ci.yml.
        options: What was given of `OPTIONS`, `LISTS` and `FLAGS`, as `InterpretOptions` has it.
        strict: Warnings are errors.
        as_json: The answer is to be JSON, with the diagnostics.
        order: A deployment's, which says all there is to say; its answer is always JSON.
    """

    text: str
    options: Mapping[str, Any]
    strict: bool = False
    as_json: bool = False
    order: Order | None = None


async def read_body(request: Request, max_bytes: int, max_seconds: float) -> bytes:
    """The request's body.

    Raises:
        RefusedError: It is too large, or comes too slowly.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(max_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise RefusedError(413, f"The request is larger than {max_bytes:,} bytes.", {"Connection": "close"})
    except TimeoutError:
        message = f"The request took longer than {max_seconds:g} s to arrive."
        raise RefusedError(408, message, {"Connection": "close"}) from None
    return bytes(body)


def read_request(content_type: str, body: bytes, query: Sequence[tuple[str, str]]) -> Posted:
    """Read the form and the query; a field of the form is stronger, one of `LISTS` is added to those of the query.

    Raises:
        RefusedError: Something is missing, unknown or malformed.
    """
    form = _fields(content_type, body)
    fields = {**_single(query), **_single(form)}
    text = fields.pop("file", None)
    if text is None:
        raise RefusedError(400, "There is no field `file`.")
    order, answer = fields.pop(ORDER_FIELD, None), fields.pop("diagnostics", "text")
    lists = {name: [value for key, value in (*query, *form) if key == name and value] for name in LISTS}
    if unknown := sorted(fields.keys() - OPTIONS.keys() - FLAGS.keys()):
        known = sorted({*OPTIONS, *LISTS, *FLAGS, "diagnostics", "file"})
        raise RefusedError(400, f"Unknown fields {unknown}; there are {known}.")
    if fields.get("rendering", "auto") not in _RENDERINGS:
        raise RefusedError(400, "`rendering` is auto, stages or graph.")
    if fields.get("manual_jobs", "ask") not in _MANUAL_JOBS:
        raise RefusedError(400, "`manual_jobs` is ask or skip.")
    if answer not in ("text", "json"):
        raise RefusedError(400, "`diagnostics` is text or json.")
    if "ref" in fields and "branch" in fields:
        raise RefusedError(400, "`branch` and `ref` are the same: give one of them.")
    flags = {name: _flag(name, fields.pop(name, _USUAL.get(name, ""))) for name in FLAGS}
    strict = flags.pop("strict")
    options = {_NAMES.get(name, name): value for name, value in (fields | flags | lists).items()}
    return Posted(text, options, strict, answer == "json", _order(order) if order is not None else None)


def _single(given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What is no list, once each; a field left empty says nothing."""
    fields: dict[str, str] = {}
    for name, value in given:
        if name in fields:
            raise RefusedError(400, f"The field `{name}` is there twice; only {', '.join(LISTS)} may be.")
        if name not in LISTS and (value or name == "file"):
            fields[name] = value
    return fields


def _flag(name: str, value: str) -> bool:
    if value.lower() not in _TRUE | _FALSE:
        raise RefusedError(400, f"`{name}` is true or false.")
    return value.lower() in _TRUE


def _order(text: str) -> Order:
    try:
        return read_order(text)
    except InputError as error:
        raise RefusedError(400, str(error)) from error


def _fields(content_type: str, body: bytes) -> list[tuple[str, str]]:
    if not content_type.lower().startswith("multipart/form-data") or "\n" in content_type:
        raise RefusedError(400, "Send multipart/form-data with the .gitlab-ci.yml in the field `file`.")
    try:
        message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    except RecursionError:
        raise RefusedError(400, "The parts of the form nest too deeply.") from None
    fields = []
    for part in message.get_payload() if message.is_multipart() else ():
        if not isinstance(part, Message):
            continue
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            try:
                fields.append((name, content.decode("utf-8-sig")))
            except UnicodeDecodeError as error:
                raise RefusedError(400, f"The field {name!r} is not UTF-8 text (byte {error.start}).") from error
    return fields
