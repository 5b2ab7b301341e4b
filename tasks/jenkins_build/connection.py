"""One request to Jenkins: sent through python-jenkins' session, answered or translated into one of our errors.

python-jenkins itself puts whole HTML pages into its exceptions, lets some of `requests`' escape, follows the 303 of a
queued build, and needs crumbs; so requests are sent here, with its address, its login and its timeout.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import quote, urljoin

import jenkins
import requests

from blocks.jenkins_server import JenkinsServer
from errors import AccessError, ProtocolError, SmartClideError, UnavailableError
from tasks.hiding import Hider, login_secrets
from tasks.jenkins_build.refusals import Refusal
from tasks.transport import requests_fault, retry_after, sent_on

_PIECE = 1 << 16
_PAGE = 1 << 20  # bytes of an error's page that are looked at
_REDIRECTS = (302, 303)
_JOB = re.compile(r"/job/[^/?#]*")


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
        self.hide = Hider(*login_secrets((server.username, server.api_token.get_secret_value())))

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
            self._reject_page(response)
            return response
        raise self._refusal(response, f"{method} {path.partition('?')[0]}", what)

    def download(self, path: str, into: IO[bytes], *, what: str) -> Mapping[str, str]:
        """GET what may be large into a file, piece by piece; returns the headers. Errors as for `send`."""
        response = self._transmit(requests.Request("GET", self.url(path)), into)
        if response.status_code < 300:
            return response.headers
        raise self._refusal(response, f"GET {path.partition('?')[0]}", what)

    def _refusal(self, response: requests.Response, call: str, what: str) -> SmartClideError:
        if response.status_code in _REDIRECTS:
            self._reject_page(response)
        wait = retry_after(response.headers)
        headers = {name.title(): self.hide(value) for name, value in response.headers.items()}
        told = self.hide(response.content[:_PAGE].decode("utf-8", "replace")).encode()
        return Refusal(self.server, self.user, call, what, response.status_code, headers, told, wait).error()

    def json(self, path: str, *, what: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        """GET a JSON object, or POST `form` for one."""
        response = self.send("GET" if form is None else "POST", path, what=what, form=form)
        if response.status_code in _REDIRECTS:
            raise sent_on(self.server, response.headers.get("Location", ""), "the JenkinsServer block")
        try:
            found = json.loads(response.content)
        except ValueError as error:
            if response.content.lstrip()[:1] == b"{":  # it was one, but its end is missing
                raise UnavailableError(f"{self.server} sent half an answer for {what}.") from error
            found = None
        if not isinstance(found, dict):
            raise ProtocolError(
                f"{self.server} gave no JSON object for {what}.", remedy="Check the URL, and for a proxy or login page."
            )
        return found

    def _transmit(self, request: requests.Request, into: IO[bytes] | None = None) -> requests.Response:
        try:
            with self._client() as client:
                client._maybe_add_auth()
                session = client._session
                prepared = session.prepare_request(request)
                stream = into is not None
                options = session.merge_environment_settings(prepared.url, {}, stream, session.verify, None)
                response: requests.Response = session.send(
                    prepared, timeout=client.timeout, allow_redirects=False, **options
                )
                _consume(response, into)
        except requests.RequestException as error:
            raise requests_fault(error, self.server) from self.hide.cause(error)
        except jenkins.JenkinsException:
            raise AccessError(f"{self.server} accepts no way of logging in.") from None  # its text is an HTML page
        return response

    def _reject_page(self, response: requests.Response) -> None:
        """What answers like this is a login, or no Jenkins at all: nearly every answer of Jenkins has its header."""
        where = response.headers.get("Location", "").removeprefix(self._root.rstrip("/"))
        if response.status_code in _REDIRECTS and "login" in _JOB.sub("", where).lower():  # a job may be called so
            raise AccessError(f"{self.server} asks user {self.user!r} to log in.", remedy="Check the API token.")
        html = response.headers.get("Content-Type", "").startswith("text/html")
        if html and response.status_code not in _REDIRECTS and "X-Jenkins" not in response.headers:
            raise ProtocolError(
                f"{self.server} answered with a web page that is not Jenkins' own.",
                remedy="Check the URL, and for a proxy or login page before it.",
            )


def _consume(response: requests.Response, into: IO[bytes] | None) -> None:
    """Read the body while the client is ours: into the file, or, an error's too, into the response."""
    if into is None or response.status_code >= 300:
        _ = response.content
        return
    try:
        for piece in response.iter_content(_PIECE):
            into.write(piece)
    finally:
        response.close()  # where it was left in the middle, its connection is of no use
