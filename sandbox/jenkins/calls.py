"""One request as the routes see it, and what they share: the site's state, answers, crumbs, exports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import Response

from sandbox.jenkins import pages
from sandbox.jenkins.controller import Controller
from sandbox.jenkins.export import Bean, TreeSyntaxError, export, parse_tree
from sandbox.jenkins.security import BadCredentialsError
from sandbox.jenkins.views import Views

JSON = "application/json;charset=utf-8"
HTML_TEXT = "text/html;charset=utf-8"
COOKIE = "JSESSIONID"


@dataclass
class Call:
    """A request with its body read."""

    method: str
    raw_path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    cookie: str | None
    body: bytes
    form: dict[str, str] = field(default_factory=dict)
    query_length: int = 0
    user: str = ""
    by_token: bool = True

    @property
    def segments(self) -> list[str]:
        """The decoded parts of the path."""
        return [unquote(part) for part in self.raw_path.split("/") if part]

    @property
    def content_type(self) -> str:
        """Without its parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def given(self) -> dict[str, str]:
        """Parameters of form and query; the query wins, as in a servlet."""
        return {**self.form, **self.query}

    def submitted(self) -> dict[str, Any] | None:
        """The form field ``json``, decoded."""
        try:
            found = json.loads(self.form["json"])
        except (KeyError, ValueError):
            return None
        return found if isinstance(found, dict) else None


async def read_call(request: Request) -> Call:
    """The request with body and form."""
    raw = (request.scope.get("raw_path") or request.url.path.encode()).decode("latin-1").partition("?")[0]
    query_string = request.scope["query_string"].decode("latin-1")
    body = await request.body()
    form = _form(request.headers.get("content-type", ""), body)
    cookies = [value for name, value in request.cookies.items() if name.startswith(COOKIE)]
    return Call(
        request.method,
        raw,
        dict(parse_qsl(query_string, keep_blank_values=True)),
        request.headers,
        cookies[0] if cookies else None,
        body,
        form,
        len(query_string),
    )


def _form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a form, sent either way."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    if not content_type.startswith("multipart/form-data"):
        return {}
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    fields = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content.decode(errors="replace")
    return fields


class Site:
    """What every route needs."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.views = Views(controller)

    @property
    def session(self) -> str:
        """The id of this start of Jenkins."""
        return self.controller.session

    def authenticate(self, call: Call) -> Response | None:
        """Who calls, set on `call`; or the answer that refuses them."""
        try:
            identity = self.controller.security.identify(call.headers.get("authorization"))
        except BadCredentialsError:
            return pages.jetty(401, "Unauthorized", call.raw_path, {"WWW-Authenticate": 'Basic realm="Jenkins"'})
        if identity is None:
            open_to_all = call.segments[:1] == ["login"]
            return None if open_to_all else pages.login_required(self.session, call.raw_path)
        call.user, call.by_token = identity.name, identity.by_token
        if call.method in ("GET", "HEAD") or call.by_token:
            return None
        crumb = call.headers.get("jenkins-crumb") or call.form.get("Jenkins-Crumb")
        if self.controller.security.crumb_is_valid(call.user, call.cookie, crumb):
            return None
        return pages.jetty(403, "No valid crumb was included in the request", call.raw_path)

    def not_found(self) -> pages.HttpError:
        """404, to be raised."""
        return pages.HttpError(pages.not_found(self.session))

    def oops(self, status: int = 500) -> pages.HttpError:
        """The page of an exception, to be raised."""
        return pages.HttpError(pages.oops(self.session, status))

    def refused(self, reason: str) -> pages.HttpError:
        """400 with ``X-Error``, to be raised."""
        return pages.HttpError(pages.refused(self.session, reason))

    def require_post(self, call: Call) -> None:
        """405 on anything but a POST."""
        if call.method != "POST":
            raise pages.HttpError(pages.needs_post(self.session))

    def export(self, call: Call, bean: Bean) -> Response:
        """The answer of an ``api/json``."""
        try:
            tree = parse_tree(call.query["tree"]) if call.query.get("tree") else None
            depth = int(call.query.get("depth") or 0)
        except TreeSyntaxError as error:
            raise self.refused(str(error)) from error
        except ValueError as error:
            raise self.oops() from error
        text = json.dumps(export(bean, tree=tree, depth=depth), ensure_ascii=False)
        return Response(text, 200, pages.rendered(self.session), media_type=JSON)

    def redirect(self, path: str, status: int = 302) -> Response:
        """A ``Location`` below the public address."""
        return Response(b"", status, {"Location": self.views.url(path)})


def plain_json(value: Any) -> Response:
    """JSON of a plugin's own API, which carries no version header."""
    return Response(json.dumps(value, ensure_ascii=False), 200, media_type=JSON)
