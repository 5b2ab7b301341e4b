"""Empty folders of artifacts, which Jenkins neither stashes nor archives: each gets a file, for as long as it travels.

The file is made at the end of the job's script (of its caches, where it has some), so that `stash` picks the folders by
the patterns of the artifacts; whoever takes them removes it before anything else. All functions give lines of shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.interpretation.pipeline import Job
from tasks.jenkins_build.artifacts import plain_paths
from tasks.jenkins_build.job_script import quoted

MARK = ".smartclide-empty-folder"
IN_ARCHIVE = f"**/{MARK}"  # people are not shown it
FUNCTION = (
    "# Marks the empty folders below these: Jenkins keeps none. The exit code stays what it was.",
    "keep_folders() {",
    "  kept=$?",
    """  (cd "$CI_PROJECT_DIR" && find "$@" -path ./.git -prune -o -type d -exec sh -c '""",
    """    for folder; do""",
    """      for file in "$folder"/* "$folder"/.[!.]* "$folder"/..?*; do""",
    """        if test -e "$file" || test -L "$file"; then continue 2; fi""",
    """      done""",
    f"""      true >"$folder/{MARK}\"""",
    """    done' sh {} +) </dev/null >/dev/null 2>&1 || :""",
    "  return $kept",
    "}",
)
_GLOB = re.compile(r"[*?\[\\]")
_FILES = re.compile(r"(?:\*\*/)*[^/]*\*\.\w+")  # `*.log`: not worth a walk through the whole project


def folders_of(job: Job) -> str:
    """The folders in which the job's artifacts lie, as words of shell; empty where there are none.

    >>> from tasks.interpretation.pipeline import Artifacts
    >>> paths = ("out/**/*.o", "a b/", "$CI_PROJECT_DIR/c", "*.log", "../d")
    >>> print(folders_of(Job("a", "test", ("x",), artifacts=Artifacts(paths=paths))))
    ./out './a b' ./c
    """
    found = dict.fromkeys(filter(None, map(_folder, plain_paths(job.artifacts.paths))))
    return " ".join(map(quoted, (".",) if "." in found else found))


def _folder(path: str) -> str | None:
    """What of a pattern is no pattern; None where that is not in the project's folder."""
    if "$" in path or _FILES.fullmatch(path):
        return None
    parts: list[str] = []
    for part in path.split("/"):
        if _GLOB.search(part):
            break
        if part == ".." or (not part and not parts):
            return None
        parts += [part] if part not in ("", ".") else []
    return "/".join((".", *parts))


def marked(job: Job) -> list[str]:
    """What marks the job's empty folders; the empty line ends a command of the user's that a backslash leaves open."""
    folders = folders_of(job)
    return ["", f"keep_folders {folders}"] if folders else []


def unmarked(jobs: Iterable[Job]) -> list[str]:
    """What removes the marks from the artifacts of these jobs."""
    found = dict.fromkeys(filter(None, map(folders_of, jobs)))
    return [f"find {' '.join(found)} -name {MARK} -exec rm -f {{}} + 2>/dev/null || :"] if found else []
