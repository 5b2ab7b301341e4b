"""What the adapters over `requests` share: the translation of transport faults, and ``Retry-After``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import requests

from errors import InputError, ProtocolError, SmartClideError, UnavailableError


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the ``Retry-After`` header (RFC 9110, 10.2.3: seconds or a date), or None.

    >>> retry_after({"Retry-After": "7"})
    7.0
    >>> retry_after({}) is None
    True
    """
    text = headers.get("Retry-After") or headers.get("retry-after")
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def requests_fault(error: requests.RequestException, server: str) -> SmartClideError:
    """The error of this project for an exception of `requests` that is not about a status.

    Args:
        error: What `requests` raised; its text never holds credentials, but may hold an address.
        server: What was talked to, for people, e.g. ``Jenkins at https://jenkins.example.com``.
    """
    if isinstance(error, requests.exceptions.SSLError):
        return untrusted(server) if "CERTIFICATE" in str(error).upper() else without_tls(server)
    if isinstance(error, requests.Timeout):
        return UnavailableError(f"{server} did not answer in time.", remedy="Check that it is up; raise its timeout.")
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        manner = _manner(str(error))
        return UnavailableError(f"{server} {manner}.", remedy="Check that it is up and its address is right.")
    if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.JSONDecodeError):
        return InputError(
            f"The address of {server} is malformed.", remedy="Write it as https://host or http://host:port."
        )
    return ProtocolError(f"{server} gave an answer that cannot be read ({type(error).__name__}).")


def untrusted(server: str) -> InputError:
    """A TLS certificate that cannot be verified: a matter of configuration, so never retried."""
    remedy = "Name its certificate authority in the block's CA file."
    return InputError(f"The TLS certificate of {server} is not trusted.", remedy=remedy)


def without_tls(server: str) -> InputError:
    """No TLS at all, or a version of it that is refused: configuration too."""
    remedy = "Check whether its address is to begin with http:// or https://."
    return InputError(f"{server} and this client find no TLS that both speak.", remedy=remedy)


def _manner(text: str) -> str:
    if "NameResolutionError" in text or "Name or service not known" in text or "getaddrinfo" in text:
        return "cannot be found: its host name does not resolve"
    if "refused" in text:
        return "refused the connection"
    return "dropped the connection"
