"""Regular expressions that cannot blow up: RE2's syntax, run as an automaton, in time linear in the text.

GitLab runs the patterns of `rules` and `only` by RE2. Python's `re` backtracks, so a hostile pattern could hang us.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from tasks.source.regex_syntax import Assert, Chars, Choice, Group, RegexError, Repeat, Series, Tree, parse

MAX_PROGRAM = 5000
MAX_SUBJECT = 64 * 1024
MAX_STEPS = 2_000_000
_MAX_CACHE = 5000

_MATCH = -1


class Regex:
    """A compiled pattern. Build it by `compile_regex`."""

    def __init__(self, tree: Tree) -> None:
        self._items: list[Chars | Assert | None] = []
        self._next: list[tuple[int, ...]] = []
        self._start = self._emit(tree, _MATCH)
        self._moves: dict[tuple[frozenset[int], str, str], frozenset[int] | None] = {}

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches anywhere in `text`.

        Raises:
            RegexError: `text` is longer than `MAX_SUBJECT`, or the pattern needs too many steps.
        """
        if len(text) > MAX_SUBJECT:
            raise RegexError(f"the text has more than {MAX_SUBJECT} characters")
        states: frozenset[int] | None = frozenset()
        steps = 0
        for before, char in pairwise(("", *text, "")):
            assert states is not None  # noqa: S101 - the loop ends at None
            key = (states, kind_of(before), char)
            if key not in self._moves:
                steps += len(self._items)
                if steps > MAX_STEPS:
                    raise RegexError("it takes too many steps")
                if len(self._moves) > _MAX_CACHE:
                    self._moves.clear()
                self._moves[key] = self._move(*key)
            states = self._moves[key]
            if states is None:
                return True
        return False

    def _move(self, states: frozenset[int], before: str, char: str) -> frozenset[int] | None:
        """Return the states after `char`, or None when the pattern has matched before it."""
        after: set[int] = set()
        seen: set[int] = set()
        todo = [*states, self._start]
        while todo:
            state = todo.pop()
            if state == _MATCH:
                return None
            if state in seen:
                continue
            seen.add(state)
            item = self._items[state]
            if isinstance(item, Chars):
                if char and char in item:
                    after.update(self._next[state])
            elif item is None or holds(item.kind, before, kind_of(char)):
                todo += self._next[state]
        return None if _MATCH in after else frozenset(after)

    def _add(self, item: Chars | Assert | None, *following: int) -> int:
        if len(self._items) >= MAX_PROGRAM:
            raise RegexError("its repetitions make it too large")
        self._items.append(item)
        self._next.append(following)
        return len(self._items) - 1

    def _emit(self, tree: Tree, following: int) -> int:
        """Add what `tree` needs in front of `following`; return where it begins."""
        if isinstance(tree, Chars | Assert):
            return self._add(tree, following)
        if isinstance(tree, Series):
            for item in reversed(tree.items):
                following = self._emit(item, following)
            return following
        if isinstance(tree, Choice):
            return self._add(None, *(self._emit(item, following) for item in tree.items))
        if isinstance(tree, Group):
            return self._emit(tree.item, following)
        return self._emit_repeat(tree, following)

    def _emit_repeat(self, tree: Repeat, following: int) -> int:
        if tree.high is None:
            loop = self._add(None, following)
            self._next[loop] = (self._emit(tree.item, loop), following)
            following = loop
        else:
            end = following
            for _ in range(tree.high - tree.low):
                following = self._add(None, self._emit(tree.item, following), end)
        for _ in range(tree.low):
            following = self._emit(tree.item, following)
        return following


def kind_of(char: str) -> str:
    """What an assertion sees of a character: "" at an end of the text, ``w``, ``o`` or a line end."""
    if not char or char == "\n":
        return char
    return "w" if char.isascii() and (char.isalnum() or char == "_") else "o"


def holds(kind: str, before: str, after: str) -> bool:
    """Whether an `Assert` of that kind holds between two characters."""
    if kind == "start":
        return before == ""
    if kind == "end":
        return after == ""
    if kind == "line-start":
        return before in ("", "\n")
    if kind == "line-end":
        return after in ("", "\n")
    return ((before == "w") != (after == "w")) == (kind == "word")


@lru_cache(maxsize=512)
def compile_regex(source: str, flags: str = "") -> Regex:
    """Return the automaton of an RE2 pattern; `flags` are letters of ``imsU``.

    Raises:
        RegexError: It is not RE2's syntax, or too large.
    """
    return Regex(parse(source, flags))
