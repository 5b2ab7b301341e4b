"""Words in messages: the nearest of those that would have been right, and a few of many."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_CANDIDATES = 5000
_MAX_WORD = 200


def suggestion(word: str, candidates: Iterable[str]) -> str:
    """Return `` Did you mean `x`?`` with a leading blank, or nothing when no candidate is near."""
    import difflib  # only needed when something is wrong

    if len(word) > _MAX_WORD:
        return ""
    candidates = [c for c in candidates if c != word]
    pool = [c for _, c in zip(range(_MAX_CANDIDATES), candidates, strict=False) if abs(len(c) - len(word)) <= 4]
    near = difflib.get_close_matches(word, pool, n=1, cutoff=0.72)
    return f" Did you mean `{near[0]}`?" if near else ""


def few(names: Iterable[str]) -> str:
    """The first three of them, each once, for a message.

    >>> few(["a", "b", "a", "c", "d"])
    'a, b, c, ...'
    """
    known = list(dict.fromkeys(names))
    return ", ".join(known[:3]) + (", ..." if len(known) > 3 else "")
