"""One bare git repository, read and written through the ``git`` command."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_FIELDS = ("%H", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%s", "%B")
_FORMAT = "%x1f".join(_FIELDS) + "%x1e"
_SETTINGS = {
    "http.receivepack": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "receive.denyDeleteCurrent": "ignore",
    "gc.auto": "0",
}


class GitError(Exception):
    """A git command failed; the text is git's own."""


@dataclass(frozen=True)
class Author:
    """Who wrote a commit, and when.

    Attributes:
        date: ISO 8601 with an offset.
    """

    name: str = "Sandbox"
    email: str = "sandbox@example.com"
    date: str = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class CommitInfo:
    """A commit's own fields; dates are ISO 8601."""

    sha: str
    parents: tuple[str, ...]
    author: Author
    committer: Author
    title: str
    message: str


@dataclass(frozen=True)
class TreeEntry:
    """One entry of a folder: ``type`` is ``blob``, ``tree`` or ``commit``."""

    mode: str
    type: str
    id: str
    path: str


def git_environment() -> dict[str, str]:
    """An environment in which no setting of the machine or its user changes what git does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}


class Repository:
    """A bare repository.

    Args:
        path: Its folder, ending in ``.git``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, default_branch: str) -> Repository:
        """Make it, empty."""
        path.parent.mkdir(parents=True, exist_ok=True)
        repository = cls(path)
        repository.run("init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(path), inside=False)
        for name, value in _SETTINGS.items():
            repository.run("config", name, value)
        return repository

    def run(
        self,
        *command: str,
        data: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        inside: bool = True,
    ) -> bytes:
        """Run git; its standard output.

        Raises:
            GitError: It failed.
        """
        folder = ["--git-dir", str(self.path)] if inside else []
        done = subprocess.run(
            ["git", *folder, *command],
            input=data if data is not None else b"",
            capture_output=True,
            check=False,
            env={**git_environment(), **(environment or {})},
        )
        if done.returncode:
            raise GitError(done.stderr.decode("utf-8", "replace").strip() or f"git {command[0]} failed")
        return done.stdout

    def resolve(self, ref: str) -> str | None:
        """A branch, tag, SHA (also short) or expression as a commit SHA; branches before tags."""
        if not ref or ref.startswith("-"):
            return None
        for candidate in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
            try:
                return self.run("rev-parse", "--verify", "--quiet", f"{candidate}^{{commit}}").decode().strip()
            except GitError:
                continue
        return None

    def commits(self, *selection: str) -> list[CommitInfo]:
        """``git log`` with the given revisions and options."""
        text = self.run("log", f"--format={_FORMAT}", *selection).decode("utf-8", "replace")
        return [_commit(record.lstrip("\n")) for record in text.split("\x1e") if record.strip()]

    def stats(self, sha: str) -> tuple[int, int]:
        """Lines added and deleted by a commit."""
        text = self.run("diff-tree", "--root", "-r", "--numstat", "--no-commit-id", sha).decode()
        counts = [line.split("\t")[:2] for line in text.splitlines()]
        numbers = [(int(added), int(deleted)) for added, deleted in counts if added != "-"]
        return sum(added for added, _ in numbers), sum(deleted for _, deleted in numbers)

    def refs(self, prefix: str) -> dict[str, str]:
        """Short name -> object id of ``refs/heads`` or ``refs/tags``."""
        text = self.run("for-each-ref", "--format=%(objectname) %(refname)", prefix).decode()
        entries = (line.split(" ", 1) for line in text.splitlines())
        return {name.removeprefix(prefix + "/"): sha for sha, name in entries}

    def tree(self, sha: str, path: str = "", recursive: bool = False) -> list[TreeEntry]:
        """The entries of a folder, sorted as GitLab does: folders first."""
        options = ["-r", "-t"] if recursive else []
        where = [path.rstrip("/") + "/"] if path else []
        text = self.run("ls-tree", "-z", *options, sha, "--", *where).decode("utf-8", "surrogateescape")
        entries = [_entry(line) for line in text.split("\0") if line]
        entries = [entry for entry in entries if entry.path != path.rstrip("/")]
        return sorted(entries, key=lambda entry: entry.type != "tree")

    def blob(self, sha: str, path: str) -> TreeEntry | None:
        """The file at a commit, or None."""
        text = self.run("ls-tree", "-z", sha, "--", path).decode("utf-8", "surrogateescape")
        entries = [_entry(line) for line in text.split("\0") if line]
        return next((entry for entry in entries if entry.type == "blob" and entry.path == path), None)

    def content(self, object_id: str) -> bytes:
        """A blob's bytes."""
        return self.run("cat-file", "blob", object_id)

    def commit(self, branch: str, files: Mapping[str, str | bytes | None], message: str, author: Author) -> str:
        """Add, change or delete (None) files on a branch, which is made if need be; returns the SHA."""
        parent = self.resolve(f"refs/heads/{branch}") or self.resolve("HEAD")
        with tempfile.TemporaryDirectory(prefix="sandbox-git-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if parent:
                self.run("read-tree", parent, environment=index)
            self.run("update-index", "-z", "--index-info", data=self._index_info(files), environment=index)
            tree = self.run("write-tree", environment=index).decode().strip()
        parents = ["-p", parent] if parent else []
        identity = _identity(author)
        sha = self.run("commit-tree", tree, *parents, data=message.encode(), environment=identity).decode().strip()
        self.run("update-ref", f"refs/heads/{branch}", sha)
        return sha

    def _index_info(self, files: Mapping[str, str | bytes | None]) -> bytes:
        lines = []
        for path, content in files.items():
            if content is None:
                lines.append(f"0 {'0' * 40}\t{path}\0".encode())
                continue
            data = content.encode() if isinstance(content, str) else content
            blob = self.run("hash-object", "-w", "--stdin", data=data).decode().strip()
            mode = "100755" if data.startswith(b"#!") else "100644"
            lines.append(f"{mode} {blob}\t{path}\0".encode())
        return b"".join(lines)

    def tag(self, name: str, sha: str, message: str | None, author: Author) -> None:
        """A lightweight tag, or with a message an annotated one."""
        options: Sequence[str] = ("-a", "-F", "-") if message else ()
        self.run("tag", *options, name, sha, data=(message or "").encode(), environment=_identity(author))


def _identity(author: Author) -> dict[str, str]:
    roles = ("AUTHOR", "COMMITTER")
    fields = {"NAME": author.name, "EMAIL": author.email, "DATE": author.date}
    return {f"GIT_{role}_{field}": value for role in roles for field, value in fields.items()}


def _commit(record: str) -> CommitInfo:
    sha, parents, an, ae, ad, cn, ce, cd, title, message = record.split("\x1f", 9)
    return CommitInfo(sha, tuple(parents.split()), Author(an, ae, ad), Author(cn, ce, cd), title, message)


def _entry(line: str) -> TreeEntry:
    about, path = line.split("\t", 1)
    mode, kind, object_id = about.split()
    return TreeEntry(mode, kind, object_id, path)
