"""What one project is at one commit. Pure values, produced by `repository`, consumed by every later step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import Struct, field

CI_FILE = ".gitlab-ci.yml"
DESCRIPTOR_FILE = ".smartclide.yml"
DOCKERFILE = "Dockerfile"


class Commit(Struct, frozen=True):
    """One commit of one GitLab project, and the ref it was asked for by.

    Attributes:
        project_id: GitLab's numeric project id.
        project_path: Full path with namespace, e.g. ``group/sub/app``.
        project_name: GitLab's display name of the project.
        default_branch: The project's default branch.
        ref: The branch, tag or commit the user named.
        ref_kind: What `ref` is.
        sha: The full commit SHA, 40 hexadecimal digits.
        title: First line of the commit message.
        message: The whole commit message.
        author: ``Name <email>``.
        timestamp: ISO 8601 commit date as GitLab gives it.
        ref_protected: Whether GitLab protects the ref.
        clone_url: HTTP(S) clone address, without credentials.
        web_url: The project's page.
        visibility: ``public``, ``internal`` or ``private``.
        server_url: GitLab's own address, e.g. ``https://gitlab.example.com``.
    """

    project_id: int
    project_path: str
    project_name: str
    default_branch: str
    ref: str
    ref_kind: Literal["branch", "tag", "commit"]
    sha: str
    title: str
    message: str
    author: str
    timestamp: str
    ref_protected: bool
    clone_url: str
    web_url: str
    visibility: str
    server_url: str


class Snapshot(Struct, frozen=True):
    """The files of one commit that the later steps read.

    Attributes:
        commit: The commit all files come from.
        ci_path: Path of the pipeline definition, normally ``.gitlab-ci.yml``.
        files: Text by path: the pipeline definition, its local includes, and the descriptor where there is one; what
            is included from elsewhere by its key (see `sources`).
        has_dockerfile: Whether the main folder has a ``Dockerfile``.
        generated: True when the project had no pipeline definition and a minimal one was put in its place.
        absent: Why an included source could not be read, by its key.
        tree: All paths of the commit, where wildcards or `exists` need them; None = not read, or too many.
        trees: The same of other projects, by the key of their `Tree`, for what their files include.
    """

    commit: Commit
    ci_path: str
    files: Mapping[str, str] = field(default_factory=dict)
    has_dockerfile: bool = True
    generated: bool = False
    absent: Mapping[str, str] = field(default_factory=dict)
    tree: tuple[str, ...] | None = None
    trees: Mapping[str, Collection[str]] = field(default_factory=dict)
