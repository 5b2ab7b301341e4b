"""One API request with what its handler needs: the state, the caller, the project, paging."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response

from sandbox.gitlab.access import READ, ApiError, belongs, need_scope, not_found, sees, unauthorized
from sandbox.gitlab.repository import CommitInfo, Repository
from sandbox.gitlab.state import Project, State, Store, Token


@dataclass(frozen=True)
class Instance:
    """The stand-in's parts: where it keeps things and where clients reach it."""

    store: Store
    repositories: Path
    public_url: Callable[[], str]

    def repository(self, project: Project) -> Repository:
        """The project's git repository."""
        return Repository(self.repositories / f"{project.id}.git")


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        values: The parts of the path the route names, decoded.
        body: The JSON or form body.
    """

    instance: Instance
    state: State
    method: str
    path: str
    values: Mapping[str, str]
    query: QueryParams
    body: Mapping[str, Any]
    token: Token | None

    def user(self) -> Token:
        """The caller, who must be known."""
        if self.token is None:
            raise unauthorized()
        return self.token

    def project(self, scopes: tuple[str, ...] = READ, member: bool = False) -> Project:
        """The project named by the path, when the caller may use it so.

        Raises:
            ApiError: 404 for what the caller cannot see, 401 or 403 for what they may not do.
        """
        if self.token is not None:
            need_scope(self.token, scopes)
        project = self.state.project(self.values["project"])
        if project is None or not sees(self.token, project):
            raise not_found("Project")
        if member and not belongs(self.user(), project):
            raise ApiError(403, {"message": "403 Forbidden"})
        return project

    def repository(self, scopes: tuple[str, ...] = READ) -> tuple[Project, Repository]:
        """The project and its git repository."""
        project = self.project(scopes)
        return project, self.instance.repository(project)

    def commit(self, repository: Repository, ref: str) -> CommitInfo:
        """The commit a ref names.

        Raises:
            ApiError: 404.
        """
        sha = repository.resolve(ref)
        if sha is None:
            raise not_found("Commit")
        return repository.commits("-1", sha)[0]

    def needed(self, name: str) -> str:
        """A required field of the body.

        Raises:
            ApiError: 400, as GitLab words it.
        """
        value = self.body.get(name)
        if value is None or value == "":
            raise ApiError(400, {"error": f"{name} is missing"})
        return str(value)

    def page(self, entries: Sequence[Any], show: Callable[[Any], object]) -> Response:
        """One page of a list, with GitLab's pagination headers."""
        number, size = self._number("page", 1), min(self._number("per_page", 20), 100)
        pages = max(1, -(-len(entries) // size))
        shown = [show(entry) for entry in entries[(number - 1) * size : number * size]]
        following = number + 1 if number < pages else None
        previous = number - 1 if number > 1 else None
        links = {"prev": previous, "next": following, "first": 1, "last": pages}
        headers = {
            "X-Page": str(number),
            "X-Per-Page": str(size),
            "X-Total": str(len(entries)),
            "X-Total-Pages": str(pages),
            "X-Next-Page": str(following or ""),
            "X-Prev-Page": str(previous or ""),
            "Link": ", ".join(f'<{self._url(to, size)}>; rel="{rel}"' for rel, to in links.items() if to),
        }
        return JSONResponse(shown, headers=headers)

    def _number(self, name: str, default: int) -> int:
        value = self.query.get(name, str(default))
        if not value.isdecimal() or int(value) < 1:
            raise ApiError(400, {"error": f"{name} does not have a valid value"})
        return int(value)

    def _url(self, page: int, size: int) -> str:
        rest = [
            (key, value) for key, value in self.query.multi_items() if key not in ("page", "per_page", "private_token")
        ]
        query = urlencode([*rest, ("page", page), ("per_page", size)])
        return f"{self.instance.public_url().rstrip('/')}{self.path}?{query}"
