"""Queue, executors, logs, faults and restarts of the Jenkins stand-in, over HTTP."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.http import AppServer
from sandbox.jenkins import queueing
from sandbox.jenkins.server import Jenkins
from tests.sandbox.jenkins.scenarios import FOLDER, STRING, job

XML = {"Content-Type": "application/xml"}


class Client:
    """A stand-in whose jobs' scripts name functions of `runs`."""

    def __init__(self, home: Path, **options: Any) -> None:
        self.home, self.options = home, options
        self.runs: dict[str, Callable[[Any], str]] = {}
        self.open()

    def open(self) -> None:
        self.server: AppServer
        self.jenkins = Jenkins(
            self.home, lambda: self.server.url, {"admin": "token"}, "/agent/bin", quiet_period=0.02,
            run=lambda host: self.runs[host.script](host), still_waiting=0.05, **self.options,
        )  # fmt: skip
        self.server = AppServer(self.jenkins.app, name="jenkins").start()
        self.http = requests.Session()
        self.http.auth = ("admin", "token")

    def close(self) -> None:
        self.jenkins.close()
        self.server.stop()
        self.http.close()

    def get(self, path: str) -> requests.Response:
        return self.http.get(self.server.url + path, timeout=5)

    def json(self, path: str) -> Any:
        return self.get(path).json()

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.http.post(self.server.url + path, allow_redirects=False, timeout=5, **options)

    def create(self, name: str, config: str, folder: str = "") -> None:
        answer = self.post(f"{folder}/createItem?name={name}", data=config.encode(), headers=XML)
        assert answer.status_code == 200, answer.text

    def build(self, path: str, **form: str) -> str:
        """Ask for a build; the path of its queue item."""
        action = "buildWithParameters" if form else "build"
        answer = self.post(f"{path}/{action}?delay=0sec", data=form)
        return "/queue/" + answer.headers["Location"].split("/queue/")[1]

    def until(self, condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 5
        while not (found := condition()):
            assert time.monotonic() < deadline, "did not happen"
            time.sleep(0.01)
        return found

    def started(self, item: str) -> str:
        """Wait for the build of a queue item; its path."""
        found = self.until(lambda: self.json(f"{item}api/json").get("executable"))
        return "/job" + str(found["url"]).split("/job", 1)[1].rstrip("/")

    def ended(self, build: str) -> dict[str, Any]:
        self.until(lambda: not self.json(f"{build}/api/json?tree=building")["building"])
        return dict(self.json(f"{build}/api/json"))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(tmp_path, executors=2, labels=["docker"])
    yield client
    client.close()


def test_progressive_log_counts_hidden_annotations_and_gives_whole_lines(client: Client) -> None:
    gate = threading.Event()

    def run(host: Any) -> str:
        host.log("[Pipeline] sh\nfirst\nhalf a li")
        gate.wait(5)
        host.log("ne\n")
        return "SUCCESS"

    client.runs["x"] = run
    client.create("j", job(script="x"))
    build = client.started(client.build("/job/j"))
    client.until(lambda: "half" in client.get(f"{build}/consoleText").text)
    first = client.get(f"{build}/logText/progressiveText?start=0")
    assert first.content == b"Started by user admin\r\n[Pipeline] sh\r\nfirst\r\n"
    assert first.headers["X-More-Data"] == "true"
    size = int(first.headers["X-Text-Size"])
    assert size > len(first.content)
    gate.set()
    client.ended(build)
    rest = client.get(f"{build}/logText/progressiveText?start={size}")
    assert rest.content == b"half a line\r\nFinished: SUCCESS\r\n"
    assert "X-More-Data" not in rest.headers
    end = int(rest.headers["X-Text-Size"])
    assert client.get(f"{build}/logText/progressiveText?start={end}").content == b""
    assert client.get(f"{build}/logText/progressiveText?start={end + 1}").content.startswith(b"Started by user")
    assert b"ha:" not in first.content
    assert client.get(f"{build}/logText/progressiveText?start=30").content[:8] != b"[Pipeline"[:8]


def test_workspaces_labels_and_full_executors(client: Client) -> None:
    gate, seen = threading.Event(), []

    def run(host: Any) -> str:
        with host.lease("docker && !windows") as lease:
            seen.append((lease.workspace.name, lease.environment["PATH"], lease.workspace.is_dir()))
            gate.wait(5)
        return "SUCCESS"

    client.runs["x"] = run
    client.create("j", job(STRING.format("A", ""), script="x"))
    builds = [client.started(client.build("/job/j", A=str(n))) for n in range(3)]
    client.until(lambda: len(seen) == 2)
    item = client.until(lambda: client.json("/queue/api/json")["items"])[0]
    assert item["task"] == {
        "_class": "org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$PlaceholderTask"
    }
    assert item["why"] == "Waiting for next available executor"
    assert client.json("/computer/api/json?tree=busyExecutors")["busyExecutors"] == 2
    waiting = "Still waiting to schedule task\nWaiting for next available executor\n"
    client.until(lambda: any(waiting in client.get(f"{build}/consoleText").text for build in builds))
    gate.set()
    assert [client.ended(build)["result"] for build in builds] == ["SUCCESS"] * 3
    assert (
        sorted(seen)[:2] == [("j", "/agent/bin", True), ("j", "/agent/bin", True)]
        or ("j@2", "/agent/bin", True) in seen
    )


def test_a_label_nobody_has_waits_until_it_is_cancelled(client: Client) -> None:
    def run(host: Any) -> str:
        with host.lease("gpu"):
            return "SUCCESS"

    client.runs["x"] = run
    client.create("j", job(script="x"))
    build = client.started(client.build("/job/j"))
    item = client.until(lambda: client.json("/queue/api/json")["items"])[0]
    assert (item["why"], item["stuck"]) == ("‘Jenkins’ doesn’t have label ‘gpu’", True)
    assert client.post(f"/queue/cancelItem?id={item['id']}").status_code == 204
    assert client.ended(build)["result"] == "ABORTED"


def test_identical_parameters_share_a_queue_item(client: Client) -> None:
    client.runs["x"] = lambda host: "SUCCESS"
    client.create("j", job(STRING.format("A", ""), script="x"))
    first = client.post("/job/j/buildWithParameters?delay=2sec", data={"A": "1", "UNDECLARED": "2"})
    again = client.post("/job/j/buildWithParameters?delay=2sec", data={"A": "1"})
    other = client.post("/job/j/buildWithParameters?delay=2sec", data={"A": "2"})
    assert (first.status_code, again.status_code, other.status_code) == (201, 303, 201)
    assert first.headers["Location"] == again.headers["Location"] != other.headers["Location"]
    item = client.json("/queue/" + first.headers["Location"].split("/queue/")[1] + "api/json")
    assert item["params"] == "\nA=1"
    assert re.fullmatch(r"In the quiet period. Expires in [12]\.\d sec", item["why"])
    assert len(item["actions"][1]["causes"]) == 2


def test_a_long_body_is_accepted(client: Client) -> None:
    client.runs["x"] = lambda host: "SUCCESS" if len(host.parameters["A"]) == 200_000 else "FAILURE"
    client.create("j", job(STRING.format("A", ""), script="x"))
    assert client.ended(client.started(client.build("/job/j", A="x" * 200_000)))["result"] == "SUCCESS"


def test_builds_of_a_job_that_disallows_it_do_not_overlap(client: Client) -> None:
    gate = threading.Event()
    client.runs["x"] = lambda host: "SUCCESS" if gate.wait(5) else "FAILURE"
    client.create("j", job(STRING.format("A", ""), script="x", concurrent=False))
    first = client.started(client.build("/job/j", A="1"))
    item = client.build("/job/j", A="2")
    client.until(lambda: client.json(f"{item}api/json")["_class"] == "hudson.model.Queue$BlockedItem")
    assert client.json(f"{item}api/json")["why"] == "Build #1 is already in progress (ETA: N/A)"
    gate.set()
    client.ended(first)
    assert client.ended(client.started(item))["number"] == 2


def test_queue_items_are_forgotten(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.runs["x"] = lambda host: "SUCCESS"
    client.create("j", job(script="x"))
    item = client.build("/job/j")
    client.ended(client.started(item))
    monkeypatch.setattr(queueing, "REMEMBERED_MS", -1)
    assert client.get(f"{item}api/json").status_code == 404


def test_a_lost_queue_item_never_builds(client: Client) -> None:
    client.runs["x"] = lambda host: "SUCCESS"
    client.create("j", job(script="x"))
    client.jenkins.lose_next_queue_item()
    lost = client.build("/job/j")
    assert client.get(f"{lost}api/json").status_code == 404
    assert client.ended(client.started(client.build("/job/j")))["number"] == 1


def test_credentials_are_found_from_the_folder_outwards(client: Client) -> None:
    xml = (
        "<org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl><id>{}</id><secret>{}</secret>"
        "</org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl>"
    )
    seen = []
    client.runs["x"] = lambda host: (
        seen.extend(
            host.credential(name) and host.credential(name).fields["secret"] for name in ("both", "global", "none")
        )
        or "SUCCESS"
    )
    client.create("f", FOLDER)
    client.create("j", job(script="x"), "/job/f")
    system, folder = "/credentials/store/system/domain/_", "/job/f/credentials/store/folder/domain/_"
    for store, name, secret in ((system, "both", "s1"), (system, "global", "s2"), (folder, "both", "f1")):
        assert client.post(f"{store}/createCredentials", data=xml.format(name, secret), headers=XML).status_code == 200
    redacted = client.get(f"{folder}/credential/both/config.xml").text
    assert "f1" not in redacted
    assert client.post(f"{folder}/credential/both/config.xml", data=redacted, headers=XML).status_code == 200
    client.ended(client.started(client.build("/job/f/job/j")))
    assert seen == ["f1", "s2", None]


def test_a_build_triggers_another(client: Client) -> None:
    client.runs["outer"] = lambda host: "SUCCESS" if host.trigger("inner", {"A": "1"}) == (1, "UNSTABLE") else "FAILURE"
    client.runs["inner"] = lambda host: "UNSTABLE"
    client.create("f", FOLDER)
    client.create("outer", job(script="outer"), "/job/f")
    client.create("inner", job(STRING.format("A", ""), script="inner"), "/job/f")
    assert client.ended(client.started(client.build("/job/f/job/outer")))["result"] == "SUCCESS"
    causes = client.json("/job/f/job/inner/1/api/json?tree=actions[causes[shortDescription]]")["actions"][0]["causes"]
    assert causes[0]["shortDescription"] == 'Started by upstream project "f/outer" build number 1'


def test_an_imitated_restart(client: Client) -> None:
    gate = threading.Event()
    client.runs["x"] = lambda host: "SUCCESS" if gate.wait(5) else "FAILURE"
    client.create("j", job(script="x"))
    item = client.build("/job/j")
    build = client.started(item)
    client.jenkins.restart(0.3)
    assert client.get("/login").status_code == 503
    assert "Starting Jenkins" in client.get(f"{build}/api/json").text
    client.until(lambda: client.get("/api/json").status_code == 200)
    assert client.get(f"{item}api/json").status_code == 404
    gate.set()
    assert client.ended(build)["result"] == "SUCCESS"


def test_what_a_restart_of_the_process_keeps(client: Client) -> None:
    client.runs["x"] = lambda host: "ABORTED" if host.aborted.wait(5) else "FAILURE"
    client.runs["ok"] = lambda host: host.log("hello\n") or "SUCCESS"
    client.create("f", FOLDER)
    client.create("ok", job(script="ok"), "/job/f")
    client.ended(client.started(client.build("/job/f/job/ok")))
    client.close()
    client.open()
    assert client.get("/job/f/job/ok/1/consoleText").text == "Started by user admin\nhello\nFinished: SUCCESS\n"
    assert client.ended(client.started(client.build("/job/f/job/ok")))["number"] == 2


def test_a_build_the_process_left_behind_is_aborted(client: Client) -> None:
    gate = threading.Event()
    client.runs["x"] = lambda host: "SUCCESS" if gate.wait(5) else "FAILURE"
    client.create("j", job(script="x"))
    client.started(client.build("/job/j"))
    second = Jenkins(client.home, lambda: "http://unused", {"admin": "token"}, "", run=lambda host: "SUCCESS")
    build = second.controller.builds.of(second.controller.root.children["j"])[0]  # type: ignore[arg-type]
    assert (build.running, build.result) == (False, "ABORTED")
    second.close()
    gate.set()


def test_deleting_a_running_job_aborts_its_build(client: Client) -> None:
    stopped = threading.Event()

    def run(host: Any) -> str:
        host.aborted.wait(5)
        stopped.set()
        return "ABORTED"

    client.runs["x"] = run
    client.create("j", job(script="x"))
    client.started(client.build("/job/j"))
    assert client.post("/job/j/doDelete").status_code == 302
    assert stopped.is_set()
    assert client.get("/job/j/api/json").status_code == 404


def test_config_xml_comes_back_declared_as_1_1(client: Client) -> None:
    text = "<?xml version='1.0' encoding='UTF-8'?>\n" + job(script="if [[ a ]]; then &lt;é&gt;")
    client.create("j", text)
    body = client.get("/job/j/config.xml").content.decode()
    assert body.startswith('<?xml version="1.1" encoding="UTF-8"?><flow-definition>')
    assert "if [[ a ]]; then &lt;é&gt;" in body
    assert client.post("/job/j/config.xml", data=body.encode(), headers=XML).status_code == 200
