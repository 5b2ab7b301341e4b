"""Who is asking: passwords, API tokens, sessions and the crumbs bound to them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Identity:
    """A user of one request; with a token no crumb is asked for."""

    name: str
    by_token: bool


class BadCredentialsError(Exception):
    """A login was sent that is not right."""


class Security:
    """Users, API tokens and sessions; generated tokens are kept (as digests) in `home`."""

    def __init__(self, home: Path, tokens: Mapping[str, str], passwords: Mapping[str, str]) -> None:
        self._file = home / "api-tokens.json"
        self._tokens = dict(tokens)
        self._passwords = dict(passwords)
        self._lock = threading.Lock()
        self._generated: dict[str, dict[str, str]] = {}
        if self._file.exists():
            self._generated = json.loads(self._file.read_text())
        self.forget_sessions()

    def forget_sessions(self) -> None:
        """A restart: every crumb handed out so far is worthless."""
        self._salt = secrets.token_bytes(16)
        self._sessions: dict[str, str] = {}

    def identify(self, authorization: str | None) -> Identity | None:
        """The user behind an ``Authorization`` header; None is anonymous; raises `BadCredentialsError`."""
        if not authorization:
            return None
        scheme, _, value = authorization.partition(" ")
        try:
            name, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise BadCredentialsError from None
        if scheme.lower() != "basic" or not colon:
            raise BadCredentialsError
        if self._is_token(name, secret):
            return Identity(name, by_token=True)
        if name in self._passwords and hmac.compare_digest(self._passwords[name].encode(), secret.encode()):
            return Identity(name, by_token=False)
        raise BadCredentialsError

    def _is_token(self, name: str, secret: str) -> bool:
        given = self._tokens.get(name)
        if given is not None and hmac.compare_digest(given.encode(), secret.encode()):
            return True
        digest = hashlib.sha256(secret.encode()).hexdigest()
        return any(entry["user"] == name and entry["digest"] == digest for entry in self._generated.values())

    def generate_token(self, user: str) -> tuple[str, str]:
        """A new API token: its id and its value, which is not kept."""
        value = "11" + secrets.token_hex(16)
        token_id = str(uuid.uuid4())
        with self._lock:
            self._generated[token_id] = {"user": user, "digest": hashlib.sha256(value.encode()).hexdigest()}
            self._save()
        return token_id, value

    def revoke_token(self, user: str, token_id: str) -> None:
        """Forget one of the user's tokens."""
        with self._lock:
            if self._generated.get(token_id, {}).get("user") == user:
                del self._generated[token_id]
            self._save()

    def _save(self) -> None:
        self._file.write_text(json.dumps(self._generated))

    def open_session(self, user: str, cookie: str | None) -> str:
        """The session of a cookie if it is this user's, else a new one."""
        if cookie and self._sessions.get(cookie) == user:
            return cookie
        session = "node0" + secrets.token_hex(14)
        self._sessions[session] = user
        return session

    def crumb(self, user: str, session: str) -> str:
        """The crumb of a user's session."""
        return hmac.new(self._salt, f"{user}\n{session}".encode(), hashlib.sha256).hexdigest()

    def crumb_is_valid(self, user: str, cookie: str | None, crumb: str | None) -> bool:
        """Whether `crumb` belongs to the session the request is in."""
        if not cookie or not crumb or self._sessions.get(cookie) != user:
            return False
        return hmac.compare_digest(self.crumb(user, cookie), crumb)
