"""How ``smartclide interpret`` gets what a file includes: from its folder, and from elsewhere as far as allowed.

The GitLab client and the HTTP client are imported only when they are needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from errors import InputError, NotFoundError
from tasks.hiding import shown
from tasks.source.gathering import Fetchers
from tasks.source.sources import Component, ComponentAt, Local, Project, Remote, Template

if TYPE_CHECKING:
    import gitlab

_SECONDS = 20.0


class Allowed(Struct, frozen=True):
    """What may be asked for includes.

    Attributes:
        gitlab_url: The GitLab instance of projects, components and templates.
        gitlab_token: Its token; None = only what is public.
        templates: A folder of GitLab's templates, asked before the instance.
        remote: Whether addresses may be fetched.
        own: Path of the project whose folder is read, and the commit; empty = not known. Its components of that commit
            are read from the folder.
    """

    gitlab_url: str | None = None
    gitlab_token: str | None = None
    templates: Path | None = None
    remote: bool = False
    own: tuple[str, str] = ("", "")

    def __repr__(self) -> str:
        return shown(self, "gitlab_token")


class _Server(Struct, frozen=True):
    """What `tasks.source.repository.GitLab` needs to know."""

    url: str
    secret: str | None

    def __repr__(self) -> str:
        return shown(self, "secret")

    def token(self) -> str | None:
        return self.secret

    def get_client(self) -> gitlab.Gitlab:
        import gitlab

        return gitlab.Gitlab(url=self.url, private_token=self.secret, timeout=_SECONDS, retry_transient_errors=False)


def fetchers(root: Path, read: Callable[[Path], str], allowed: Allowed) -> Fetchers:
    """Who fetches what.

    Args:
        root: The folder that local includes are in, and never outside of it.
        read: Reads a file.
        allowed: What may be fetched from elsewhere.

    Raises:
        InputError: The address of the GitLab is malformed.
    """
    by_kind: dict[type, Callable[[Any], Mapping[str, str]]] = {Local: _Folder(root, read).local}
    tree = None
    if allowed.gitlab_url:
        from tasks.source.elsewhere import Elsewhere
        from tasks.source.repository import GitLab

        elsewhere = Elsewhere(GitLab(_Server(checked_address(allowed.gitlab_url), allowed.gitlab_token or None)))
        by_kind |= {Project: elsewhere.project, Component: elsewhere.component, Template: elsewhere.template}
        tree = elsewhere.tree
    if allowed.templates is not None:
        by_kind[Template] = _Templates(_Folder(allowed.templates, read), by_kind.get(Template)).template
    if all(allowed.own):
        own = _Own(_Folder(root, read), *allowed.own, dict(by_kind))
        by_kind |= {Component: own.component, Project: own.project_file}
    if allowed.remote:
        by_kind[Remote] = _remote
    return Fetchers(by_kind, tree)


def checked_address(url: str) -> str:
    """The GitLab's address without a slash at its end.

    Raises:
        InputError: It is none, or holds credentials.
    """
    parts = urlsplit(url)
    odd = parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None
    if odd or not re.fullmatch(r"(\[[^\]]*\]|[^:]*)(:[0-9]{1,5})?", parts.netloc):
        raise InputError("--gitlab-url is no address.", remedy="Write it as https://gitlab.example.com.")
    return url.rstrip("/")


def _remote(source: Remote) -> Mapping[str, str]:
    from tasks.source.remote import fetch_remote

    return fetch_remote(source)


class _Folder(Struct, frozen=True):
    """Files of one folder; links that leave it are not followed."""

    root: Path
    read: Callable[[Path], str]

    def find(self, name: str) -> str | None:
        if any(part in ("", ".", "..") for part in name.split("/")):
            return None  # as in a repository
        path = (self.root / name).resolve()
        return self.read(path) if path.is_relative_to(self.root.resolve()) and path.is_file() else None

    def local(self, source: Local) -> Mapping[str, str]:
        text = self.find(source.path)
        return {} if text is None else {source.key: text}


class _Own(Struct, frozen=True):
    """Components of the project whose folder is read, at its own commit; for others, whoever is asked next."""

    folder: _Folder
    project: str
    commit: str
    others: Mapping[type, Callable[[Any], Mapping[str, str]]]

    def component(self, source: Component) -> Mapping[str, str]:
        path = source.address.partition("@")[0].rpartition("/")[0].lower()
        if source.version != self.commit or not path.endswith(f"/{self.project.lower()}"):
            return self._other(source)
        for file in source.paths:
            text = self.folder.find(file)
            if text is not None:
                at = ComponentAt(self.project.lower(), self.commit, self.commit, file)
                return {source.key: at.text(), Project(at.project, at.ref, file).key: text}
        raise NotFoundError(f"There is no component {source.name} in {self.folder.root / 'templates'}.")

    def project_file(self, source: Project) -> Mapping[str, str]:
        if (source.project.lower(), source.ref) != (self.project.lower(), self.commit):
            return self._other(source)
        text = self.folder.find(source.path)
        return {} if text is None else {source.key: text}

    def _other(self, source: Component | Project) -> Mapping[str, str]:
        fetch = self.others.get(type(source))
        return {} if fetch is None else fetch(source)


class _Templates(Struct, frozen=True):
    """Templates of a folder, else of whoever is asked next."""

    folder: _Folder
    other: Callable[[Any], Mapping[str, str]] | None

    def template(self, source: Template) -> Mapping[str, str]:
        text = self.folder.find(source.name)
        if text is not None:
            return {source.key: text}
        if self.other is not None:
            return self.other(source)
        raise NotFoundError(f"There is no template {source.name} in {self.folder.root}.")
