"""What addresses, tokens and certificate authorities of servers must look like, for every block that has them."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from pydantic import SecretStr

from errors import InputError


def web_address(url: str) -> str:
    """The address without a slash at its end.

    >>> web_address("https://gitlab.example.com/")
    'https://gitlab.example.com'

    Raises:
        ValueError: It is not ``http(s)://host...``, or holds credentials. The message does not repeat the address.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write an address such as https://gitlab.example.com")
    if parts.username or parts.password:
        raise ValueError("put the user name and the token in their own fields, not in the URL")
    return url.strip().rstrip("/")


def token(secret: SecretStr) -> SecretStr:
    r"""The token without white space around it, as a file or a pasted line leaves there.

    >>> token(SecretStr("abc\n")).get_secret_value()
    'abc'

    Raises:
        ValueError: It cannot stand in a header; a client's own error would show it.
    """
    text = secret.get_secret_value().strip()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("the token has characters that no token has; copy it again")
    return SecretStr(text)


def unusable_proxy() -> InputError:
    """What to raise where a client refuses a proxy that the environment names: its own words may hold a password."""
    message = "The address of a proxy in the environment cannot be used."
    return InputError(message, remedy="Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: http://user:password@host:port.")


def trusted(ca_file: str | None, verify: bool) -> bool | str:
    """What a client is to verify certificates by: this file, else the system's authorities (True) or nothing (False).

    Raises:
        InputError: The file cannot be read, or holds no certificate.
    """
    if not ca_file:
        return verify
    try:
        ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise InputError(f"The CA file {ca_file} holds no certificate in PEM.", remedy="Name another one.") from error
    except OSError as error:
        remedy = "It must be there on every machine that runs a worker, too."
        raise InputError(f"The CA file {ca_file} cannot be read: {error.strerror}.", remedy=remedy) from error
    return ca_file
