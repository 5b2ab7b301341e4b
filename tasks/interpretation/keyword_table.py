"""Joins every keyword the parser accepts with what becomes of it, for docs/reference/keywords.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks.interpretation.condition_keywords import INCLUDE_RULES
from tasks.interpretation.keyword_rows import FILE_ROWS, GLOBAL_ROWS, JOB_ROWS, Row
from tasks.interpretation.keywords import DEFAULT_KEYS, GLOBAL_DEFAULTS, GLOBAL_KEYS, JOB_KEYS
from tasks.interpretation.shapes import Anything, Either, Entries, Items, Keys, Shape
from tasks.source.include_items import INCLUDE_KEYS, SHARED_KEYS
from tasks.source.inputs import INPUT_KEYS, INPUT_RULE_KEYS

_RULES = Items(Keys(dict.fromkeys(INPUT_RULE_KEYS, Anything())))
_SPEC = Keys(
    {
        "inputs": Entries(Keys({**dict.fromkeys(INPUT_KEYS, Anything()), "rules": _RULES})),
        "component": Anything(),
        "description": Anything(),
        "include": Keys(dict.fromkeys(SHARED_KEYS, Anything())),
    }
)
_INCLUDE = Keys({**dict.fromkeys(INCLUDE_KEYS, Anything()), "rules": INCLUDE_RULES})


def keywords(shapes: Mapping[str, Shape]) -> list[str]:
    """Every keyword with those below it, as GitLab's reference writes them: free names are left out.

    >>> keywords({"a": Entries(Keys({"b": Anything()})), "c": Anything()})
    ['a', 'a:b', 'c']
    """
    found = (name for key, shape in shapes.items() for name in (key, *(f"{key}:{below}" for below in _below(shape))))
    return list(dict.fromkeys(found))


def _below(shape: Shape) -> Iterator[str]:
    if isinstance(shape, Keys):
        yield from keywords(shape.table)
    elif isinstance(shape, Either):
        for one in shape.shapes:
            yield from _below(one)
    elif isinstance(shape, Items):
        yield from _below(shape.item)
    elif isinstance(shape, Entries):
        yield from _below(shape.value)


def accepted() -> dict[str, list[str]]:
    """The keywords the parser accepts, by section."""
    known: dict[str, Shape] = {name: shape for name, shape in GLOBAL_KEYS.items() if name != "include"}
    known |= dict.fromkeys(GLOBAL_DEFAULTS, Anything())  # what is below them is as in a job
    known["default"] = Keys(dict.fromkeys(DEFAULT_KEYS, Anything()))
    return {
        "Files": keywords({"spec": _SPEC, "include": _INCLUDE}),
        "Global": keywords(known),
        "Job": keywords(JOB_KEYS),
    }


def row_of(name: str, rows: Mapping[str, Row]) -> str | None:
    """The key of the row that speaks for a keyword: its own, else the nearest ``:*`` above it; None = there is none."""
    if name in rows:
        return name
    above, colon, _ = name.rpartition(":")
    while colon:
        if f"{above}:*" in rows:
            return f"{above}:*"
        above, colon, _ = above.rpartition(":")
    return None


def table() -> dict[str, list[tuple[tuple[str, ...], Row]]]:
    """By section, each row with the keywords it speaks for; keywords in the order of the data."""
    sections: dict[str, list[tuple[tuple[str, ...], Row]]] = {}
    for (title, names), rows in zip(accepted().items(), (FILE_ROWS, GLOBAL_ROWS, JOB_ROWS), strict=True):
        spoken: dict[str, list[str]] = {key: [] for key in rows}
        for name in names:
            if (key := row_of(name, rows)) is not None:
                spoken[key].append(name)
        sections[title] = [(tuple(spoken[key]) or (key,), row) for key, row in rows.items()]
    return sections
