"""The build context: the folder's files without what ``.dockerignore`` names.

Source: docs.docker.com/build/concepts/context (.dockerignore), github.com/moby/patternmatcher.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from sandbox.docker_cli.errors import DockerError
from sandbox.docker_cli.tree import FILE, FOLDER, LINK, Node, OnDisk, Tree


def glob_to_regex(pattern: str) -> re.Pattern[str]:
    """Go's ``filepath.Match`` with ``**`` for any number of folders.

    Raises:
        DockerError: A bad pattern.
    """
    found, position = "", 0
    while position < len(pattern):
        rest = pattern[position:]
        if rest.startswith("**"):
            slash = rest.startswith("**/")
            found += "(?:.*/)?" if slash else ".*"
            position += 3 if slash else 2
        elif rest[0] in "*?":
            found += "[^/]*" if rest[0] == "*" else "[^/]"
            position += 1
        elif rest[0] == "[" and (match := re.match(r"\[(\^?)((?:\\.|[^\]\\])+)\]", rest)):
            found += f"[{match[1]}{_members(match[2])}]"
            position += match.end()
        else:
            literal = rest[1:2] if rest[0] == "\\" and len(rest) > 1 else rest[0]
            position += 2 if rest[0] == "\\" and len(rest) > 1 else 1
            found += re.escape(literal)
    try:
        return re.compile(found, re.DOTALL)
    except re.error as error:
        raise DockerError(f"bad pattern {pattern!r}: {error}") from error


def _members(text: str) -> str:
    """A bracket's members, with what Python would read otherwise escaped."""
    return re.sub(r"(\\.)|([\[&~|])", lambda match: match[1] or "\\" + match[2], text)


class Ignore:
    """The patterns of a ``.dockerignore``; the last that matches a path or a folder above it decides."""

    def __init__(self, text: str) -> None:
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        for line in text.removeprefix("\ufeff").splitlines():
            pattern = line.strip()
            if not pattern or line.startswith("#"):
                continue
            keep = pattern.startswith("!")
            pattern = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
            if pattern not in (".", ""):
                self._rules.append((keep, glob_to_regex(pattern)))

    @property
    def prunes(self) -> bool:
        """Whether nothing below an ignored folder can come back."""
        return not any(keep for keep, _pattern in self._rules)

    def __call__(self, path: str) -> bool:
        """Whether the path is left out."""
        parts = path.split("/")
        chain = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        ignored = False
        for keep, pattern in self._rules:
            if any(pattern.fullmatch(entry) for entry in chain):
                ignored = not keep
        return ignored


def read_context(folder: Path, dockerfile: Path) -> tuple[Tree, Ignore]:
    """The context's files, and what was asked to be left out."""
    own = dockerfile.with_name(dockerfile.name + ".dockerignore")
    file = own if own.is_file() else folder / ".dockerignore"
    ignore = Ignore(file.read_text("utf-8", "replace") if file.is_file() else "")
    tree: Tree = {}
    for where, folders, files in os.walk(folder):
        base = Path(where).relative_to(folder).as_posix()
        for name in sorted(folders + files):
            path = name if base == "." else f"{base}/{name}"
            if not ignore(path):
                _add(tree, path, Path(where, name))
            elif name in folders and ignore.prunes:
                folders.remove(name)
    return tree, ignore


def _add(tree: Tree, path: str, file: Path) -> None:
    if file.is_symlink():
        tree[path] = Node(LINK, 0o777, target=str(file.readlink()))
    elif file.is_dir():
        tree[path] = Node(FOLDER, file.stat().st_mode & 0o7777)
    elif file.is_file():
        tree[path] = Node(FILE, file.stat().st_mode & 0o7777, OnDisk(file))
