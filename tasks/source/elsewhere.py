"""What is included from GitLab: files of projects at refs, its templates, components and their versions."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from errors import InputError, NotFoundError
from tasks.source.model import Commit
from tasks.source.repository import GitLab
from tasks.source.sources import OWN_HOST, Component, ComponentAt, Local, Project, Template, Tree

_SHORT_VERSION = re.compile(r"(\d+)(?:\.(\d+))?")
_RELEASE = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:\+[0-9A-Za-z.-]+)?")  # a version without prerelease part
_SHA = re.compile(r"[0-9a-f]{40}")


class Elsewhere:
    """One GitLab as the user of its token, from several threads: each has its own connection."""

    def __init__(self, gitlab: GitLab, project_id: int | None = None) -> None:
        self._first = gitlab
        self._project_id = project_id
        self._own = threading.local()
        self._lock = threading.Lock()
        self._commits: dict[tuple[str, str], Commit] = {}

    def local(self, commit: Commit, source: Local) -> Mapping[str, str]:
        """A file of the pipeline's own commit; nothing when it is not there, which the interpretation will say."""
        try:
            return {source.key: self._text(commit, source.path)}
        except NotFoundError:
            return {}

    def project(self, source: Project) -> Mapping[str, str]:
        """A file of another project.

        Raises:
            NotFoundError: No such project (or it is hidden), ref or file; the message says which.
        """
        commit = self._commit(source.project, source.ref, source.public)
        return {source.key: self._text(commit, source.path)}

    def tree(self, source: Tree) -> Collection[str]:
        """All paths of another project."""
        return self._gitlab().paths(self._commit(source.project, source.ref, source.public), recursive=True)

    def template(self, source: Template) -> Mapping[str, str]:
        """One of GitLab's own templates."""
        return {source.key: self._gitlab().template(source.name, self._project_id)}

    def component(self, source: Component) -> Mapping[str, str]:
        """A component: where it is, and its text.

        Raises:
            NotFoundError: No such project, version or component.
            InputError: It is of another GitLab.
        """
        path = self._path(source)
        project = path.rpartition("/")[0].lower()
        found = self._version(project, source)
        with self._lock:
            self._commits[project, found.ref] = found.commit  # its own local files are of the very same commit
        for file in source.paths:
            try:
                text = self._text(found.commit, file)
            except NotFoundError:
                continue
            at = ComponentAt(project, found.ref, found.commit.sha, file, found.release)
            return {source.key: at.text(), Project(project, found.ref, file).key: text}
        raise NotFoundError(
            f"Project {project} has no component {source.name} at {found.ref}: neither {' nor '.join(source.paths)}.",
            remedy="Correct its name or version.",
        )

    def _path(self, source: Component) -> str:
        address = source.address.partition("@")[0]
        parts = urlsplit(self._first.url)
        own = f"{parts.netloc}{parts.path}".lower()
        host, _, path = address.partition("/")
        if address.lower().startswith(f"{own}/"):
            return address[len(own) + 1 :]
        if host.lower() in (parts.netloc.lower(), parts.hostname) or OWN_HOST.fullmatch(host):
            return path
        raise InputError(
            f"The component {address} is not of {self._first}.",
            remedy=f"Only components of the same GitLab can be included: begin it with $CI_SERVER_FQDN ({own}).",
        )

    def _version(self, project: str, source: Component) -> _Found:
        """The commit a version means: SHA, newest release of ``~latest``, ``1`` or ``1.2``, tag, branch."""
        version = source.version
        if _SHA.fullmatch(version):
            return _Found(self._commit(project, version), version)
        short = _SHORT_VERSION.fullmatch(version)
        if short or version == "~latest":
            tag = _newest(self._releases(project), short[1] if short else None, short[2] if short else None)
            if tag:
                return _Found(self._commit(project, f"refs/tags/{tag}"), tag, tag)
            if version == "~latest":
                raise NotFoundError(
                    f"Project {project} has no release with a semantic version: ~latest means none.",
                    remedy="Release one, or name a tag, a branch or a SHA.",
                )
        try:
            commit = self._commit(project, f"refs/tags/{version}")
        except NotFoundError:
            return _Found(self._commit(project, version), version)
        return _Found(commit, version, version if _RELEASE.fullmatch(version) else None)

    def _releases(self, project: str) -> list[str]:
        return self._gitlab().releases(project)

    def _commit(self, project: str, ref: str, public: bool = False) -> Commit:
        with self._lock:
            known = self._commits.get((project, ref))
        commit = known or self._gitlab().commit(project, "" if ref == "HEAD" else ref)
        with self._lock:
            commit = self._commits.setdefault((project, ref), commit)
        if public and commit.visibility != "public":
            raise InputError(
                f"Project {project} is not public.",
                remedy="Text from outside of GitLab's projects may include files of public projects only.",
            )
        return commit

    def _text(self, commit: Commit, path: str) -> str:
        return self._gitlab().text(commit, path)

    def _gitlab(self) -> GitLab:
        if not hasattr(self._own, "gitlab"):
            self._own.gitlab = self._first.again()
        found: GitLab = self._own.gitlab
        return found


@dataclass(frozen=True)
class _Found:
    """The commit of a version, the ref its files are keyed by, and the released version that it is."""

    commit: Commit
    ref: str
    release: str | None = None


def _newest(tags: Collection[str], major: str | None, minor: str | None) -> str | None:
    """The tag of the highest version that begins with `major` and `minor`."""
    found = [(tuple(map(int, match.groups())), tag) for tag in tags if (match := _RELEASE.fullmatch(tag))]
    fits = [
        (numbers, tag)
        for numbers, tag in found
        if (major is None or numbers[0] == int(major)) and (minor is None or numbers[1] == int(minor))
    ]
    return max(fits)[1] if fits else None
