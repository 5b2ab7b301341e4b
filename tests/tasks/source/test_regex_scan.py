import contextlib
import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.source.regex_scan import compile_scanner
from tasks.source.regex_syntax import RegexError

PIECES = ["a", "b", ".", "[ab]", "(a|b)", "(a*)", "(?:ab)", "^", "$", r"\b", r"(\d)", "a*", "a*?", "b+?", "c?", "a??",
          "a{2}", "|", "(ab|a)", "(b?)"]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"\d+%", "12% of 34%", [("12%",), ("34%",)]),
        (r"TOTAL.+ ([0-9]{1,3}%)", "TOTAL    120   12    90%", [("TOTAL    120   12    90%", "90%")]),
        (r"(a)|(b)", "ab", [("a", "a", None), ("b", None, "b")]),
        (r"a.*?c", "abcabc", [("abc",), ("abc",)]),
        (r"a.*c", "abcabc", [("abcabc",)]),
        (r"(?P<x>b+)", "abbb", [("bbb", "bbb")]),
        (r"(?U)a+", "aaa", [("a",), ("a",), ("a",)]),
        ("x", "abc", []),
    ],
)
def test_matches(pattern: str, text: str, matches: list[tuple[str | None, ...]]) -> None:
    assert list(compile_scanner(pattern).scan(text)) == matches


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.text(alphabet="abc1 ", max_size=8))
def test_matches_first_as_pythons_engine_does(pattern: str, text: str) -> None:
    try:
        expected = re.search(pattern.replace("$", r"\Z"), text, re.ASCII)
    except re.error:
        assume(False)
    found = next(compile_scanner(pattern).scan(text), None)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found[0] == expected[0]
        assert found[1:] == expected.groups()


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(.*a){20}$", "(a*)*b", "(a?){200}a{200}$"])
def test_no_pattern_blows_up(pattern: str) -> None:
    started = time.monotonic()
    with contextlib.suppress(RegexError):
        list(compile_scanner(pattern).scan("a" * 2000 + "!"))
    assert time.monotonic() - started < 20
