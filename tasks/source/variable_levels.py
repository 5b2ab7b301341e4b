"""Reads the CI/CD variables of a project and of everything above it, as far as the token lets us."""

from __future__ import annotations

from errors import AccessError, NotFoundError
from tasks.source.ci_variables import CIVariable, CIVariables, choose, groups_of
from tasks.source.model import Commit
from tasks.source.repository import GitLab


def read_ci_variables(gitlab: GitLab, commit: Commit, environment: str | None) -> CIVariables:
    """The variables that hold for a commit in an Environment; what the token may not read is named, no error.

    Raises:
        UnavailableError: GitLab failed.
    """
    owners = [f"groups/{path}" for path in groups_of(commit)] if gitlab.in_group(commit) else []
    levels = [_instance(gitlab)]
    closed = []
    for owner in (*owners, f"projects/{commit.project_id}"):
        try:
            levels.append(gitlab.ci_variables(owner))
        except (AccessError, NotFoundError):
            closed.append(f"group {owner.partition('/')[2]}" if owner in owners else f"project {commit.project_path}")
    known = tuple(variable for level in levels for variable in level)
    chosen = choose(levels, environment, commit.ref_protected)
    if withheld := [key for key, variable in sorted(chosen.items()) if variable.withheld]:
        closed.append(f"visibility hidden ({', '.join(withheld)})")
    readable = {key: variable for key, variable in chosen.items() if not variable.withheld}
    return CIVariables(readable, known, ", ".join(closed) or None)


def _instance(gitlab: GitLab) -> list[CIVariable]:
    """Variables of the whole GitLab: only administrators may read them, so nobody misses them here."""
    try:
        return gitlab.ci_variables("")
    except (AccessError, NotFoundError):
        return []
