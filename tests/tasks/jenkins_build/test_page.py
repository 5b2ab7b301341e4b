"""Lines and their steps, out of the page of a console: a recorded one, and any that Jenkins could make."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.jenkins.console import Console
from sandbox.jenkins.model import Note
from tasks.jenkins_build.page import Line, Node, PageReader

RECORDING = (
    Path(__file__).parents[2] / "sandbox" / "jenkins" / "recordings" / "32-progressive-log-and-wfapi-running.json"
)


def read(*answers: bytes) -> list[Line]:
    page, lines = PageReader(), []
    for answer in answers:
        lines += page.feed(answer)
        page.end_piece()
    return lines + page.finish()


def test_the_page_of_a_real_jenkins() -> None:
    exchanges = json.loads(RECORDING.read_text())["exchanges"]
    body = next(e["response"]["body"] for e in exchanges if e["request"]["path"].endswith("progressiveHtml"))
    lines = read(body.encode())
    assert lines[0] == Line("Started by user admin")
    assert lines[1] == Line("[Pipeline] Start of Pipeline", None, Node("2", "2"))
    assert lines[3].text.startswith("Running on Jenkins in ") and lines[3].step == "3"
    assert lines[6] == Line("[Pipeline] { (one)", None, Node("6", "6", "5"))
    assert lines[7] == Line("[Pipeline] sh", None, Node("7", None, "6"))
    assert lines[8:10] == [Line("+ echo line 1", "7"), Line("line 1", "7")]
    assert lines[17] == Line("[Pipeline] }", None, Node("8", "6"))
    assert Line('Stage "p3" skipped due to when conditional') in lines
    assert lines[-1] == Line("Finished: SUCCESS")


def test_a_step_goes_on_over_answers_and_ends_with_a_pipeline_line() -> None:
    first = b'<span class="pipeline-node-7">one\r\n</span>'
    last = b'<span class="pipeline-new-node" nodeId="8">[Pipeline] }\r\n</span>after\r\n'
    assert read(first, b"two\r\n</span>", last) == [
        Line("one", "7"), Line("two", "7"), Line("[Pipeline] }", None, Node("8")), Line("after"),
    ]  # fmt: skip


def test_a_closed_step_has_no_lines_in_the_same_answer() -> None:
    assert read(b'<span class="pipeline-node-7">one\r\n</span>two\r\n') == [Line("one", "7"), Line("two")]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (b"see <a href='https://a.example/?b&amp;c'>https://a.example/?c&amp;d</a>", "see https://a.example/?c&d"),
        (b"if a &lt; b &amp;&amp; c &gt; d", "if a < b && c > d"),
        (b"&amp;lt; stays", "&lt; stays"),
        (
            b'<span class="timestamp"><b>11:10:12</b> </span>'
            b'<span style="display: none">[2026-11-26T11:10:12.123Z] </span>hi',
            "[2026-11-26T11:10:12.123Z] hi",
        ),
        (b'<span class="x" title="a > b">red</span>', "red"),
        (b"\x1b[31mred\x1b[0m", "red"),
        ("grün ✔".encode(), "grün ✔"),
        (b"", ""),
    ],
)  # fmt: skip
def test_what_plugins_add_is_taken_off(page: bytes, text: str) -> None:
    assert [line.text for line in read(page + b"\r\n")] == [text]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert read(b"a\xffb\r\n") == [Line("a\ufffdb")]


TEXT = st.text(
    st.characters(exclude_characters="\n\r\x1b\x85\u2028\u2029", exclude_categories=["Cs"]), max_size=12
).filter(lambda text: not text.startswith("[Pipeline] "))
WRITES = st.lists(st.tuples(st.sampled_from(["3", "5", "8", None]), TEXT), max_size=25)


@settings(max_examples=150, deadline=None)
@given(WRITES, st.lists(st.integers(0, 24), max_size=4), st.data())
def test_any_answers_cut_anywhere_make_the_same_lines(
    writes: list[tuple[str | None, str]], polls: list[int], data: st.DataObject
) -> None:
    """Steps write in turns, [Pipeline] lines between them; asked after some writes, and answers come in pieces."""
    expected: list[Line] = []
    page, lines, at = PageReader(), [], 0
    with tempfile.TemporaryDirectory() as folder:
        console = Console(Path(folder) / "log")
        for index, (step, text) in enumerate(writes):
            if step is None:
                console.write(f"[Pipeline] {text}\n", Note(str(index + 10), str(index + 10), "2", None))
                expected.append(Line(f"[Pipeline] {text}", None, Node(str(index + 10), str(index + 10), "2")))
            else:
                console.write(f"{text}\n", None, step)
                expected.append(Line(text, step))
            if index in polls or index == len(writes) - 1:
                answer, at = console.html(at, complete=False)
                cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=5)))
                for begin, end in zip([0, *cuts], [*cuts, len(answer)], strict=True):
                    lines += page.feed(answer[begin:end])
                page.end_piece()
    assert lines + page.finish() == expected
