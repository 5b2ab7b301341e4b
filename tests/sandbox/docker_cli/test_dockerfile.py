"""The Dockerfile's syntax."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.docker_cli.dockerfile import KEYWORDS, Heredoc, Instruction, parse
from sandbox.docker_cli.errors import DockerError, DockerfileError
from sandbox.docker_cli.words import Lexer

PIECES = st.sampled_from(
    ["FROM a", "RUN x", "COPY ", "<<EOF", "EOF", "\\", "`", "\n", " ", "#", "# escape=`", '"', "'", "$A", "${A:-b}",
     "${", "--from=x ", "[", '["a"]', "ARG A=1", "\t", "=", "}", "\r\n", "ENV", "é", "\0"]
)  # fmt: skip


def only(text: str) -> Instruction:
    (instruction,) = parse(text).instructions
    return instruction


def test_lines_comments_and_continuations() -> None:
    text = "# comment\n\nfrom busybox\nRUN a && \\\n  # inside\n\n  b \\\n  c\n  CMD [\"x\", 'y']\n"
    found = parse(text).instructions
    assert [(entry.keyword, entry.rest, entry.line) for entry in found] == [
        ("FROM", "busybox", 3),
        ("RUN", "a &&   b   c", 4),
        ("CMD", "[\"x\", 'y']", 9),
    ]


def test_json_form_only_for_lists_of_strings() -> None:
    assert only('CMD ["a", "b c"]').json_form() == ["a", "b c"]
    assert only("CMD ['a']").json_form() is None
    assert only("CMD [1]").json_form() is None
    assert only("CMD a").json_form() is None


def test_flags_and_windows_line_ends() -> None:
    found = only("COPY --from=build --link  --chown=1:1 a b\r\n")
    assert (found.flags, found.rest) == ((("from", "build"), ("link", "true"), ("chown", "1:1")), "a b")


def test_heredocs() -> None:
    found = only("COPY <<one <<-'two' /dir/\nfirst $A\none\n\tsecond $A\n\ttwo\n")
    assert found.heredocs == (Heredoc("one", "first $A\n", True), Heredoc("two", "second $A\n", False))
    with pytest.raises(DockerfileError, match="Dockerfile:1: unterminated heredoc <<EOF"):
        parse("RUN <<EOF\nx\n")


def test_the_escape_directive() -> None:
    assert only("# escape=`\nRUN a `\n b\\\n").rest == "a  b\\"
    with pytest.raises(DockerfileError, match="Dockerfile:1: invalid escape token"):
        parse("# escape=x\nFROM a\n")
    assert only("# a comment first\n# escape=`\nRUN a \\\n b").rest == "a  b"  # too late for a directive


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Dockerfile: the file has no instructions"),
        ("FROM a\nFRUM b\n", "Dockerfile:2: unknown instruction: FRUM"),
        ("FROM a\n\nRUN\n", "Dockerfile:3: RUN requires at least one argument"),
    ],
)
def test_mistakes_name_their_line(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  b", ["a", "b"]),
        ("'a b' \"c d\"e", ["a b", "c de"]),
        ("$A ${A}x $Ax", ["1", "1x", ""]),
        ("${A:-no} ${B:-yes} ${B-unset} ${E:-empty} ${E-set}", ["1", "yes", "unset", "empty", ""]),
        ("${A:+there} ${B:+there}", ["there", ""]),
        ("${B:-${A}2}", ["12"]),
        ("'$A' \"$A\" \\$A", ["$A", "1", "$A"]),
        ("a\\ b c", ["a b", "c"]),
        ('"a\\"b" "c\\d"', ['a"b', "c\\d"]),
        ("$ 5$", ["$", "5$"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert Lexer({"A": "1", "E": ""}, "\\", 1).words(text) == expected


@pytest.mark.parametrize("text", ["'a", '"a', "${A", "${", "${A:", "${A:x}", "${A:-b", "${B:?must be given}"])
def test_broken_words(text: str) -> None:
    with pytest.raises(DockerfileError, match="Dockerfile:7:"):
        Lexer({}, "\\", 7).words(text)


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        found = parse(text).instructions
    except DockerfileError:
        return
    assert all(entry.keyword in KEYWORDS for entry in found)
    for entry in found:
        try:
            Lexer({"A": "1"}, "\\", entry.line).words(entry.rest)
            entry.json_form()
        except DockerError:
            continue
