"""The HTML answers of Jenkins and of the Jetty below it, as far as clients look at them."""

from __future__ import annotations

import html
import uuid
from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import Response

VERSION = "2.448"
HTML = "text/html;charset=utf-8"


class HttpError(Exception):
    """An answer other than success, raised from anywhere below a route."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def rendered(session: str) -> dict[str, str]:
    """Headers of what Jenkins itself renders (pages and API answers, not files and bare errors)."""
    return {"X-Jenkins": VERSION, "X-Jenkins-Session": session}


def page(session: str, status: int, body: str, extra: Mapping[str, str] | None = None) -> Response:
    """A page in Jenkins' layout."""
    text = f"<!DOCTYPE html><html><head><title>Jenkins</title></head><body>{body}</body></html>"
    headers = {"X-Hudson": "1.395", **rendered(session), **(extra or {})}
    return Response(text, status, headers, media_type=HTML)


def not_found(session: str) -> Response:
    """The page of an unknown address."""
    return page(
        session,
        404,
        "<h1>Oops!</h1><h2>Not Found</h2><p>This page may not exist, or you may not have permission to see it.</p>",
    )


def oops(session: str, status: int = 500) -> Response:
    """The page of an exception; its reason stays in the log."""
    return page(
        session,
        status,
        f"<h1>Oops!</h1><h2>A problem occurred while processing the request</h2><p>Logging ID={uuid.uuid4()}</p>",
    )


def refused(session: str, shown: str) -> Response:
    """400 with the reason in ``X-Error``, whose header cannot carry the typographic quotes of the page."""
    reason = shown.replace("‘", " ").replace("’", " ").strip()
    return page(session, 400, f"<h1>Error</h1><p>{html.escape(shown, quote=False)}</p>", {"X-Error": reason})


def needs_post(session: str) -> Response:
    """405 on a GET of an action."""
    return page(session, 405, "<h1>This URL requires POST</h1>")


def jetty(status: int, message: str, path: str, extra: Mapping[str, str] | None = None) -> Response:
    """A bare error page of Jetty."""
    path = html.escape(path)
    text = (
        '<html>\n<head>\n<meta http-equiv="Content-Type" content="text/html;charset=ISO-8859-1"/>\n'
        f"<title>Error {status} {message}</title>\n</head>\n<body><h2>HTTP ERROR {status} {message}</h2>\n<table>\n"
        f"<tr><th>URI:</th><td>{path}</td></tr>\n<tr><th>STATUS:</th><td>{status}</td></tr>\n"
        f"<tr><th>MESSAGE:</th><td>{message}</td></tr>\n<tr><th>SERVLET:</th><td>Stapler</td></tr>\n</table>\n"
        '<hr/><a href="https://eclipse.org/jetty">Powered by Jetty:// 10.0.20</a><hr/>\n\n</body>\n</html>\n'
    )
    return Response(text, status, dict(extra or {}), media_type="text/html;charset=iso-8859-1")


def login_required(session: str, path: str) -> Response:
    """403 for the anonymous, with a redirect in HTML."""
    target = f"/login?from={quote(path, safe='')}"
    text = (
        f"<html><head><meta http-equiv='refresh' content='1;url={target}'/></head>"
        "<body style='background-color:white; color:white;'>\nAuthentication required\n</body></html>"
    )
    return Response(text, 403, {"X-Hudson": "1.395", **rendered(session)}, media_type=HTML)


def starting() -> Response:
    """503 on every address while Jenkins starts."""
    text = (
        '<!DOCTYPE html><html lang="en"><head><title>Starting Jenkins</title></head>'
        "<body><h1>Please wait while Jenkins is getting ready to work</h1></body></html>"
    )
    return Response(text, 503, media_type=HTML)
