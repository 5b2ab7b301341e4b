"""What the adapters over `requests` share: the translation of transport faults, and ``Retry-After``."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from errors import InputError, ProtocolError, SmartClideError, UnavailableError

_UNRESOLVED = (
    "NameResolutionError",
    "Failed to resolve",
    "Name or service not known",
    "No address associated",
    "Temporary failure in name resolution",
    "getaddrinfo",
)
_CERTIFICATE_FAULTS = {
    ("has expired", "not yet valid"): ("is not valid at this time", "Renew it there; check this machine's clock."),
    ("mismatch", "is not valid for", "doesn't match"): (
        "is another host's",
        "Write the address with a name that the certificate holds.",
    ),
    ("key identifier", "key usage", "basic constraints"): (
        "lacks what RFC 5280 asks of it or of its authority, on which Python 3.13 and newer insist",
        "Have it issued anew, with key identifiers and key usage; or run the worker on Python 3.12.",
    ),
}
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]+)?")


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
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - time.time())


def requests_fault(error: requests.RequestException, server: str) -> SmartClideError:
    """The error of this project for an exception of `requests` that is not about a status.

    Args:
        error: What `requests` raised; its text never holds credentials, but may hold an address.
        server: What was talked to, for people, e.g. ``Jenkins at https://jenkins.example.com``.
    """
    if isinstance(error, requests.exceptions.SSLError):
        return tls_fault(server, str(error))
    if isinstance(error, requests.Timeout):
        return UnavailableError(f"{server} did not answer in time.", remedy="Check that it is up; raise its timeout.")
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return unreached(server, str(error))
    if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.JSONDecodeError):
        remedy = "Write it as https://host or http://host:port; a proxy's in HTTPS_PROXY too."
        return InputError(f"The address of {server} is malformed.", remedy=remedy)
    return ProtocolError(f"{server} gave an answer that cannot be read ({type(error).__name__}).")


def sent_on(server: str, location: str, where: str) -> ProtocolError:
    """A redirect, which nobody follows: the login would go along.

    Args:
        server: What was talked to.
        location: The header; only its scheme and host are told.
        where: What names the server's address, e.g. ``the JenkinsServer block``.
    """
    target = urlsplit(location)
    there = f"{target.scheme}://{target.netloc.rpartition('@')[2]}" if target.netloc else "another path"
    return ProtocolError(
        f"{server} sends requests on to {there}: the login does not go there.",
        remedy=f"Put its own address into {where}; a proxy that wants people to sign in must let its API through.",
    )


def absent(server: str, what: str) -> str:
    """That a server has not what was asked for, as the begin of a sentence.

    >>> absent("Jenkins", "job a"), absent("Jenkins", "the queue")
    ('Jenkins has no job a', 'Jenkins does not have the queue')
    """
    return f"{server} {'does not have' if what.startswith('the ') else 'has no'} {what}"


def whose_fault(status: int) -> str:
    """What to do about 5xx: a gateway's own say nothing of the server's log."""
    if status in (502, 503, 504):
        return "Check that it is up; a proxy before it may say so in its place."
    return "See its own log."


def unreached(server: str, text: str) -> UnavailableError:
    """No connection, or one that broke; `text` is the client's own, which tells how."""
    return UnavailableError(f"{server} {_manner(text)}.", remedy="Check that it is up and its address is right.")


def tls_fault(server: str, text: str, authority: str = "the block's CA file") -> InputError:
    """What is wrong with TLS, by the client's own `text`: never retried, as it does not pass.

    Args:
        server: What was talked to.
        text: The client's words, and OpenSSL's in them.
        authority: Where a certificate authority is named for this server.
    """
    words = text.lower().replace("_", " ")
    if "certificate verify failed" in words or "certificate is not valid" in words:
        return untrusted(server, words, authority)
    if "alert" in words and ("certificate" in words or "unknown ca" in words):
        remedy = "Only a cluster's kubeconfig can name one; for other servers use an address that wants none."
        return InputError(f"{server} wants a certificate of this client, or refuses its own.", remedy=remedy)
    return without_tls(server)


def untrusted(server: str, words: str, authority: str) -> InputError:
    """A TLS certificate that cannot be verified: a matter of configuration, so never retried."""
    remedy = f"Name its certificate authority in {authority}."
    for signs, what in _CERTIFICATE_FAULTS.items():
        if any(sign in words for sign in signs):
            reason, remedy = what
            break
    else:
        reason = "is not trusted"
    return InputError(f"The TLS certificate of {_within(server)} {reason}.", remedy=remedy)


def without_tls(server: str) -> InputError:
    """No TLS at all, or a version of it that is refused: configuration too."""
    remedy = "Check whether its address is to begin with http:// or https://."
    return InputError(f"{server} and this client find no TLS that both speak.", remedy=remedy)


def _within(server: str) -> str:
    return server[:1].lower() + server[1:] if server.startswith("The ") else server


def _manner(text: str) -> str:
    if any(sign in text for sign in _UNRESOLVED):
        return "cannot be found: its host name does not resolve"
    if "refused" in text:
        return "refused the connection"
    return "dropped the connection"
