"""Which CI/CD variables of a project, its groups and the instance hold for a deployment, and which are secret.

Pure: consumes what GitLab's API lists, produces values. https://docs.gitlab.com/ci/variables/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.source.model import Commit

EVERYWHERE = "*"


@dataclass(frozen=True)
class CIVariable:
    """One variable as GitLab keeps it.

    Attributes:
        key: Its name.
        value: Its text; for a file variable, the file's content. Never shown.
        is_file: The variable holds the path of a file with the value.
        protected: For protected branches and tags only.
        hidden: Masked in GitLab's logs (hidden ones are always masked).
        raw: References in the value are not expanded.
        scope: Environments it holds for: ``*``, a name, or a pattern such as ``review/*``.
        withheld: GitLab gives nobody its value (visibility "Masked and hidden", since GitLab 17.4).
    """

    key: str
    value: str = field(repr=False)
    is_file: bool = False
    protected: bool = False
    hidden: bool = False
    raw: bool = False
    scope: str = EVERYWHERE
    withheld: bool = False

    @property
    def secret(self) -> bool:
        """Whether the value is kept from everything but the job's own shell."""
        return self.hidden or self.protected or self.is_file


@dataclass(frozen=True)
class CIVariables:
    """The variables of a deployment.

    Attributes:
        chosen: Those that hold, by name.
        known: All there are, of every level, scope and protection; for removing what is gone elsewhere.
        unreadable: Why they could not all be read; None = they were.
    """

    chosen: Mapping[str, CIVariable] = field(default_factory=dict)
    known: tuple[CIVariable, ...] = ()
    unreadable: str | None = None

    @property
    def plain(self) -> dict[str, str]:
        """Values anybody may see, by name."""
        return {key: variable.value for key, variable in self.chosen.items() if not variable.secret}

    @property
    def secret(self) -> dict[str, CIVariable]:
        """The secret ones, by name."""
        return {key: variable for key, variable in self.chosen.items() if variable.secret}

    @property
    def raw(self) -> frozenset[str]:
        """Names whose values are not expanded."""
        return frozenset(key for key, variable in self.chosen.items() if variable.raw)


def read_variable(entry: Mapping[str, Any]) -> CIVariable:
    """One entry of GitLab's list; a variable of the instance has no scope."""
    return CIVariable(
        key=str(entry["key"]),
        value=str(entry.get("value") or ""),
        is_file=entry.get("variable_type") == "file",
        protected=bool(entry.get("protected")),
        hidden=bool(entry.get("masked") or entry.get("hidden")),
        raw=bool(entry.get("raw")),
        scope=str(entry.get("environment_scope") or EVERYWHERE),
        withheld=bool(entry.get("hidden")) and entry.get("value") is None,
    )


def choose(levels: Iterable[Sequence[CIVariable]], environment: str | None, protected: bool) -> dict[str, CIVariable]:
    """The variables that hold, by name.

    Args:
        levels: Weakest first: instance, outermost group, ..., innermost group, project.
        environment: Name of the Environment; None = only variables of every environment hold.
        protected: Whether the ref is a protected one.
    """
    found: dict[str, CIVariable] = {}
    for level in levels:
        matching = [v for v in level if (protected or not v.protected) and applies(v.scope, environment)]
        found |= {v.key: v for v in sorted(matching, key=lambda v: _specificity(v.scope, environment))}
    return found


def applies(scope: str, environment: str | None) -> bool:
    """Whether an environment scope takes in an environment; ``*`` stands for any text, and nothing else is special.

    >>> applies("review/*", "review/feature-1"), applies("review/*", "review"), applies("*", None)
    (True, False, True)
    """
    if environment is None or scope == EVERYWHERE:
        return scope == EVERYWHERE
    first, *middle = scope.split("*")
    if not middle:
        return scope == environment
    last, at = middle.pop(), len(first)
    for part in middle:
        at = environment.find(part, at) + len(part)
        if at < len(part):
            return False
    return environment.startswith(first) and environment.endswith(last) and at + len(last) <= len(environment)


def _specificity(scope: str, environment: str | None) -> tuple[bool, int, str]:
    return (scope == environment, len(scope.replace("*", "")), scope)


def groups_of(commit: Commit) -> list[str]:
    """Paths of the groups a project is in, outermost first."""
    parts = commit.project_path.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
