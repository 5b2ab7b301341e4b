"""Both halves together: a recorded build's console, stages and step logs, from the Jenkinsfile's text."""

from __future__ import annotations

import html
import time
from pathlib import Path

import requests

from sandbox.http import AppServer
from sandbox.jenkins.server import Jenkins
from tests.sandbox.jenkins.replaying import load
from tests.sandbox.jenkins.scenarios import job

FAILING = """pipeline {
  agent any
  stages {
    stage('ok') { steps { echo 'fine' } }
    stage('boom') { steps { sh 'echo about; exit 3' } }
    stage('never') { steps { echo 'x' } }
  }
  post { always { echo 'post always' } }
}
"""


def _ended(http: requests.Session, build: str) -> None:
    deadline = time.monotonic() + 20
    while not (found := http.get(f"{build}/api/json", timeout=5)).ok or found.json()["building"]:
        assert time.monotonic() < deadline, "the build does not end"
        time.sleep(0.02)


def test_the_recorded_failing_build(tmp_path: Path) -> None:
    server: AppServer
    stand_in = Jenkins(tmp_path, lambda: server.url, {"admin": "token"}, "/usr/bin:/bin")
    server = AppServer(stand_in.app, name="jenkins").start()
    with requests.Session() as http:
        http.auth = ("admin", "token")
        config = job(script=html.escape(FAILING)).encode()
        http.post(f"{server.url}/createItem?name=fail", data=config, headers={"Content-Type": "text/xml"}, timeout=5)
        http.post(f"{server.url}/job/fail/build?delay=0sec", timeout=5)
        build = f"{server.url}/job/fail/1"
        _ended(http, build)
        console = http.get(f"{build}/consoleText", timeout=5).text
        stages = http.get(f"{build}/wfapi/describe", timeout=5).json()["stages"]
        boom = http.get(server.url + stages[1]["_links"]["self"]["href"], timeout=5).json()["stageFlowNodes"][0]
        log = http.get(server.url + boom["_links"]["log"]["href"], timeout=5).json()
    stand_in.close()
    server.stop()
    recorded = load("30")[8]["response"]["body"].replace("{home}", str(tmp_path))
    assert console == recorded
    assert [(stage["name"], stage["status"]) for stage in stages] == [
        ("ok", "SUCCESS"), ("boom", "FAILED"), ("never", "FAILED"), ("Declarative: Post Actions", "SUCCESS"),
    ]  # fmt: skip
    assert log["text"] == "+ echo about\nabout\n+ exit 3\n"


def test_a_build_sees_what_the_one_before_it_set(tmp_path: Path) -> None:
    script = """echo "before: ${currentBuild.previousBuild?.buildVariables}"
def run = currentBuild.previousBuild
while (run != null) {
  echo "number ${run.number} ${run.result} ${run.buildVariables['LEFT']}"
  run = run.previousBuild
}
env.LEFT = "by ${currentBuild.number}"
echo "own: ${currentBuild.buildVariables}"
"""
    server: AppServer
    stand_in = Jenkins(tmp_path, lambda: server.url, {"admin": "token"}, "/usr/bin:/bin")
    server = AppServer(stand_in.app, name="jenkins").start()
    consoles = []
    with requests.Session() as http:
        http.auth = ("admin", "token")
        config = job(script=html.escape(script)).encode()
        http.post(f"{server.url}/createItem?name=seen", data=config, headers={"Content-Type": "text/xml"}, timeout=5)
        for number in (1, 2, 3):
            http.post(f"{server.url}/job/seen/build?delay=0sec", timeout=5)
            _ended(http, f"{server.url}/job/seen/{number}")
            consoles.append(http.get(f"{server.url}/job/seen/{number}/consoleText", timeout=5).text)
    stand_in.close()
    server.stop()
    said = [[line for line in text.splitlines() if line.startswith(("before", "number", "own"))] for text in consoles]
    assert said == [
        ["before: null", "own: [LEFT:by 1]"],
        ["before: [LEFT:by 1]", "number 1 SUCCESS by 1", "own: [LEFT:by 2]"],
        ["before: [LEFT:by 2]", "number 2 SUCCESS by 2", "number 1 SUCCESS by 1", "own: [LEFT:by 3]"],
    ]


def test_the_first_run_declares_the_parameters_of_the_jenkinsfile(tmp_path: Path) -> None:
    script = """pipeline {
  agent any
  parameters {
    string(name: 'WHO', defaultValue: 'dflt')
    choice(name: 'HOW', choices: ['a', 'b'])
  }
  stages { stage('s') { steps { echo "who=${params.WHO} ${params.HOW}" } } }
}
"""
    server: AppServer
    stand_in = Jenkins(tmp_path, lambda: server.url, {"admin": "token"}, "/usr/bin:/bin", quiet_period=0.02)
    server = AppServer(stand_in.app, name="jenkins").start()
    with requests.Session() as http:
        http.auth = ("admin", "token")
        base = f"{server.url}/job/gone"
        config = job(script=html.escape(script)).encode()
        http.post(f"{server.url}/createItem?name=gone", data=config, headers={"Content-Type": "text/xml"}, timeout=5)
        trapped = http.post(f"{base}/buildWithParameters", data={"WHO": "me"}, timeout=5)
        http.post(f"{base}/build", timeout=5)
        _ended(http, f"{base}/1")
        second = http.post(f"{base}/buildWithParameters", data={"WHO": "me"}, allow_redirects=False, timeout=5)
        _ended(http, f"{base}/2")
        consoles = [http.get(f"{base}/{number}/consoleText", timeout=5).text for number in (1, 2)]
    stand_in.close()
    server.stop()
    assert (trapped.status_code, second.status_code) == (500, 201)
    assert "who=dflt a\n" in consoles[0]
    assert "who=me a\n" in consoles[1]


RESTARTED = """pipeline {
  agent any
  options { preserveStashes(buildCount: 2) }
  stages {
    stage('one') { steps { sh 'echo kept > file'; stash 'files' } }
    stage('two') { steps { echo 'two'; deleteDir(); unstash 'files' } }
    stage('three') { steps { sh 'test -e ../rst.ok' } }
    stage('four') { steps { echo 'four' } }
  }
}
"""


def test_a_restarted_build_begins_at_its_stage_as_recorded(tmp_path: Path) -> None:
    server: AppServer
    stand_in = Jenkins(tmp_path, lambda: server.url, {"admin": "token"}, "/usr/bin:/bin")
    server = AppServer(stand_in.app, name="jenkins").start()
    with requests.Session() as http:
        http.auth = ("admin", "token")
        config = job(script=html.escape(RESTARTED)).encode()
        http.post(f"{server.url}/createItem?name=rst", data=config, headers={"Content-Type": "text/xml"}, timeout=5)
        http.post(f"{server.url}/job/rst/build?delay=0sec", timeout=5)
        _ended(http, f"{server.url}/job/rst/1")
        refused = http.post(
            f"{server.url}/job/rst/1/restart/restart", data={"json": '{"stageName": "four"}'}, timeout=5
        )
        answer = http.post(
            f"{server.url}/job/rst/1/restart/restart",
            data={"json": '{"stageName": "two"}'},
            timeout=5,
            allow_redirects=False,
        )
        _ended(http, f"{server.url}/job/rst/2")
        console = http.get(f"{server.url}/job/rst/2/consoleText", timeout=5).text
        stages = http.get(f"{server.url}/job/rst/2/wfapi/describe", timeout=5).json()["stages"]
    stand_in.close()
    server.stop()
    assert (refused.status_code, answer.status_code) == (400, 302)
    assert console.startswith(
        "Started by user admin\nRestarted from build #1, stage two\n[Pipeline] Start of Pipeline\n"
    )
    assert '[Pipeline] { (one)\nStage "one" skipped due to this build restarting at stage "two"\n' in console
    assert "ERROR: script returned exit code 1\nFinished: FAILURE\n" in console, "the stash was there"
    assert [(stage["name"], stage["status"]) for stage in stages] == [
        ("one", "NOT_EXECUTED"), ("two", "SUCCESS"), ("three", "FAILED"), ("four", "FAILED"),
    ]  # fmt: skip
