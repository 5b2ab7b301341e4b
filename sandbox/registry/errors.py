"""The registry protocol's errors, as the specification writes them in JSON.

Source: github.com/distribution/distribution, ``registry/api/errcode`` (codes and their HTTP status).
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse, Response

STATUS = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 404,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DENIED": 403,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 400,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "PAGINATION_NUMBER_INVALID": 400,
    "RANGE_INVALID": 416,
    "SIZE_INVALID": 400,
    "TAG_INVALID": 400,
    "UNAUTHORIZED": 401,
    "UNSUPPORTED": 405,
}


class RegistryError(Exception):
    """A request that the registry refuses.

    Args:
        code: One of `STATUS`.
        message: For people.
        detail: Anything JSON.
        headers: Added to the answer, e.g. ``WWW-Authenticate``.
    """

    def __init__(
        self, code: str, message: str, detail: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The HTTP answer."""
        error = {"code": self.code, "message": str(self), "detail": self.detail}
        return JSONResponse({"errors": [error]}, STATUS[self.code], self.headers)
