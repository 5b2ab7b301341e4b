"""Paths of artifacts that hold a variable only the build has: Jenkins takes a path as it is written in its file."""

from __future__ import annotations

import re
from functools import partial

from msgspec.structs import replace

from tasks.interpretation.pipeline import Artifacts
from tasks.source.diagnostics import Findings, Span

_VARIABLE = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")
_PROJECT_DIR = re.compile(r"\$(?:CI_PROJECT_DIR|\{CI_PROJECT_DIR\})(?=/|$)")  # what paths begin at anyway
_ENDING = re.compile(r"\.\w+$")
_READ_AS_THEY_ARE = "dotenv"


def open_paths(artifacts: Artifacts, place: Span, findings: Findings) -> Artifacts:
    """The artifacts with a `*` for each variable that is left in a path; `findings` tell of each.

    A path of which nothing but an ending would be left, that of what is excluded, and that of a dotenv report stay:
    more files than meant would be taken.
    """
    opened = partial(_opened, place=place, findings=findings)
    reports = {
        kind: tuple(opened(path, never=kind == _READ_AS_THEY_ARE) for path in paths)
        for kind, paths in artifacts.reports.items()
    }
    return replace(
        artifacts,
        paths=tuple(map(opened, artifacts.paths)),
        exclude=tuple(opened(path, never=True) for path in artifacts.exclude),
        reports=reports,
    )


def _opened(path: str, place: Span, findings: Findings, never: bool = False) -> str:
    if "$" not in path:
        return path
    base = _PROJECT_DIR.match(path)
    begin = base.end() if base else 0
    rest = path[begin:]
    names = ", ".join(dict.fromkeys(f"`{found[:60]}`" for found in _VARIABLE.findall(rest)))
    if not names:
        return path
    shown = f"`artifacts`: in `{path[:80]}` only the build knows {names}"
    if never or not re.search(r"\w", _ENDING.sub("", _VARIABLE.sub("", rest))):
        findings.add("path-variable", f"{shown}: the path stays as it is, and matches no file.", place)
        return path
    findings.add("path-variable", f"{shown}: any text counts in its place.", place)
    return path[:begin] + _VARIABLE.sub("*", rest)
