"""Reads a project at one commit through GitLab's REST API. The adapter of this step."""

from __future__ import annotations

import base64
import binascii
import difflib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import quote, urlsplit

from errors import AccessError, InputError, NotFoundError, ProtocolError
from tasks.hiding import without_login
from tasks.source.ci_variables import CIVariable, read_variable
from tasks.source.gitlab_fault import Translator
from tasks.source.model import Commit

if TYPE_CHECKING:
    import gitlab

RefKind = Literal["branch", "tag", "commit"]
_SHA = re.compile(r"[0-9a-f]{4,40}")
_FULL_SHA = re.compile(r"[0-9a-f]{40}")
_ONCE: dict[str, Any] = {"obey_rate_limit": False}  # python-gitlab would sleep in our thread on 429
_PAGE = 100
_PLAIN_TEMPLATE = re.compile(r"[\w.-]+")
_SSH = re.compile(r"(?:ssh://)?[\w.-]+@(?P<host>[^:/]+)(?::\d+/|[:/])(?P<path>.+)")


class Server(Protocol):
    """What is needed of a `blocks.gitlab_server.GitLabServer`; the command line has its own, without Prefect."""

    @property
    def url(self) -> str:
        """Its address."""

    def token(self) -> object | None:
        """None = anonymous."""

    def get_client(self) -> gitlab.Gitlab:
        """A new client."""


@dataclass(frozen=True)
class _Ref:
    name: str
    kind: RefKind
    commit: Mapping[str, Any]
    protected: bool


class GitLab:
    """One GitLab, as the user of its token. Not for two threads at once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._url = server.url.rstrip("/")
        self._client = server.get_client()
        self._fault = Translator(self._client, self._url, server.token() is not None)

    def __str__(self) -> str:
        return self._fault.server

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return self._url

    def again(self) -> GitLab:
        """The same GitLab for another thread."""
        return GitLab(self._server)

    def version(self) -> str:
        """GitLab's version. Needs a token."""
        with self._fault.translated("its version"):
            found = self._client.http_get("/version", **_ONCE)
        if not isinstance(found, dict) or "version" not in found:
            raise ProtocolError(f"{self} does not look like a GitLab.", remedy="Check the URL.")
        return str(found["version"])

    def user(self) -> str | None:
        """Name of the token's user, or None for anonymous access."""
        if not self._fault.has_token:
            return None
        with self._fault.translated("the token's user"):
            found = self._client.http_get("/user", **_ONCE)
        if not isinstance(found, dict):
            raise ProtocolError(f"{self} does not look like a GitLab.", remedy="Check the URL.")
        return str(found.get("username"))

    def probe(self) -> None:
        """Check, without needing a token, that the address answers as a GitLab does."""
        with self._fault.translated("its projects"):
            found = self._client.http_get("/projects", query_data={"per_page": "1"}, **_ONCE)
        if not isinstance(found, list):
            raise ProtocolError(f"{self} does not look like a GitLab.", remedy="Check the URL.")

    def commit(self, project: str, ref: str = "") -> Commit:
        """Resolve a project and a ref.

        Args:
            project: Path with namespace, numeric id, or web or clone address.
            ref: Branch, tag or commit SHA (shortened too), in this order; ``refs/heads/x`` and ``refs/tags/x`` mean
                just that; "" is the default branch.

        Raises:
            NotFoundError: There is no such project or ref, or it is hidden.
            AccessError: The token was refused or has too few permissions.
        """
        found = self._project(project)
        path, default = str(found.path_with_namespace), found.attributes.get("default_branch") or ""
        if found.attributes.get("empty_repo") or not (ref or default or "empty_repo" in found.attributes):
            raise NotFoundError(f"Project {path} has no commits yet.", remedy="Push a branch first.")
        if not (ref or default):  # the one thing about a project that is told only to who may read its code
            raise AccessError(
                f"{self} hides the repository of project {path}{self._fault.from_whom()}.",
                remedy="Use a token with read_api and read_repository, of a user who is at least Reporter.",
            )
        resolved = self._resolve(found, ref or default)
        sha = str(resolved.commit.get("id", ""))
        if not _FULL_SHA.fullmatch(sha):
            raise ProtocolError(f"{self} names no commit for {ref!r} of project {path}.")
        # anonymous users are not told a project's visibility: they see public ones only
        seen = {"visibility": "private" if self._fault.has_token else "public", **found.attributes}
        return _commit(seen, resolved, self._url)

    def ci_config_path(self, commit: Commit) -> str:
        """What the project's settings say about its pipeline definition; empty where they say nothing."""
        return str(self._project(str(commit.project_id)).attributes.get("ci_config_path") or "")

    def paths(self, commit: Commit, *, recursive: bool, limit: int | None = None) -> list[str]:
        """Paths of all files, or of the first `limit`, in the main folder or in all folders (a hundred a request)."""
        project = self._client.projects.get(commit.project_id, lazy=True)
        with self._fault.translated(f"files of project {commit.project_path} at {commit.sha[:8]}"):
            found = project.repository_tree(ref=commit.sha, recursive=recursive, iterator=True, per_page=_PAGE, **_ONCE)
            files = (str(entry["path"]) for entry in found if entry.get("type") == "blob")
            return list(itertools.islice(files, limit))

    def text(self, commit: Commit, path: str) -> str:
        """Text of a file at the commit.

        Raises:
            NotFoundError: There is no such file.
            InputError: It is not UTF-8.
        """
        project = self._client.projects.get(commit.project_id, lazy=True)
        with self._fault.translated(f"file {path} in project {commit.project_path} at {commit.sha[:8]}"):
            found = project.files.get(file_path=path, ref=commit.sha, **_ONCE)
        try:
            return base64.b64decode(found.content, validate=True).decode("utf-8-sig")
        except (AttributeError, binascii.Error) as error:
            raise ProtocolError(f"{self} gave an unreadable file {path}.") from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"File {path} of project {commit.project_path} is not UTF-8.", remedy="Convert it."
            ) from error

    def template(self, name: str, project_id: int | None = None) -> str:
        """Text of one of GitLab's own CI templates; `name` ends in ``.gitlab-ci.yml``.

        Those in folders (``Jobs/Build``) are given by projects only, the same by all: the route of all of GitLab takes
        no name with a slash (GitLab's ``lib/api/templates.rb`` and ``project_templates.rb``).

        Args:
            name: Of the template.
            project_id: A project that can be read; None = any.

        Raises:
            NotFoundError: There is none of that name.
        """
        key = name.removesuffix(".gitlab-ci.yml")
        with self._fault.translated(f"CI template {name}"):
            below = "" if _PLAIN_TEMPLATE.fullmatch(key) else f"/projects/{project_id or self._any_project()}"
            found = self._client.http_get(f"{below}/templates/gitlab_ci_ymls/{quote(key, safe='')}", **_ONCE)
        if not isinstance(found, dict) or not isinstance(found.get("content"), str):
            raise ProtocolError(f"{self} gave an unreadable CI template {name}.")
        return str(found["content"])

    def releases(self, project: str) -> list[str]:
        """The tags of a project's releases, at most the 1,000 newest."""
        client = self._client.projects.get(_project_path(project, self._url), lazy=True)
        with self._fault.translated(f"releases of project {project}"):
            found = client.releases.list(iterator=True, per_page=_PAGE, **_ONCE)
            return [str(release.tag_name) for release in itertools.islice(found, 10 * _PAGE)]

    def in_group(self, commit: Commit) -> bool:
        """Whether the project belongs to a group, not to a user."""
        namespace = self._project(str(commit.project_id)).attributes.get("namespace") or {}
        return bool(namespace.get("kind") != "user")

    def ci_variables(self, owner: str) -> list[CIVariable]:
        """CI/CD variables with their values. Needs the scope ``api`` and the role Maintainer (Owner for a group).

        Args:
            owner: ``projects/7``, ``groups/<path>``, or "" for the instance (administrators only).

        Raises:
            AccessError: The token has too few permissions.
            NotFoundError: There is no such group, or it is hidden.
        """
        kind, _, name = owner.partition("/")
        path = f"/{kind}/{quote(name, safe='')}/variables" if owner else "/admin/ci/variables"
        with self._fault.translated(f"the CI/CD variables of {owner or 'the instance'}"):
            found = self._client.http_list(path, iterator=True, per_page=_PAGE, **_ONCE)
            return [read_variable(entry) for entry in found]

    def archive(self, commit: Commit, target: Path) -> None:
        """Write the repository at the commit to the file `target` as tar.gz, everything below one folder."""
        project = self._client.projects.get(commit.project_id, lazy=True)
        with (
            self._fault.translated(f"archive of project {commit.project_path} at {commit.sha}"),
            target.open("wb") as file,
        ):
            project.repository_archive(sha=commit.sha, format="tar.gz", streamed=True, action=file.write, **_ONCE)

    def _any_project(self) -> int:
        found = self._client.http_get("/projects", query_data={"per_page": "1", "order_by": "id"}, **_ONCE)
        if not isinstance(found, list) or not found:
            raise NotFoundError(f"{self} shows no project{self._fault.from_whom()}.")
        return int(found[0]["id"])

    def _project(self, name: str) -> Any:
        path = _project_path(name, self._url)
        with self._fault.translated(f"project {path}"):
            try:
                found = self._client.projects.get(path, **_ONCE)
                if "path_with_namespace" in found.attributes:
                    return found
                raise ProtocolError(f"{self} does not look like a GitLab.", remedy="Check the URL.")
            except Exception as error:
                if getattr(error, "response_code", None) != 404:
                    raise
        raise NotFoundError(
            f"{self} has no project {path}, or hides it{self._fault.from_whom()}.",
            remedy="Check the path (group/project) and that the token's user is a member of the project.",
        )

    def _resolve(self, project: Any, ref: str) -> _Ref:
        what = f"ref {ref!r} of project {project.path_with_namespace}"
        for kind, name in _candidates(ref):
            with self._fault.translated(what):
                if found := self._lookup(project, kind, name):
                    return found
        close = self._close_branches(project, ref)
        hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else "Name a branch, a tag or a commit SHA."
        raise NotFoundError(f"Project {project.path_with_namespace} has no branch, tag or commit {ref!r}.", remedy=hint)

    def _lookup(self, project: Any, kind: RefKind, name: str) -> _Ref | None:
        manager = {"branch": project.branches, "tag": project.tags, "commit": project.commits}[kind]
        try:
            found = manager.get(name, **_ONCE).attributes
        except Exception as error:
            if getattr(error, "response_code", None) in (400, 404):  # 400: GitLab finds the name impossible
                return None
            raise
        return _Ref(name, kind, found if kind == "commit" else found["commit"], bool(found.get("protected", False)))

    def _close_branches(self, project: Any, ref: str) -> list[str]:
        with self._fault.translated(f"branches of project {project.path_with_namespace}"):
            names = [branch.name for branch in project.branches.list(per_page=_PAGE, page=1, **_ONCE)]
        return difflib.get_close_matches(ref, names, n=3)


def _candidates(ref: str) -> list[tuple[RefKind, str]]:
    if ref.startswith("refs/heads/"):
        return [("branch", ref.removeprefix("refs/heads/"))]
    if ref.startswith("refs/tags/"):
        return [("tag", ref.removeprefix("refs/tags/"))]
    kinds: list[tuple[RefKind, str]] = [("branch", ref), ("tag", ref)]
    return [*kinds, ("commit", ref.lower())] if _SHA.fullmatch(ref.lower()) else kinds


def _project_path(name: str, server_url: str) -> str:
    text, server = name.strip(), urlsplit(server_url)
    ssh = _SSH.fullmatch(text)
    if ssh or "://" in text:
        host = ssh["host"] if ssh else urlsplit(text).netloc.rpartition("@")[2]
        if host.lower() not in ((server.hostname or "").lower() if ssh else server.netloc.lower(),):
            raise InputError("The project's address is not on the Environment's GitLab.", remedy=f"Use {server_url}.")
        text = ssh["path"] if ssh else _below(urlsplit(text).path, server.path).partition("/-/")[0]
    path = text.strip("/").removesuffix(".git")
    if not path or any(part in ("", ".", "..") for part in path.split("/")):
        raise InputError(f"{without_login(name)!r} is no project.", remedy="Write its path: group/project.")
    return path


def _below(path: str, folder: str) -> str:
    """A path without the folder that GitLab is installed in (``https://host/gitlab``), if it has one."""
    return path.removeprefix(folder) if path.startswith(f"{folder}/") else path


def _commit(project: Mapping[str, Any], ref: _Ref, server_url: str) -> Commit:
    found = ref.commit
    return Commit(
        project_id=int(project["id"]),
        project_path=project["path_with_namespace"],
        project_name=project.get("name", ""),
        default_branch=project.get("default_branch") or "",
        ref=ref.name,
        ref_kind=ref.kind,
        sha=found["id"],
        title=found.get("title") or "",
        message=found.get("message") or "",
        author=f"{found.get('author_name', '')} <{found.get('author_email', '')}>",
        timestamp=found.get("committed_date") or found.get("created_at") or "",
        ref_protected=ref.protected,
        clone_url=project.get("http_url_to_repo") or f"{server_url}/{project['path_with_namespace']}.git",
        web_url=project.get("web_url") or f"{server_url}/{project['path_with_namespace']}",
        visibility=project.get("visibility") or "private",
        server_url=server_url,
    )
