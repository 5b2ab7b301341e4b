"""The repository by REST: commits, branches, tags, folders and files.

Source: docs.gitlab.com/api/{commits,branches,tags,repositories,repository_files}.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.gitlab.access import READ_FILES, ApiError, belongs, not_found
from sandbox.gitlab.call import Call
from sandbox.gitlab.repository import CommitInfo, GitError, Repository, TreeEntry
from sandbox.gitlab.state import Project


def commit_json(call: Call, project: Project, commit: CommitInfo) -> dict[str, Any]:
    """A commit, as the API shows it."""
    return {
        "id": commit.sha,
        "short_id": commit.sha[:8],
        "created_at": commit.committer.date,
        "parent_ids": list(commit.parents),
        "title": commit.title,
        "message": commit.message,
        "author_name": commit.author.name,
        "author_email": commit.author.email,
        "authored_date": commit.author.date,
        "committer_name": commit.committer.name,
        "committer_email": commit.committer.email,
        "committed_date": commit.committer.date,
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{call.instance.public_url()}/{project.path}/-/commit/{commit.sha}",
    }


def commit(call: Call) -> Response:
    """``GET /projects/:id/repository/commits/:ref``: SHA, branch or tag."""
    project, repository = call.repository()
    found = call.commit(repository, call.values["ref"])
    added, deleted = repository.stats(found.sha)
    statuses = [entry for entry in project.statuses if entry["sha"] == found.sha]
    return JSONResponse(
        {
            **commit_json(call, project, found),
            "stats": {"additions": added, "deletions": deleted, "total": added + deleted},
            "status": statuses[-1]["status"] if statuses else None,
            "project_id": project.id,
            "last_pipeline": None,
        }
    )


def commits(call: Call) -> Response:
    """``GET /projects/:id/repository/commits``."""
    project, repository = call.repository()
    sha = repository.resolve(call.query.get("ref_name", "HEAD"))
    if sha is None:
        raise not_found("Ref")
    limits = [f"--{name}={call.query[name]}" for name in ("since", "until") if name in call.query]
    path = ["--", call.query["path"]] if call.query.get("path") else []
    return call.page(repository.commits(*limits, sha, *path), lambda entry: commit_json(call, project, entry))


def commit_refs(call: Call) -> Response:
    """``GET /projects/:id/repository/commits/:sha/refs``: branches and tags that contain it."""
    _project, repository = call.repository()
    sha = call.commit(repository, call.values["ref"]).sha
    wanted = call.query.get("type", "all")
    found = []
    for kind in ("branch", "tag"):
        if wanted in ("all", kind):
            prefix = "refs/heads" if kind == "branch" else "refs/tags"
            names = repository.run("for-each-ref", "--format=%(refname)", f"--contains={sha}", prefix).decode()
            found += [{"type": kind, "name": name.removeprefix(prefix + "/")} for name in names.splitlines()]
    return call.page(found, lambda entry: entry)


def _branch_json(call: Call, project: Project, repository: Repository, name: str) -> dict[str, Any]:
    member = call.token is not None and belongs(call.token, project)
    protected = name in project.protected
    return {
        "name": name,
        "commit": commit_json(call, project, call.commit(repository, f"refs/heads/{name}")),
        "merged": False,
        "protected": protected,
        "developers_can_push": False,
        "developers_can_merge": False,
        "can_push": member,
        "default": name == project.default_branch,
        "web_url": f"{call.instance.public_url()}/{project.path}/-/tree/{name}",
    }


def branch(call: Call) -> Response:
    """``GET /projects/:id/repository/branches/:branch``."""
    project, repository = call.repository()
    if call.values["branch"] not in repository.refs("refs/heads"):
        raise not_found("Branch")
    return JSONResponse(_branch_json(call, project, repository, call.values["branch"]))


def branches(call: Call) -> Response:
    """``GET /projects/:id/repository/branches``."""
    project, repository = call.repository()
    search = call.query.get("search", "")
    names = sorted(name for name in repository.refs("refs/heads") if search in name)
    return call.page(names, lambda name: _branch_json(call, project, repository, name))


def _tag_json(call: Call, project: Project, repository: Repository, name: str) -> dict[str, Any]:
    target = repository.refs("refs/tags")[name]
    annotated = repository.run("cat-file", "-t", target).decode().strip() == "tag"
    message = repository.run("for-each-ref", "--format=%(contents)", f"refs/tags/{name}").decode().strip()
    tagged = repository.run("for-each-ref", "--format=%(taggerdate:iso-strict)", f"refs/tags/{name}").decode().strip()
    return {
        "name": name,
        "message": message if annotated else "",
        "target": target,
        "commit": commit_json(call, project, call.commit(repository, f"refs/tags/{name}")),
        "release": None,
        "protected": False,
        "created_at": tagged or None,
    }


def tag(call: Call) -> Response:
    """``GET /projects/:id/repository/tags/:tag``."""
    project, repository = call.repository()
    if call.values["tag"] not in repository.refs("refs/tags"):
        raise not_found("Tag")
    return JSONResponse(_tag_json(call, project, repository, call.values["tag"]))


def tags(call: Call) -> Response:
    """``GET /projects/:id/repository/tags``."""
    project, repository = call.repository()
    search = call.query.get("search", "")
    names = sorted((name for name in repository.refs("refs/tags") if search in name), reverse=True)
    return call.page(names, lambda name: _tag_json(call, project, repository, name))


def tree(call: Call) -> Response:
    """``GET /projects/:id/repository/tree``."""
    _project, repository = call.repository()
    sha = repository.resolve(call.query.get("ref", "HEAD"))
    path = call.query.get("path", "").strip("/")
    recursive = call.query.get("recursive", "").lower() in ("true", "1")
    if sha is None:
        raise not_found("Tree")
    try:
        entries = repository.tree(sha, path, recursive)
    except GitError as error:
        raise not_found("Tree") from error
    if path and not entries:
        raise not_found("invalid revision or path")
    return call.page(entries, _tree_json)


def _tree_json(entry: TreeEntry) -> dict[str, str]:
    name = entry.path.rpartition("/")[2]
    return {"id": entry.id, "name": name, "type": entry.type, "path": entry.path, "mode": entry.mode}


def _file(call: Call) -> tuple[dict[str, Any], bytes]:
    _project, repository = call.repository(READ_FILES)
    ref = call.query.get("ref", "HEAD")
    sha = repository.resolve(ref)
    if sha is None:
        raise not_found("Commit")
    path = call.values["path"]
    if not path or path.startswith(("/", ".git/")) or ".." in path.split("/"):
        raise ApiError(400, {"error": "file_path should be a valid file path"})
    entry = repository.blob(sha, path)
    if entry is None:
        raise not_found("File")
    content = repository.content(entry.id)
    last = repository.commits("-1", sha, "--", path)[0].sha
    about = {
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "size": len(content),
        "encoding": "base64",
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "ref": ref,
        "blob_id": entry.id,
        "commit_id": sha,
        "last_commit_id": last,
        "execute_filemode": entry.mode == "100755",
    }
    return about, content


def _headers(about: dict[str, Any]) -> dict[str, str]:
    shown = {f"X-Gitlab-{key.replace('_', '-').title()}": str(value) for key, value in about.items()}
    return shown | {"X-Gitlab-Execute-Filemode": str(about["execute_filemode"]).lower()}


def file(call: Call) -> Response:
    """``GET`` or ``HEAD /projects/:id/repository/files/:path``."""
    about, content = _file(call)
    if call.method == "HEAD":
        return Response(headers=_headers(about))
    return JSONResponse({**about, "content": base64.b64encode(content).decode()}, headers=_headers(about))


def raw_file(call: Call) -> Response:
    """``GET /projects/:id/repository/files/:path/raw``."""
    about, content = _file(call)
    headers = {**_headers(about), "Content-Disposition": "inline"}
    return Response(content, headers=headers, media_type="text/plain")
