"""The client of an interpreter's service: its faults by class, and what is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from blocks.interpreter_server import InterpreterServer
from console.interpreter_service import ServiceOptions, application
from errors import (
    AccessError,
    InputError,
    InterpretationError,
    NotFoundError,
    ProtocolError,
    SmartClideError,
    UnavailableError,
)
from sandbox.http import AppServer
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.jenkins_build.rendered import rendered
from tasks.jenkins_build.settings import BoundVariable, ImageBuild, RenderSettings
from tasks.remote_interpretation.exchange import make_order
from tasks.remote_interpretation.server import Interpreter

from .kairos import Kairos

ENTRY = ".gitlab-ci.yml"
TEXT = """\
include: ci/more.yml
a:
  script: [make]
  rules: [{if: $TOKEN}]
b:
  script: [make]
  rules: [{if: $MISSING}]
"""
FILES = {ENTRY: TEXT, "ci/more.yml": "more: {script: [echo more], id_tokens: {A: {aud: x}}}\n"}
CONTEXT = Context({"CI_COMMIT_BRANCH": "main"}, secrets={"TOKEN": "s3cret-word"}, tree=("ci/more.yml",))
SETTINGS = RenderSettings(
    clone_url="https://gitlab.example/group/app.git",
    commit_sha="a" * 40,
    image=ImageBuild("registry.example/app", "a" * 40, {"WHAT": "it's"}),
    manual="skip",
    bound_variables=(BoundVariable("TOKEN", "gitlab-var-1-TOKEN"),),
)


@pytest.fixture
def ours() -> Iterator[AppServer]:
    with AppServer(application(), name="interpreter") as server:
        yield server


def client(url: str, **options: Any) -> Interpreter:
    return Interpreter(InterpreterServer(url=url, timeout_seconds=5, **options))


def test_our_own_service_gives_what_the_embedded_interpreter_gives(ours: AppServer) -> None:
    interpreter = client(ours.url)
    assert interpreter.is_ours()
    answer = interpreter.carry_out(make_order(ENTRY, FILES, CONTEXT, SETTINGS))
    embedded = interpret(FILES, CONTEXT)
    assert answer.made == rendered(embedded, SETTINGS)
    assert "gitlab-var-1-TOKEN" in answer.made.jenkinsfile
    assert answer.made.jobs == ("more", "a")
    assert answer.made.parameters == ("COMMIT_SHA", "BUILD_KEY")
    assert answer.diagnostics == embedded.diagnostics
    assert [(d.code, d.span.file) for d in answer.diagnostics] == [("id-tokens", "ci/more.yml")]


def test_secret_values_are_not_sent() -> None:
    order = make_order(ENTRY, FILES, CONTEXT, SETTINGS)
    assert "s3cret-word" not in msgspec.json.encode(order).decode()
    assert "s3cret-word" not in repr(order)


@pytest.mark.parametrize("rule", ['$TOKEN == "x"', "'x' != $TOKEN", "$TOKEN =~ /^x/", "$OTHER && $TOKEN !~ /x+/"])
def test_what_only_a_secret_value_decides_is_refused(rule: str) -> None:
    files = {ENTRY: f"a:\n  script: [make]\n  rules:\n    - if: {rule}\n"}
    with pytest.raises(InputError, match=r"rules compare the secret variable\(s\) TOKEN"):
        make_order(ENTRY, files, CONTEXT, SETTINGS)


@pytest.mark.parametrize("rule", ["$TOKEN", "$TOKEN == null", "null != $TOKEN", '$TOKENS == "x"', '$A == "$TOKEN"'])
def test_what_presence_decides_is_sent(rule: str, ours: AppServer) -> None:
    files = {ENTRY: f"a:\n  script: [make]\n  rules:\n    - if: {rule}\nb: {{script: [make]}}\n"}
    answer = client(ours.url).carry_out(make_order(ENTRY, files, CONTEXT, SETTINGS))
    assert answer.made is not None
    assert answer.made.jobs == tuple(job.name for job in interpret(files, CONTEXT).jobs)


def test_errors_of_the_text_come_with_their_places(ours: AppServer) -> None:
    order = make_order(ENTRY, {ENTRY: "a: {script: 1}\nb: {stage: nowhere, script: x}\n"}, CONTEXT, SETTINGS)
    with pytest.raises(InterpretationError) as caught:
        client(ours.url).carry_out(order)
    assert [(d.span.line, d.severity) for d in caught.value.diagnostics] == [(1, "error"), (2, "error")]  # type: ignore[attr-defined]


def test_a_pipeline_that_workflow_rules_forbid_is_said_to_be_none(ours: AppServer) -> None:
    files = {ENTRY: "workflow: {rules: [{when: never}]}\na: {script: [make]}\n"}
    answer = client(ours.url).carry_out(make_order(ENTRY, files, CONTEXT, SETTINGS))
    assert answer.made is None


def test_an_order_of_another_version_is_refused_by_name(ours: AppServer) -> None:
    order = make_order(ENTRY, FILES, CONTEXT, SETTINGS)
    newer = msgspec.to_builtins(order)
    newer["settings"]["colour"] = "red"
    answer = httpx.post(
        f"{ours.url}/api/v1/pipeline/jenkins", files={"file": (ENTRY, TEXT), "deployment": (None, json.dumps(newer))}
    )
    assert answer.status_code == 400
    assert "does not fit this version: Object contains unknown field `colour` - at `$.settings`" in answer.text
    broken = httpx.post(f"{ours.url}/api/v1/pipeline/jenkins", files={"file": (ENTRY, TEXT), "deployment": (None, "{")})
    assert (broken.status_code, "is no JSON" in broken.text) == (400, True)


def test_an_order_that_is_too_large_is_the_inputs_fault() -> None:
    message = r"refuses the pipeline \(413\): The request is larger than 500 bytes"
    small = AppServer(application(ServiceOptions(max_bytes=500)), name="interpreter")
    with small as server, pytest.raises(InputError, match=message):
        client(server.url).carry_out(make_order(ENTRY, FILES, CONTEXT, SETTINGS))


def test_any_other_service_gets_the_text_and_the_token() -> None:
    kairos = Kairos()
    with kairos.served() as server:
        interpreter = client(server.url, token=SecretStr("t0ken"))
        assert not interpreter.is_ours()
        assert interpreter.translate("a: {script: [é]}\n") == kairos.body.decode()
    assert kairos.texts == ["a: {script: [é]}\n"]
    assert kairos.seen[0]["authorization"] == "Bearer t0ken"


def test_without_a_token_none_is_sent() -> None:
    kairos = Kairos()
    with kairos.served() as server:
        client(server.url).translate("a: {script: [x]}\n")
    assert "authorization" not in kairos.seen[0]


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (400, b"line 3: no such stage\n", InputError, r"\(400\): line 3: no such stage"),
        (400, b'{"message": "no script"}', InputError, r"\(400\): no script"),
        (400, b"<html>long page</html>", InputError, "it does not say why"),
        (422, b"too slow", InputError, "too slow"),
        (401, b"", AccessError, "refused the token"),
        (403, b"", AccessError, "refused the token"),
        (404, b"", NotFoundError, "has no /api/v1/pipeline/jenkins"),
        (429, b"", UnavailableError, r"failed \(429\)"),
        (500, b"Traceback", UnavailableError, r"failed \(500\)\. See"),
        (504, b"", UnavailableError, r"failed \(504\)"),
        (302, b"", ProtocolError, "answered 302"),
        (200, b"", ProtocolError, "gave no Jenkinsfile"),
        (200, b"<!DOCTYPE html><p>Sign in</p>", ProtocolError, "gave no Jenkinsfile"),
        (200, b'{"status": "up"}', ProtocolError, "gave no Jenkinsfile"),
        (200, b"\xff\xfe", ProtocolError, "gave no Jenkinsfile"),
    ],
)
def test_faults_by_class(status: int, body: bytes, error: type[SmartClideError], text: str) -> None:
    kairos = Kairos(body, status, {"Location": "/login"})
    with kairos.served() as server, pytest.raises(error, match=text) as caught:
        client(server.url).translate("a: {script: [x]}\n")
    assert type(caught.value) is error


def test_a_service_that_asks_to_wait_is_waited_for() -> None:
    with Kairos(b"", 503, {"Retry-After": "7"}).served() as server, pytest.raises(UnavailableError) as caught:
        client(server.url).translate("a: {script: [x]}\n")
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("fault", ["drop", "status"])
def test_while_it_is_down_nothing_is_known_of_its_kind(ours: AppServer, fault: str) -> None:
    ours.faults.add(fault, "healthz")
    with pytest.raises(UnavailableError):
        client(ours.url).is_ours()
    assert client(ours.url).is_ours()


def test_nothing_listens_there() -> None:
    with Kairos().served() as server:
        url = server.url
    with pytest.raises(UnavailableError, match="refused the connection"):
        client(url).is_ours()


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.remote_interpretation.server._MAX_BYTES", 1000)
    with Kairos(b"x" * 100_000).served() as server, pytest.raises(ProtocolError, match="more than"):
        client(server.url).translate("a: {script: [x]}\n")
