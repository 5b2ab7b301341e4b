"""Releases of a project, and GitLab's own CI templates: what includes of components and templates ask for.

Source: docs.gitlab.com/api/releases, docs.gitlab.com/api/templates/gitlab_ci_ymls and project_templates.
"""

from __future__ import annotations

import re

from starlette.responses import JSONResponse, Response

from sandbox.gitlab.access import ApiError, not_found
from sandbox.gitlab.browsing import commit_json
from sandbox.gitlab.call import Call


def releases(call: Call) -> Response:
    """``GET /projects/:id/releases``: the newest first."""
    project, repository = call.repository()

    def show(entry: dict[str, str]) -> dict[str, object]:
        found = call.commit(repository, f"refs/tags/{entry['tag_name']}")
        return {
            **entry,
            "name": entry["tag_name"],
            "description": "",
            "created_at": entry["released_at"],
            "commit": commit_json(call, project, found),
            "upcoming_release": False,
        }

    return call.page(project.releases[::-1], show)


def templates(call: Call) -> Response:
    """``GET /templates/gitlab_ci_ymls``: no token is needed."""
    return call.page(sorted(call.state.templates), lambda key: {"key": key, "name": key})


def template(call: Call) -> Response:
    """``GET /templates/gitlab_ci_ymls/:key``; its route knows no key with a slash or a plus sign."""
    key = call.values["key"]
    if not re.fullmatch(r"[\w.-]+", key):
        raise ApiError(404, {"error": "404 Not Found"})
    return _template(call)


def project_template(call: Call) -> Response:
    """``GET /projects/:id/templates/gitlab_ci_ymls/:key``, of any key."""
    call.project()
    return _template(call)


def _template(call: Call) -> Response:
    key = call.values["key"]
    if key not in call.state.templates:
        raise not_found("GitLab CI Yml Template")
    return JSONResponse({"name": key, "content": call.state.templates[key]})
