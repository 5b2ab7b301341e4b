"""Commit statuses: how other systems show their result beside a commit.

Source: docs.gitlab.com/api/commits (Set the pipeline status of a commit); the transitions are those of
``app/models/commit_status.rb``.
"""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.gitlab.access import WRITE, ApiError
from sandbox.gitlab.call import Call
from sandbox.gitlab.projects import user_json
from sandbox.gitlab.state import Project

_EVENTS = {"pending": "enqueue", "running": "run", "success": "success", "failed": "drop", "canceled": "cancel"}
_EVENTS["skipped"] = "skip"
_OPEN = ("pending", "running")


def now() -> str:
    """This moment, as GitLab writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def set_status(call: Call) -> Response:
    """``POST /projects/:id/statuses/:sha``: make a status, or carry an open one of the same name on."""
    project = call.project(WRITE, member=True)
    repository = call.instance.repository(project)
    state = call.needed("state")
    if state not in _EVENTS:
        raise ApiError(400, {"error": "state does not have a valid value"})
    sha = call.commit(repository, call.values["sha"]).sha
    status = _open_status(call, project, sha)
    if status["status"] == state:
        event = _EVENTS[state]
        reason = f'Status cannot transition via "{event}"'
        raise ApiError(400, {"message": f"Cannot transition status via :{event} from :{state} (Reason(s): {reason})"})
    _change(call, status, state)
    if status not in project.statuses:
        project.statuses.append(status)
    return JSONResponse(status, 201)


def _open_status(call: Call, project: Project, sha: str) -> dict[str, Any]:
    name = str(call.body.get("name") or call.body.get("context") or "default")
    ref = str(call.body.get("ref") or project.default_branch)
    for status in project.statuses:
        if (status["sha"], status["name"], status["ref"]) == (sha, name, ref) and status["status"] in _OPEN:
            return status
    return {
        "id": call.state.next_id(),
        "sha": sha,
        "ref": ref,
        "status": "created",
        "name": name,
        "target_url": None,
        "description": None,
        "created_at": now(),
        "started_at": None,
        "finished_at": None,
        "allow_failure": False,
        "coverage": None,
        "pipeline_id": 1,
        "author": user_json(call, call.user().user),
    }


def _change(call: Call, status: dict[str, Any], state: str) -> None:
    status["status"] = state
    for key in ("target_url", "description", "coverage"):
        if key in call.body:
            status[key] = call.body[key]
    if state == "running":
        status["started_at"] = now()
    elif state != "pending":
        status["finished_at"] = now()


def statuses(call: Call) -> Response:
    """``GET /projects/:id/repository/commits/:sha/statuses``: the latest of each name, or with ``all`` every one."""
    project, repository = call.repository()
    sha = call.commit(repository, call.values["ref"]).sha
    found = [entry for entry in project.statuses if entry["sha"] == sha]
    for key in ("ref", "name"):
        if key in call.query:
            found = [entry for entry in found if entry[key] == call.query[key]]
    if call.query.get("all", "").lower() not in ("true", "1"):
        found = list({(entry["name"], entry["ref"]): entry for entry in found}.values())
    return call.page(found, lambda entry: entry)
