"""Pulling: the manifest and configuration of an image are really read from the registry its reference names."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.kubernetes.status import Object

_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_REFERENCE = re.compile(
    r"^(?:(?P<host>[^/]*[.:][^/]*|localhost)/)?(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?$"
)
_LOOPBACK = re.compile(r"^(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?$")


class PullError(Exception):
    """An image cannot be pulled; the text is the container runtime's."""


@dataclass(frozen=True)
class Login:
    """Credentials for a registry."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username!r}, ...)"


def logins(secrets: list[Object]) -> dict[str, Login]:
    """Registry host -> login, from secrets of type ``kubernetes.io/dockerconfigjson``."""
    found: dict[str, Login] = {}
    for secret in secrets:
        text = (secret.get("data") or {}).get(".dockerconfigjson")
        config = json.loads(base64.b64decode(text)) if text else {}
        for address, entry in (config.get("auths") or {}).items():
            host = address.removeprefix("https://").removeprefix("http://").partition("/")[0]
            user, password = entry.get("username"), entry.get("password")
            if entry.get("auth"):
                user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
            found[host] = Login(user or "", password or "")
    return found


@dataclass(frozen=True)
class Pulled:
    """An image that was pulled.

    Attributes:
        id: ``host/repository@sha256:...``.
        ports: TCP ports it EXPOSEs.
        entrypoint: Of its configuration.
        command: Of its configuration.
    """

    id: str
    ports: frozenset[int] = frozenset()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Puller:
    """Pulls over plain HTTP from loopback registries and those in `plain_http`; there is no way to any other."""

    plain_http: frozenset[str] = frozenset()
    seconds: float = 10.0

    def pull(self, image: str, credentials: dict[str, Login]) -> Pulled:
        """What the registry has under a reference.

        Raises:
            PullError: In the words of containerd.
        """
        found = _REFERENCE.match(image)
        if not found or found["name"] != found["name"].lower():
            raise PullError(f'failed to parse image "{image}": invalid reference format')
        host = found["host"] or "registry-1.docker.io"
        failed = (
            f'rpc error: code = {{}} desc = failed to pull and unpack image "{image}": '
            f'failed to resolve reference "{image}": '
        )
        if not _LOOPBACK.match(host) and host not in self.plain_http:
            lookup = f"dial tcp: lookup {host.partition(':')[0]}: no such host (the stand-in pulls from loopback only)"
            url = f"https://{host}/v2/{found['name']}/manifests/{found['digest'] or found['tag'] or 'latest'}"
            raise PullError(f'{failed.format("Unknown")}failed to do request: Head "{url}": {lookup}')
        repository = _Repository(f"http://{host}/v2/{found['name']}", credentials.get(host), self.seconds)
        try:
            digest, config = repository.resolve(found["digest"] or found["tag"] or "latest", image, failed)
        except httpx.TransportError as error:
            shown = (
                f"dial tcp {host}: connect: connection refused" if isinstance(error, httpx.ConnectError) else str(error)
            )
            raise PullError(
                f'{failed.format("Unknown")}failed to do request: Head "{repository.url}": {shown}'
            ) from error
        return Pulled(
            f"{host}/{found['name']}@{digest}",
            frozenset(_tcp(port) for port in config.get("ExposedPorts") or {} if not port.endswith(("/udp", "/sctp"))),
            tuple(config.get("Entrypoint") or ()),
            tuple(config.get("Cmd") or ()),
        )


def _tcp(port: str) -> int:
    return int(port.partition("/")[0])


def _chosen(children: list[Object]) -> str:
    """The digest of an index's image for the node: linux/amd64 where it is, else the first (not an attestation)."""
    platforms = [(child.get("platform") or {}, child["digest"]) for child in children]
    fitting = [d for found, d in platforms if (found.get("os"), found.get("architecture")) == ("linux", "amd64")]
    known = [digest for found, digest in platforms if found.get("os") != "unknown"]
    return str([*fitting, *known, children[0]["digest"]][0])


class _Repository:
    """One repository of a registry, with Basic or Bearer login."""

    def __init__(self, url: str, login: Login | None, seconds: float) -> None:
        self.url = url
        self._login = login
        self._seconds = seconds
        self._headers = {"Accept": _ACCEPT, "User-Agent": "containerd/stand-in"}

    def resolve(self, reference: str, image: str, failed: str) -> tuple[str, Object]:
        """The digest, and the ``config`` of the image's configuration."""
        answer = self._request("HEAD", f"manifests/{reference}")
        if answer.status_code == 404:
            raise PullError(f"{failed.format('NotFound')}{image}: not found")
        if answer.status_code in (401, 403):
            host, shown = answer.request.url.netloc.decode(), f"{answer.status_code} {answer.reason_phrase}"
            text = f"pulling from host {host} failed with status code [manifests {reference}]: {shown}"
            raise PullError(f"{failed.format('Unknown')}{text}")
        if answer.status_code != 200:
            text = f"unexpected status from HEAD request to {answer.request.url}: {answer.status_code} "
            raise PullError(f"{failed.format('Unknown')}{text}{answer.reason_phrase}")
        body = self._request("GET", f"manifests/{reference}")
        digest = answer.headers.get("Docker-Content-Digest") or f"sha256:{hashlib.sha256(body.content).hexdigest()}"
        return str(digest), self._config(body.json(), image, failed)

    def _config(self, manifest: Any, image: str, failed: str) -> Object:
        if manifest.get("manifests"):
            child = self._request("GET", f"manifests/{_chosen(manifest['manifests'])}")
            manifest = child.json() if child.status_code == 200 else {}
        config = (manifest.get("config") or {}).get("digest")
        blob = self._request("GET", f"blobs/{config}") if config else None
        if blob is None or blob.status_code != 200:
            raise PullError(f"{failed.format('NotFound')}{image}: content {config or 'of the manifest'}: not found")
        found: Object = blob.json().get("config") or {}
        return found

    def _request(self, method: str, path: str) -> httpx.Response:
        url = f"{self.url}/{path}"
        answer = httpx.request(method, url, headers=self._headers, timeout=self._seconds, follow_redirects=True)
        challenge = answer.headers.get("WWW-Authenticate", "")
        if answer.status_code != 401 or "Authorization" in self._headers:
            return answer
        if challenge.lower().startswith("bearer"):
            token = self._token(challenge)
            if not token:  # refused: so is the image
                return answer
            self._headers["Authorization"] = f"Bearer {token}"
        elif self._login:
            text = f"{self._login.username}:{self._login.password}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(text).decode()}"
        else:
            return answer
        return httpx.request(method, url, headers=self._headers, timeout=self._seconds, follow_redirects=True)

    def _token(self, challenge: str) -> str:
        found = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        login = (self._login.username, self._login.password) if self._login else None
        query = {key: found[key] for key in ("service", "scope") if key in found}
        answer = httpx.get(found.get("realm", ""), params=query, auth=login, timeout=self._seconds)
        body = answer.json() if answer.status_code == 200 else {}
        return str(body.get("token") or body.get("access_token") or "")
