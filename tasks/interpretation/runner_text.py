"""What GitLab Runner makes of a value that GitLab hands it: each ``$`` goes through Go's ``os.Expand``.

GitLab itself puts in the variables it knows, and leaves all else. What it leaves the runner looks up among the
variables of the job alone, never in the environment, and never by the rules of a shell: ``${A:-x}`` is a variable of
the name ``A:-x``, ``$1`` and ``$@`` are nothing, and a ``${`` that nothing ends is dropped.

Sources: https://pkg.go.dev/os#Expand and ``common/spec/variables.go`` of GitLab Runner.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping

_TOKEN = re.compile(r"\$(?:\{(?P<braced>[^}]*)\}|\{|(?P<special>[*#$@!?0-9-])|(?P<plain>[A-Za-z0-9_]+)|(?P<dollar>))")
_GROWS = re.compile(r"[A-Za-z0-9_$]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Set by GitLab, below the variables of the text: a variable of the text may refer to what it hides.
_PREDEFINED = re.compile(r"(CI|GITLAB)(_|$)")
# What every shell has, and no job of GitLab's as a variable.
_OF_THE_SHELL = frozenset(
    (
        *("BASH", "BASHPID", "BASH_VERSION", "EUID", "GROUPS", "HOME", "HOSTNAME", "HOSTTYPE", "IFS", "LINENO"),
        *("LOGNAME", "MACHTYPE", "OLDPWD", "OSTYPE", "PATH", "PPID", "PS1", "PS2", "PS4", "PWD", "RANDOM", "SECONDS"),
        *("SHELL", "SHELLOPTS", "SHLVL", "UID", "USER"),
    )
)


def is_predefined(name: str) -> bool:
    """Whether GitLab sets a variable of this name, or one of its names."""
    return _PREDEFINED.match(name) is not None


def may_be_set(name: str) -> bool:
    """Whether a build can have a variable of this name that the text does not set."""
    return _NAME.fullmatch(name) is not None and name not in _OF_THE_SHELL


def resolved(text: str, value: Callable[[str], str | None], *, whole: bool = False) -> tuple[str, bool]:
    """The text with what it refers to put in, and whether some is left for the build to put in.

    Args:
        text: The value, as GitLab hands it over.
        value: The text of a variable; None = only the build knows it.
        whole: References to nothing stay too, for `with_own_text` to drop.

    Returns:
        A literal text; or, with something left, one where ``$$`` stands for a dollar.

    >>> resolved("$A $1 ${A:-x} $$ $(pwd)", {"A": "a", "1": "", "A:-x": ""}.get)
    ('a   $ $(pwd)', False)
    """
    left = False

    def known(name: str) -> str | None:
        nonlocal left
        found = value(name)
        left = left or found is None
        return None if found is None else found.replace("$", "$$")

    made = _put(text, known, whole=whole)
    return (made, True) if left else (made.replace("$$", "$"), False)


def with_own_text(text: str, name: str) -> str:
    """What the runner makes of a variable that refers to itself: its own text, as it is written, stands there.

    >>> with_own_text("/x:$V:$1:$OTHER", "V")
    '/x:/x:$$V:$$1:$$OTHER::$OTHER'
    """
    own = text.replace("$", "$$")
    return _put(text, lambda other: own if other == name else None if may_be_set(other) else "")


def without_nothing(text: str) -> str:
    """An unresolved text without the references to nothing that it kept for its own sake.

    >>> without_nothing("$V:$1:$$:${A:-b}")
    '$V::$$:'
    """
    return _put(text, lambda other: None if may_be_set(other) else "")


def _put(text: str, value: Callable[[str], str | None], *, whole: bool = False) -> str:
    """Put values in; in these, and in what comes of it, ``$$`` stands for a dollar."""

    def one(match: re.Match[str]) -> str:
        if _is_dollar(match):
            return "$$"
        name = match["braced"] or match["plain"]
        if whole and not (name and may_be_set(name)):
            return match[0]
        found = value(name) if name else ""
        return _apart(name, match) if found is None else found

    return _TOKEN.sub(one, text)


def _is_dollar(match: re.Match[str]) -> bool:
    return match["dollar"] is not None or "$" in (match["special"], match["braced"])


def _apart(name: str, match: re.Match[str]) -> str:
    """A reference that stays, so that it does not grow by what comes behind it."""
    return f"${{{name}}}" if _GROWS.match(match.string, match.end()) else match[0]


def run_text(text: str, values: Mapping[str, str], unresolved: Container[str] = ()) -> str:
    """A text of another keyword that the runner expands, where ``$$`` stands for a dollar.

    Args:
        text: The text, as it is written.
        values: The job's variables.
        unresolved: Those among them of which the build resolves references: there ``$$`` stands for a dollar too.
    """

    def known(name: str) -> str | None:
        found = values.get(name)
        if found is None:
            return None if may_be_set(name) else ""
        return found if name in unresolved else found.replace("$", "$$")

    return _put(text, known)


def lost(text: str, own: str) -> list[str]:
    """What of a value never reaches the job: references to nothing there can be, as they are written.

    Args:
        text: The value, as it is written.
        own: The variable's name.

    >>> lost("$1 ${A:-x} $HOME $$ $A $(pwd) ${", "V")
    ['$1', '${A:-x}', '$HOME', '${']
    """
    return [match[0] for match in _TOKEN.finditer(text) if _is_lost(match, own)]


def _is_lost(match: re.Match[str], own: str) -> bool:
    name = match["braced"] or match["plain"]
    if _is_dollar(match):
        return False
    return not name or not (may_be_set(name) or name == own)


def refers_to_itself(text: str, own: str) -> bool:
    """Whether a value holds a reference to its own variable, which hides no other one that GitLab sets.

    One that is nothing else only says that there is a CI/CD variable of the name.
    """
    mine = [m for m in _TOKEN.finditer(text) if own in (m["braced"], m["plain"])]
    return bool(mine) and mine[0][0] != text and not is_predefined(own)
