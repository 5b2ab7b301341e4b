"""`parallel`: a number, or a matrix of variables. One job becomes several, named as GitLab names them.

https://docs.gitlab.com/ci/yaml/#parallel: ``test 1/3`` and ``deploy: [aws, monitoring]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice, product

from msgspec import Struct, field

from tasks.interpretation.fields import texts_of
from tasks.source.diagnostics import Findings
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence

MAX_JOBS = 200  # GitLab's limit for one job
_EXPANDED = re.compile(r"(?P<matrix>.+?): \[.*\]|(?P<count>.+) [0-9]+/[0-9]+", re.DOTALL)
_IDENTIFIER = re.compile(r"\$\[\[\s*matrix\.([A-Za-z0-9_-]+)\s*\]\]")


class Instance(Struct, frozen=True):
    """One of the jobs that a `parallel` makes; `variables` are those of the matrix and CI_NODE_INDEX, CI_NODE_TOTAL."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    matrix: Mapping[str, str] = field(default_factory=dict)


def instances(name: str, node: Node | None, findings: Findings) -> tuple[Instance, ...]:
    """The jobs `name` stands for; just itself without `parallel`, none with a matrix without values."""
    if isinstance(node, Scalar):
        total = int(node.text)
        count = range(1, total + 1)
        return tuple(
            Instance(f"{name} {i}/{total}", {"CI_NODE_INDEX": str(i), "CI_NODE_TOTAL": str(total)}) for i in count
        )
    if not isinstance(node, Mapping_):
        return (Instance(name),)
    rows = matrix_rows(node)
    if len(rows) > MAX_JOBS:
        findings.add("matrix-limit", f"`parallel:matrix` makes more than {MAX_JOBS} jobs, GitLab's limit.", node.span)
        rows = rows[:MAX_JOBS]
    if not rows:
        message = f"The job `{name}` is left out: its `parallel:matrix` has no values, of which GitLab makes no job."
        findings.add("matrix-empty", message, node.span)
    count_text = str(len(rows))
    made = (
        Instance(instance_name(name, row), {**row, "CI_NODE_INDEX": str(i), "CI_NODE_TOTAL": count_text}, row)
        for i, row in enumerate(rows, start=1)
    )
    return tuple({one.name: one for one in made}.values())  # of the same name GitLab keeps the last


def instance_name(name: str, row: Mapping[str, str]) -> str:
    """What GitLab calls the job of one combination."""
    return f"{name}: [{', '.join(row.values())}]"


def written_name(name: str) -> str | None:
    """The job that is written where one that `parallel` makes of it may be called `name`: ``test 1/3`` -> ``test``."""
    found = _EXPANDED.fullmatch(name)
    return None if found is None else found["matrix"] or found["count"]


def has_expressions(node: Mapping_) -> bool:
    """Whether a `needs:parallel:matrix` holds ``$[[ matrix.NAME ]]``, which differs from job to job."""
    return any(_IDENTIFIER.search(value) for row in matrix_rows(node) for value in row.values())


def filled(row: Mapping[str, str], matrix: Mapping[str, str]) -> dict[str, str]:
    """A row of `needs:parallel:matrix` with ``$[[ matrix.NAME ]]`` replaced by the values of the job that needs it.

    https://docs.gitlab.com/ci/yaml/matrix_expressions/
    """
    return {k: _IDENTIFIER.sub(lambda found: matrix.get(found[1], found[0]), v) for k, v in row.items()}


def matrix_rows(node: Mapping_) -> list[dict[str, str]]:
    """All combinations of a `parallel:matrix`, at most one more than GitLab allows."""
    listed = node.get("matrix")
    rows: list[dict[str, str]] = []
    for item in listed.items if isinstance(listed, Sequence) else ():
        if not isinstance(item, Mapping_) or not item.entries:
            continue
        choices = [texts_of(entry.value) for entry in item]
        combined = islice(product(*choices), MAX_JOBS + 1 - min(len(rows), MAX_JOBS))
        rows += [dict(zip(item.entries, values, strict=True)) for values in combined]
    return rows
