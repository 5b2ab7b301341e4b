"""The generated pages are current, and the examples in docstrings do what they say."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from console import reference

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for found in (ROOT.glob("*.py"), *((ROOT / top).rglob("*.py") for top in ("tasks", "blocks", "console", "sandbox")))
    for path in found
    if not path.name.startswith("__") and re.search(r"^\s+>>> ", path.read_text(encoding="utf-8"), re.M)
)


def test_reference_pages_are_current():
    stale = [name for name, text in reference.pages().items() if (reference.FOLDER / name).read_text() != text]
    assert stale == [], "run `make docs`"


def test_every_key_of_the_descriptor_is_explained():
    rows = [line for line in reference.descriptor().splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.rstrip().endswith("|  |")] == []


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
