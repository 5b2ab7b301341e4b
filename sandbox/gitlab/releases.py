"""Releases of a project, and GitLab's own CI templates: what includes of components and templates ask for.

Source: docs.gitlab.com/api/releases and docs.gitlab.com/api/templates/gitlab_ci_ymls.
"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from sandbox.gitlab.access import not_found
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
    """``GET /templates/gitlab_ci_ymls/:key``."""
    key = call.values["key"]
    if key not in call.state.templates:
        raise not_found("GitLab CI Yml Template")
    return JSONResponse({"name": key, "content": call.state.templates[key]})
