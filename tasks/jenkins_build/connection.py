"""One request to Jenkins: sent through python-jenkins' session, answered or translated into one of our errors.

python-jenkins itself puts whole HTML pages into its exceptions, lets some of `requests`' escape, follows the 303 of a
queued build, and needs crumbs; so requests are sent here, with its address, its login and its timeout.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urljoin

import jenkins
import requests

from blocks.jenkins_server import JenkinsServer
from errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    ProtocolError,
    SmartClideError,
    UnavailableError,
)
from tasks.transport import requests_fault, retry_after

_REDIRECTS = (302, 303)


def job_path(name: str) -> str:
    """Path of a job or folder by its full name.

    >>> job_path("smartclide/group/my app")
    'job/smartclide/job/group/job/my%20app'
    """
    return "/".join(f"job/{quote(part, safe='')}" for part in name.split("/"))


class Connection:
    """Sends requests to one Jenkins, each over a connection that was kept, or a new one. For any number of threads."""

    def __init__(self, server: JenkinsServer) -> None:
        self.server = f"Jenkins at {server.url}"
        self.user = server.username
        self._block = server
        self._root = f"{server.url.rstrip('/')}/"
        self._idle: deque[jenkins.Jenkins] = deque()

    def url(self, path: str) -> str:
        """The address of `path` below Jenkins' root."""
        return str(urljoin(self._root, path))

    def close(self) -> None:
        """Close what is kept open."""
        while self._idle:
            self._idle.pop()._session.close()

    @contextmanager
    def _client(self) -> Iterator[jenkins.Jenkins]:
        """A client of its own for one request: `requests` has no session for two threads."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._block.get_client()
            client.crumb = False  # an API token needs none, and a crumb dies with its session
        try:
            yield client
        finally:
            self._idle.append(client)

    def send(
        self, method: str, path: str, *, what: str, form: dict[str, str] | None = None, xml: str | None = None
    ) -> requests.Response:
        """Send one request.

        Args:
            method: ``GET`` or ``POST``.
            path: Below Jenkins' root, with the query.
            what: The thing asked for, for messages: ``job a/b``.
            form: Fields of a form body.
            xml: An XML body.

        Raises:
            SmartClideError: Any of our errors, for any answer that is not 2xx, 302 or 303.
        """
        request = requests.Request(method, self.url(path), data=form)
        if xml is not None:
            request.data = xml.encode()
            request.headers["Content-Type"] = "application/xml; charset=utf-8"
        response = self._transmit(request)
        if response.status_code < 300 or response.status_code in _REDIRECTS:
            self._reject_login_page(response)
            return response
        raise self._refusal(response, what)

    def json(self, path: str, *, what: str) -> dict[str, Any]:
        """GET a JSON object."""
        response = self.send("GET", path, what=what)
        try:
            found = json.loads(response.content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProtocolError(
                f"{self.server} gave no JSON object for {what}.", remedy="Check the URL, and for a proxy or login page."
            )
        return found

    def _transmit(self, request: requests.Request) -> requests.Response:
        try:
            with self._client() as client:
                client._maybe_add_auth()
                session = client._session
                prepared = session.prepare_request(request)
                options = session.merge_environment_settings(prepared.url, {}, None, session.verify, None)
                response: requests.Response = session.send(
                    prepared, timeout=client.timeout, allow_redirects=False, **options
                )
        except requests.RequestException as error:
            raise requests_fault(error, self.server) from error
        except jenkins.JenkinsException:
            raise AccessError(f"{self.server} accepts no way of logging in.") from None  # its text is an HTML page
        return response

    def _reject_login_page(self, response: requests.Response) -> None:
        if response.status_code in _REDIRECTS and "login" in response.headers.get("Location", ""):
            raise AccessError(f"{self.server} asks user {self.user!r} to log in.", remedy="Check the API token.")

    def _refusal(self, response: requests.Response, what: str) -> SmartClideError:
        status = response.status_code
        if status == 401:
            return AccessError(
                f"{self.server} refused the login of user {self.user!r} (401).",
                remedy="Make an API token in Jenkins (User > Security) and put it into the JenkinsServer block.",
            )
        if status == 403:
            return self._forbidden(response, what)
        if status == 404:
            return NotFoundError(f"{self.server} has no {what}, or hides it from user {self.user!r}.")
        if status in (408, 429) or status >= 500:
            return self._unavailable(response, what)
        reason = response.headers.get("X-Error", "").strip()
        if status == 409:
            return ConflictError(f"{self.server} refused {what} (409){': ' + reason if reason else ''}.")
        if status in (400, 413, 414):
            return InputError(f"{self.server} refused {what} ({status}){': ' + reason if reason else ''}.")
        return ProtocolError(f"{self.server} answered {status} for {what}.")

    def _forbidden(self, response: requests.Response, what: str) -> AccessError:
        if b"No valid crumb" in response.content:
            return AccessError(
                f"{self.server} wants a crumb from user {self.user!r} (403): that happens with a password.",
                remedy="Use an API token instead of a password.",
            )
        return AccessError(
            f"{self.server} does not let user {self.user!r} use {what} (403).",
            remedy="Give the user the permission for it: Job Create, Configure, Build, Cancel, Read; Credentials.",
        )

    def _unavailable(self, response: requests.Response, what: str) -> UnavailableError:
        if response.status_code == 503 and b"Starting Jenkins" in response.content:
            return UnavailableError(f"{self.server} is starting.", retry_after=retry_after(response.headers))
        return UnavailableError(
            f"{self.server} failed on {what} ({response.status_code}).",
            remedy="See Jenkins' own log.",
            retry_after=retry_after(response.headers),
        )
