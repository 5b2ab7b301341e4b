"""Two kinds of wildcards GitLab knows: those of `include:local`, and Ruby's file globs of `changes` and `exists`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from tasks.source.regex import Regex, RegexError, compile_regex

_BRACES = re.compile(r"(?<!\\)\{((?:[^{}\\]|\\.)*)\}", re.DOTALL)
_MAX_ALTERNATIVES = 200
_MAX_PATTERN = 10_000
# GitLab's own limit: comparisons of a path with a wildcard, after which it takes a match for granted.
MAX_COMPARISONS = 50_000


def is_wildcard(path: str) -> bool:
    """Whether GitLab takes the path of an `include:local` as a pattern."""
    return "*" in path


def include_matches(pattern: str, paths: Iterable[str]) -> list[str]:
    """Those of `paths` an include pattern means: ``*`` stays in one folder, ``**`` does not."""
    escaped = re.escape(re.sub(r"\*{3,}", "**", pattern.lstrip("/")))
    return _matching(escaped.replace(r"\*\*", ".*").replace(r"\*", "[^/]*"), paths)


def glob_matches(pattern: str, paths: Iterable[str]) -> list[str]:
    """Those of `paths` that ``File.fnmatch`` with PATHNAME, DOTMATCH and EXTGLOB says `pattern` matches."""
    alternatives = [_one_glob(p) for p in _expand_braces(pattern[:_MAX_PATTERN])]
    return _matching("|".join(f"(?:{a})" for a in alternatives), paths)


def any_exists(patterns: Sequence[str], paths: Collection[str]) -> bool:
    """Whether `exists` holds; GitLab takes it for granted where too much would have to be compared."""
    wildcards = costly(patterns)
    if wildcards and wildcards * _counted(patterns, paths) > MAX_COMPARISONS:
        return True
    return any(
        any(path.startswith(p) for path in paths) if _is_folder(p) else bool(glob_matches(p, paths)) for p in patterns
    )


def any_changed(patterns: Sequence[str], paths: Collection[str]) -> bool:
    """Whether `changes` holds for the paths that changed; taken for granted where too much would be compared."""
    unique = dict.fromkeys(patterns)
    return len(unique) * len(paths) > MAX_COMPARISONS or any(glob_matches(p, paths) for p in unique)


def costly(patterns: Iterable[str]) -> int:
    """How many of the patterns of an `exists` GitLab compares with every path: not exact ones, and not ``**/*.ext``."""
    return sum(1 for p in patterns if not _is_exact(p) and not _is_extension(p))


def top_level(patterns: Iterable[str]) -> bool:
    """Whether an `exists` asks about files of the main folder only: only those are compared then."""
    return all("/" not in p and "**" not in p for p in patterns)


def java_pattern(patterns: Iterable[str], *, folders: bool) -> str:
    """One regular expression of Java that finds a line of a list of paths that any of the patterns matches.

    Args:
        patterns: As in `glob_matches`.
        folders: Whether ``name/`` means all files below that folder, as in `exists`.
    """
    found = []
    for pattern in patterns:
        if folders and _is_folder(pattern):
            found.append(f"{re.escape(pattern)}.*")
            continue
        for alternative in _expand_braces(pattern[:_MAX_PATTERN]):
            source = _one_glob(alternative, r"/\n")
            if _is_regex(source):
                found.append(source)
    return f"(?md)^(?:{'|'.join(found)})$" if found else r"(?!)"


def _counted(patterns: Iterable[str], paths: Collection[str]) -> int:
    return sum("/" not in path for path in paths) if top_level(patterns) else len(paths)


def _is_exact(pattern: str) -> bool:
    return not any(mark in pattern for mark in "*?[{")


def _is_extension(pattern: str) -> bool:
    rest = pattern.removeprefix("**/*")
    return rest.startswith(".") and "/" not in rest and _is_exact(rest)


def _is_folder(pattern: str) -> bool:
    return pattern.endswith("/") and _is_exact(pattern)


def _is_regex(source: str) -> bool:
    try:
        compile_regex(source)
    except RegexError:
        return False
    return True


def _matching(source: str, paths: Iterable[str]) -> list[str]:
    try:
        regex: Regex = compile_regex(rf"\A(?:{source})\z", "s")
        return [path for path in paths if regex.found_in(path)]
    except RegexError:
        return []  # longer or stranger than any path can be


def _expand_braces(pattern: str) -> list[str]:
    done: list[str] = []
    todo = [pattern]
    while todo and len(done) + len(todo) < _MAX_ALTERNATIVES:
        text = todo.pop()
        found = _BRACES.search(text)
        if found is None:
            done.append(text)
        else:
            todo += [text[: found.start()] + part + text[found.end() :] for part in found.group(1).split(",")]
    return done + todo


def _one_glob(pattern: str, apart: str = "/") -> str:
    """A regular expression; `apart`: characters no wildcard matches."""
    out, i = [], 0
    while i < len(pattern):
        char = pattern[i]
        if pattern.startswith("**/", i) and (i == 0 or pattern[i - 1] == "/"):
            out.append(f"(?:[^{apart}]+/)*")
            i += 3
            continue
        if char == "*":
            while i + 1 < len(pattern) and pattern[i + 1] == "*":
                i += 1
            out.append(f"[^{apart}]*")
        elif char == "?":
            out.append(f"[^{apart}]")
        elif char == "[" and (end := pattern.find("]", i + 2)) > 0:
            body = pattern[i + 1 : end].replace("\\", "\\\\").replace("[", "\\[").replace("&&", "&\\&")
            out.append(f"[^{body[1:]}{apart}]" if body[0] in "!^" else f"[{body}]")
            i = end
        elif char == "\\" and i + 1 < len(pattern):
            i += 1
            out.append(re.escape(pattern[i]))
        else:
            out.append(re.escape(char))
        i += 1
    return "".join(out)
