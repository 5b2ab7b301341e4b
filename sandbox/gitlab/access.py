"""Who asks, and what they may: GitLab's answers to missing, wrong and too weak tokens.

Source: docs.gitlab.com/api/rest/authentication and docs.gitlab.com/user/profile/personal_access_tokens (scopes).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from sandbox.gitlab.state import Project, State, Token

READ = ("api", "read_api")
READ_FILES = ("api", "read_api", "read_repository")
WRITE = ("api",)
GIT_READ = ("read_repository", "write_repository", "api", "read_api")
GIT_WRITE = ("write_repository", "api")


class ApiError(Exception):
    """An answer that is not a success, with its JSON body."""

    def __init__(self, status: int, body: Mapping[str, object]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = dict(body)


def not_found(what: str) -> ApiError:
    """GitLab's ``404 Project Not Found`` and the like."""
    return ApiError(404, {"message": f"404 {what} Not Found"})


def unauthorized() -> ApiError:
    """GitLab's plain 401."""
    return ApiError(401, {"message": "401 Unauthorized"})


def _by_value(state: State, value: str) -> Token | None:
    return next((token for token in state.tokens if token.value == value), None)


def api_token(state: State, headers: Mapping[str, str], query: Mapping[str, str]) -> Token | None:
    """The token of an API request: ``PRIVATE-TOKEN``, ``Authorization: Bearer`` or ``?private_token=``.

    Raises:
        ApiError: 401, a token was given and is not known.
    """
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    value = headers.get("private-token") or query.get("private_token") or ""
    if not value and scheme.lower() == "bearer":
        value = bearer
    if not value:
        return None
    token = _by_value(state, value)
    if token is None:
        if scheme.lower() == "bearer":
            described = "Token was revoked. You have to re-authorize from the user."
            raise ApiError(401, {"error": "invalid_token", "error_description": described})
        raise unauthorized()
    return token


def need_scope(token: Token, scopes: tuple[str, ...]) -> None:
    """Check a token's scopes.

    Raises:
        ApiError: 403 ``insufficient_scope``.
    """
    if not set(scopes) & set(token.scopes):
        described = "The request requires higher privileges than provided by the access token."
        body = {"error": "insufficient_scope", "error_description": described, "scope": " ".join(scopes)}
        raise ApiError(403, body)


def sees(token: Token | None, project: Project) -> bool:
    """Whether the project exists for this caller."""
    if project.visibility == "public":
        return True
    if token is None:
        return False
    return project.visibility == "internal" or belongs(token, project)


def belongs(token: Token, project: Project) -> bool:
    """Whether the caller is a member."""
    return token.projects is None or project.path in token.projects


def git_token(state: State, authorization: str) -> tuple[bool, Token | None]:
    """Whether git sent a login, and its token: Basic with any user name and the token as password."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return True, _by_value(state, value)
    if scheme.lower() != "basic":
        return False, None
    try:
        _user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return True, None
    return True, _by_value(state, password)
