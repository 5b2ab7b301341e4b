"""Errors as the API server writes them: a ``Status`` object with reason, message and details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Cause:
    """One reason of an ``Invalid`` or ``Conflict`` status: machine word, text and the field's path."""

    reason: str
    message: str
    field: str

    def body(self) -> Object:
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiError(Exception):
    """A request that fails; `body` is the ``Status`` to answer with."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> Object:
        """The ``Status`` object; empty parts are left out, as in Go's encoding."""
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = {key: value for key, value in self.details.items() if value}
        return {**status, "code": self.code}


def not_found(group: str, plural: str, name: str) -> ApiError:
    qualified = f"{plural}.{group}" if group else plural
    details = {"name": name, "group": group, "kind": plural}
    return ApiError(404, "NotFound", f'{qualified} "{name}" not found', details)


def already_exists(group: str, plural: str, name: str) -> ApiError:
    qualified = f"{plural}.{group}" if group else plural
    details = {"name": name, "group": group, "kind": plural}
    return ApiError(409, "AlreadyExists", f'{qualified} "{name}" already exists', details)


def modified(group: str, plural: str, name: str) -> ApiError:
    """The answer to a write with a stale resourceVersion."""
    qualified = f"{plural}.{group}" if group else plural
    text = "the object has been modified; please apply your changes to the latest version and try again"
    details = {"name": name, "group": group, "kind": plural}
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on {qualified} "{name}": {text}', details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def invalid(group: str, kind: str, name: str, causes: list[Cause]) -> ApiError:
    """422 with every cause, its message joined as `field.ErrorList.ToAggregate` does."""
    qualified = f"{kind}.{group}" if group else kind
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {"name": name, "group": group, "kind": kind, "causes": [cause.body() for cause in causes]}
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def forbidden(group: str, plural: str, name: str, text: str) -> ApiError:
    qualified = f"{plural}.{group}" if group else plural
    details = {"name": name, "group": group, "kind": plural}
    shown = f'{qualified} "{name}" is forbidden: {text}' if name else f"{qualified} is forbidden: {text}"
    return ApiError(403, "Forbidden", shown, details)
