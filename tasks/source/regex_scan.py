"""All matches of an RE2 pattern in a line, with what its groups capture, in time linear in the line.

Threads of a Pike machine, in order of preference, as RE2 prefers: the leftmost match, then as a backtracking engine
would choose. https://swtch.com/~rsc/regexp/regexp2.html
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from tasks.source.regex import MAX_PROGRAM, holds, kind_of
from tasks.source.regex_syntax import Assert, Chars, Choice, Group, RegexError, Repeat, Series, Tree, parse

MAX_STEPS = 300_000
_Saved = tuple[int, ...]
_Operation = Chars | Assert | int | None  # a place to save, or a fork


class Scanner:
    """A compiled pattern. Build it by `compile_scanner`."""

    def __init__(self, tree: Tree) -> None:
        self._operations: list[_Operation] = []
        self._next: list[tuple[int, ...]] = []
        self.groups = _groups(tree)
        self._end = self._add(1, -1)
        self._start = self._add(0, self._emit(tree, self._end))

    def scan(self, text: str) -> Iterator[tuple[str | None, ...]]:
        """Every match: the whole of it, then its groups (None: not part of this match).

        Raises:
            RegexError: It takes too many steps.
        """
        at, left = 0, MAX_STEPS
        while at <= len(text):
            saved, left = self._match(text, at, left)
            if saved is None:
                return
            found = ((saved[2 * n], saved[2 * n + 1]) for n in range(self.groups + 1))
            yield tuple(text[begin:end] if begin >= 0 <= end else None for begin, end in found)
            at = saved[1] if saved[1] > saved[0] else saved[1] + 1

    def _match(self, text: str, at: int, left: int) -> tuple[_Saved | None, int]:
        """The preferred match at or after `at`, as places in `text`; and the steps left."""
        threads: list[tuple[int, _Saved]] = []
        best: _Saved | None = None
        empty = (-1,) * (2 * self.groups + 2)
        for place in range(at, len(text) + 1):
            begin = [] if best is not None else [(self._start, empty)]
            live, best, steps = self._closure([*threads, *begin], text, place, best)
            left -= steps + 1
            if left < 0:
                raise RegexError("it takes too many steps")
            if (not live and best is not None) or place == len(text):
                break
            char = text[place]
            threads = [(self._next[pc][0], saved) for pc, saved in live if char in self._chars(pc)]
        return best, left

    def _closure(
        self, todo: list[tuple[int, _Saved]], text: str, place: int, best: _Saved | None
    ) -> tuple[list[tuple[int, _Saved]], _Saved | None, int]:
        """Threads that wait for a character, in order, the best match so far, and the steps taken.

        Threads after a match are dropped, as it is preferred to them.
        """
        live: list[tuple[int, _Saved]] = []
        seen: set[int] = set()
        stack = todo[::-1]
        around = (kind_of(text[place - 1] if place else ""), kind_of(text[place] if place < len(text) else ""))
        while stack:
            pc, saved = stack.pop()
            if pc == -1:
                return live, saved, len(seen)
            if pc in seen:
                continue
            seen.add(pc)
            operation = self._operations[pc]
            if isinstance(operation, Chars):
                live.append((pc, saved))
            elif isinstance(operation, int):
                stack.append((self._next[pc][0], (*saved[:operation], place, *saved[operation + 1 :])))
            elif operation is None or holds(operation.kind, *around):
                stack += [(following, saved) for following in self._next[pc][::-1]]
        return live, best, len(seen)

    def _chars(self, pc: int) -> Chars:
        operation = self._operations[pc]
        assert isinstance(operation, Chars)  # noqa: S101 - the closure keeps no others
        return operation

    def _add(self, operation: _Operation, *following: int) -> int:
        if len(self._operations) >= MAX_PROGRAM:
            raise RegexError("its repetitions make it too large")
        self._operations.append(operation)
        self._next.append(following)
        return len(self._operations) - 1

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
            end = self._add(2 * tree.number + 1, following)
            return self._add(2 * tree.number, self._emit(tree.item, end))
        return self._emit_repeat(tree, following)

    def _emit_repeat(self, tree: Repeat, following: int) -> int:
        if tree.high is None:
            loop = self._add(None)
            self._next[loop] = _fork(tree, self._emit(tree.item, loop), following)
            following = loop
        else:
            end = following
            for _ in range(tree.high - tree.low):
                following = self._add(None, *_fork(tree, self._emit(tree.item, following), end))
        for _ in range(tree.low):
            following = self._emit(tree.item, following)
        return following


def _fork(tree: Repeat, again: int, after: int) -> tuple[int, int]:
    return (after, again) if tree.lazy else (again, after)


def _groups(tree: Tree) -> int:
    if isinstance(tree, Group):
        return max(tree.number, _groups(tree.item))
    if isinstance(tree, Repeat):
        return _groups(tree.item)
    return max(map(_groups, tree.items), default=0) if isinstance(tree, Series | Choice) else 0


@lru_cache(maxsize=64)
def compile_scanner(source: str, flags: str = "") -> Scanner:
    """Return the machine of an RE2 pattern; `flags` are letters of ``imsU``.

    Raises:
        RegexError: It is not RE2's syntax, or too large.
    """
    return Scanner(parse(source, flags))
