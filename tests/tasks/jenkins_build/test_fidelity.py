"""Whole pipelines, from their text to what their jobs print: both renderings do what GitLab does.

The pipelines lie in `fidelity/`: the text, further files of the project, the build's result (SUCCESS where it is not
said), how every job ends, what its scripts print, and which job ends before which begins. What is expected is what
GitLab's documentation says; most of it another runner of GitLab pipelines does as well.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from tests.tasks.jenkins_build.running import before, files_of, run

CASES: dict[str, dict[str, Any]] = {}
for path in sorted(Path(__file__).with_name("fidelity").glob("*.yml")):
    CASES |= yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize("name", CASES)
def test_a_pipeline_runs_as_on_gitlab(name: str, rendering: Literal["stages", "graph"], tmp_path: Path) -> None:
    case = CASES[name]
    environment = {"PATH": os.environ["PATH"], "MARK": str(tmp_path / "mark")}
    ran = run(tmp_path, files_of(case), rendering, environment, case.get("overrides"))
    assert ran.states == case["states"], ran.console
    assert ran.result == case.get("result", "SUCCESS")
    wanted = case.get("lines", {})
    assert {job: ran.lines.get(job, []) for job in wanted} == wanted
    assert [pair for pair in case.get("order", []) if not before(ran, *pair)] == []
