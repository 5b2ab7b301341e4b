"""GitLab's artifact globs as Ant patterns, and which earlier jobs a job takes artifacts from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from math import prod

from tasks.interpretation.pipeline import Job, Pipeline

_PROJECT_DIR = re.compile(r"^\$(?:CI_PROJECT_DIR|\{CI_PROJECT_DIR\})(?:/|$)")
SHOWN = ("junit", "dotenv")
_BRACES = re.compile(r"\{([^{}]*)\}")
_CLASS = re.compile(r"\[([^]/\\!^][^]/\\]*)\]")
_MOST_CHOICES = 64
# Ant separates patterns by commas, has no character classes and takes a backslash for a slash: one `?` each.
_NOT_IN_ANT = re.compile(r"\[[^\]/]+\]|[,\\]|^ | $")


def ant_patterns(paths: Iterable[str]) -> str:
    """Patterns that select what GitLab's `paths` select: a folder stands for everything below it.

    >>> ant_patterns(["dist/", "*.log", "a/**", "b/[1-3]/*/"])
    'dist/**,*.log,*.log/**,a/**,b/1/*/**,b/2/*/**,b/3/*/**'
    """
    return ",".join(dict.fromkeys(pattern for path in paths for pattern in _patterns(path)))


def file_patterns(paths: Iterable[str]) -> str:
    """Patterns for files only (reports): no folder stands for what is below it, unless it says so by a slash."""
    return ",".join(dict.fromkeys(found[0] for path in paths for found in map(_with_folder, _plain(path))))


def exclude_patterns(paths: Iterable[str]) -> str:
    """Patterns of what is left out. GitLab does not go into folders there: ``out`` leaves out no file below it.

    >>> exclude_patterns(["out/", "*.o", "a/**"])
    'out,*.o,a/**'
    """
    return ",".join(dict.fromkeys(plain.rstrip("/") or "**" for path in paths for plain in _plain(path)))


def other_reports(job: Job) -> tuple[str, ...]:
    """Files of the reports that Jenkins does not show: they are kept with the build."""
    return tuple(path for kind, paths in job.artifacts.reports.items() if kind not in SHOWN for path in paths)


def plain_paths(paths: Iterable[str]) -> list[str]:
    """The patterns as they stand in the project's folder, one for each choice of braces."""
    return [plain for path in paths for plain in _plain(path)]


def _patterns(path: str) -> list[str]:
    return [found for plain in _plain(path) for found in _with_folder(plain)]


def _plain(path: str) -> list[str]:
    relative = re.sub(r"^(?:\./)+", "", _PROJECT_DIR.sub("", path)) or "**"
    return [_NOT_IN_ANT.sub("?", plain) for choice in _without_braces(relative) for plain in _without_classes(choice)]


def _with_folder(pattern: str) -> list[str]:
    if pattern.endswith("/"):
        return [f"{pattern.rstrip('/')}/**"]
    if pattern == "**" or pattern.endswith(("/**", "/**/*")) or pattern == ".":
        return ["**" if pattern == "." else pattern]
    return [pattern, f"{pattern}/**"]


def _without_braces(path: str) -> list[str]:
    match = _BRACES.search(path)
    if match is None:
        return [path]
    before, after = path[: match.start()], path[match.end() :]
    return [done for choice in match[1].split(",") for done in _without_braces(before + choice + after)]


def _without_classes(path: str) -> list[str]:
    """One path for each choice of the characters in brackets, unless they are too many: they then stay."""
    parts = [_characters(part) if index % 2 else [part] for index, part in enumerate(_CLASS.split(path))]
    return ["".join(choice) for choice in product(*parts)] if prod(map(len, parts)) <= _MOST_CHOICES else [path]


def _characters(text: str) -> list[str]:
    """What a class stands for: its characters and ranges. One that holds wildcards stays as it is."""
    if any(sign in text for sign in "*?"):
        return [f"[{text}]"]
    ranges = re.findall(r"(.)-(.)|(.)", text, re.DOTALL)
    found = [[one] if one else map(chr, range(ord(first), ord(last) + 1)) for first, last, one in ranges]
    return list(dict.fromkeys(character for characters in found for character in characters))


def has_stash(job: Job) -> bool:
    """Whether the job hands on files."""
    return bool(job.artifacts.paths) or job.artifacts.untracked


def givers_of(pipeline: Pipeline) -> tuple[Job, ...]:
    """The jobs whose files a job behind all others takes; those of child pipelines stay there."""
    return _by_stage((job for job in pipeline.jobs if has_stash(job) and job.parent is None), pipeline)


def _by_stage(jobs: Iterable[Job], pipeline: Pipeline) -> tuple[Job, ...]:
    """Jobs as GitLab makes them: stage by stage, whatever their order in the text. Files of the last one win."""
    return tuple(sorted(jobs, key=lambda job: pipeline.ranks.get(job.stage, 0)))


def sources_of(job: Job, pipeline: Pipeline, among: tuple[Job, ...] | None = None) -> tuple[Job, ...]:
    """The jobs whose artifacts GitLab would put into this job's folder, stage by stage, then as in the text.

    Args:
        job: The job.
        pipeline: Its pipeline.
        among: The jobs of the pipeline that are asked about; None = all.
    """
    among = pipeline.jobs if among is None else among
    wanted = None if job.dependencies is None else set(job.dependencies)
    places = pipeline.places
    if job.needs is not None:
        names = {need.job for need in job.needs if need.artifacts and need.job in places}
    elif wanted is not None:
        earlier = pipeline.earlier(job)
        names = {name for name in wanted if name in places and pipeline.jobs[places[name]].stage in earlier}
    else:
        earlier = pipeline.earlier(job)
        names = {other.name for other in among if other.stage in earlier}
    if wanted is not None:
        names &= wanted
    names |= {name for name in job.taken if name in places}
    return _by_stage((pipeline.jobs[place] for place in sorted(places[name] for name in names)), pipeline)
