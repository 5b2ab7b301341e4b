"""GitLab's expansion of ``$NAME``, ``${NAME}`` and ``%NAME%`` in values that do not reach the shell.

https://docs.gitlab.com/ci/variables/where_variables_can_be_used/. ``$$`` stands for a dollar. A name that is not
known is left as it is: it may be defined where the job runs. Variables are expanded twice, by GitLab and then by its
runner, which has rules of its own (see `runner_text`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct, field

from tasks.interpretation.runner_text import is_predefined, may_be_set, resolved

MAX_TEXT = 200_000
_UNNAMED = {"$$": "$", "%%": "%%"}
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"\$\$|%%|\$(?P<plain>{_NAME})|\$\{{(?P<braced>{_NAME})\}}|%(?P<percent>{_NAME})%")


class Expanded(Struct, frozen=True):
    """Variables with references to each other resolved, as the job has them.

    Attributes:
        values: Final texts; those that refer to themselves come first.
        unresolved: Names whose text still holds a reference to something unknown; there, ``$$`` stands for a dollar.
        cycles: Circles of variables that refer to each other, by the name where the circle closes.
    """

    values: Mapping[str, str]
    unresolved: frozenset[str] = frozenset()
    cycles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def first(self, names: Iterable[str]) -> list[str]:
        """Those of the variables that refer to themselves."""
        return [n for n in names if n in self.unresolved and n in references(self.values[n])]


def references(text: str) -> list[str]:
    """The names a text refers to."""
    return [n for m in _REFERENCE.finditer(text) if (n := m["plain"] or m["braced"] or m["percent"])]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with known references replaced; others, and their dollars, stay."""
    if "$" not in text and "%" not in text:
        return text
    return _replace(text, values.get, "$")


def put(text: str, values: Mapping[str, str]) -> str:
    """The same for a text that is to be expanded again: `values` and what is returned write a dollar as ``$$``."""
    return _replace(text, values.get, "$$")


def pieces(text: str) -> list[tuple[str, bool]]:
    """A text cut at its references: each piece, and whether it is the name of a variable.

    >>> pieces("refs/heads/$TARGET")
    [('refs/heads/', False), ('TARGET', True)]
    """
    found: list[tuple[str, bool]] = []
    at = 0
    for match in _REFERENCE.finditer(text):
        name = match["plain"] or match["braced"] or match["percent"]
        found += [(text[at : match.start()], False), (name, True) if name else (_UNNAMED[match[0]], False)]
        at = match.end()
    return [(piece, named) for piece, named in (*found, (text[at:], False)) if piece]


def _replace(text: str, value: Callable[[str], str | None], dollar: str) -> str:
    size = len(text)

    def one(found: re.Match[str]) -> str:
        nonlocal size
        name = found["plain"] or found["braced"] or found["percent"]
        if not name:
            return dollar if found[0] == "$$" else found[0]
        known = value(name)
        if known is None or size + len(known) > MAX_TEXT:
            return found[0]
        size += len(known)
        return known

    return _REFERENCE.sub(one, text)


def expand_all(
    values: Mapping[str, str], raw: frozenset[str] = frozenset(), kept: frozenset[str] = frozenset()
) -> Expanded:
    """Return all variables with the references between them resolved.

    Args:
        values: Texts as written.
        raw: Names with ``expand: false``, taken as they are.
        kept: Names that the build may give other values: references to them stay, as ``${NAME}``.
    """
    itself = {n for n, text in values.items() if n in text and n not in raw and n in references(text)}
    itself = {name for name in itself if may_be_set(name)}
    names = sorted(values, key=lambda name: name not in itself) if itself else values  # others refer to them
    final = {name: values[name] for name in names}
    literal = {name: text for name, text in final.items() if name in raw or not ("$" in text or "%" in text)}
    worker = _Expander(values, raw, kept | itself, dict(literal))
    handed = {name: worker.value(name, ()) for name in names if name not in literal}
    run = {name: worker.run(name, text) for name, text in handed.items()}
    final |= {name: text for name, (text, _) in run.items()}
    unresolved = frozenset(name for name, (_, left) in run.items() if left)
    return Expanded(final, unresolved, worker.cycles)


class _Expander(Struct):
    values: Mapping[str, str]
    raw: frozenset[str]
    kept: frozenset[str] = frozenset()
    done: dict[str, str] = field(default_factory=dict)
    cycles: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def value(self, name: str, chain: tuple[str, ...]) -> str:
        """The text of one variable as GitLab hands it to the runner, dollars still written ``$$``."""
        if name in self.done:
            return self.done[name]
        text = self.values[name]
        if name not in self.raw and ("$" in text or "%" in text):
            text = self.resolve(name, text, (*chain, name))
        self.done[name] = text
        return text

    def resolve(self, name: str, text: str, chain: tuple[str, ...]) -> str:
        def known(other: str) -> str | None:
            if other in chain or len(chain) > 100:
                if other != name:  # one that refers to itself is none of GitLab's circles
                    begin = chain.index(other) if other in chain else 0
                    self.cycles[name] = (*chain[begin:], other)
                return None
            if other not in self.values:
                return None
            if other in self.kept:
                self.value(other, chain)  # which finds circles
                return f"${{{other}}}"
            if other in self.raw and not is_predefined(other):
                return None  # GitLab leaves these to the runner, which knows no percent signs
            inner = self.value(other, chain)
            return inner.replace("$", "$$") if other in self.raw else inner

        return _replace(text, known, "$$")

    def run(self, name: str, text: str) -> tuple[str, bool]:
        """What the runner makes of that text: literal, or (True) with references that only the build resolves."""
        if name in self.raw or "$" not in text:
            return text, False
        size = len(text)

        def known(other: str) -> str | None:
            nonlocal size
            if other == name and may_be_set(name):
                return None  # a stronger one, the value that this one hides, or its own text: the build finds out
            if other not in self.values:
                return None if may_be_set(other) else ""
            found = self.done[other]
            if (other in self.kept and other != name) or size + len(found) > MAX_TEXT:
                return None
            size += len(found)
            return found

        itself = name in references(text) and may_be_set(name) and not is_predefined(name)
        return resolved(text, known, whole=itself)
