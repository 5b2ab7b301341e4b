"""What others wrote is no markup in our artifacts and steers no terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import InputError, printable
from tasks import markdown
from tasks.source.diagnostics import Diagnostic, Span

NASTY = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\u202e"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[click](https://evil.example)", r"\[click\](https://evil.example)"),
        ("![](https://evil.example/x.png)", r"!\[\](https://evil.example/x.png)"),
        ("<script>x</script>", r"\<script\>x\</script\>"),
        ("a | b\nc", r"a \| b c"),
        ("`rm`", r"\`rm\`"),
    ],
)
def test_text_stays_text(text, shown):
    assert markdown.plain(text) == shown


@given(st.text())
def test_code_ends_where_it_is_to_end(text):
    fence, inside, end = re.fullmatch(r"(`+)(.*?)(`+)", markdown.code(text), re.DOTALL).groups()
    assert fence == end
    assert "\n" not in inside
    assert fence not in re.findall("`+", inside)
    assert not re.search(r"(?<!\\)\|", inside)


def test_a_block_of_code_ends_where_it_is_to_end():
    assert markdown.block("a\n`````\nb\n", "groovy") == "``````groovy\na\n`````\nb\n``````\n"
    assert markdown.block("a\n", "groovy") == "```groovy\na\n```\n"


def test_errors_and_diagnostics_steer_no_terminal():
    written = r"\x1b]52;c;ZXZpbA==\x07\x1b[2J\u202e"
    assert printable(f"a\t{NASTY}\n") == f"a\t{written}\n"
    assert str(InputError(f"job {NASTY}", remedy=NASTY)) == f"job {written} {written}"
    assert str(Diagnostic("x", "error", NASTY, Span("f", 1, 2))) == f"f:1:2: error: {written} [x]"
