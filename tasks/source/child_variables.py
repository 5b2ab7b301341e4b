"""Which values the variables in a child pipeline's `include` may have: a job's own, its matrix's, its rules'."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product

from tasks.source.nodes import Mapping_, Node, Scalar, Sequence, scalars

MAX_ROWS = 200  # GitLab's limit of jobs that one `parallel:matrix` makes
_REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_Values = dict[str, list[str]]


def candidates(entries: Iterable[tuple[str, Node]]) -> _Values:
    """Every text that is given to a variable by these parts of a configuration, by name."""
    found: _Values = {}
    for key, node in entries:
        for given in _givers(key, node):
            for entry in given:
                texts = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
                known = found.setdefault(entry.key, [])
                known += [t.text for t in texts if isinstance(t, Scalar) and t.text not in known]
    return {name: texts for name, texts in found.items() if texts}


def rows(include: Node, own: Mapping[str, list[str]], others: Mapping[str, list[str]]) -> Iterator[dict[str, str]]:
    """What the variables of a child pipeline may be, as far as its files may depend on them, at most `MAX_ROWS`.

    Args:
        include: The `trigger` that starts it.
        own: Values that the job gives, by name.
        others: Values that the rest of the configuration gives; for names that the job itself gives none.

    >>> from tasks.source.diagnostics import Span
    >>> list(rows(Scalar("c/$A.yml", "str", Span("f")), {"A": ["x", "y"]}, {"A": ["z"], "B": ["b", "c"]}))
    [{'A': 'x', 'B': 'b'}, {'A': 'y', 'B': 'b'}]
    """
    every = {**others, **own}
    pending = [name for text in scalars(include) for name in _REFERENCE.findall(text.text)]
    pending += [name for name, texts in own.items() if len(texts) > 1]
    asked: _Values = {}
    while pending:
        name = pending.pop(0)
        if name in every and name not in asked:
            asked[name] = every[name]
            pending += [inner for text in every[name] for inner in _REFERENCE.findall(text)]
    first = {name: texts[0] for name, texts in every.items()}
    for row in islice(product(*asked.values()), MAX_ROWS):
        yield {**first, **dict(zip(asked, row, strict=True))}


def _givers(key: str, node: Node) -> Iterator[Mapping_]:
    """The mappings of variables in a global keyword or a job."""
    if not isinstance(node, Mapping_):
        return
    if key == "variables":
        yield node
        return
    parallel = node.get("parallel")
    matrix = parallel.get("matrix") if isinstance(parallel, Mapping_) else None
    rules = [rule.get("variables") for rule in _mappings(node.get("rules"))]
    for given in (node.get("variables"), *_mappings(matrix), *rules):
        if isinstance(given, Mapping_):
            yield given


def _mappings(node: Node | None) -> list[Mapping_]:
    return [item for item in node.items if isinstance(item, Mapping_)] if isinstance(node, Sequence) else []
