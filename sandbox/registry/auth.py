"""The registry's logins: none, Basic, or Bearer tokens from its own ``/token``.

Source: distribution.github.io/distribution/spec/auth/token (challenge, token request, ``access`` entries).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from sandbox.registry.errors import RegistryError

SERVICE = "sandbox-registry"
LIFETIME = 300


@dataclass(frozen=True)
class Access:
    """One permission, written ``type:name:action,action``."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"

    def covers(self, other: Access) -> bool:
        """Whether this grants all of `other`."""
        same = (self.kind, self.name) == (other.kind, other.name)
        return same and ("*" in self.actions or set(other.actions) <= set(self.actions))


def parse_scope(text: str) -> Access:
    """Parse one scope; the name may hold colons (``host:port/name``)."""
    kind, _, rest = text.partition(":")
    name, _, actions = rest.rpartition(":")
    return Access(kind, name, tuple(filter(None, actions.split(","))))


def basic_login(request: Request) -> tuple[str, str] | None:
    """User and password of the request's Basic header, or None."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ("", "")
    return user, password


class Gate:
    """Decides which requests pass.

    Args:
        users: Name -> password; None lets everyone in.
        tokens: Bearer tokens instead of Basic (with no users: anonymous tokens, as Docker Hub gives).
        lifetime: Seconds a token lives.
    """

    def __init__(self, users: Mapping[str, str] | None, tokens: bool, lifetime: float = LIFETIME) -> None:
        self._users = dict(users) if users is not None else None
        self._tokens = tokens
        self._lifetime = lifetime
        self._issued: dict[str, tuple[float, tuple[Access, ...]]] = {}
        self._lock = threading.Lock()

    def _knows(self, login: tuple[str, str]) -> bool:
        expected = (self._users or {}).get(login[0])
        return expected is not None and hmac.compare_digest(expected.encode(), login[1].encode())

    def check(self, request: Request, wanted: Access | None, realm: str) -> None:
        """Let the request pass, or refuse it with the challenge a client needs to log in.

        Raises:
            RegistryError: UNAUTHORIZED.
        """
        if self._tokens:
            self._check_token(request, wanted, realm)
        elif self._users is not None:
            login = basic_login(request)
            if login is None or not self._knows(login):
                raise _unauthorized(f'Basic realm="{SERVICE}"', wanted)

    def _check_token(self, request: Request, wanted: Access | None, realm: str) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            expires, granted = self._issued.get(token, (0.0, ()))
        problem = "" if scheme.lower() != "bearer" else ',error="invalid_token"'
        if scheme.lower() == "bearer" and expires > time.monotonic():
            if wanted is None or any(access.covers(wanted) for access in granted):
                return
            problem = ',error="insufficient_scope"'
        scope = f',scope="{wanted}"' if wanted else ""
        raise _unauthorized(f'Bearer realm="{realm}",service="{SERVICE}"{scope}{problem}', wanted)

    def issue(self, request: Request) -> dict[str, object]:
        """Answer a token request.

        Raises:
            RegistryError: UNAUTHORIZED for a wrong password. Without any, the token grants nothing.
        """
        login = basic_login(request)
        if self._users is not None and login is not None and not self._knows(login):
            raise _unauthorized(f'Basic realm="{SERVICE}"', None)
        asked = [scope for value in request.query_params.getlist("scope") for scope in value.split()]
        allowed = self._users is None or login is not None
        granted = tuple(parse_scope(scope) for scope in asked) if allowed else ()
        token = secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            self._issued = {key: entry for key, entry in self._issued.items() if entry[0] > now}
            self._issued[token] = (now + self._lifetime, granted)
        issued = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return {"token": token, "access_token": token, "expires_in": int(self._lifetime), "issued_at": issued}


def _unauthorized(challenge: str, wanted: Access | None) -> RegistryError:
    detail = (
        [{"Type": wanted.kind, "Name": wanted.name, "Action": action} for action in wanted.actions] if wanted else None
    )
    return RegistryError("UNAUTHORIZED", "authentication required", detail, {"WWW-Authenticate": challenge})
