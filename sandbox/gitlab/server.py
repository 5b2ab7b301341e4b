"""A GitLab on loopback: the REST API v4 our clients use, and git over smart HTTP on real repositories.

A stand-in: projects, commits, files, statuses and tokens behave as GitLab's; it runs no pipelines and has no pages
to look at. Projects come from Python (`GitLab.create_project`) or from a ``git push``.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.gitlab import git_http, routes
from sandbox.gitlab.access import GIT_READ, GIT_WRITE, belongs, git_token, sees
from sandbox.gitlab.call import Instance
from sandbox.gitlab.repository import Author, Repository
from sandbox.gitlab.state import SCOPES, Project, State, Store, Token
from sandbox.gitlab.statuses import now
from sandbox.gitlab.variables import put

_log = logging.getLogger("sandbox.gitlab")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")
_GIT = re.compile(r"/(?P<project>.+?)(?:\.git)?/(?P<service>info/refs|git-upload-pack|git-receive-pack)")
Visibility = Literal["private", "internal", "public"]


class GitLab:
    """The stand-in.

    Args:
        home: A folder of its own; everything survives a restart.
        public_url: Where clients reach it, without a slash at the end.

    Attributes:
        app: The ASGI application.
    """

    def __init__(self, home: Path, public_url: Callable[[], str]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._instance = Instance(Store(home / "state.json"), home / "repositories", public_url)
        self._backend = git_http.backend()
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        self.app = Starlette(routes=[Route("/{path:path}", self._serve, methods=methods)])
        _log.info("GitLab stand-in, projects below %s", home)

    def close(self) -> None:
        """Nothing to end: git processes end with their requests."""

    # Filling it

    def create_project(
        self,
        path: str,
        files: Path | Mapping[str, str | bytes],
        *,
        visibility: Visibility = "private",
        default_branch: str = "main",
        author: Author | None = None,
    ) -> int:
        """Make a project with a first commit; the default branch is protected.

        Args:
            path: Group and name, e.g. ``team/shop``.
            files: A folder to copy, or path -> content.
            visibility: Who sees it.
            default_branch: The branch of the first commit.
            author: Who wrote the first commit, and when.

        Returns:
            The project's id.

        Raises:
            ValueError: The path is malformed or taken.
        """
        if not _PATH.fullmatch(path):
            raise ValueError(f"{path!r} is not a project path: write group/name")
        with self._instance.store.changing() as state:
            if state.project(path) is not None:
                raise ValueError(f"the project {path} exists")
            state.add_groups(path.rpartition("/")[0])
            project = Project(state.next_id(), path, visibility, default_branch, now(), [default_branch])
            state.projects.append(project)
        repository = self._instance.repository(project)
        Repository.create(repository.path, default_branch)
        repository.commit(default_branch, _contents(files), "Initial commit", author or Author())
        return project.id

    def project_id(self, path: str) -> int | None:
        """The project's id, or None: for a sandbox that is started again."""
        with self._instance.store.reading() as state:
            project = state.project(path)
        return project.id if project else None

    def commit(
        self,
        path: str,
        branch: str,
        files: Mapping[str, str | bytes | None],
        message: str,
        author: Author | None = None,
    ) -> str:
        """Add or change files (None deletes one) on a branch, which is made from the default branch if need be.

        Returns:
            The commit's SHA.
        """
        return self._repository(path).commit(branch, files, message, author or Author(date=now()))

    def tag(self, path: str, name: str, ref: str, message: str | None = None) -> None:
        """Tag a commit; with a message the tag is annotated."""
        repository = self._repository(path)
        repository.tag(name, repository.resolve(ref) or ref, message, Author(date=now()))

    def release(self, path: str, tag: str) -> None:
        """Release a tag: what ``~latest`` and partial versions of the project's components are looked up in."""
        with self._instance.store.changing() as state:
            _known(state, path).releases.append({"tag_name": tag, "released_at": now()})

    def set_template(self, key: str, text: str) -> None:
        """Add one of GitLab's own CI templates; `key` is its name without ``.gitlab-ci.yml``."""
        with self._instance.store.changing() as state:
            state.templates[key] = text

    def set_ci_config_path(self, path: str, setting: str) -> None:
        """Say where a project's pipeline definition is (Settings > CI/CD > General pipelines)."""
        with self._instance.store.changing() as state:
            _known(state, path).ci_config_path = setting

    def protect(self, path: str, branch: str, protected: bool = True) -> None:
        """Set a branch's protected flag (shown, not enforced)."""
        with self._instance.store.changing() as state:
            project = _known(state, path)
            project.protected = [name for name in project.protected if name != branch] + [branch] * protected

    def add_token(self, user: str, scopes: Sequence[str], *, projects: Sequence[str] | None = None) -> str:
        """Make a personal access token.

        Args:
            user: Made at first sight.
            scopes: e.g. ``("read_api", "read_repository")``.
            projects: Paths of the projects the user is a member of; None = all.

        Returns:
            The token's value.
        """
        if unknown := set(scopes) - set(SCOPES):
            raise ValueError(f"unknown scopes: {', '.join(sorted(unknown))}")
        value = f"glpat-{secrets.token_urlsafe(15)}"
        with self._instance.store.changing() as state:
            state.user_id(user)
            members = list(projects) if projects is not None else None
            state.tokens.append(Token(state.next_id(), value, user, list(scopes), now(), members))
        return value

    def revoke_token(self, value: str) -> None:
        """Make a token worthless."""
        with self._instance.store.changing() as state:
            state.tokens = [token for token in state.tokens if token.value != value]

    def set_variable(self, project: str, key: str, value: str, **options: Any) -> None:
        """Set a CI/CD variable of a project, or of a group when `project` names one.

        `options`: ``masked``, ``protected``, ``raw``, ``variable_type``, ``environment_scope``.
        """
        with self._instance.store.changing() as state:
            group = state.group(project) if state.project(project) is None else None
            entries = state.group_variables.setdefault(group[0], []) if group else _known(state, project).variables
            put(entries, {**options, "key": key, "value": value})

    def _repository(self, path: str) -> Repository:
        with self._instance.store.reading() as state:
            return self._instance.repository(_known(state, path))

    # Serving it

    async def _serve(self, request: Request) -> Response:
        raw_path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
        if raw_path.startswith(routes.PREFIX + "/"):
            response = await routes.answer(self._instance, request, raw_path)
        elif match := _GIT.fullmatch(unquote(raw_path)):
            response = await self._git(request, match["project"], match["service"])
        else:
            response = PlainTextResponse("This is the sandbox's GitLab stand-in. It has no pages.\n", 404)
        response.headers["X-Sandbox"] = "GitLab stand-in"
        return response

    async def _git(self, request: Request, path: str, service: str) -> Response:
        push = "git-receive-pack" in (service, request.query_params.get("service"))
        with self._instance.store.reading() as state:
            sent, token = git_token(state, request.headers.get("authorization", ""))
            project = state.project(path)
        refusal = _git_refusal(project, sent, token, push)
        if refusal is not None or project is None:
            return refusal or PlainTextResponse("Not found\n", 404)
        repository = self._instance.repository(project).path
        return await git_http.serve(request, self._backend, repository, service, token.user if token else None)


def _git_refusal(project: Project | None, sent: bool, token: Token | None, push: bool) -> Response | None:
    """GitLab hides private projects behind a login prompt, also those that do not exist."""
    login = {"WWW-Authenticate": 'Basic realm="GitLab"'}
    if sent and token is None:
        return PlainTextResponse("HTTP Basic: Access denied. Use a token as the password.\n", 401, login)
    if token is None and (push or project is None or not sees(None, project)):
        return PlainTextResponse("HTTP Basic: Access denied\n", 401, login)
    if project is None or not sees(token, project):
        return PlainTextResponse("The project you were looking for could not be found.\n", 404)
    if token is not None and not set(token.scopes) & set(GIT_WRITE if push else GIT_READ):
        return PlainTextResponse("You are not allowed to use this token for git over HTTP.\n", 403)
    if push and token is not None and not belongs(token, project):
        return PlainTextResponse("You are not allowed to push code to this project.\n", 403)
    return None


def _known(state: State, path: str) -> Project:
    project = state.project(path)
    if project is None:
        raise ValueError(f"no project {path}")
    return project


def _contents(files: Path | Mapping[str, str | bytes]) -> dict[str, str | bytes | None]:
    if isinstance(files, Mapping):
        return dict(files)
    found = sorted(path for path in files.rglob("*") if path.is_file())
    return {path.relative_to(files).as_posix(): path.read_bytes() for path in found if "__pycache__" not in path.parts}
