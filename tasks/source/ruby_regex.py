"""Regular expressions as Ruby has them: those of `changes:regexp` and `exists:regexp`, which GitLab runs by Ruby.

Unlike RE2's they may look ahead and behind, so that a bad one may take for ever: GitLab bounds the time, and so do we.
https://docs.gitlab.com/ci/yaml/#ruleschangesregexp
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

from tasks.source.globs import MAX_COMPARISONS
from tasks.source.regex import RegexError

MAX_LENGTH = 255  # characters, also when variables are put in
_ONE_PATH, _ALL_PATHS = 0.05, 2.0  # seconds, GitLab's
_PART = re.compile(r"\\k<\w+>|\\.|\[:\^?\w+:\]|\[\^?|\]|\(\?[imx]*(?:-[imx]+)?[:)]|.", re.DOTALL)
_HEX = "0-9a-fA-F"
_POSIX = {
    **{name: rf"\p{{{name.title()}}}" for name in ("alnum", "alpha", "digit", "lower", "punct", "upper")},
    "blank": r" \t",
    "cntrl": r"\p{Cntrl}",
    "graph": r"\p{Graph}",
    "print": r"\p{Print}",
    "space": r"\s",
    "word": r"\w",
    "xdigit": _HEX,
}


def any_path(source: str, paths: Collection[str]) -> bool:
    """Whether a regular expression is found in one of `paths`; taken for granted where there are more than 50,000.

    Raises:
        RegexError: It is none, or too long, or takes too long; the text says so.
    """
    compiled = _compiled(source)
    if len(paths) > MAX_COMPARISONS:
        return True
    deadline = time.thread_time() + _ALL_PATHS
    for path in paths:
        if time.thread_time() > deadline:
            raise RegexError(f"it takes longer than {_ALL_PATHS:.0f} seconds")
        try:
            if compiled.search(path, timeout=_ONE_PATH) is not None:
                return True
        except TimeoutError:
            raise RegexError(f"it takes longer than {_ONE_PATH * 1000:.0f} ms for one path") from None
    return False


def check_regex(source: str) -> None:
    """Raises `RegexError` where Ruby would not take `source`, or GitLab not its length."""
    _compiled(source)


def java_regex(source: str) -> str:
    r"""The same for Java's engine, which is to find it in a single path.

    >>> java_regex(r"\A(?!docs/)\h+[[:alpha:]_](?m:.)\z")
    '\\A(?!docs/)[0-9a-fA-F]+[\\p{Alpha}_](?s:.)\\z'
    """
    return "".join(_translated(source, java=True))


@lru_cache(maxsize=512)
def _compiled(source: str) -> Any:
    import regex  # takes longer to load than all else here, and few rules need it

    if len(source) > MAX_LENGTH:
        raise RegexError(f"it is longer than {MAX_LENGTH} characters")
    try:
        return regex.compile("".join(_translated(source, java=False)), regex.MULTILINE | regex.VERSION1)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise RegexError(str(error)) from None


def _translated(source: str, *, java: bool) -> Iterator[str]:
    """What Ruby writes in another way: hexadecimal digits, ends of the text, flags, and classes by name."""
    inside = 0
    for part in _PART.findall(source):
        if part == "]":
            inside = max(0, inside - 1)
        if part == r"\h":
            yield _HEX if inside else f"[{_HEX}]"
        elif part == r"\H":
            yield f"[^{_HEX}]"
        elif part.startswith("(?"):
            yield part.replace("m", "s")
        elif part.startswith(r"\k") and not java:
            yield f"(?P={part[3:-1]})"
        elif part == r"\Z":
            yield r"\Z" if java else r"(?=\n?\Z)"
        elif part == r"\z":
            yield r"\z" if java else r"\Z"
        elif part.startswith("[:") and inside:
            yield _class(part, java)
        else:
            inside += part in ("[", "[^")
            yield part


def _class(part: str, java: bool) -> str:
    name = part.strip("[:^]")
    if not java or name not in _POSIX:
        return part
    return f"[^{_POSIX[name]}]" if "^" in part else _POSIX[name]
