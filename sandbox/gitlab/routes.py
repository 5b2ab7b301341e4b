"""Which function answers which request of the REST API v4."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.gitlab import archives, browsing, projects, releases, statuses, variables
from sandbox.gitlab.access import ApiError, api_token
from sandbox.gitlab.call import Call, Instance

Handler = Callable[[Call], Response]
PREFIX = "/api/v4"
_COMMIT = "projects/:project/repository/commits/:ref"


def _no_merge_requests(call: Call) -> Response:
    call.project()
    return call.page([], lambda entry: entry)


# method(s), path, answer; a name after a colon stands for one part of the path, which may hold encoded slashes
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "version", projects.version),
    ("GET", "metadata", projects.metadata),
    ("GET", "user", projects.user),
    ("GET", "personal_access_tokens/self", projects.own_token),
    ("GET", "projects", projects.projects),
    ("GET", "projects/:project", projects.project),
    ("GET", "groups", projects.groups),
    ("GET", "groups/:group", projects.group),
    ("GET", "groups/:group/projects", projects.group_projects),
    ("GET POST", "groups/:group/variables", variables.variables),
    ("GET PUT DELETE", "groups/:group/variables/:key", variables.variable),
    ("GET POST", "projects/:project/variables", variables.variables),
    ("GET PUT DELETE", "projects/:project/variables/:key", variables.variable),
    ("GET", "projects/:project/merge_requests", _no_merge_requests),
    ("GET", "templates/gitlab_ci_ymls", releases.templates),
    ("GET", "templates/gitlab_ci_ymls/:key", releases.template),
    ("GET", "projects/:project/templates/gitlab_ci_ymls/:key", releases.project_template),
    ("GET", "projects/:project/releases", releases.releases),
    ("GET", "projects/:project/repository/commits", browsing.commits),
    ("GET", _COMMIT, browsing.commit),
    ("GET", f"{_COMMIT}/refs", browsing.commit_refs),
    ("GET", f"{_COMMIT}/statuses", statuses.statuses),
    ("GET", f"{_COMMIT}/merge_requests", _no_merge_requests),
    ("POST", "projects/:project/statuses/:sha", statuses.set_status),
    ("GET", "projects/:project/repository/branches", browsing.branches),
    ("GET", "projects/:project/repository/branches/:branch", browsing.branch),
    ("GET", "projects/:project/repository/tags", browsing.tags),
    ("GET", "projects/:project/repository/tags/:tag", browsing.tag),
    ("GET", "projects/:project/repository/tree", browsing.tree),
    ("GET HEAD", "projects/:project/repository/files/:path", browsing.file),
    ("GET HEAD", "projects/:project/repository/files/:path/raw", browsing.raw_file),
    *(("GET", f"projects/:project/repository/archive{ending}", archives.archive) for ending in archives.FORMATS),
)


def _match(pattern: str, parts: list[str]) -> dict[str, str] | None:
    names = pattern.split("/")
    if len(names) != len(parts):
        return None
    values = {}
    for name, part in zip(names, parts, strict=True):
        if name.startswith(":"):
            values[name[1:]] = part
        elif name != part:
            return None
    return values


def find(method: str, path: str) -> tuple[Handler, dict[str, str]]:
    """The handler of a raw (still encoded) path below `PREFIX`.

    Raises:
        ApiError: 404 or 405.
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    matches = [
        (methods, handler, values)
        for methods, pattern, handler in ROUTES
        if (values := _match(pattern, parts)) is not None
    ]
    for methods, handler, values in matches:
        if method in methods.split() or (method == "HEAD" and "GET" in methods.split()):
            return handler, values
    raise ApiError(405, {"error": "405 Not Allowed"}) if matches else ApiError(404, {"error": "404 Not Found"})


async def _body(request: Request) -> dict[str, object]:
    data = await request.body()
    if not data:
        return {}
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(data.decode()))
    try:
        body = json.loads(data)
    except ValueError as error:
        raise ApiError(400, {"error": "The request body is not valid JSON"}) from error
    return body if isinstance(body, dict) else {}


async def answer(instance: Instance, request: Request, raw_path: str) -> Response:
    """Answer an API request; every refusal is GitLab's JSON."""
    try:
        handler, values = find(request.method, raw_path.removeprefix(PREFIX))
        body = await _body(request)
        return await run_in_threadpool(_run, instance, request, handler, (raw_path, values, body))
    except ApiError as error:
        return JSONResponse(error.body, error.status)


def _run(
    instance: Instance, request: Request, handler: Handler, what: tuple[str, dict[str, str], dict[str, object]]
) -> Response:
    raw_path, values, body = what
    access = instance.store.reading() if request.method in ("GET", "HEAD") else instance.store.changing()
    query = request.query_params
    with access as state:
        token = api_token(state, request.headers, query)
        return handler(Call(instance, state, request.method, raw_path, values, query, {**query, **body}, token))
