from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.source.diagnostics import Findings
from tasks.source.document import Document, read
from tasks.source.nodes import Mapping_, Node, Reference, Scalar, Sequence


def parse(text: str) -> tuple[Document | None, list[str]]:
    findings = Findings()
    return read("f.yml", text, findings), [str(d) for d in findings.ordered()]


def value(text: str) -> Node:
    document, found = parse(f"key: {text}")
    assert document is not None, found
    return document.root.entries["key"].value


@pytest.mark.parametrize(
    ("text", "expected", "kind"),
    [
        ("1.10", "1.1", "float"),
        ("'1.10'", "1.10", "string"),
        ("1_000", "1000", "integer"),
        ("0755", "493", "integer"),
        ("0o17", "0o17", "string"),
        ("0x1F", "31", "integer"),
        ("08", "08", "string"),
        ("1:30", "5400", "integer"),
        ("-1:30", "-1800", "integer"),
        ("1:30:05", "5405", "integer"),
        ("1:30.5", "5430.0", "float"),
        ("1:75", "1:75", "string"),
        ("1e3", "1e3", "string"),
        ("1.0e3", "1.0e3", "string"),
        ("1.0e+20", "1.0e+20", "float"),
        ("yes", "true", "boolean"),
        ("Off", "false", "boolean"),
        ("y", "y", "string"),
        ("", "", "null"),
        ("~", "", "null"),
        ("NULL", "", "null"),
        ("1.2.3", "1.2.3", "string"),
        ("2024-01-31", "2024-01-31", "string"),
        ("!!str 12", "12", "string"),
        ("!custom 12x", "12x", "string"),
        ("'yes'", "yes", "string"),
        (".5", "0.5", "float"),
        ("-", "-", "string") if False else ("+1", "1", "integer"),
    ],
)
def test_scalars_are_what_ruby_makes_of_them(text: str, expected: str, kind: str) -> None:
    node = value(text)
    assert isinstance(node, Scalar)
    assert (node.text, node.kind) == (expected, kind)


def test_places_count_from_one() -> None:
    document, _ = parse("a:\n  - b\n  - c: d\n")
    assert document is not None
    items = document.root.entries["a"].value
    assert isinstance(items, Sequence)
    assert [str(item.span) for item in items.items] == ["f.yml:2:5", "f.yml:3:5"]
    inner = items.items[1]
    assert isinstance(inner, Mapping_)
    assert (str(inner.entries["c"].span), str(inner.entries["c"].value.span)) == ("f.yml:3:5", "f.yml:3:8")


def test_a_reference_stays_a_node() -> None:
    node = value("!reference [.a, script]")
    assert isinstance(node, Reference)
    assert node.path == (".a", "script")


def test_an_alias_is_the_node_of_its_anchor() -> None:
    document, _ = parse("a: &x {k: v}\nb: *x\n")
    assert document is not None
    assert document.root.entries["a"].value is document.root.entries["b"].value


def test_duplicate_keys_are_reported_and_the_last_wins() -> None:
    document, found = parse("a: 1\nb: 2\na: 3\n")
    assert document is not None
    assert document.root.entries["a"].value == Scalar("3", "integer", document.root.entries["a"].value.span)
    assert found == [
        "f.yml:3:1: warning: `a` is here a second time (first in line 1); only the last one counts. [duplicate-key]"
    ]


def test_a_header_is_told_from_the_content() -> None:
    document, found = parse("spec:\n  inputs: {}\n---\njob: {script: [a]}\n")
    assert document is not None
    assert document.header is not None
    assert list(document.root.entries) == ["job"]
    assert found == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "yaml-empty"),
        ("# only a comment\n", "yaml-empty"),
        ("a: [", "yaml-syntax"),
        ("a: *unknown", "yaml-syntax"),
        ("a: b: c", "yaml-syntax"),
        ("\ta: b", "yaml-syntax"),
        ("a: \x00", "yaml-syntax"),
        ("a: \udc80", "yaml-syntax"),
        ("a: 1\n---\nb: 2\n---\nc: 3\n", "yaml-documents"),
        ("spec: {}\n---\na: 1\n---\nb: 2\n", "yaml-documents"),
        ("a: 2026-01-02", "yaml-date"),
        ("2026-1-2T10:00:00Z: b", "yaml-date"),
        ("[a]", "yaml-not-a-mapping"),
        ("text", "yaml-not-a-mapping"),
        ("? [a]\n: b\n", "yaml-key"),
        ("<<: text\n", "merge-key"),
        ("a: !reference text", "reference-invalid"),
        ("a: !reference {b: c}", "reference-invalid"),
        ("a: !reference", "reference-invalid"),
        ("a: !other text", None),
        ("a: !reference [[x]]", "reference-invalid"),
    ],
)
def test_what_is_wrong_is_said(text: str, code: str | None) -> None:
    _, found = parse(text)
    assert [f.rpartition("[")[2].rstrip("]") for f in found] == ([code] if code else [])


def test_alias_bombs_deep_nesting_and_large_files_end_quickly() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
    )
    started = time.monotonic()
    for text, code in (
        (bomb, "yaml-too-large"),
        ("a: " + "[" * 5000 + "]" * 5000, "yaml-too-deep"),
        ("a: " + "x" * (9 * 1024 * 1024), "yaml-too-large"),
        ("a: &a [*a]", "yaml-syntax"),
    ):
        document, found = parse(text)
        assert document is None
        assert f"[{code}]" in found[0]
    assert time.monotonic() - started < 3


@given(st.text(alphabet=st.sampled_from("abc:-[]{}&*!<>|\n \t'\"#,?%@`~1.\\$é"), max_size=80))
def test_any_text_ends_in_a_document_or_an_error(text: str) -> None:
    document, found = parse(text)
    assert document is not None or any(": error: " in f for f in found)
