"""HTTP to one registry, with its login: Basic, or Bearer tokens fetched as the challenge says.

Plain HTTP, to loopback only, past any proxy. Source: distribution.github.io/distribution/spec/auth/token.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from sandbox.docker_cli.errors import DockerError, not_here
from sandbox.docker_cli.reference import is_loopback

_PARAMETER = re.compile(r'([a-zA-Z_]+)=(?:"((?:\\.|[^"\\])*)"|([^\s,]+))')  # a scope has commas within its quotes
_TIMEOUT = 60.0
_CHUNK = 1 << 20
_PROBLEMS = {401: "unauthorized: authentication required", 403: "denied: requested access is denied"}


@dataclass(frozen=True)
class Reply:
    """An answer; `body` is empty when it went to a file."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def problem(self) -> str:
        """What a registry's error body says."""
        try:
            return "; ".join(f"{e['code'].lower()}: {e['message']}" for e in json.loads(self.body)["errors"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return _PROBLEMS.get(self.status, f"unexpected status {self.status}")  # a HEAD has no body


class Transport:
    """Requests to one registry.

    Args:
        registry: ``host:port``.
        login: User and password, or None.
        extra: Registries that may be spoken to although they are not on loopback.
    """

    def __init__(self, registry: str, login: tuple[str, str] | None, extra: frozenset[str] = frozenset()) -> None:
        if not is_loopback(registry) and registry not in extra:
            raise not_here(f"{registry or 'Docker Hub'} is not a registry of the sandbox; it speaks to loopback only.")
        self.registry = registry
        self._login = login
        self._authorization = ""

    def send(
        self, method: str, path: str, body: bytes | Path | None = None, headers: Mapping[str, str] | None = None,
        into: Path | None = None,
    ) -> Reply:  # fmt: skip
        """Send a request, with a login when the registry asks for one.

        Args:
            method: In capitals.
            path: From ``/v2/``, or a Location the registry gave.
            body: Bytes, or a file to stream.
            headers: More of them.
            into: A file for the body of a 200.

        Raises:
            DockerError: The registry cannot be reached or refuses the login.
        """
        reply = self._once(self.registry, method, path, (body, headers or {}, into))
        if reply.status == 401 and self._answer_challenge(reply.headers.get("www-authenticate", "")):
            reply = self._once(self.registry, method, path, (body, headers or {}, into))
        if reply.status in (401, 403):
            raise DockerError(f"{self.registry}: {reply.problem()}")
        return reply

    def _once(
        self, host: str, method: str, path: str, content: tuple[bytes | Path | None, Mapping[str, str], Path | None]
    ) -> Reply:
        body, headers, into = content
        target = urlsplit(path)
        where = f"{target.path}?{target.query}" if target.query else target.path
        all_headers = {"User-Agent": "docker/sandbox", **headers}
        if self._authorization and "Authorization" not in all_headers:
            all_headers["Authorization"] = self._authorization
        connection = http.client.HTTPConnection(host, timeout=_TIMEOUT)
        try:
            if isinstance(body, Path):
                all_headers["Content-Length"] = str(body.stat().st_size)
                with body.open("rb") as file:
                    connection.request(method, where, file, all_headers)
            else:
                connection.request(method, where, body, all_headers)
            return _read(connection.getresponse(), into)
        except (OSError, http.client.HTTPException) as error:
            raise DockerError(f'{method} "http://{host}{target.path}": {error}') from error
        finally:
            connection.close()

    def _answer_challenge(self, challenge: str) -> bool:
        """Prepare the Authorization header a 401 asks for; False when there is nothing to try."""
        scheme = challenge.partition(" ")[0].lower()
        before = self._authorization
        if scheme == "basic" and self._login:
            self._authorization = _basic(self._login)
        elif scheme == "bearer":
            self._authorization = f"Bearer {self._token(challenge)}"
        return self._authorization != before

    def _token(self, challenge: str) -> str:
        values = {match[1].lower(): match[2] or match[3] or "" for match in _PARAMETER.finditer(challenge)}
        realm = urlsplit(values.get("realm", ""))
        if realm.scheme != "http" or not is_loopback(realm.netloc):
            raise not_here(f"The registry's token server {values.get('realm')!r} is not on loopback.")
        query = urlencode([(name, values[name]) for name in ("service", "scope") if values.get(name)])
        headers = {"Authorization": _basic(self._login)} if self._login else {"Authorization": ""}
        reply = self._once(realm.netloc, "GET", f"{realm.path}?{query}", (None, headers, None))
        try:
            answer = json.loads(reply.body)
            return str(answer.get("token") or answer["access_token"])
        except (ValueError, KeyError, AttributeError):
            raise DockerError(f"{self.registry}: {reply.problem()}") from None


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(f"{login[0]}:{login[1]}".encode()).decode()


def _read(response: http.client.HTTPResponse, into: Path | None) -> Reply:
    headers = {name.lower(): value for name, value in response.getheaders()}
    if into is None or response.status != 200:
        return Reply(response.status, headers, response.read())
    with into.open("wb") as file:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
    return Reply(response.status, headers, b"")
