"""Ruby's regular expressions, as GitLab looks for them in paths."""

from __future__ import annotations

import pytest

from tasks.source.globs import any_changed
from tasks.source.regex import RegexError
from tasks.source.ruby_regex import any_path, check_regex, java_regex


@pytest.mark.parametrize(
    ("source", "path", "found", "java"),
    [
        (r"\A(?!docs/).*", "docs/a", False, None),
        (r"\A(?!docs/).*", "src/a", True, None),
        (r"(?<!x)y\z", "zy", True, None),
        (r"\.go$", "a.go", True, None),
        (r"\.go$", "a.gox", False, None),
        (r"^b$", "a\nb", True, None),
        (r"\Ab", "a\nb", False, None),
        (r"a\Z", "a\n", True, None),
        (r"a\z", "a\n", False, None),
        (r"\A\h+\z", "0aF", True, r"\A[0-9a-fA-F]+\z"),
        (r"\A\h+\z", "g", False, r"\A[0-9a-fA-F]+\z"),
        (r"\A\H\z", "g", True, r"\A[^0-9a-fA-F]\z"),
        (r"\A[g\h]+\z", "g0", True, r"\A[g0-9a-fA-F]+\z"),
        (r"\A[[:alpha:]_]+\z", "a_", True, r"\A[\p{Alpha}_]+\z"),
        (r"\A[[:^alpha:]]\z", "a", False, r"\A[[^\p{Alpha}]]\z"),
        (r"\A[a-z&&[^b]]\z", "b", False, None),
        (r"a(?m:.)b", "a\nb", True, r"a(?s:.)b"),
        (r"a.b", "a\nb", False, None),
        (r"(?i)READ", "readme", True, None),
        (r"\A(?<one>a|b)\k<one>\z", "bb", True, None),
        (r"\A(?<one>a|b)\k<one>\z", "ab", False, None),
        (r"(?>a+)ab", "aaab", False, None),
    ],
)
def test_as_ruby_finds_it(source: str, path: str, found: bool, java: str | None) -> None:
    assert any_path(source, [path]) is found
    assert java_regex(source) == (java or source)


@pytest.mark.parametrize(
    ("source", "why"), [("(a", r"missing \)"), ("[a", "unterminated"), ("*", "nothing to repeat"), ("a" * 256, "255")]
)
def test_what_ruby_or_gitlab_does_not_take(source: str, why: str) -> None:
    with pytest.raises(RegexError, match=why):
        check_regex(source)


def test_it_ends_within_a_bound() -> None:
    with pytest.raises(RegexError, match="50 ms for one path"):
        any_path(r"\A(?:a|aa)+\z", ["a" * 60 + "!"])


def test_more_than_50_000_paths_are_not_looked_at() -> None:
    assert any_path("b", ["a"] * 50_001)
    assert not any_path("b", ["a"] * 50_000)
    assert any_changed(["b", "c"], ["a"] * 25_001)
    assert not any_changed(["b", "c", "b"], ["a"] * 25_000)
