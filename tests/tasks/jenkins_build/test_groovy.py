"""The escaper and the printer, held against a decoder written from the Groovy language specification."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.jenkins_build.groovy import Block, Comment, Source, Step, Text, literal, render

ANY_TEXT = st.text(st.characters(exclude_categories=[])) | st.text("'\\$\n\r\tu{}\"/ é\U0001f600\x00\x7f\u2028")


def decode(source: str) -> str:
    """Groovy's single-quoted strings, by its specification: `\\uXXXX` first, then the escapes, joined by `+`."""
    assert source.isascii()
    assert all(" " <= character <= "~" for character in source)
    parts = re.findall(r"'((?:[^'\\]|\\.)*)'( \+ |$)", source)
    assert "".join(f"'{body}'{end}" for body, end in parts) == source
    return "".join(_unescape(body) for body, _ in parts)


def _unescape(body: str) -> str:
    units: list[str] = []
    for match in re.finditer(r"\\u([0-9a-f]{4})|\\(.)|([^\\])", body):
        hexadecimal, escaped, plain = match.groups()
        if hexadecimal:
            units.append(chr(int(hexadecimal, 16)))
        else:
            units.append({"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'"}[escaped] if escaped else plain)
    return "".join(units).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@given(ANY_TEXT)
def test_every_text_comes_back_from_its_literal(text: str) -> None:
    assert decode(literal(text)) == text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "''"),
        ("it's", r"'it\'s'"),
        ("C:\\u0041", r"'C:\\u0041'"),
        ("$HOME ${x} \"q\" '''", "'$HOME ${x} \"q\" \\'\\'\\''"),
        ("a\nb\rc\td", r"'a\nb\rc\td'"),
        ("\x00\x1b\x7f\u2028", r"'\u0000\u001b\u007f\u2028'"),
        ("é\U0001f600", r"'\u00e9\ud83d\ude00'"),
    ],
)
def test_literals_read_like_this(text: str, expected: str) -> None:
    assert literal(text) == expected


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600", "\x00"])
def test_no_literal_is_longer_than_a_class_file_can_hold(character: str) -> None:
    text = character * 70_000
    parts = [_unescape(body) for body in re.findall(r"'((?:[^'\\]|\\.)*)'", literal(text))]
    assert "".join(parts) == text
    assert all(len(part.encode("utf-8")) <= 65_535 for part in parts)
    assert len(parts) == {"x": 2, "é": 4, "\U0001f600": 7, "\x00": 2}[character] or len(parts) > 1


def test_a_comment_cannot_end_early() -> None:
    assert render([[Comment("a\nb \\u000a error 'x' \u2028 é */")]]) == "// a?b ?u000a error 'x' ? ? */\n"


def test_sections_stand_on_lines_of_their_own() -> None:
    step = Step("sh", (), (("label", Text("it's")), ("script", Text("a\nb"))))
    tree = Block("stage('x')", (Source("agent any"), Block("steps", (step, Step("sources")))))
    assert render([[tree], [Step("error", (Text("no"),))]]) == (
        "stage('x') {\n"
        "  agent any\n"
        "  steps {\n"
        "    sh label: 'it\\'s', script: 'a\\nb'\n"
        "    sources()\n"
        "  }\n"
        "}\n"
        "\n"
        "error 'no'\n"
    )


def test_real_groovy_reads_the_same_texts(groovy: str, tmp_path: Path) -> None:
    texts = [
        "".join(map(chr, range(0x300))),
        "''' \"\"\" $x ${1/0} \\ \\\\ \\u0041 \\n // /* */",
        "\u2028\u2029\ufeff\U0001f600\U0010ffff",
        "[[ $a == b ]]; then\r\n" * 6_000,
        "é" * 40_000,
    ]
    statements = "".join(f"show({literal(text)})\n" for text in texts)
    program = tmp_path / "texts.groovy"
    program.write_text(f"def show(String s) {{ println s.getBytes('UTF-8').encodeBase64() }}\n{statements}", "ascii")
    done = subprocess.run([groovy, program], capture_output=True, text=True, timeout=120, check=True)
    assert [base64.b64decode(line).decode() for line in done.stdout.split()] == texts


@pytest.fixture
def groovy() -> str:
    found = shutil.which("groovy")
    if found is None:
        pytest.skip("groovy is not installed (Debian: apt-get install groovy)")
    if not os.environ.get("JAVA_HOME"):
        pytest.skip("JAVA_HOME is not set: groovy cannot run")
    return found
