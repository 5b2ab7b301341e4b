"""What the address of a server must look like, for every block that has one."""

from __future__ import annotations

from urllib.parse import urlsplit


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
