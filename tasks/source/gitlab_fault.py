"""Translates what python-gitlab raises: once, here, by class. Used by `repository`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import gitlab
import requests
from gitlab.exceptions import GitlabError, GitlabParsingError, RedirectError

from errors import AccessError, InputError, NotFoundError, ProtocolError, SmartClideError, UnavailableError
from tasks.hiding import Hider
from tasks.transport import absent, requests_fault, retry_after, sent_on, whose_fault


class Translator:
    """Knows one python-gitlab client and remembers the headers of its last answer, which its exceptions lack."""

    def __init__(self, client: gitlab.Gitlab, url: str, has_token: bool) -> None:
        self.server = f"GitLab at {url}"
        self.has_token = has_token
        self._hide = Hider(client.private_token)
        self._headers: requests.structures.CaseInsensitiveDict[str] | dict[str, str] = {}
        client.session.hooks["response"].append(self._remember)

    def _remember(self, response: requests.Response, *_args: object, **_options: object) -> None:
        """Runs before `requests` follows a redirect: it would take the header PRIVATE-TOKEN along to any host."""
        self._headers = response.headers
        if response.is_redirect:
            old, new = (urlsplit(urljoin(response.url, to)) for to in ("", response.headers["location"]))
            if new.hostname != old.hostname or (old.scheme, new.scheme) == ("https", "http"):
                raise sent_on(self.server, new.geturl(), "the GitLabServer block")

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Raise our error for any exception inside; `what` was asked for, e.g. ``branches of project a/b``."""
        try:
            yield
        except GitlabError as error:
            raise self._error(error, what) from self._hide.cause(error)
        except (KeyError, TypeError, AttributeError) as error:  # JSON that python-gitlab did not look for
            raise self._unreadable(what) from self._hide.cause(error)
        except requests.RequestException as error:
            raise requests_fault(error, self.server) from self._hide.cause(error)

    def _error(self, error: GitlabError, what: str) -> SmartClideError:
        status = error.response_code
        if isinstance(error, (GitlabParsingError, RedirectError)) or status is None:
            return self._unreadable(what)
        if status == 401:
            return self._unauthorized(what)
        if status == 403:
            return AccessError(
                f"{self.server} forbids access to {what} (403){self._reason(error)}.",
                remedy="Use a token with the scopes read_api and read_repository, of a user who is at least Reporter.",
            )
        if status == 404:
            return NotFoundError(f"{absent(self.server, what)}, or hides it{self.from_whom()}.")
        if status in (408, 429) or status >= 500:
            seconds = retry_after(self._headers) or _until_reset(self._headers)
            told = f"{self.server} failed on {what} ({status})."
            return UnavailableError(told, remedy=whose_fault(status), retry_after=seconds)
        if status in (400, 422):
            return InputError(f"{self.server} refused {what} ({status}){self._reason(error)}.")
        return ProtocolError(f"{self.server} answered {status} for {what}.")

    def _unreadable(self, what: str) -> ProtocolError:
        return ProtocolError(
            f"{self.server} gave an unreadable answer for {what}.",
            remedy="Check the URL in the GitLabServer block, and for a proxy or login page in between.",
        )

    def _unauthorized(self, what: str) -> AccessError:
        if self.has_token:
            return AccessError(
                f"{self.server} refused the token (401).",
                remedy="It may be expired or revoked: put a new one in the block.",
            )
        return AccessError(
            f"{self.server} wants a login for {what} (401).", remedy="Put a token in the GitLabServer block."
        )

    def from_whom(self) -> str:
        """Who a thing may be hidden from, as part of a sentence."""
        return " from this token" if self.has_token else " from anonymous users (no token is configured)"

    def _reason(self, error: GitlabError) -> str:
        """GitLab's own word, where it has one that says more than the status."""
        text = error.error_message
        if not isinstance(text, str) or not 0 < len(text) < 200 or "<" in text or text == "403 Forbidden":
            return ""
        return f": {self._hide(text).rstrip('.')}"


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until GitLab's rate limit allows requests again; the header holds the Unix time of that."""
    reset = headers.get("RateLimit-Reset", "")
    return (
        max(0.0, float(reset) - time.time()) if reset.isdigit() and headers.get("RateLimit-Remaining") == "0" else None
    )
