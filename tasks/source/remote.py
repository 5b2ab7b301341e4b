"""Files by address, for `include:remote`: small, soon, and never with anyone's token."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import httpx

from errors import InputError, NotFoundError, SmartClideError, UnavailableError
from tasks.hiding import Hider
from tasks.source.sources import Remote

MAX_BYTES = 4 * 1024 * 1024
SECONDS = 10.0
_MAX_REDIRECTS = 3
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PASSING = (408, 425, 429)


def fetch_remote(source: Remote, seconds: float = SECONDS) -> Mapping[str, str]:
    """Return the text of a remote file by its key.

    Args:
        source: The address: https, or http on this machine. Redirects must be of the same scheme.
        seconds: How long it may take, all in all.

    Raises:
        NotFoundError: The server has no such file, or does not give it to everyone.
        InputError: Too large, not UTF-8, a redirect elsewhere, an untrusted certificate.
        UnavailableError: Timeout, 429, 5xx, no connection.
    """
    shown = source.key[:200]
    try:
        data = _read(source.url, shown, seconds)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _fault(error, shown, seconds) from Hider().cause(error)
    try:
        return {source.key: data.decode("utf-8")}
    except UnicodeDecodeError as error:
        raise InputError(f"Remote file {shown} is not UTF-8.", remedy="Convert it.") from error


def _fault(error: Exception, shown: str, seconds: float) -> SmartClideError:
    if isinstance(error, httpx.TimeoutException):
        return UnavailableError(f"Remote file {shown} did not come within {seconds:g} seconds.")
    if isinstance(error, httpx.InvalidURL):
        return InputError(f"Remote file {shown}: that is no address.")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return InputError(f"Remote file {shown}: the server's TLS certificate is not trusted.")
    return UnavailableError(f"Remote file {shown}: the server cannot be reached, or broke off.")


def _read(url: str, shown: str, seconds: float) -> bytes:
    end = time.monotonic() + seconds
    with httpx.Client(timeout=seconds, headers={"Accept": "*/*"}) as client:
        for _ in range(_MAX_REDIRECTS + 1):
            with client.stream("GET", url) as answer:
                if not answer.is_redirect:
                    return _body(answer, shown, end)
                url = _next(url, answer.headers.get("location", ""), shown)
    raise InputError(f"Remote file {shown}: more than {_MAX_REDIRECTS} redirects.", remedy="Name its final address.")


def _next(url: str, location: str, shown: str) -> str:
    target = urljoin(url, location)
    old, new = urlsplit(url), urlsplit(target)
    if new.scheme != old.scheme or (new.scheme == "http" and new.hostname not in _LOOPBACK):
        raise InputError(
            f"Remote file {shown} leads to another scheme ({new.scheme or 'none'}).",
            remedy="Name the final address, with https://.",
        )
    return target


def _body(answer: httpx.Response, shown: str, end: float) -> bytes:
    status = answer.status_code
    if status in _PASSING or status >= 500:
        raise UnavailableError(f"Remote file {shown}: the server failed ({status}).")
    if status != 200:
        raise NotFoundError(f"Remote file {shown}: the server answered {status}.", remedy="Check the address.")
    data = b""
    for chunk in answer.iter_bytes():
        data += chunk
        if len(data) > MAX_BYTES:
            raise InputError(f"Remote file {shown} is larger than {MAX_BYTES // 2**20} MiB.")
        if time.monotonic() > end:
            raise UnavailableError(f"Remote file {shown} came too slowly.")
    return data
