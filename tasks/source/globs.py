"""Two kinds of wildcards GitLab knows: those of `include:local`, and Ruby's file globs of `changes` and `exists`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.source.regex import Regex, compile_regex
from tasks.source.regex_syntax import MAX_SOURCE, RegexError

_BRACES = re.compile(r"\{([^{}]*)\}")
_MAX_ALTERNATIVES = 200


def is_wildcard(path: str) -> bool:
    """Whether GitLab takes the path of an `include:local` as a pattern."""
    return "*" in path


def include_matches(pattern: str, paths: Iterable[str]) -> list[str]:
    """Those of `paths` an include pattern means: ``*`` stays in one folder, ``**`` does not."""
    escaped = re.escape(re.sub(r"\*{3,}", "**", pattern.lstrip("/")))
    return _matching(escaped.replace(r"\*\*", ".*").replace(r"\*", "[^/]*"), paths)


def glob_matches(pattern: str, paths: Iterable[str]) -> list[str]:
    """Those of `paths` that ``File.fnmatch`` with PATHNAME, DOTMATCH and EXTGLOB says `pattern` matches."""
    alternatives = [_one_glob(p) for p in _expand_braces(pattern[:MAX_SOURCE].removeprefix("./"))]
    return _matching("|".join(f"(?:{a})" for a in alternatives), paths)


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


def _one_glob(pattern: str) -> str:
    out, i = [], 0
    while i < len(pattern):
        char = pattern[i]
        if pattern.startswith("**/", i) and (i == 0 or pattern[i - 1] == "/"):
            out.append("(?:[^/]+/)*")
            i += 3
            continue
        if char == "*":
            while i + 1 < len(pattern) and pattern[i + 1] == "*":
                i += 1
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[" and (end := pattern.find("]", i + 2)) > 0:
            body = pattern[i + 1 : end].replace("\\", "\\\\").replace("[", "\\[").replace("&&", "&\\&")
            out.append(f"[^{body[1:]}]" if body[0] in "!^" else f"[{body}]")
            i = end
        elif char == "\\" and i + 1 < len(pattern):
            i += 1
            out.append(re.escape(pattern[i]))
        else:
            out.append(re.escape(char))
        i += 1
    return "".join(out)
