"""The interpreter's HTTP service, over a real socket."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from console import interpreter_service
from console.interpreter_service import ServiceOptions, application
from sandbox.http import AppServer

PATH = "/api/v1/pipeline/jenkins"
GOOD = "build:\n  script: make\n"
BAD = "a: {script: 1}\nb: {stage: nowhere, script: x}\n"
RULED = "build:\n  script: make\n  rules: [{if: $CI_COMMIT_BRANCH == 'main'}]\nother: {script: 'true'}\n"


def served(**options: Any) -> AppServer:
    return AppServer(application(ServiceOptions(**options)), name="interpreter")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as server:
        yield server.url


def send(url: str, text: str | bytes, query: str = "", **fields: str | list[str]) -> httpx.Response:
    return httpx.post(f"{url}{PATH}{query}", files={"file": ("ci.yml", text)}, data=fields, timeout=30)


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
    assert "stage('build')" not in send(url, RULED, "?branch=other").text


DECIDED = """spec: {inputs: {job: {default: named}}}
---
always: {script: a}
"$[[ inputs.job ]]": {script: a, rules: [{if: $CI_COMMIT_TAG}]}
branch: {script: a, rules: [{if: $CI_COMMIT_BRANCH == "topic"}]}
merge: {script: a, rules: [{if: $CI_MERGE_REQUEST_SOURCE_BRANCH_NAME == "topic"}]}
told: {script: a, rules: [{if: $A == "1=2" && $B == "b"}]}
touched: {script: a, rules: [{if: $CI_COMMIT_TAG == null, changes: [src/*, docs/*]}]}
live: {script: a, environment: live}
"""


@pytest.mark.parametrize(
    ("query", "fields", "jobs"),
    [
        ("", {"ref": "topic", "changed": "x"}, ["always", "branch"]),
        ("", {"branch": "topic", "changed": ["a", "src/a"]}, ["always", "branch", "touched"]),
        ("?changed=docs/a&changed=b", {"branch": "main", "changed": "a"}, ["always", "touched"]),
        ("", {"tag": "v1", "input": "job=given"}, ["always", "given"]),
        ("", {"merge_request": "topic", "changed": "a", "tag": ""}, ["merge"]),
        ("", {"ref": "main", "changed": "a", "var": ["A=1=2", "B=b"]}, ["always", "told"]),
        ("?var=A%3D0&var=B%3Db", {"tag": "v1", "var": "A=1=2"}, ["always", "named", "told"]),
        ("?ref=other", {"branch": "", "ref": "main", "run_deploy_jobs": "", "changed": "a"}, ["always", "live"]),
    ],
)  # fmt: skip
def test_what_decides_the_command_s_pipelines_decides_these(
    url: str, query: str, fields: dict[str, str | list[str]], jobs: list[str]
) -> None:
    answer = send(url, DECIDED, query, diagnostics="json", **{"run_deploy_jobs": "no", **fields})
    assert [job["name"] for job in answer.json()["jobs"]] == jobs


def test_json_has_the_diagnostics_and_the_jenkinsfile(url: str) -> None:
    answer = send(
        url,
        GOOD + "  when: on_success\n  id_tokens: {A: {aud: x}}\n",
        "?diagnostics=json",
    )
    data = answer.json()
    assert answer.status_code == 200
    assert [job["name"] for job in data["jobs"]] == ["build"]
    assert "stage('build')" in data["jenkinsfile"]
    assert [(d["span"]["line"], d["severity"]) for d in data["diagnostics"]] == [(4, "warning")]


def test_a_file_with_errors_is_refused_in_plain_text_with_every_place(url: str) -> None:
    answer = send(url, BAD)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [".gitlab-ci.yml:1:13", "error"],
        [".gitlab-ci.yml:2:5", "error"],
    ]


def test_the_same_refusal_as_json(url: str) -> None:
    answer = send(url, BAD, "?diagnostics=json")
    data = answer.json()
    assert (answer.status_code, data["jenkinsfile"]) == (400, None)
    assert {d["span"]["line"] for d in data["diagnostics"]} == {1, 2}
    assert data["message"] == "The file cannot be interpreted."


def test_where_nothing_is_left_to_run_the_refusal_says_why(url: str) -> None:
    answer = send(url, "release: {script: ./deploy.sh, environment: production}\n", run_deploy_jobs="no")
    assert (answer.status_code, [line.rpartition(" ")[2] for line in answer.text.splitlines()]) == (
        400,
        ["[nothing-to-run]", "[deploy-job]"],
    )


def test_strict_makes_warnings_errors(url: str) -> None:
    warned = GOOD + "  id_tokens: {A: {aud: x}}\n"
    assert send(url, warned).status_code == 200
    answer = send(url, warned, strict="true")
    assert (answer.status_code, "warning" in answer.text) == (400, True)
    assert send(url, GOOD, strict="true").status_code == 200


@pytest.mark.parametrize(
    ("text", "query", "fields", "reason"),
    [
        (b"\xff", "", {}, "not UTF-8"),
        (GOOD, "", {"colour": "red"}, "Unknown fields ['colour']"),
        (GOOD, "", {"rendering": "x"}, "`rendering` is"),
        (GOOD, "", {"manual_jobs": "x"}, "`manual_jobs` is ask or skip."),
        (GOOD, "", {"strict": "maybe"}, "`strict` is"),
        (GOOD, "?diagnostics=xml", {}, "`diagnostics` is"),
        (GOOD, "", {"run_deploy_jobs": "some"}, "`run_deploy_jobs` is true or false."),
        (GOOD, "", {"tag": ["a", "b"]}, "The field `tag` is there twice; only var, input, changed may be."),
        (GOOD, "?ref=a", {"branch": "a"}, "`branch` and `ref` are the same: give one of them."),
        (GOOD, "", {"branch": "a", "tag": "b"}, "--branch and --tag are for different pipelines. Give one of them."),
        (GOOD, "", {"var": "A"}, "--var 'A' is not KEY=VALUE. For example: --var DEPLOY=yes"),
        (GOOD, "", {"input": ["a=b", "=c"]}, "--input '=c' is not KEY=VALUE."),
    ],
)
def test_bad_requests_say_what_is_wrong(
    url: str, text: str | bytes, query: str, fields: dict[str, str | list[str]], reason: str
) -> None:
    answer = send(url, text, query, **fields)
    assert (answer.status_code, reason in answer.text) == (400, True), answer.text
    assert answer.headers["content-type"].startswith("text/plain")


def test_optional_manual_jobs_are_asked_about_or_skipped(url: str) -> None:
    text = "play: {script: a, when: manual}\nnext: {stage: deploy, script: a}\n"
    asking, skipping = send(url, text).text, send(url, text, manual_jobs="skip").text
    assert "wait: 3600" in asking and "stage('jobs')" in asking
    assert "approved('play', 'Job-1', 'Run the job play?', true, 0)" in skipping and "stage('play')" in skipping


def test_bad_requests_that_ask_for_json_get_json(url: str) -> None:
    answer = send(url, b"\xff", "?diagnostics=json")
    assert answer.status_code == 400
    assert "not UTF-8" in answer.json()["message"]
    assert answer.json()["diagnostics"] == []


def test_files_of_the_machine_are_not_included(url: str) -> None:
    for name in ("/../../../../../../etc/hostname", "/etc/hostname", "ci/*.yml"):
        assert send(url, f"include: {name}\n{GOOD}").status_code == 400


def test_nothing_is_fetched_from_elsewhere(url: str) -> None:
    with AppServer(application(), name="other") as other:
        for include in (f"remote: {other.url}/x.yml", "{project: a/b, file: x.yml}", "template: Bash.gitlab-ci.yml"):
            answer = send(url, f"include: [{include if include[0] == '{' else '{' + include + '}'}]\n{GOOD}")
            assert (answer.status_code, "include-not-fetched" in answer.text) == (400, True), answer.text
        assert other.faults.log == []


def test_what_the_service_was_allowed_to_read_is_included(tmp_path: Path) -> None:
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci/more.yml").write_text("more: {script: make more}\n")
    (tmp_path / "secret.yml").symlink_to("/etc/hostname")
    with served(files=tmp_path) as server:
        assert "stage('more')" in send(server.url, f"include: ci/*.yml\n{GOOD}").text
        assert send(server.url, f"include: secret.yml\n{GOOD}").status_code == 400


def test_a_request_without_a_file_and_one_that_is_too_large(url: str) -> None:
    path = f"{url}{PATH}"
    assert httpx.post(path, content=b"x").status_code == 400
    assert httpx.post(path, files={"other": b"x"}).status_code == 400
    assert httpx.post(path, files={"other": b"x"}).text == "There is no field `file`.\n"
    answer = send(url, b"#" * (2**20 + 1))
    assert (answer.status_code, answer.text) == (413, "The request is larger than 1,048,576 bytes.\n")
    assert httpx.get(path).status_code == 405


def test_parts_within_parts_without_end_are_refused(url: str) -> None:
    part = (
        '--b{0}\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: multipart/mixed; boundary=b{1}\r\n\r\n'
    )
    body = "".join(part.format(i, i + 1) for i in range(3000))
    answer = httpx.post(
        f"{url}{PATH}", content=body, headers={"Content-Type": "multipart/form-data; boundary=b0"}, timeout=30
    )
    assert (answer.status_code, answer.text) == (400, "The parts of the form nest too deeply.\n")


def test_a_request_that_never_arrives_is_given_up() -> None:
    with served(max_seconds=0.3) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        client.settimeout(20)
        client.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_health_names_the_service(url: str) -> None:
    assert httpx.get(f"{url}/healthz").json()["status"] == "up"
    assert httpx.get(f"{url}/healthz").json()["service"] == "smartclide-interpreter"


def test_the_openapi_document_tells_every_field_and_every_answer(url: str) -> None:
    document = httpx.get(f"{url}/openapi.json").json()
    post = document["paths"][PATH]["post"]
    fields = post["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    refused = send(url, GOOD, colour="red").text
    assert set(re.findall(r"'(\w+)'", refused.partition(";")[2])) == {*fields, "diagnostics"}
    assert [name for name, field in fields.items() if field["type"] == "array"] == ["var", "input", "changed"]
    assert set(post["responses"]) == {"200", "400", "408", "413", "422", "503"}
    assert set(post["responses"]["400"]["content"]) == {"text/plain", "application/json"}


def test_the_page_of_the_docs_needs_nothing_from_elsewhere(url: str) -> None:
    answer = httpx.get(f"{url}/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert PATH in answer.text
    assert re.findall(r"(?:src|href|action)=\"([^\"]*)\"", answer.text) == ["openapi.json", PATH.lstrip("/")]


def test_the_service_needs_neither_prefect_nor_pandas() -> None:
    code = "import console.interpreter_service, sys; sys.exit(bool({'prefect', 'pandas'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_takes_too_long_is_refused() -> None:
    jobs = "".join(f"job{i}: {{script: make}}\n" for i in range(3000))
    with served(max_seconds=0.05) as server:
        answer = send(server.url, jobs)
    assert (answer.status_code, answer.text) == (422, "The interpretation took longer than 0.05 s.\n")


def test_no_more_than_so_many_are_interpreted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    real = interpreter_service.interpret_text

    def slow(*arguments: Any) -> Any:
        begun.set()
        go_on.wait(20)
        return real(*arguments)

    monkeypatch.setattr(interpreter_service, "interpret_text", slow)
    with served(at_once=1) as server:
        answers: list[httpx.Response] = []
        first = threading.Thread(target=lambda: answers.append(send(server.url, GOOD)))
        first.start()
        assert begun.wait(20)
        refused = send(server.url, GOOD)
        go_on.set()
        first.join(20)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert [answer.status_code for answer in answers] == [200]
        assert send(server.url, GOOD).status_code == 200


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def serve(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli", "interpreter", "serve", *arguments]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_and_stops_when_told(number: signal.Signals) -> None:
    port = free_port()
    process = serve("--port", str(port))
    deadline = time.monotonic() + 60
    while True:
        try:
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").json()["status"] == "up"
            break
        except httpx.ConnectError:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    assert send(f"http://127.0.0.1:{port}", GOOD).status_code == 200
    process.send_signal(number)
    text, _ = process.communicate(timeout=30)
    assert "Traceback" not in text
    assert "Finished server process" in text


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = serve("--port", str(port))
        text, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert (
        text
        == f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use. Give another --host or --port.\n"
    )
