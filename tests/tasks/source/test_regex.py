from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.source.globs import any_exists, glob_matches, include_matches
from tasks.source.regex import RegexError, compile_regex

PIECES = ["a", "b", "c", ".", "[ab]", "[^a]", "(a|b)", "(a*)", "(?:ab)", "^", "$", r"\b", r"\w", r"(\d)", "a*", "a*?",
          "b+?", "c?", "a??", "a{2}", "|", "(ab|a)", "(b?)"]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^v\d+\.\d+$", "v1.20", True),
        (r"^v\d+\.\d+$", "xv1.20", False),
        ("(?i)RELEASE", "pre-release", True),
        (r"^(feature|fix)/[\w-]+$", "fix/a-b", True),
        (r"[[:digit:]]{2,3}$", "a12", True),
        (r"\Qa.b\E", "a.b", True),
        (r"\Qa.b\E", "axb", False),
        (r"\x41\x{42}", "AB", True),
        (r"\p{Lu}", "é", False),
        (r"\p{Lu}", "É", True),
        (r"(?P<name>x)y", "xy", True),
        ("(?m)^b$", "a\nb\nc", True),
        ("^b$", "a\nb\nc", False),
        ("a.c", "a\nc", False),
        ("(?s)a.c", "a\nc", True),
        ("", "", True),
        ("a{,2}", "a{,2}", True),
    ],
)
def test_re2_syntax(pattern: str, text: str, found: bool) -> None:
    assert compile_regex(pattern).found_in(text) is found


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        r"(a)\1",
        "a**",
        "*a",
        "(a",
        "a)",
        "[a",
        "[b-a]",
        r"\y",
        "a{1001}",
        "((a{100}){100})",
    ],
)
def test_what_re2_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(RegexError):
        compile_regex(pattern)


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
    assert list(compile_regex(pattern).scan(text)) == matches


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.text(alphabet="abc 1\n", max_size=8))
def test_matches_first_as_pythons_engine_does(pattern: str, text: str) -> None:
    try:
        expected = re.search(pattern.replace("$", r"\Z"), text, re.ASCII)
    except re.error:
        assume(False)
    found = next(compile_regex(pattern).scan(text), None)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found[0] == expected[0]
        assert found[1:] == expected.groups()


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_pattern_compiles_or_is_refused(pattern: str, text: str) -> None:
    with contextlib.suppress(RegexError):
        compile_regex(pattern).found_in(text)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(.*a){20}$", "(a*)*b", "(a?){200}a{200}$"])
def test_no_pattern_blows_up(pattern: str) -> None:
    started = time.process_time()
    with contextlib.suppress(RegexError):
        compile_regex(pattern).found_in("a" * 10_000 + "!")
        list(compile_regex(pattern).scan("a" * 2_000 + "!"))
    assert time.process_time() - started < 10


def test_globs() -> None:
    paths = ["a.md", "docs/a.md", "docs/x/b.rst", "src/.hidden", "[x]"]
    assert glob_matches("*.md", paths) == ["a.md"]
    assert glob_matches("**/*.{md,rst}", paths) == ["a.md", "docs/a.md", "docs/x/b.rst"]
    assert glob_matches("docs/**/*", paths) == ["docs/a.md", "docs/x/b.rst"]
    assert glob_matches("src/*", paths) == ["src/.hidden"]
    assert glob_matches("?.md", paths) == ["a.md"]
    assert glob_matches(r"\[x\]", paths) == ["[x]"]
    assert glob_matches(r"\{x\}", ["x", "{x}"]) == ["{x}"]
    assert glob_matches("a[!b]c", ["a/c", "abc", "axc"]) == ["axc"]
    assert include_matches("/docs/**", paths) == ["docs/a.md", "docs/x/b.rst"]
    assert include_matches("docs/*", paths) == ["docs/a.md"]


def test_what_exists_and_when_too_much_would_have_to_be_compared() -> None:
    many = [f"d/{number}" for number in range(10_001)]
    assert any_exists(["docs/"], ["docs/a.md"])
    assert not any_exists(["docs"], ["docs/a.md"])
    assert not any_exists(["a/*", "b/*", "c/*", "e/*"], many)
    assert any_exists(["a/*", "b/*", "c/*", "e/*", "f/*"], many)
    assert not any_exists(["**/*.a", "exact/b", "**/*.b", "**/*.c", "**/*.e", "**/*.f"], many)
    assert not any_exists(["a*", "b*", "c*", "e*", "f*"], many)  # the main folder alone counts
