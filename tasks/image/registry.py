"""Asks a Docker registry (v2 API) about images. The adapter of this step.

Sources: OCI distribution-spec (``spec.md``: HEAD of a manifest, ``Docker-Content-Digest``, 429) and
distribution.github.io/distribution/spec/auth/token (Bearer flow).
"""

from __future__ import annotations

import hashlib
import re
import ssl
import weakref
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from blocks.image_registry import ImageRegistry
from errors import AccessError, InputError, NotFoundError, ProtocolError, SmartClideError, UnavailableError
from tasks.hiding import Hider, login_secrets
from tasks.image.reference import ImageReference
from tasks.transport import absent, retry_after, sent_on, tls_fault, unreached, whose_fault

MANIFEST_TYPES = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PARAMETER = re.compile(r'([A-Za-z_]+)="([^"]*)"|([A-Za-z_]+)=([^\s,"]+)')


class Registry:
    """One registry, as the user of its block. Keeps a token per scope; a context manager."""

    def __init__(self, registry: ImageRegistry) -> None:
        self.address = registry.address
        self._plain_http = registry.plain_http
        self._helper = registry.credential_helper
        self._login = registry.login()
        self._client = registry.get_client()
        weakref.finalize(self, self._client.close)  # also where nobody used it as a context manager
        self._authorization: dict[str, str] = {}
        self._secrets = list(login_secrets(self._login))

    def __str__(self) -> str:
        return f"registry {self.address}"

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.close()

    def ping(self) -> None:
        """Check that the address is a registry of API v2 that accepts the login."""
        self._send("GET", "/v2/", "the v2 API", scope="")

    def digest(self, image: ImageReference) -> str:
        """Digest of the manifest, or of the index of a multi-platform image.

        Args:
            image: By digest if it has one, else by tag, else by ``latest``.

        Raises:
            NotFoundError: The registry does not have it.
        """
        answer = self._manifest("HEAD", image)
        digest: str | None = answer.headers.get("Docker-Content-Digest")
        if digest is None:  # old registries: the digest is that of the exact bytes
            digest = "sha256:" + hashlib.sha256(self._manifest("GET", image).content).hexdigest()
        if not _DIGEST.fullmatch(digest) or (image.digest is not None and digest != image.digest):
            raise ProtocolError(f"The {self} names digest {self._hide(digest)[:80]!r} for image {image}.")
        return digest

    def find(self, image: ImageReference) -> str | None:
        """As `digest`, or None where the registry has no such image, or hides it.

        Docker Hub, Quay and GHCR refuse (401, 403) what is not there yet, too: only a login that is refused altogether
        is an error then.

        Raises:
            AccessError: The login is not accepted.
        """
        try:
            return self.digest(image)
        except NotFoundError:
            return None
        except AccessError:
            self.ping()
            return None

    def tags(self, repository: str) -> list[str]:
        """Tags of a repository, over all pages."""
        path: str | None = f"/v2/{repository}/tags/list?n=500"
        tags: list[str] = []
        while path is not None:
            answer = self._send("GET", path, f"tags of {repository}", scope=_pull(repository))
            tags.extend(_object(answer, self).get("tags") or [])
            path = self._next(answer)
        return tags

    def config(self, image: ImageReference) -> dict[str, Any]:
        """The image's configuration (``config.Labels``, ``created``, ...); of the first platform where it has many."""
        manifest = _object(self._manifest("GET", image), self)
        if "manifests" in manifest:
            platforms = [entry["digest"] for entry in manifest["manifests"] if not _is_attestation(entry)]
            if not platforms:
                raise ProtocolError(f"The index of image {image} names no platform.")
            return self.config(ImageReference(image.registry, image.repository, digest=platforms[0]))
        digest = (manifest.get("config") or {}).get("digest", "")
        if not _DIGEST.fullmatch(digest):
            raise ProtocolError(f"The manifest of image {image} names no configuration.")
        path = f"/v2/{image.repository}/blobs/{digest}"
        answer = self._send("GET", path, f"configuration of image {image}", scope=_pull(image.repository), follow=True)
        return _object(answer, self)

    def labels(self, image: ImageReference) -> dict[str, str]:
        """The image's labels."""
        return dict((self.config(image).get("config") or {}).get("Labels") or {})

    def _manifest(self, method: str, image: ImageReference) -> httpx.Response:
        path = f"/v2/{image.repository}/manifests/{image.digest or image.tag or 'latest'}"
        return self._send(method, path, f"image {image}", scope=_pull(image.repository))

    def _next(self, answer: httpx.Response) -> str | None:
        link = answer.links.get("next", {}).get("url")
        if link is None:
            return None
        parts = urlsplit(link)
        return f"{parts.path}?{parts.query}"  # never to another host, whatever it names

    def _send(self, method: str, path: str, what: str, *, scope: str, follow: bool = False) -> httpx.Response:
        answer = self._transmit(method, path, scope, follow)
        if answer.status_code == 401 and (challenges := answer.headers.get_list("WWW-Authenticate")):
            self._authorization[scope] = self._authorize(challenges, scope, what)
            answer = self._transmit(method, path, scope, follow)
        if method == "HEAD" and answer.status_code in (405, 501):  # some proxies know GET only
            return self._send("GET", path, what, scope=scope, follow=follow)
        if not answer.is_success:
            raise self._refusal(answer, what)
        if "html" in answer.headers.get("Content-Type", ""):
            raise ProtocolError(
                f"The {self} answers with a web page: it does not look like a registry.",
                remedy="Check the address, and for a proxy or login page before it.",
            )
        return answer

    def _transmit(self, method: str, path: str, scope: str, follow: bool) -> httpx.Response:
        headers = {"Accept": MANIFEST_TYPES} if "/manifests/" in path else {}
        if scope in self._authorization:
            headers["Authorization"] = self._authorization[scope]
        return self._request(method, path, headers=headers, follow_redirects=follow)

    def _request(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, url, **options)
        except httpx.HTTPError as error:
            raise self._fault(error) from self._hide.cause(error)
        except httpx.InvalidURL as error:
            raise InputError(
                f"The address of {self} is malformed.", remedy="Give host and port."
            ) from self._hide.cause(error)

    @property
    def _hide(self) -> Hider:
        return Hider(*self._secrets)

    def _fault(self, error: httpx.HTTPError) -> SmartClideError:
        server = f"The {self}"
        if words := _of_certificates(error):
            return tls_fault(server, words)
        if isinstance(error, httpx.TimeoutException):
            return UnavailableError(f"{server} did not answer in time.", remedy="Check that it is up.")
        if isinstance(error, httpx.ConnectError) and "SSL" in str(error):
            remedy = "If it speaks plain HTTP, say so (--registry-http, or Plain HTTP in the block)."
            return InputError(f"{server} and this client find no TLS that both speak.", remedy=remedy)
        if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol):
            return unreached(server, str(error))
        return ProtocolError(f"{server} gave an answer that cannot be read ({type(error).__name__}).")

    def _authorize(self, challenges: list[str], scope: str, what: str) -> str:
        kind, rest = _challenge(challenges)
        if kind == "basic":
            if self._login is None:
                raise AccessError(f"The {self} wants a login.", remedy="Put credentials in the ImageRegistry block.")
            return _basic(self._login)
        if kind == "bearer":
            return f"Bearer {self._token(_parameters(rest), scope, what)}"
        raise ProtocolError(f"The {self} wants a login of unknown kind {self._hide(kind)[:20]!r}.")

    def _token(self, challenge: Mapping[str, str], scope: str, what: str) -> str:
        """A token for our own scope, as Docker asks for: that of the challenge may be a mere example (ghcr.io)."""
        realm = self._realm(challenge.get("realm", ""))
        query = {"service": challenge.get("service", ""), "scope": scope}
        headers = {"Authorization": _basic(self._login)} if self._login else {}
        parameters = {name: value for name, value in query.items() if value}
        answer = self._request("GET", realm, params=parameters, headers=headers)
        if answer.status_code == 404:
            raise ProtocolError(f"The address that the {self} names for logging in is not there (404).")
        if not answer.is_success:
            raise self._refusal(answer, what)
        document = _object(answer, self)
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str):
            raise ProtocolError(f"The {self} gave no token.")
        self._secrets.append(token)
        return token

    def _realm(self, realm: str) -> str:
        parts = urlsplit(realm)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise ProtocolError(f"The {self} names no usable address for logging in.")
        if parts.scheme == "http" and not self._plain_http:
            raise ProtocolError(f"The {self} wants the login sent to {parts.hostname} without TLS; it was not sent.")
        return realm

    @property
    def _lasting(self) -> str:
        """What to think of where a password ends by itself."""
        if self._helper:
            return f" The login is what docker-credential-{self._helper} gave."
        if ".dkr.ecr." not in self.address:
            return ""
        return " Its passwords are valid for 12 hours: renew it, or name the credential helper ecr-login in the block."

    def _refusal(self, answer: httpx.Response, what: str) -> SmartClideError:
        status, server = answer.status_code, f"The {self}"
        if status == 401:
            whom = f"the login of user {self._login[0]!r}" if self._login else "anonymous access"
            remedy = "Check the credentials in the ImageRegistry block, and that its user may pull and push there."
            return AccessError(f"{server} refused {whom} to {what} (401).", remedy=f"{remedy}{self._lasting}")
        if status == 403:
            remedy = "Give its user the right to pull and push there."
            return AccessError(f"{server} forbids {what} (403).", remedy=f"{remedy}{self._lasting}")
        if status == 404:
            return NotFoundError(f"{absent(server, what)}{self._hide(_code(answer))}.")
        if status in (408, 429) or status >= 500:
            told, wait = f"{server} failed on {what} ({status}).", retry_after(answer.headers)
            return UnavailableError(told, remedy=whose_fault(status), retry_after=wait)
        if answer.has_redirect_location:
            return sent_on(server, answer.headers["Location"], "the ImageRegistry block")
        return ProtocolError(
            f"{server} answered {status} for {what}{self._hide(_code(answer))}.", remedy="Check its address."
        )


def _pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def _basic(login: tuple[str, str]) -> str:
    return str(httpx.BasicAuth(*login)._auth_header)


def _challenge(headers: list[str]) -> tuple[str, str]:
    """The login that is asked for, and its parameters: Bearer before Basic where a registry offers both.

    >>> _challenge(['Basic realm="r"', 'bearer realm="https://x/token"'])
    ('bearer', 'realm="https://x/token"')
    """
    text = ", ".join(headers)
    for kind in ("bearer", "basic"):
        if found := re.search(rf"(?:^|,)\s*{kind}(?:\s+(.*)|$)", text, re.IGNORECASE):
            return kind, found[1] or ""
    return text.partition(" ")[0], ""


def _parameters(text: str) -> dict[str, str]:
    found = _PARAMETER.findall(text)  # not split at commas: a scope may be "repository:x:pull,push"
    pairs = [((quoted or bare).lower(), value or word) for quoted, value, bare, word in found]
    return dict(reversed(pairs))  # the first of a name is this challenge's, a later one another's


def _object(answer: httpx.Response, registry: Registry) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ProtocolError(f"The {registry} gave no JSON object.", remedy="Check the address, and for a proxy.")
    return document


def _code(answer: httpx.Response) -> str:
    try:
        code = answer.json()["errors"][0]["code"]
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
    return f" ({code})" if isinstance(code, str) and re.fullmatch(r"[A-Z_]{1,40}", code) else ""


def _is_attestation(entry: Mapping[str, Any]) -> bool:
    return (entry.get("platform") or {}).get("architecture") == "unknown"  # BuildKit's provenance


def _of_certificates(error: BaseException) -> str | None:
    """OpenSSL's words on a certificate, where it is about one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and "CERTIFICATE" in str(cause).upper():
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return None
