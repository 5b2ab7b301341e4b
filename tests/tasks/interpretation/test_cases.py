"""Every folder of tests/cases: each `NAME.yml` beside a `NAME.json` is interpreted and compared with it, word for word.

`NAME.json` may have a `context` (its `variables` are added to those of a push to main; null = nothing is known).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.interpretation.context import Context
from tests.tasks.interpretation.showing import MAIN, files_of, result

CASES = Path(__file__).parents[2] / "cases"
FOUND = sorted(p for p in CASES.glob("*/*.json"))


def context_of(given: dict) -> Context:
    options = {k: frozenset(v) if k == "unknown" else v for k, v in given.items() if k != "variables"}
    variables = given.get("variables", {})
    if variables is not None:
        variables = {k: v for k, v in {**MAIN, **variables}.items() if v is not None}
    return Context(variables, **options)


@pytest.mark.parametrize("expected", FOUND, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_case(expected: Path) -> None:
    wanted = json.loads(expected.read_text())
    context = context_of(wanted.pop("context", {}))
    name = "input" if expected.stem == "expected" else expected.stem
    assert result(files_of(expected.parent, expected.with_name(f"{name}.yml")), context) == wanted


def test_every_case_says_what_it_is_about() -> None:
    assert [p.parent.name for p in FOUND if not (p.parent / "note.md").read_text().strip()] == []
    assert len(FOUND) >= 40
