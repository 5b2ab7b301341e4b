from __future__ import annotations

import shlex
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.source.diagnostics import Findings, Span
from tasks.source.header import Reading, read_content
from tasks.source.include_options import IncludeOptions
from tasks.source.includes import close_includes
from tasks.source.inputs import Given, input_values, plain
from tasks.source.interpolation import Interpolation, PutIn, Value, posix_escaped
from tasks.source.nodes import Entry, Mapping_, Scalar, Sequence

SPAN = Span("f", 1, 1)


def put(text: str, expand: str = "", **inputs: Value) -> Value:
    findings = Findings()
    given = PutIn({"inputs": inputs}, lambda value: value.replace("$V", expand))
    node = Interpolation(text, given, findings).node(Scalar(text, "string", SPAN))
    assert findings.items == []
    return plain(node)


@pytest.mark.parametrize(
    ("block", "value", "text"),
    [
        ("$[[ inputs.a ]]", "x", "x"),
        ("$[[inputs.a]]", "x", "x"),
        ("$[[ inputs.a | ]]", "x", "x"),
        ("$[[ inputs.a ]]", 'quoted "x": y', 'quoted "x": y'),
        ("$[[ inputs.a ]]", True, True),
        ("-$[[ inputs.a ]]", True, "-true"),
        ("$[[ inputs.a ]]", 5, 5),
        ("$[[ inputs.a ]]$[[ inputs.a ]]", 5, "55"),
        ("$[[ inputs.a ]]", 1.5, 1.5),
        ("$[[ inputs.a ]]", "1.10", "1.10"),
        ("$[[ inputs.a ]]", None, None),
        ("-$[[ inputs.a ]]-", None, "--"),
        ("$[[ inputs.a ]]", ["x", 1, {"if": "ü"}], ["x", 1, {"if": "ü"}]),
        ("-$[[ inputs.a ]]", ["x", 1], '-["x", 1]'),
        ("$[[ inputs.a[1] ]]", ["x", "y"], "y"),
        ("$[[ inputs.a[0].b[1] ]]", [{"b": [1, 2]}], 2),
        ("$[[ inputs.a[0].b-c[1] ]]", [{"b-c": [1, 2]}], 2),
        ("$[[ inputs.a | truncate(1,2) ]]", "abcd", "bc"),
        ("$[[ inputs.a | truncate( 9 , 2 ) ]]", "abcd", ""),
        ("$[[ inputs.a | expand_vars ]]", "a $V", "a known"),
        ("$[[ inputs.a | expand_vars | truncate(2,3) | posix_escape ]]", "a $V", "kno"),
        ("$[[ inputs.a | posix_escape ]]", "a b'\n", "a\\ b\\''\n'"),
        ("$[[ inputs.a | posix_escape ]]", "", "''"),
        ("$[[ inputs.a | split(',') ]]", "x, y,,", ["x", "y"]),
        ("-$[[ inputs.a ]]-$[[ inputs.a ]]", "x", "-x-x"),
        ("$[[ matrix.A ]]", "x", "$[[ matrix.A ]]"),
        ("$[ inputs.a ] $[[ ]] $[[\ninputs.a ]]", "x", "$[ inputs.a ] $[[ ]] $[[\ninputs.a ]]"),
    ],
)
def test_blocks(block: str, value: Value, text: Value) -> None:
    assert put(block, "known", a=value) == text


def test_what_is_put_in_is_not_read_again() -> None:
    assert put("$[[ inputs.a ]]", a="$[[ inputs.a ]]") == "$[[ inputs.a ]]"


def content(text: str, **given_inputs: str) -> tuple[Mapping_ | None, list[str]]:
    span, findings = Span("include", 1, 1), Findings()
    entries = {name: Entry(name, span, Scalar(value, "string", span)) for name, value in given_inputs.items()}
    reading = Reading(Given(Mapping_(entries, span) if entries else None, span), lambda value: value)
    return read_content("f.yml", text, reading, findings), [str(item) for item in findings.items]


def test_nodes_keep_their_places() -> None:
    text = 'spec: {inputs: {a: {default: "1\\n2"}}}\n---\n# $[[ inputs.none ]]\nkey: "$[[ inputs.a ]]"\nother: 5\n'
    root, found = content(text)
    assert found == [] and root is not None
    assert [(e.key, e.span.line, e.value.span.line, e.value.span.column) for e in root] == [
        ("key", 4, 4, 6), ("other", 5, 5, 8),
    ]  # fmt: skip


def test_what_is_wrong_is_said_at_its_block() -> None:
    text = (
        "spec: {inputs: {a: {default: [1]}}}\n---\nx:\n  - |\n    one\n    two $[[ inputs.b ]]\ny: $[[ inputs.a[1] ]]\n"
    )
    assert content(text.replace("{default: [1]}", "{type: array, default: [1]}"))[1] == [
        "f.yml:6:9: error: There is no `inputs.b`; the header declares: a. [interpolation]",
        "f.yml:7:4: error: `inputs.a[1]`: there is no item 1. [interpolation]",
    ]


def test_a_list_in_a_list_is_put_in_by_its_items_and_keys_are_names() -> None:
    text = (
        "spec: {inputs: {l: {type: array}, n: {default: job}, c: {default: 'echo \"a: b\" # c'}}}\n---\n"
        '$[[ inputs.n ]]-$[[ inputs.n ]]: [a, "$[[ inputs.l ]]", "$[[ inputs.c ]]"]\n'
    )
    root, found = content(text, l='["x", ["y"]]')
    assert (plain(root), found) == ({"job-job": ["a", "x", ["y"], 'echo "a: b" # c']}, [])


def test_a_whole_value_keeps_its_type() -> None:
    text = "spec: {inputs: {a: {type: array}, n: {type: number}, b: {type: boolean}}}\n---\n[a, $[[ inputs.n ]]]: x\n"
    root, _ = content(
        text.replace("[a, $[[ inputs.n ]]]: x", "a: $[[ inputs.a ]]\nn: $[[ inputs.n ]]\nb: $[[ inputs.b ]]"),
        a='["x", {"y": 1}]', n="7", b="true",
    )  # fmt: skip
    assert plain(root) == {"a": ["x", {"y": 1}], "n": 7, "b": True}


@pytest.mark.parametrize(
    "header",
    ["spec: {inputs: {a: }}\n---\n", "---\nspec: {inputs: {a: }}\n---\n",
     "# note\n\nspec:\n  inputs:\n    a:\n--- # end\n", '"spec": {inputs: {a: }}\n---\n'],
)  # fmt: skip
def test_headers(header: str) -> None:
    root, found = content(f"{header}b: $[[ inputs.a ]]\n", a="x")
    assert (plain(root), found) == ({"b": "x"}, [])


def test_a_header_that_is_not_found_is_said() -> None:
    root, found = content("{spec: {inputs: {a: }}}\n---\nb: 1\n")
    assert root is None
    assert found == [
        "f.yml:1:1: error: The header is not found: begin a line with `spec:`, and end it by a line `---`. [input-spec]"
    ]


def test_a_second_document_without_a_header_is_no_header() -> None:
    assert content("a: 1\n---\nb: 1\n")[1] == [
        "f.yml:3:1: warning: A second YAML document: GitLab reads the first one only, and so does this. "
        "Remove the `---`. [yaml-second-document]"
    ]


def test_aliases_of_an_interpolated_file_stay_shared() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 6)
    )
    begin = time.process_time()
    root, _ = content(f"spec: {{inputs: {{v: {{default: x}}}}}}\n---\n{bomb}k: $[[ inputs.v ]]\n")
    assert root is not None
    assert time.process_time() - begin < 2


def test_many_blocks_and_large_values_end() -> None:
    text = "spec: {inputs: {v: }}\n---\na:\n" + "- $[[ inputs.v ]]\n" * 10_001
    root, found = content(text, v="x")
    assert root is None and len(found) == 1 and "too many blocks" in found[0]
    begin = time.process_time()
    root, found = content("spec: {inputs: {v: }}\n---\na:\n" + "- $[[ inputs.v ]]\n" * 9_000, v="x" * 1_000_000)
    assert root is None and "too large" in found[-1]
    assert time.process_time() - begin < 5


def bomb(indent: str) -> str:
    """A list that is 9^6 long strings when its aliases are expanded."""
    levels = [f"{indent}a0: &a0 {'x' * 100_000}\n"]
    levels += [f"{indent}a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 7)]
    return "".join(levels)


def test_a_bomb_of_aliases_in_inputs_ends() -> None:
    begin = time.process_time()
    root, found = content("spec:\n  inputs:\n    v: {type: array, default: *a6}\n---\nx: $[[ inputs.v ]]\n")
    assert root is None and "Unknown alias" in found[0]
    root, found = content(f"x:\n{bomb('  ')}spec:\n  inputs:\n    v: {{type: array, default: *a6}}\n---\nx: y\n")
    assert root is None and "is larger than 1 MB" in found[1]
    files = {"e.yml": f".x:\n{bomb('  ')}include: {{local: a.yml, inputs: {{v: *a6}}}}\n", "a.yml": "a: 1\n"}
    findings = Findings()
    close_includes(files, "e.yml", findings, IncludeOptions())
    assert [item.message for item in findings.items] == ["`include:inputs` is larger than 1 MB."]
    assert time.process_time() - begin < 5


def test_blocks_that_never_end_cost_little() -> None:
    begin = time.process_time()
    content("spec: {inputs: {v: }}\n---\n" + "a: " + "$[[ " * 20_000 + "\n", v="x")
    content("---\n" * 200_000)
    content("# comment\n" * 100_000 + "---\nspec: 1\n")
    assert time.process_time() - begin < 10


@given(st.text(max_size=300))
def test_escaped_text_is_one_word_of_a_shell(text: str) -> None:
    assert shlex.split(posix_escaped(text)) == [text]


BLOCKS = st.sampled_from(
    ["$[[", "]]", " inputs.a ", "inputs.b", "component.sha", "|", " expand_vars ", "truncate(1,2)", "split(',')",
     "posix_escape", "spec:", "inputs:", "\n", "---\n", "{", "}", "a: ", "- ", " ", "$V", "&x ", "*x ", "<<: ",
     "!reference [a]", "\ud7ff", "\x00"]
)  # fmt: skip


@settings(max_examples=2 * settings.default.max_examples)
@given(st.lists(BLOCKS | st.text(max_size=5), max_size=30).map("".join), st.text(max_size=20))
def test_no_text_crashes_the_reading(text: str, value: str) -> None:
    content(text, a=value)
    content(f"spec: {{inputs: {{a: , b: {{default: [1]}}}}}}\n---\n{text}", a=value)
    content(f"spec:\n  inputs:\n    {text}\n---\nx: 1\n", a=value)


VALUES = st.recursive(
    st.builds(lambda t, k: Scalar(t, k, Span("f", 1, 1)), st.text(max_size=8), st.just("string"))
    | st.integers().map(lambda n: Scalar(str(n), "integer", Span("f", 1, 1)))
    | st.sampled_from(["NaN", "Infinity", "1.5", "1e99999"]).map(lambda t: Scalar(t, "float", Span("f", 1, 1)))
    | st.booleans().map(lambda b: Scalar(str(b).lower(), "boolean", Span("f", 1, 1)))
    | st.just(Scalar("", "null", Span("f", 1, 1))),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: Sequence(tuple(items), Span("f", 1, 1)))
        | st.dictionaries(st.sampled_from(["type", "default", "options", "regex", "x"]), inner, max_size=4).map(
            lambda d: Mapping_({k: Entry(k, Span("f", 1, 1), v) for k, v in d.items()}, Span("f", 1, 1))
        )
    ),
    max_leaves=8,
)


@settings(max_examples=2 * settings.default.max_examples)
@given(VALUES, VALUES, st.sampled_from(["string", "number", "boolean", "array", None]))
def test_no_declaration_crashes_and_values_are_of_their_type(spec: object, value: object, kind: str | None) -> None:
    span = Span("f", 1, 1)
    if kind is not None and isinstance(spec, Mapping_):
        spec = spec.put(Entry("type", span, Scalar(kind, "string", span)))
    declared = Mapping_({"a": Entry("a", span, spec)}, span)  # type: ignore[arg-type]
    given_inputs = Mapping_({"a": Entry("a", span, value)}, span)  # type: ignore[arg-type]
    findings = Findings()
    values = input_values(declared, Given(given_inputs, span), findings)
    assert (values is None) == bool(findings.items)
    if values is not None and kind is not None and isinstance(spec, Mapping_):
        wanted = {"string": str, "number": (int, float), "boolean": bool, "array": list}[kind]
        assert isinstance(values["a"], wanted) or values["a"] is None
