from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.interpretation.expansion import expand, expand_all
from tasks.source.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A/${A}/%A%", "x/x/x"),
        ("$AB ${AB} $", "$AB ${AB} $"),
        ("$$A 5$$", "$A 5$"),
        ("%Y-%m-%d", "%Y-%m-%d"),
        ("${A-default} $1 $(pwd)", "${A-default} $1 $(pwd)"),
        ("é$A", "éx"),
    ],
)
def test_references_in_one_text(text: str, expected: str) -> None:
    assert expand(text, {"A": "x"}) == expected


def test_references_between_variables() -> None:
    result = expand_all({"A": "$B/a", "B": "${C}b", "C": "c", "R": "$C", "USES": "$R-$C"}, frozenset({"R"}))
    assert result.values == {"A": "cb/a", "B": "cb", "C": "c", "R": "$C", "USES": "$C-c"}
    assert result.unresolved == frozenset()


def test_what_is_not_known_stays_and_is_named() -> None:
    result = expand_all({"A": "$THERE/$B 1$$", "B": "b", "C": "$A!", "D": "1$$"})
    assert result.values == {"A": "$THERE/b 1$$", "B": "b", "C": "$THERE/b 1$$!", "D": "1$"}
    assert result.unresolved == {"A", "C"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$1 $12 ${1}|$@ $# $* $! $? $- ${*}", " 2 |      "),
        ("${A:-x} ${A-b} ${B} ${ A }", "  b "),
        ("$$ ${$} $$1 $$B", "$ $ $1 $B"),
        ("${} ${", " "),
        ('{"a": "${B", "c": "}"}', '{"a": ""}'),
        ("$(pwd) $, é$é $", "$(pwd) $, é$é $"),
        ("%B% %%B% %1% 100%", "b %%B% %1% 100%"),
        ("$HOME ${PATH} $PWD", "  "),
        ("${Bé}", ""),
        ("$Bé", "bé"),
    ],
)
def test_what_the_runner_makes_of_a_value(text: str, expected: str) -> None:
    result = expand_all({"V": text, "B": "b"})
    assert (result.values["V"], result.unresolved) == (expected, frozenset())


def test_what_the_runner_makes_of_a_value_that_the_build_resolves() -> None:
    result = expand_all({"V": "$1 $THERE $$1 $(x) ${A:-x}", "W": "$V", "R": "$1$X", "U": "$R $THERE"}, frozenset({"R"}))
    assert result.values == {
        "V": " $THERE $$1 $$(x) ",
        "W": " $THERE $$1 $$(x) ",
        "R": "$1$X",
        "U": "$$1$$X $THERE",
    }
    assert result.unresolved == {"V", "W", "U"}


def test_a_reference_that_stays_does_not_grow() -> None:
    result = expand_all({"V": "$THERE$12 $THERE${1}x ${THERE}2 $THERE$B", "B": ""})
    assert result.values["V"] == "${THERE}2 ${THERE}x ${THERE}2 $THERE"


def test_what_is_raw_is_put_in_by_the_runner() -> None:
    values = {"R": "$1 ${B}", "V": "$R|${R}|%R%|%B%", "B": "b"}
    result = expand_all(values, frozenset({"R"}))
    assert result.values == {
        "R": "$1 ${B}",
        "V": "$1 ${B}|$1 ${B}|%R%|b",
        "B": "b",
    }


def test_what_a_variable_that_refers_to_itself_means_is_left_to_the_build() -> None:
    result = expand_all({"CI_REGISTRY": "$CI_REGISTRY/x$1", "OWN": "$OWN! $$1 $1", "USES": "<$OWN>"})
    assert result.values == {
        "CI_REGISTRY": "$CI_REGISTRY/x",
        "OWN": "$OWN! $$1 $1",
        "USES": "<${OWN}>",
    }
    assert (result.unresolved, result.cycles) == ({"CI_REGISTRY", "OWN", "USES"}, {})
    assert list(expand_all({"USES": "$OWN", "OWN": "$OWN"}).values) == ["OWN", "USES"]


def test_no_build_has_another_value_of_what_every_shell_sets() -> None:
    result = expand_all({"PATH": "/x:$PATH"})
    assert (result.values, result.unresolved) == ({"PATH": "/x:/x:$PATH"}, frozenset())


def test_circles_are_found() -> None:
    assert list(expand_all({"A": "$B", "B": "$C", "C": "$A"}).cycles.values()) == [("A", "B", "C", "A")]


def test_what_the_runner_drops_is_part_of_the_own_text_of_a_variable_that_refers_to_itself() -> None:
    found = expand_all({"V": "$A:$V:$1:${B:-x}:$$:$HOME:${", "A": "a$1"})
    assert found.values == {"V": "a$1:$V:$1:${B:-x}:$$:$HOME:${", "A": "a"}
    assert found.unresolved == {"V"}


def test_circles_through_one_that_refers_to_itself_are_found() -> None:
    assert list(expand_all({"A": "$A-$B", "B": "$A"}).cycles.values()) == [("A", "B", "A")]
    assert expand_all({"A": "$A", "B": "$A"}).cycles == {}


def test_texts_cannot_grow_without_bound() -> None:
    bomb = {f"V{i}": f"$V{i + 1}$V{i + 1}$V{i + 1}$V{i + 1}" for i in range(30)} | {"V30": "x" * 100}
    assert max(len(v) for v in expand_all(bomb).values.values()) < 500_000


@given(st.dictionaries(st.sampled_from("ABCD"), st.text(alphabet="$ABCD{}%x", max_size=12)))
def test_any_variables_end(values: dict[str, str]) -> None:
    assert expand_all(values).values.keys() == values.keys()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h 30m", 5400),
        ("90 minutes", 5400),
        ("3 hours 30 minutes", 12600),
        ("2 hrs 20 min", 8400),
        ("3 mins 4 sec", 184),
        ("1 day", 86400),
        ("3 weeks and 2 days", 1987200),
        ("6 mos 1 day", 15638400),
        ("1:30:00", 5400),
        ("5", 5),
        ("1.5 hours", 5400),
        ("", None),
        ("soon", None),
        ("1 fortnight", None),
        ("1h 5", None),
        ("-1h", None),
        ("h", None),
    ],
)
def test_durations(text: str, expected: int | None) -> None:
    assert seconds(text) == expected
