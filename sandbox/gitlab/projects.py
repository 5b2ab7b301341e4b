"""Projects, groups, users and the instance itself."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.gitlab.access import READ, need_scope, not_found, sees
from sandbox.gitlab.call import Call
from sandbox.gitlab.state import Project, Token

VERSION = "17.11.0"
REVISION = "sandbox"


def namespace_json(call: Call, path: str) -> dict[str, Any]:
    """A project's namespace."""
    name = path.rpartition("/")[2]
    above = path.rpartition("/")[0]
    return {
        "id": call.state.groups.get(path),
        "name": name,
        "path": name,
        "kind": "group",
        "full_path": path,
        "parent_id": call.state.groups.get(above),
        "avatar_url": None,
        "web_url": f"{call.instance.public_url()}/groups/{path}",
    }


_NOT_FOR_ALL = (
    "visibility", "archived", "empty_repo", "issues_enabled", "merge_requests_enabled", "jobs_enabled",
    "ci_config_path", "container_registry_enabled", "shared_runners_enabled",
)  # fmt: skip


def project_json(call: Call, project: Project) -> dict[str, Any]:
    """A project, as the API shows it; to anonymous users only in part (GitLab's ``BasicProjectDetails``)."""
    whole = _whole_json(call, project)
    return whole if call.token is not None else {key: whole[key] for key in whole if key not in _NOT_FOR_ALL}


def _whole_json(call: Call, project: Project) -> dict[str, Any]:
    base = call.instance.public_url().rstrip("/")
    name = project.path.rpartition("/")[2]
    return {
        "id": project.id,
        "description": None,
        "name": name,
        "name_with_namespace": project.path.replace("/", " / "),
        "path": name,
        "path_with_namespace": project.path,
        "created_at": project.created_at,
        "default_branch": project.default_branch,
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": f"git@sandbox.invalid:{project.path}.git",
        "http_url_to_repo": f"{base}/{project.path}.git",
        "web_url": f"{base}/{project.path}",
        "readme_url": None,
        "avatar_url": None,
        "forks_count": 0,
        "star_count": 0,
        "last_activity_at": project.created_at,
        "namespace": namespace_json(call, project.namespace),
        "visibility": project.visibility,
        "archived": False,
        "empty_repo": not call.instance.repository(project).refs("refs/heads"),
        "issues_enabled": False,
        "merge_requests_enabled": True,
        "jobs_enabled": True,
        "ci_config_path": project.ci_config_path,
        "container_registry_enabled": False,
        "shared_runners_enabled": False,
    }


def project(call: Call) -> Response:
    """``GET /projects/:id``."""
    return JSONResponse(project_json(call, call.project()))


def projects(call: Call) -> Response:
    """``GET /projects``: those the caller sees."""
    return call.page(_visible(call), lambda entry: project_json(call, entry))


def _visible(call: Call, below: str = "") -> list[Project]:
    if call.token is not None:
        need_scope(call.token, READ)
    search = call.query.get("search", "").lower()
    seen = [entry for entry in call.state.projects if sees(call.token, entry)]
    found = [entry for entry in seen if search in entry.path.lower() and entry.path.startswith(below)]
    return sorted(found, key=lambda entry: entry.id, reverse=True)


def _group(call: Call) -> tuple[str, int]:
    found = call.state.group(call.values["group"])
    if found is None or not _visible(call, found[0] + "/"):
        raise not_found("Group")
    return found


def _group_json(call: Call, path: str, number: int) -> dict[str, Any]:
    name = path.rpartition("/")[2]
    return {
        **namespace_json(call, path),
        "id": number,
        "description": "",
        "visibility": "private",
        "full_name": path.replace("/", " / "),
        "name": name,
    }


def group(call: Call) -> Response:
    """``GET /groups/:id``."""
    return JSONResponse(_group_json(call, *_group(call)))


def groups(call: Call) -> Response:
    """``GET /groups``: those with a project the caller sees."""
    seen = [entry for entry in call.state.groups.items() if _visible(call, entry[0] + "/")]
    return call.page(seen, lambda entry: _group_json(call, *entry))


def group_projects(call: Call) -> Response:
    """``GET /groups/:id/projects``."""
    path, _number = _group(call)
    deep = call.query.get("include_subgroups") in ("true", "True", "1")
    found = [entry for entry in _visible(call, path + "/") if deep or entry.namespace == path]
    return call.page(found, lambda entry: project_json(call, entry))


def user_json(call: Call, name: str) -> dict[str, Any]:
    """A user, as commits and statuses show them."""
    url = f"{call.instance.public_url()}/{name}"
    return {"id": call.state.users.get(name), "username": name, "name": name, "state": "active", "web_url": url}


def user(call: Call) -> Response:
    """``GET /user``."""
    token = call.user()
    need_scope(token, ("api", "read_api", "read_user"))
    return JSONResponse({**user_json(call, token.user), "email": f"{token.user}@example.com", "is_admin": False})


def token_json(token: Token, user_id: int | None) -> dict[str, Any]:
    """A personal access token, without its value."""
    return {
        "id": token.id,
        "name": "sandbox",
        "revoked": False,
        "active": True,
        "created_at": token.created_at,
        "scopes": token.scopes,
        "user_id": user_id,
        "last_used_at": None,
        "expires_at": None,
    }


def own_token(call: Call) -> Response:
    """``GET /personal_access_tokens/self``: any scope will do."""
    token = call.user()
    return JSONResponse(token_json(token, call.state.users.get(token.user)))


def version(call: Call) -> Response:
    """``GET /version``."""
    need_scope(call.user(), ("api", "read_api", "read_user"))
    return JSONResponse({"version": VERSION, "revision": REVISION})


def metadata(call: Call) -> Response:
    """``GET /metadata``."""
    need_scope(call.user(), ("api", "read_api", "read_user"))
    kas = {"enabled": False, "externalUrl": None, "version": None}
    return JSONResponse({"version": VERSION, "revision": REVISION, "kas": kas, "enterprise": False})
