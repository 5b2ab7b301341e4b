"""Verdicts on what Jenkins answers."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ProtocolError
from tasks.jenkins_build.console import Console, LineAssembler, is_noise, stage_change
from tasks.jenkins_build.outcome import (
    BuildOutcome,
    BuildRef,
    BuildResult,
    Failure,
    KnownBuild,
    StageOutcome,
    build_key,
    decide,
    failed_error,
    known_build,
    numbered,
    passed,
    read_image,
)

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32


def known(attempt: int, result: str | None, number: int | None = 1, key: str = KEY) -> KnownBuild:
    return KnownBuild(number, number, key, attempt, result)


@pytest.mark.parametrize(
    ("builds", "rebuild", "attempt", "found"),
    [
        ([], False, 1, None),
        ([], True, 1, None),
        ([known(1, "SUCCESS", key=OTHER)], False, 1, None),
        ([known(1, "SUCCESS")], False, 1, 1),
        ([known(1, "UNSTABLE")], False, 1, 1),
        ([known(1, None)], False, 1, 1),
        ([known(1, None, None)], False, 1, None),
        ([known(1, "FAILURE")], False, 2, None),
        ([known(1, "ABORTED")], False, 2, None),
        ([known(1, "NOT_BUILT")], False, 2, None),
        ([known(1, "SUCCESS")], True, 2, None),
        ([known(1, None)], True, 1, 1),
        ([known(2, "SUCCESS", 8), known(1, "FAILURE", 7)], False, 2, 8),
        ([known(1, "SUCCESS", 7), known(2, "FAILURE", 8)], False, 3, None),
        ([known(9, "FAILURE", 9), known(10, "SUCCESS", 10)], False, 10, 10),
    ],
)
def test_which_attempt_is_made(builds: list[KnownBuild], rebuild: bool, attempt: int, found: int | None) -> None:
    decided, build = decide(builds, KEY, rebuild)
    assert decided == attempt
    assert (build.number if build else None) == found


def test_a_build_that_waits_is_used_again() -> None:
    waiting = known(1, None, None)
    assert decide([waiting], KEY) == (1, waiting)


def test_the_build_key_is_of_all_its_parts() -> None:
    key = build_key(7, "a" * 40, "pipeline {}", "group/app")
    assert re.fullmatch("[0-9a-f]{32}", key)
    assert key == build_key(7, "a" * 40, "pipeline {}", "group/app")
    others = {
        build_key(8, "a" * 40, "pipeline {}", "group/app"),
        build_key(7, "b" * 40, "pipeline {}", "group/app"),
        build_key(7, "a" * 40, "pipeline { }", "group/app"),
        build_key(7, "a" * 40, "pipeline {}", "group/app2"),
        build_key(7, "a" * 40, "pipeline {}", None),
    }
    assert len(others | {key}) == 6


def _entry(value: object, **fields: object) -> dict[str, object]:
    actions = [{}, {"_class": "x", "parameters": [{"name": "A", "value": "1"}, {"name": "BUILD_KEY", "value": value}]}]
    return {"actions": actions, **fields}


def test_entries_of_builds_and_of_the_queue() -> None:
    build = _entry(f"{KEY}-2", number=5, queueId=17, building=False, result="FAILURE", url="http://j/job/a/5/")
    assert known_build(build) == KnownBuild(17, 5, KEY, 2, "FAILURE", "http://j/job/a/5/")
    running = _entry(f"{KEY}-1", number=5, queueId=17, building=True, result="FAILURE", url="u")
    assert known_build(running) == KnownBuild(17, 5, KEY, 1, None, "u")
    item = _entry(f"{KEY}-1", id=17, why="In the quiet period.", url="queue/item/17/")
    assert known_build(item) == KnownBuild(17, None, KEY, 1)
    for foreign in ("", "x", KEY, f"{KEY}-0", f"{KEY}-", None, 5):
        assert known_build(_entry(foreign, number=1)) is None
    assert known_build({}) is None


def test_the_build_key_survives_its_parameter() -> None:
    ref = BuildRef("job", 1, None, "u", KEY, 12)
    found = known_build(_entry(ref.parameter, id=1))
    assert found is not None and (found.key, found.attempt) == (KEY, 12)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("wrapper script does not seem to be touching the log file in /w/app@tmp/durable-1", "-1"),
        ("process apparently never started in /w/app@tmp/durable-1", "-2"),
    ],
)
def test_a_script_that_did_not_end_by_itself_has_no_exit_code(said: str, code: str) -> None:
    """As durable-task 550 tells it: the code below zero is its own, and the line before it says what happened."""
    console = Console()
    for line in ("gl-job name=a state=running", "one", said, f"ERROR: script returned exit code {code}"):
        console.read(line, "a")
    console.read("gl-job name=a state=failed")
    lines = ("one", said, f"ERROR: script returned exit code {code}")
    assert console.failure == Failure("a", said, lines, None, None)


@pytest.mark.parametrize(
    "said",
    [
        "Agent a1 was deleted; cancelling node body",
        "a1 has been removed for 5 min 0 sec, assuming it is not coming back",
    ],
)
def test_a_build_that_ends_with_its_agent_says_so(said: str) -> None:
    console = Console()
    for line in (
        "gl-job name=a state=running",
        "Cannot contact a1: java.io.EOFException: gone",
        said,
        "Finished: ABORTED",
    ):
        console.read(line, "a")
    console.close(succeeded=False, aborted=True)
    assert console.stages == {"a": "aborted"}
    assert console.failure is not None
    assert (console.failure.exit_line, console.failure.exit_code) == (said, None)


def test_image_json() -> None:
    digest = "sha256:" + "1" * 64
    assert read_image(json.dumps({"image": "r/a:1", "digest": digest, "commit": "c"})) == ("r/a:1", digest)
    for bad in ("", "[]", "null", '{"image": "r/a:1"}', '{"image": "r/a:1", "digest": "sha256:12"}', "<html>"):
        with pytest.raises(ProtocolError):
            read_image(bad)


def test_what_passes() -> None:
    ref = BuildRef("job", 1, 1, "u", KEY)
    verdicts = {word: passed(BuildOutcome(ref, word, 1.0)) for word in get_args(BuildResult)}
    assert verdicts == {"SUCCESS": True, "UNSTABLE": True, "FAILURE": False, "NOT_BUILT": False, "ABORTED": False}


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("gl-job name=build state=running", ("build", "running")),
        ("gl-job name=%E4%B8%AD%20a%2Fb state=success", ("中 a/b", "success")),
        ("gl-job name=a state=failed allow_failure=true", ("a", "failed")),
        ("gl-job name=a state=canceled", ("a", "aborted")),
        ("gl-job name=a state=unstable", ("a", "unstable")),
        ("gl-job name=a state=skipped", ("a", "skipped")),
        ("[2026-11-23T10:00:00.123Z] gl-job name=a state=success", ("a", "success")),
        ("[Pipeline] { (image)", ("image", "running")),
        ('Stage "image" skipped due to earlier failure(s)', ("image", "skipped")),
        ("[Pipeline] { (other)", None),
        ("+ echo gl-job name=a state=success", None),
        ("gl-job name=a state=unheard", None),
        ("gl-job name=a b state=success", None),
        ("", None),
    ],
)
def test_lines_that_change_a_job(line: str, change: tuple[str, str] | None) -> None:
    found = stage_change(line)
    assert (found and (found.name, found.status)) == change


def test_noise() -> None:
    assert is_noise("[Pipeline] // stage") and is_noise("[Pipeline] { (Branch: a)")
    assert not is_noise("[Pipelines] are fine") and not is_noise("make")


def test_the_lines_of_a_failure() -> None:
    console = Console()
    for line in ("gl-job name=a state=running", "one", "[Pipeline] sh", "ERROR: script returned exit code 3",
                 "gl-job name=a state=failed", "gl-job name=b state=running", "later"):  # fmt: skip
        console.read(line)
    console.close(succeeded=False)
    assert console.failure is not None
    assert console.failure.job == "a"
    assert console.failure.exit_line == "ERROR: script returned exit code 3"
    assert console.failure.lines == ("one", "ERROR: script returned exit code 3")
    assert console.stages == {"a": "failed", "b": "failed"}


def test_the_reason_may_come_last() -> None:
    console = Console()
    for line in ("gl-job name=a state=running", "one", "gl-job name=a state=failed",
                 "ERROR: script returned exit code 127", "Finished: FAILURE"):  # fmt: skip
        console.read(line)
    console.close(succeeded=False)
    assert console.failure == Failure("a", "ERROR: script returned exit code 127", ("one",), None, 127)


def test_a_groovy_error_is_outside_of_every_job() -> None:
    console = Console()
    lines = (
        "Started by user robot",
        "org.codehaus.groovy.control.MultipleCompilationErrorsException: startup failed:",
        "WorkflowScript: 3: expecting '}', found '' @ line 3, column 1.",
        "1 error",
        "Finished: FAILURE",
    )
    for line in lines:
        console.read(line)
    console.close(succeeded=False)
    assert console.failure is not None
    assert (console.failure.job, console.failure.exit_line) == (
        None, "WorkflowScript: 3: expecting '}', found '' @ line 3, column 1.",
    )  # fmt: skip


def test_a_state_is_told_once() -> None:
    console = Console()
    assert console.read("gl-job name=a state=running") == StageOutcome("a", "running")
    assert console.read("gl-job name=a state=running") is None


def test_the_command_it_came_to_is_none_of_after_script() -> None:
    console = Console()
    for line in (
        "gl-job name=a state=running", "[Pipeline] catchError", "[Pipeline] deleteDir", "$ make", "[Pipeline] error",
        "[Pipeline] catchError", "$ echo after the first attempt", "[Pipeline] deleteDir", "$ make it", "$ make test",
        "[Pipeline] error", "[Pipeline] catchError", "$ echo after the second",
    ):  # fmt: skip
        console.read(line, "a")
    console.read("gl-job name=a state=failed")
    assert console.failures["a"].command == "make test"


def test_the_guard_is_recognised() -> None:
    console = Console()
    console.read("a test says: job was rewritten")
    assert not console.rewritten
    console.read("ERROR: job was rewritten for commit bbbb, this build is for aaaa")
    assert console.rewritten


def test_an_aborted_build_without_a_failure() -> None:
    error = failed_error(BuildOutcome(BuildRef("a/b", 1, 4, "http://j/job/a/job/b/4/", KEY), "ABORTED", 1.0))
    assert str(error) == "Build a/b #4 was aborted. See http://j/job/a/job/b/4/console"


@pytest.mark.parametrize(
    ("job", "line", "told"),
    [
        ("image", "denied: Your authorization token has expired. Reauthenticate and try again.", True),
        ("image", "no basic auth credentials", True),
        ("image", "The command '/bin/sh -c make' returned a non-zero code: 2", False),
        ("deploy", "denied: requested access to the resource is denied", False),
    ],
)
def test_a_push_that_the_registry_refused_points_to_the_login(job: str, line: str, told: bool) -> None:
    failure = Failure(job, "ERROR: script returned exit code 1", (line,), None, 1)
    ref = BuildRef("a/b", 1, 4, "http://j/job/a/job/b/4/", KEY)
    error = failed_error(BuildOutcome(ref, "FAILURE", 1.0, failure=failure))
    assert ("Check the registry's login in the ImageRegistry block" in (error.remedy or "")) is told
    assert (error.remedy or "").endswith("See http://j/job/a/job/b/4/console")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\x1b"))), st.data())
def test_chunks_may_be_cut_anywhere(lines: list[str], data: st.DataObject) -> None:
    text = "".join(line + "\r\n" for line in lines).encode()
    assembler, found, start = LineAssembler(), list[str](), 0
    while start < len(text):
        end = data.draw(st.integers(start + 1, len(text)))
        found += assembler.feed(text[start:end])
        start = end
    assert found + assembler.finish() == lines


def test_hidden_notes_and_colours_are_taken_out() -> None:
    note = "\x1b[8mha:////4AbCd+/==\x1b[0m"
    assert LineAssembler().feed(f"{note}Started\r\n\x1b[31mred\x1b[0m\r\n".encode()) == ["Started", "red"]


RECORDING = Path(__file__).parent.parent.parent / "sandbox" / "jenkins" / "recordings"


@pytest.mark.skipif(not (RECORDING / "34-needs-dag-live.json").exists(), reason="the recordings are not there")
def test_a_recorded_console() -> None:
    exchanges = json.loads((RECORDING / "34-needs-dag-live.json").read_text())["exchanges"]
    assembler, console = LineAssembler(), Console()
    for exchange in exchanges:
        if exchange["request"]["path"].endswith("progressiveText"):
            for line in assembler.feed(exchange["response"]["body"].encode()):
                console.read(line)
    assert set(console.stages) >= {"build-a", "build-b"}


CAUSES = "org.jenkinsci.plugins.pipeline.modeldefinition.causes.RestartDeclarativePipelineCause"


def test_a_restarted_build_is_the_attempt_after_those_before_it() -> None:
    """It carries the parameters of the build it came from, the key and attempt too."""
    cause = {"causes": [{"_class": CAUSES, "shortDescription": "Restarted from build #1, stage test"}]}
    entries = [
        _entry(f"{KEY}-1", id=30),
        _entry(f"{KEY}-4", number=9, queueId=19, result="FAILURE"),
        _entry(f"{KEY}-1", number=8, queueId=18, result="FAILURE"),
        _entry(f"{KEY}-1", number=7, queueId=17, result="FAILURE"),
        _entry(f"{KEY}-1", number=6, queueId=16, result="FAILURE"),
    ]
    for place in (0, 2, 3):
        entries[place]["actions"].append(cause)  # type: ignore[attr-defined]
    found = numbered([build for build in map(known_build, entries) if build])
    assert [(build.number, build.attempt) for build in found] == [(None, 5), (9, 4), (8, 3), (7, 2), (6, 1)]
    assert decide(found, KEY) == (5, found[0])


def test_a_replayed_build_is_none_of_ours() -> None:
    """Somebody may have edited its Jenkinsfile."""
    entry = _entry(f"{KEY}-1", number=5, queueId=17, result="SUCCESS")
    entry["actions"].append({"causes": [{"_class": "org.jenkinsci.plugins.workflow.cps.replay.ReplayCause"}]})  # type: ignore[attr-defined]
    assert known_build(entry) is None
