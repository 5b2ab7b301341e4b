"""Which CI/CD variables hold: scopes, precedence, protection; and what of them may be seen."""

from __future__ import annotations

import pytest

from tasks.source.ci_variables import CIVariable, CIVariables, applies, choose, read_variable


@pytest.mark.parametrize(
    ("scope", "environment", "holds"),
    [
        ("*", "staging", True),
        ("*", None, True),
        ("staging", None, False),
        ("staging", "staging", True),
        ("staging", "staging-2", False),
        ("stag*", "staging", True),
        ("review/*", "review/a/b", True),
        ("review/*", "review", False),
        ("*/eu", "production/eu", True),
        ("*/eu", "production/eu/2", False),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "abc", True),
        ("a*bc*c", "abc", False),
        ("a.c", "abc", False),
        ("a_c", "abc", False),
        ("*a" * 60, "a" * 59 + "b", False),
    ],
)
def test_scopes(scope: str, environment: str | None, holds: bool) -> None:
    assert applies(scope, environment) is holds


def values(*levels: list[CIVariable], protected: bool = False) -> dict[str, str]:
    return {key: variable.value for key, variable in choose(levels, "review/x", protected).items()}


def test_the_most_specific_scope_wins_in_any_order() -> None:
    level = [
        CIVariable("A", "exact", scope="review/x"),
        CIVariable("A", "pattern", scope="review/*"),
        CIVariable("A", "shorter", scope="r*"),
        CIVariable("A", "all"),
        CIVariable("A", "other", scope="staging"),
    ]
    assert values(level) == values(level[::-1]) == {"A": "exact"}
    assert values(level[1:]) == values(level[:0:-1]) == {"A": "pattern"}


def test_the_nearest_level_wins_whatever_its_scope() -> None:
    instance, group, project = (
        [CIVariable("A", "instance"), CIVariable("B", "instance")],
        [CIVariable("A", "group", scope="review/x"), CIVariable("C", "group")],
        [CIVariable("A", "project")],
    )
    assert values(instance, group, project) == {"A": "project", "B": "instance", "C": "group"}


def test_a_protected_variable_is_for_protected_refs() -> None:
    levels = [CIVariable("A", "group")], [CIVariable("A", "project", protected=True)]
    assert values(*levels, protected=True) == {"A": "project"}
    assert values(*levels) == {"A": "group"}


@pytest.mark.parametrize(
    ("entry", "secret"),
    [
        ({}, False),
        ({"raw": True}, False),
        ({"masked": True}, True),
        ({"masked": True, "hidden": True, "value": None}, True),
        ({"protected": True}, True),
        ({"variable_type": "file"}, True),
    ],
)
def test_what_is_secret_has_no_place_among_the_plain_ones(entry: dict[str, object], secret: bool) -> None:
    variable = read_variable({"key": "A", "value": "s3cret", **entry})
    found = CIVariables({"A": variable})
    assert (list(found.secret), list(found.plain)) == ((["A"], []) if secret else ([], ["A"]))
    assert "s3cret" not in repr(found)
