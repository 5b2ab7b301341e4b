"""Ant's file patterns: ``**``, ``*``, ``?``, comma-separated, with Ant's default excludes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

DEFAULT_EXCLUDES = (
    "**/*~,**/#*#,**/.#*,**/%*%,**/._*,**/CVS,**/CVS/**,**/.cvsignore,**/SCCS,**/SCCS/**,**/vssver.scc,**/.svn,"
    "**/.svn/**,**/.DS_Store,**/.git,**/.git/**,**/.gitattributes,**/.gitignore,**/.gitmodules,**/.hg,**/.hg/**,"
    "**/.hgignore,**/.hgsub,**/.hgsubstate,**/.hgtags,**/.bzr,**/.bzr/**,**/.bzrignore"
)


def pattern(glob: str) -> re.Pattern[str]:
    """One Ant pattern as a regular expression for a relative path with ``/``.

    >>> bool(pattern("dist/").fullmatch("dist/a/b")), bool(pattern("**/a.txt").fullmatch("a.txt"))
    (True, True)
    """
    text = glob.strip().replace("\\", "/")
    text = text + "**" if text.endswith("/") else text
    parts = []
    segments = text.split("/")
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == "**":
            parts.append(".*" if last else "(?:[^/]+/)*")
        else:
            inner = "".join({"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character)) for character in segment)
            parts.append(inner + ("" if last else "/"))
    joined = "".join(parts)
    # "a/**" matches the folder's content; the slash before ** is part of it
    return re.compile(joined, re.DOTALL)


def _patterns(globs: str) -> list[re.Pattern[str]]:
    return [pattern(glob) for glob in globs.split(",") if glob.strip()]


def _files(folder: Path) -> Iterator[str]:
    """All files and links to nothing; also what is in folders that links lead to, but for those around the link."""
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = Path(parent).resolve()
        folders[:] = [name for name in folders if not real.is_relative_to((Path(parent) / name).resolve())]
        for name in sorted(names):
            yield (Path(parent) / name).relative_to(folder).as_posix()


def find(folder: Path, includes: str, excludes: str = "", *, default_excludes: bool = True) -> list[str]:
    """The files below a folder that match, as sorted relative paths, links to files among them."""
    wanted = _patterns(includes or "**")
    unwanted = _patterns(excludes) + (_patterns(DEFAULT_EXCLUDES) if default_excludes else [])
    return sorted(
        path
        for path in _files(folder)
        if any(glob.fullmatch(path) for glob in wanted) and not any(glob.fullmatch(path) for glob in unwanted)
    )
