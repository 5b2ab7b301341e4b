"""The expanded configuration means the same as the text it was made of, whatever is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.examining import expanded
from errors import InterpretationError
from tasks.interpretation.compiler import examine, interpret
from tests.tasks.interpretation.showing import files_of, shown
from tests.tasks.interpretation.test_cases import FOUND, context_of


@pytest.mark.parametrize("expected", FOUND, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_the_expanded_text_makes_the_same_jobs(expected: Path) -> None:
    context = context_of(json.loads(expected.read_text()).get("context", {}))
    entry = expected.with_name(f"{'input' if expected.stem == 'expected' else expected.stem}.yml")
    files = files_of(expected.parent, entry)
    try:
        examined = examine(files, context)
    except InterpretationError:
        return  # no text to expand
    if not examined.state.judged:
        return
    wanted, again = (
        shown(pipeline, context)
        for pipeline in (examined.pipeline, interpret({**files, ".gitlab-ci.yml": expanded(examined)}, context))
    )
    for pipeline in (wanted, again):
        pipeline.pop("diagnostics", None)
    assert again == wanted
