from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.interpretation.evaluation import Scope, evaluate
from tasks.interpretation.expression_parser import ExpressionError, parse
from tasks.interpretation.expressions import (
    Constant,
    Equal,
    Match,
    Not,
    Null,
    Or,
    Pattern,
    Text,
    Truth,
    Var,
    variables_of,
)

KNOWN = {"A": "main", "EMPTY": "", "BLANK": "  ", "PATTERN": "/^MA/i", "WORD": "maintenance", "SLASH": "a/b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A", True),
        ("$EMPTY", False),
        ("$BLANK", False),
        ("$UNDEFINED", False),
        ("$UNDEFINED == null", True),
        ("null == $UNDEFINED", True),
        ("$EMPTY == null", False),
        ('$EMPTY == ""', True),
        ('$UNDEFINED == ""', False),
        ("$UNDEFINED != null", False),
        ("$A == 'main'", True),
        ('"main" == $A', True),
        ("$A != 'main'", False),
        ("$A == $UNDEFINED", False),
        ("$UNDEFINED == $ALSO", True),
        ("$A =~ /^ma/", True),
        ("$A =~ /MAIN/", False),
        ("$A =~ /MAIN/i", True),
        ("$A !~ /^ma/", False),
        ("$UNDEFINED =~ /^$/", True),
        ("$UNDEFINED !~ /.+/", True),
        ("$A =~ $PATTERN", True),
        ("$A =~ $UNDEFINED", False),
        ("$A =~ $WORD", True),
        ("$SLASH =~ $WORD", False),
        ("'ten' =~ $WORD", True),
        (r"$SLASH =~ /^a\/b$/", True),
        ("$A =~ '/^ma/'", True),
        ("$A && $UNDEFINED || $A", True),
        ("$A || $UNDEFINED && $UNDEFINED", True),
        ("($A || $UNDEFINED) && $UNDEFINED", False),
        ("$A == 'x' || $A == 'main' && $EMPTY == ''", True),
        ("!$UNDEFINED", True),
        ("!($A == 'main')", False),
        ("null", False),
        ("'text'", True),
        ("''", False),
        ("true", True),
        ("$A == true", False),
        ("'true' == true", True),
        ("$UNDEFINED == false", False),
        ("($A == 'main') == 'true'", True),
        ("true =~ /^tr/", True),
        ("$A =~ false", False),
        # what `&&` and `||` give is one of their operands; an empty text counts until the end
        ("$EMPTY && $A", True),
        ("$A && $EMPTY", False),
        ("$EMPTY || $A", False),
        ("$UNDEFINED || $A", True),
        ("$A || $EMPTY", True),
        ("$EMPTY && $A == 'main'", True),
        ("$EMPTY || $A == 'main'", False),
        ("($UNDEFINED || $EMPTY) && $A", True),
        ("($UNDEFINED && $EMPTY) || $A", True),
        ("!$EMPTY && $A", True),
        ('("string" || "test") == "string"', True),
        ('"string" == ("test" && "string")', True),
        ('"string" == ("test" || "string")', False),
        ("('x' && $UNDEFINED) == null", True),
        ("($A || 'x') =~ /^ma/", True),
        ("$[[ inputs.none ]] == null", True),
        ("($EMPTY || 'main') =~ /^ma/", False),
        (r"'a\b' =~ /a\\b/", True),
    ],
)
def test_gitlabs_truth(text: str, expected: bool) -> None:
    assert evaluate(parse(text), Scope(KNOWN)) is expected


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("$X", Truth(Var("X"))),
        ("$X == 'a'", Equal(Var("X"), Text("a"))),
        ("$X != 'a'", Not(Equal(Var("X"), Text("a")))),
        ("$X == null", Equal(Var("X"), Null())),
        ("$X =~ /ab/i", Match(Var("X"), Pattern("ab", "i"))),
        ("$X == $A", Equal(Var("X"), Text("main"))),
        ("$X == $X", True),
        ("$A == 'main' && $X", Truth(Var("X"))),
        ("$A != 'main' && $X", False),
        ("$A == 'main' || $X", True),
        ("$A != 'main' || $X", Truth(Var("X"))),
        ("!$X", Not(Truth(Var("X")))),
        ("!(!$X)", Truth(Var("X"))),
        ("$A =~ $X", Match(Text("main"), Var("X"))),
        ("$X && $A", Not(Equal(Var("X"), Null()))),
        ("$X || $A == 'main'", Or((Truth(Var("X")), Equal(Var("X"), Null())))),
        ("$EMPTY && $X", Truth(Var("X"))),
        ("$EMPTY || $X", False),
        ("($A == 'x' || $X) == 'a'", Equal(Var("X"), Text("a"))),
    ],
)
def test_what_is_unknown_stays(text: str, rest: object) -> None:
    assert evaluate(parse(text), Scope(KNOWN, complete=False)) == rest


def test_a_text_is_parsed_once() -> None:
    assert parse("$PARSED_ONCE == 'x'") is parse("$PARSED_ONCE == 'x'")


def test_single_names_can_be_unknown() -> None:
    scope = Scope(KNOWN, unknown=frozenset({"X"}))
    assert evaluate(parse("$X || $UNDEFINED"), scope) == Truth(Var("X"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "$A ==",
        "== $A",
        "($A",
        "$A)",
        "$A $B",
        "$A = 'x'",
        "$A & $B",
        "'open",
        "/open",
        "$A =~ /(?=x)/",
        "$A =~ /[/",
        "$",
        "a",
        "&&",
        "$A =~ null == /x",
        "/x/ =~ $A",
        "$A =~ /a/",
        "$A =~ true",
        r"$A =~ /a\\/",
        "$A && " * 60 + "$A",
    ],
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


NAMES = st.sampled_from(["A", "B", "C", "EMPTY"])
VALUES = NAMES.map("${}".format) | st.sampled_from(["null", "''", "'a'", '"main"', "'b c'"])
PATTERNS = st.sampled_from(["/^a/", "/main|b/i", "/[a-c]+$/", "/.+/"])
COMPARISONS = (
    st.tuples(VALUES, st.sampled_from(["==", "!="]), VALUES).map(" ".join)
    | st.tuples(VALUES, st.sampled_from(["=~", "!~"]), PATTERNS).map(" ".join)
    | VALUES
)
EXPRESSIONS = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda t: f"({' '.join(t)})")
        | inner.map("!({})".format)
    ),
    max_leaves=8,
)
TABLES = st.dictionaries(NAMES, st.sampled_from(["", "a", "main", "b c", "MAIN"]))


@given(EXPRESSIONS, TABLES)
def test_not_turns_every_expression_around(text: str, table: dict[str, str]) -> None:
    assert evaluate(parse(f"!({text})"), Scope(table)) is not evaluate(parse(text), Scope(table))


@given(EXPRESSIONS, EXPRESSIONS, TABLES)
def test_de_morgan_and_order_do_not_matter(left: str, right: str, table: dict[str, str]) -> None:
    scope, left, right = Scope(table), f"!(!({left}))", f"!(!({right}))"
    both = evaluate(parse(f"({left}) && ({right})"), scope)
    assert both is evaluate(parse(f"!(!({left}) || !({right}))"), scope)
    assert both is evaluate(parse(f"({right}) && ({left})"), scope)
    assert evaluate(parse(f"({left}) || ({right})"), scope) is evaluate(parse(f"({right}) || ({left})"), scope)


@given(EXPRESSIONS, TABLES, st.frozensets(NAMES))
def test_deciding_later_comes_to_the_same(text: str, table: dict[str, str], late: frozenset[str]) -> None:
    """What is left when some variables are unknown says, once they are known, what the whole says at once."""
    early = {k: v for k, v in table.items() if k not in late}
    rest = evaluate(parse(text), Scope(early, unknown=late))
    later = rest if isinstance(rest, bool) else evaluate(rest, Scope(table))
    assert later is evaluate(parse(text), Scope(table))
    assert isinstance(rest, bool) or variables_of(rest) <= late


@given(EXPRESSIONS, TABLES)
def test_not_twice_changes_nothing(text: str, table: dict[str, str]) -> None:
    assert evaluate(parse(f"!(!({text}))"), Scope(table)) is evaluate(parse(text), Scope(table))


@given(st.text(alphabet="$AB{}()'\"/=!~&| nul\\.*+[]?^i", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        term = parse(text)
    except ExpressionError:
        return
    assert evaluate(term, Scope({"A": "x"})) in (True, False)


def test_constants_of_a_condition() -> None:
    assert parse("'x' && null") == Constant(False)
