"""The interpreter's HTTP service, over a real socket."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from console import interpreter_service
from sandbox.http import AppServer

GOOD = "build:\n  script: make\n"
RULED = "build:\n  script: make\n  rules: [{if: $CI_COMMIT_BRANCH == 'main'}]\nother: {script: 'true'}\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with AppServer(interpreter_service.application(), name="interpreter") as server:
        yield server.url


def send(url: str, text: str | bytes, accept: str = "*/*", **fields: str) -> httpx.Response:
    files = {"file": ("ci.yml", text)}
    path = f"{url}/api/v1/pipeline/jenkins"
    return httpx.post(path, files=files, data=fields, headers={"Accept": accept}, timeout=30)


def test_a_file_becomes_a_jenkinsfile_to_download(url: str) -> None:
    answer = send(url, GOOD)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="Jenkinsfile"'
    assert answer.headers["x-diagnostics"].startswith("0 warnings")
    assert "stage('build')" in answer.text


def test_fields_decide_rules_and_add_the_image(url: str) -> None:
    assert "stage('build')" not in send(url, RULED, branch="other").text
    assert "stage('build')" in send(url, RULED, branch="main").text
    assert "stage('image')" in send(url, GOOD, image="registry.example/app").text


def test_json_has_the_diagnostics(url: str) -> None:
    data = send(url, GOOD, "application/json").json()
    assert [job["name"] for job in data["jobs"]] == ["build"]
    assert "stage('build')" in data["jenkinsfile"]


def test_all_errors_come_with_their_places(url: str) -> None:
    answer = send(url, "a: {script: 1}\nb: {stage: nowhere, script: x}\n")
    assert answer.status_code == 400
    lines = {diagnostic["span"]["line"] for diagnostic in answer.json()["diagnostics"]}
    assert lines == {1, 2}


@pytest.mark.parametrize(
    ("text", "fields", "reason"),
    [
        (b"\xff", {}, "not UTF-8"),
        (GOOD, {"colour": "red"}, "Unknown fields ['colour']"),
        (GOOD, {"rendering": "x"}, "`rendering` is"),
    ],
)
def test_bad_requests_say_what_is_wrong(url: str, text: str | bytes, fields: dict[str, str], reason: str) -> None:
    answer = send(url, text, **fields)
    assert (answer.status_code, reason in answer.json()["message"]) == (400, True), answer.text


def test_files_of_the_machine_are_not_included(url: str) -> None:
    answer = send(url, "include: /../../../../../../etc/hostname\n" + GOOD)
    assert answer.status_code == 400, answer.text


def test_a_request_without_a_file_and_one_that_is_too_large(url: str) -> None:
    path = f"{url}/api/v1/pipeline/jenkins"
    assert httpx.post(path, content=b"x").status_code == 400
    assert httpx.post(path, files={"other": b"x"}).status_code == 400
    assert send(url, b"#" * (2**20 + 1)).status_code == 413
    assert httpx.get(path).status_code == 405
    assert httpx.get(f"{url}/health").json() == {"status": "up"}


def test_the_service_needs_neither_prefect_nor_pandas() -> None:
    code = "import console.interpreter_service, sys; sys.exit(bool({'prefect', 'pandas'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("limit", "reason"), [("MAX_AT_ONCE", "0 interpretations are running"), ("MAX_SECONDS", "longer than 0 s")]
)
def test_too_much_at_once_or_for_too_long_is_put_off(monkeypatch: pytest.MonkeyPatch, limit: str, reason: str) -> None:
    monkeypatch.setattr(interpreter_service, limit, 0)
    with AppServer(interpreter_service.application(), name="interpreter") as server:
        answer = send(server.url, GOOD)
    assert (answer.status_code, reason in answer.json()["message"]) == (503, True), answer.text
