from __future__ import annotations

import re
from pathlib import Path

from tasks.interpretation.reference import reference
from tasks.source.codes import CODES

ROOT = Path(__file__).parents[3]
SOURCES = [
    p.read_text()
    for folder in ("tasks/source", "tasks/interpretation", "tasks/remote_interpretation", "console")
    for p in (ROOT / folder).glob("*.py")
]


def test_the_page_is_the_generated_one() -> None:
    assert (ROOT / "docs" / "diagnostics.md").read_text() == reference()


def test_every_code_is_used() -> None:
    text = "\n".join(s for s in SOURCES if "CODES: dict" not in s)
    assert [code for code in CODES if not re.search(rf'"{code}"', text)] == []
