"""GitLab's expansion of ``$NAME``, ``${NAME}`` and ``%NAME%`` in values that do not reach the shell.

https://docs.gitlab.com/ci/variables/where_variables_can_be_used/. ``$$`` stands for a dollar. A name that is not
known is left as it is: it may be defined where the job runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAX_TEXT = 200_000
_REFERENCE = re.compile(r"\$\$|\$(?P<plain>[A-Za-z_]\w*)|\$\{(?P<braced>[A-Za-z_]\w*)\}|%(?P<percent>[A-Za-z_]\w*)%")


@dataclass(frozen=True)
class Expanded:
    """Variables with references to each other resolved.

    Attributes:
        values: Final texts.
        unresolved: Names whose text still holds a reference to something unknown; there, ``$$`` stands for a dollar.
        cycles: Circles of variables that refer to each other, by the name where the circle closes.
    """

    values: Mapping[str, str]
    unresolved: frozenset[str] = frozenset()
    cycles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def references(text: str) -> list[str]:
    """The names a text refers to."""
    return [n for m in _REFERENCE.finditer(text) if (n := m["plain"] or m["braced"] or m["percent"])]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with known references replaced; others, and their dollars, stay."""
    if "$" not in text and "%" not in text:
        return text
    return _replace(text, values.get, "$")[0]


def pieces(text: str) -> list[tuple[str, bool]]:
    """A text cut at its references: each piece, and whether it is the name of a variable.

    >>> pieces("refs/heads/$TARGET")
    [('refs/heads/', False), ('TARGET', True)]
    """
    found: list[tuple[str, bool]] = []
    at = 0
    for match in _REFERENCE.finditer(text):
        name = match["plain"] or match["braced"] or match["percent"]
        found += [(text[at : match.start()], False), (name, True) if name else ("$", False)]
        at = match.end()
    return [(piece, named) for piece, named in (*found, (text[at:], False)) if piece]


def _replace(text: str, value: Callable[[str], str | None], dollar: str) -> tuple[str, bool]:
    open_names = False
    size = len(text)

    def one(found: re.Match[str]) -> str:
        nonlocal open_names, size
        if found[0] == "$$":
            return dollar
        name = found["plain"] or found["braced"] or found["percent"]
        known = value(name)
        if known is None or size + len(known) > MAX_TEXT:
            open_names = open_names or found["percent"] is None
            return found[0]
        size += len(known)
        return known

    return _REFERENCE.sub(one, text), open_names


def expand_all(
    values: Mapping[str, str], raw: frozenset[str] = frozenset(), kept: frozenset[str] = frozenset()
) -> Expanded:
    """Return all variables with the references between them resolved.

    Args:
        values: Texts as written.
        raw: Names with ``expand: false``, taken as they are.
        kept: Names that the build may give other values: references to them stay, as ``${NAME}``.
    """
    worker = _Expander(values, raw, kept)
    final = {name: worker.value(name, ()) for name in values}
    unresolved = frozenset(n for n in worker.open if n not in raw)
    settled = {n: v if n in raw or n in unresolved else v.replace("$$", "$") for n, v in final.items()}
    return Expanded(settled, unresolved, worker.cycles)


@dataclass
class _Expander:
    values: Mapping[str, str]
    raw: frozenset[str]
    kept: frozenset[str] = frozenset()
    done: dict[str, str] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    cycles: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def value(self, name: str, chain: tuple[str, ...]) -> str:
        """The text of one variable, dollars still written ``$$``."""
        if name in self.done:
            return self.done[name]
        text = self.values[name]
        if name in self.raw:
            self.done[name] = text
            return text
        if "$" in text or "%" in text:
            text = self.resolve(name, text, (*chain, name))
        self.done[name] = text
        return text

    def resolve(self, name: str, text: str, chain: tuple[str, ...]) -> str:
        def known(other: str) -> str | None:
            if other in chain or len(chain) > 100:
                if other != name:  # PATH: "$PATH:/x" is no mistake: it means the value from outside
                    begin = chain.index(other) if other in chain else 0
                    self.cycles[name] = (*chain[begin:], other)
                return None
            if other not in self.values:
                return None
            if other in self.kept:
                self.open.add(name)
                return f"${{{other}}}"
            inner = self.value(other, chain)
            if other in self.open:
                self.open.add(name)
            return inner.replace("$", "$$") if other in self.raw else inner

        replaced, left = _replace(text, known, "$$")
        if left:
            self.open.add(name)
        return replaced
