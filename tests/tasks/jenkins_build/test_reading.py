"""What a build's console says of its jobs, read as it grows: the stand-in runs real pipelines and serves the page."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from sandbox.jenkins import executor
from sandbox.jenkins.console import Console
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.predefined import predefined_variables
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.jenkins_build.outcome import Failure, StageStatus
from tasks.jenkins_build.reading import Reader
from tasks.jenkins_build.settings import BoundVariable
from tasks.jenkins_build.variables import StoredVariable, VariableStore
from tasks.masking import masking

from .running import Listening, project

LOG = logging.getLogger("smartclide")


class Shown:
    """A display that remembers."""

    def __init__(self) -> None:
        self.lines: dict[str | None, list[str]] = {}
        self.ends: dict[str, tuple[StageStatus, Failure | None]] = {}
        self.order: list[tuple[str, str]] = []

    def begin(self, job: str) -> None:
        self.order.append((job, "begin"))

    def send(self, job: str | None, text: str) -> None:
        self.lines.setdefault(job, []).extend(text.split("\n"))

    def end(self, job: str, status: StageStatus, failure: Failure | None) -> None:
        self.ends[job] = (status, failure)
        self.order.append((job, "end"))

    async def close(self) -> None:
        pass


class Noting(Listening):
    """A build's server that keeps the console as Jenkins does."""

    def __init__(self, *arguments: object, **options: str) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.file = Console(self.folder / "log")
        self.lines_of: dict[int, str | None] = {}

    def log(self, text: str, note: object = None) -> None:  # type: ignore[override]
        import threading

        super().log(text)
        thread = threading.get_ident()
        self.file.write(text, note, None if note else self.lines_of.get(thread))  # type: ignore[arg-type]
        if note is not None:
            self.lines_of[thread] = note.lines  # type: ignore[attr-defined]


PIPELINE = """
build:
  stage: build
  script: [echo made, "echo 'made too'"]
noisy one:
  stage: test
  script: ["for n in 1 2 3 4 5 6; do echo noisy $n; sleep 0.05; done"]
  after_script: [echo noisy after]
noisy two:
  stage: test
  script: ["for n in 1 2 3 4 5 6; do echo two $n; sleep 0.05; done"]
broken:
  stage: test
  script: [echo before, "sleep 0.1; echo 'cannot read x' >&2; exit 3", echo never]
allowed:
  stage: test
  allow_failure: true
  script: [exit 4]
deploy:
  stage: deploy
  script: [echo deployed]
"""


def run(folder: Path, rendering: str, text: str = PIPELINE) -> tuple[Shown, Reader]:
    files = {"file": "hello\n", ".gitlab-ci.yml": text}
    commit = project(folder / "repository", files)
    pipeline = interpret(files, Context(predefined_variables(commit), tree=list(files)))
    script = render(pipeline, RenderSettings(commit.clone_url, commit.sha, manual="skip", rendering=rendering))  # type: ignore[arg-type]
    host = Noting(folder, script, {"PATH": "/usr/bin:/bin"}, COMMIT_SHA=commit.sha, BUILD_KEY="k")
    result = executor.run(host)
    shown = Shown()
    reader = Reader(shown, LOG)
    at, end = 0, host.file.size()
    while at < end:  # as if asked while it ran: after every few lines
        raw = host.file.path.read_bytes()
        for _ in range(3):
            at = raw.find(b"\n", at) + 1 or len(raw)
        part = Console(folder / "part" / "log")
        part.path.parent.mkdir(exist_ok=True)
        part.path.write_bytes(raw[:at])
        part.index.write_text(host.file.index.read_text())
        before = reader_at.get(id(reader), 0)
        answer, reader_at[id(reader)] = part.html(before, complete=False)
        reader.take(answer)
    reader.finish()
    reader.ended(result in ("SUCCESS", "UNSTABLE"))
    return shown, reader


reader_at: dict[int, int] = {}


@pytest.fixture(scope="module", params=["stages", "graph"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shown, Reader]:
    return run(tmp_path_factory.mktemp("ran"), request.param)


def own(shown: Shown, job: str) -> list[str]:
    """The lines of a job's scripts."""
    words = ("made", "noisy", "two", "before", "cannot", "never", "deployed")
    return [line for line in shown.lines.get(job, []) if line.startswith(words)]


def test_every_job_has_its_own_lines_though_they_run_side_by_side(ran: tuple[Shown, Reader]) -> None:
    shown, _ = ran
    assert own(shown, "build") == ["made", "made too"]
    assert own(shown, "noisy one") == [*(f"noisy {n}" for n in range(1, 7)), "noisy after"]
    assert own(shown, "noisy two") == [f"two {n}" for n in range(1, 7)]
    assert own(shown, "broken") == ["before", "cannot read x"]
    everything = shown.lines[None]
    assert not [line for line in everything if line.startswith(("made", "noisy", "two", "before", "cannot"))]


def test_every_job_has_its_end(ran: tuple[Shown, Reader]) -> None:
    shown, _ = ran
    assert {job: status for job, (status, _) in shown.ends.items()} == {
        "build": "success", "noisy one": "success", "noisy two": "success", "broken": "failed", "allowed": "unstable",
        "deploy": "skipped",
    }  # fmt: skip
    assert shown.order.index(("build", "end")) < shown.order.index(("noisy one", "begin"))
    assert shown.order.index(("noisy two", "begin")) < shown.order.index(("noisy one", "end"))


def test_a_failure_has_its_command_exit_code_and_last_lines(ran: tuple[Shown, Reader]) -> None:
    shown, reader = ran
    failure = reader.console.failure
    assert failure is not None and shown.ends["broken"][1] == failure
    assert (failure.job, failure.exit_code) == ("broken", 3)
    assert failure.command == "sleep 0.1; echo 'cannot read x' >&2; exit 3"
    assert "cannot read x" in failure.lines
    assert not [line for line in failure.lines if line.startswith(("noisy", "two"))]
    allowed = shown.ends["allowed"][1]
    assert allowed is not None and (allowed.command, allowed.exit_code) == ("exit 4", 4)


def test_a_stopped_build_leaves_its_job_aborted() -> None:
    shown = Shown()
    reader = Reader(shown, LOG)
    reader.take(b"gl-job name=a state=running\r\nbusy\r\nAborted by somebody\r\n")
    reader.finish()
    reader.ended(False, aborted=True)
    assert shown.ends["a"] == ("aborted", None)


def test_where_jenkins_does_not_tell_lines_are_the_one_jobs_that_runs() -> None:
    shown = Shown()
    reader = Reader(shown, LOG)
    reader.take(b"gl-job name=a state=running\r\nonly a\r\ngl-job name=b state=running\r\na or b\r\n")
    reader.take(b"gl-job name=a state=success\r\nonly b\r\ngl-job name=b state=success\r\nnobody\r\n")
    reader.ended(True)
    assert shown.lines == {"a": ["only a"], "b": ["only b"], None: ["a or b", "nobody"]}


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_no_bytes_break_the_reader(pieces: list[bytes]) -> None:
    reader = Reader(Shown(), LOG)
    for piece in pieces:
        reader.take(piece, last=len(piece) % 2 == 0)
    reader.finish()
    reader.ended(True)


def test_a_job_whose_agent_is_out_of_reach_is_told_until_it_is_back() -> None:
    """As workflow-durable-task-step 1331 says it: once, and then the step waits."""
    reader = Reader(Shown(), LOG)
    reader.take(
        b'<span class="pipeline-new-node" nodeId="6" startId="6" enclosingId="5" label="unit">[Pipeline] { (unit)\r\n'
        b'</span><span class="pipeline-new-node" nodeId="7" enclosingId="6">[Pipeline] sh\r\n</span>'
        b'<span class="pipeline-node-7">one\r\nCannot contact a1: java.io.EOFException\r\n</span>'
    )
    assert reader.doing == " Then unit had lost its agent (Cannot contact a1: java.io.EOFException)."
    reader.take(b'<span class="pipeline-node-7">two\r\n</span>')
    assert reader.doing == ""


def test_what_jenkins_does_not_mask_is_masked_here() -> None:
    """The content of a secret file, and of a value of several lines; nothing that steers the reading."""
    file = SecretStr("apiVersion: v1\ntoken: s3cret-of-a-file\nx\n")
    several, plain = SecretStr("-----BEGIN KEY-----\nMIIEvQIBADAN"), SecretStr("one@line-which-jenkins-masks")
    bound = [BoundVariable("F", "f", is_file=True), BoundVariable("K", "k"), BoundVariable("P", "p")]
    stored = tuple(map(StoredVariable, bound, (file, several, plain)))
    unmasked = VariableStore("group/app", 7, stored).unmasked
    assert unmasked == (file.get_secret_value(), several.get_secret_value(), "one%40line-which-jenkins-masks")
    shown = Shown()
    reader = Reader(shown, LOG, mask=masking(unmasked))
    text = "gl-job name=MIIEvQIBADAN state=running\n  token: s3cret-of-a-file\nkey MIIEvQIBADAN, x\n"
    assert reader.take(text.encode()) == "gl-job name=MIIEvQIBADAN state=running\n****\nkey ****, x\n"
    assert list(reader.console.running) == ["MIIEvQIBADAN"]
    assert not any("s3cret" in line for lines in shown.lines.values() for line in lines)
