"""Takes secrets out of what others say: a server's reason, a client's exception. Pure. Used by every adapter.

A proxy's page or a debugging server may send back what it was sent, and a client's exception may hold a header or an
address. What an adapter passes on of either goes through a `Hider` that knows the adapter's secrets. Its own words do
not: a password that is one of them would show by being masked.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from msgspec import Struct

MASK = "***"
_SHORTEST = 3  # characters: what is shorter is in every text, and masking it tells what it is
_SHORTEST_LINE = 8  # characters of one line of a longer secret that say something of it
# The second half is for addresses that are malformed, as their password holds a slash; a port is none.
_LOGIN = re.compile(r"(?<=://)(?:[^\s/?#@]*@|[^\s/?#@:]*:(?!\d+[/?#])[^\s@]*@)")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def shown(value: Struct, *hidden: str) -> str:
    """The representation of a struct without some of its fields; for its ``__repr__``, which tracebacks may show."""
    told = ", ".join(f"{name}={getattr(value, name)!r}" for name in value.__struct_fields__ if name not in hidden)
    return f"{type(value).__name__}({told})"


class Hider:
    """Masks some secrets, in every form in which they travel, and logins in addresses.

    Args:
        secrets: Tokens, passwords, ``user:password``; None and empty ones are passed over.

    >>> Hider("t0ken")("sent: t0ken, https://u:p@host/x, dDBrZW4=")
    'sent: ***, https://***@host/x, ***'
    """

    def __init__(self, *secrets: str | None) -> None:
        self._secrets = secrets

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        """Made when something is masked: that is seldom, and its many forms take milliseconds."""
        given = (*self._secrets, *_of_proxies(os.environ))
        known = {form for secret in given if secret for form in _forms(secret) if len(form) >= _SHORTEST}
        longest_first = sorted(known, key=len, reverse=True)  # one secret may be a part of another
        return re.compile("|".join(map(re.escape, longest_first))) if known else None

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        masked = self._pattern.sub(MASK, text) if self._pattern else text
        return without_login(masked)

    def within(self, value: Any) -> Any:
        """JSON with all its texts so."""
        if isinstance(value, dict):
            return {key: self.within(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.within(one) for one in value]
        return self(value) if isinstance(value, str) else value

    def cause(self, error: BaseException) -> Exception:
        """What can stand in the place of a foreign exception as a cause: Prefect logs causes, and theirs, whole."""
        return RuntimeError(f"{type(error).__name__}: {self(str(error))}")


def without_login(text: str) -> str:
    """The text without user names and passwords in addresses.

    >>> without_login("no proxy at http://me:a/b@proxy:3128, but https://host:1/x@2")
    'no proxy at http://***@proxy:3128, but https://host:1/x@2'
    """
    return _LOGIN.sub(f"{MASK}@", text)


def bare(address: str) -> str:
    """A web address without a login; any other text as it is.

    >>> bare("https://oauth2:t0ken@gitlab.example.com/group/app.git"), bare("git@gitlab.example.com:group/app.git")
    ('https://gitlab.example.com/group/app.git', 'git@gitlab.example.com:group/app.git')
    """
    return _LOGIN.sub("", address) if address.strip().lower().startswith(("http://", "https://")) else address


def login_secrets(login: tuple[str, str] | None) -> tuple[str, ...]:
    """What of a user name and password is secret: the password, and both as Basic authentication joins them."""
    return (login[1], f"{login[0]}:{login[1]}") if login is not None and login[1] else ()


def _of_proxies(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if name.lower() in _PROXIES and "@" in value:
            login = value.partition("://")[2].rpartition("@")[0] or value.rpartition("@")[0]
            user, _, password = login.partition(":")
            plain = unquote(password)
            yield from (password, plain, f"{unquote(user)}:{plain}") if password else (login,)
            yield from (part for part in re.split("[/?#]", password) if len(part) > 3)  # what of it a parser takes


def _forms(secret: str) -> Iterator[str]:
    import html

    for text in (secret, secret.strip(), *_lines(secret)):
        data = text.encode("utf-8", "surrogatepass")
        yield from (text, base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode())
        yield from (
            quote(data, safe=""),
            quote(data),
            quote_plus(data),
            html.escape(text),
            html.escape(text, quote=False),
        )
        yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])


def _lines(secret: str) -> list[str]:
    lines = secret.split("\n")
    return [line.strip() for line in lines if len(line.strip()) >= _SHORTEST_LINE] if len(lines) > 1 else []
