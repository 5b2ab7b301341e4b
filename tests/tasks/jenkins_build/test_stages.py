"""Stages of a Jenkinsfile that nothing announces: as a real Jenkins 2.448 told them, and followed on the stand-in."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.jenkins_server import JenkinsServer
from errors import BuildFailedError
from sandbox.http import AppServer
from sandbox.jenkins.server import Jenkins as StandIn
from tasks.jenkins_build.following import Follower, Limits
from tasks.jenkins_build.job_config import job_config
from tasks.jenkins_build.jobs import upsert_job
from tasks.jenkins_build.outcome import BuildOutcome, BuildRef
from tasks.jenkins_build.page import PageReader
from tasks.jenkins_build.polling import polling
from tasks.jenkins_build.stages import MOST_STAGES, Stages
from tasks.jenkins_build.watching import Watch

RECORDED = """\
4 4 3 {
5 5 4 stage
6 6 5 { (par)
7 7 6 parallel
11 11 7 { (Branch: slow)
12 12 7 { (Branch: quick)
13 13 7 { (Branch: bad)
14 14 7 { (Branch: skipped)
15 15 11 stage
16 16 15 { (slow)
17 17 12 stage
18 18 17 { (quick)
19 19 13 stage
20 20 19 { (bad)
21 21 14 stage
22 22 21 { (skipped)
Stage "skipped" skipped due to when conditional
23 22 - }
24 21 - // stage
25 14 - }
26 - 16 sh
27 - 18 echo
28 18 - }
29 - 20 sleep
32 - 20 error
33 20 - }
34 19 - // stage
35 13 - }
Failed in branch bad
36 16 - }
37 15 - // stage
38 11 - }
39 7 - // parallel
40 6 - }
41 5 - // stage
42 42 4 stage
43 43 42 { (later)
Stage "later" skipped due to earlier failure(s)
44 43 - }
45 42 - // stage
"""
RECORDED_RED = ("32", "33", "34", "35", "39", "40", "41", "44", "45", "46", "47", "48")


def lines_of(text: str) -> list[bytes]:
    """The page of a console; a line of three ids is one of the flow graph's."""
    made = []
    for line in text.splitlines():
        node, start, enclosing, *said = (*line.split(" ", 3), "")
        if not node.isdigit():
            made.append(line)
            continue
        around = f' enclosingId="{enclosing}"' if enclosing != "-" else ""
        begin = f' startId="{start}"' if start != "-" else ""
        made.append(
            f'<span class="pipeline-new-node" nodeId="{node}"{begin}{around}>[Pipeline] {said[0]}\n</span>'.rstrip()
        )
    return [f"{line}\r\n".encode().replace(b"\n</span>\r\n", b"\r\n</span>") for line in made]


def read(text: str) -> tuple[Stages, list[tuple[str, str]]]:
    page, stages = PageReader(), Stages()
    seen = [stages.read(line) for piece in lines_of(text) for line in page.feed(piece)]
    return stages, [(found.name, found.status) for found in seen if found is not None]


def test_a_recorded_build_with_parallel_failed_and_skipped_stages() -> None:
    stages, seen = read(RECORDED)
    assert seen == [
        ("par", "running"), ("slow", "running"), ("quick", "running"), ("bad", "running"), ("skipped", "running"),
        ("skipped", "skipped"), ("later", "running"), ("later", "skipped"),
    ]  # fmt: skip
    colors = {str(node): "red" if str(node) in RECORDED_RED else "blue" for node in range(2, 49)}
    assert {found.name: found.status for found in stages.judge(colors, {})} == {
        "par": "failed", "slow": "success", "quick": "success", "bad": "failed",
    }  # fmt: skip
    assert stages.ends == {}


def test_a_node_that_the_graph_does_not_show_yet_is_judged_later() -> None:
    stages, _ = read("5 5 4 stage\n6 6 5 { (one)\n8 6 - }\n")
    assert stages.judge({"6": "blue_anime"}, {}) == []
    assert [found.status for found in stages.judge({"6": "blue", "8": "aborted"}, {})] == ["aborted"]


SOFT = """\
5 5 4 stage
6 6 5 { (soft)
7 7 6 catchError
8 8 7 {
9 - 8 sh
10 8 - }
11 7 - // catchError
12 - 6 unstable
13 6 - }
"""
CAUGHT = {"7": "blue", "8": "blue", "9": "red", "10": "red", "11": "blue", "12": "blue", "13": "blue"}


@pytest.mark.parametrize(
    ("colors", "known", "status"),
    [
        (CAUGHT, None, "unstable"),  # by the colours alone: something was caught
        (CAUGHT, "UNSTABLE", "unstable"),
        (CAUGHT, "FAILED", "failed"),
        (CAUGHT, "ABORTED", "aborted"),
        (CAUGHT, "SUCCESS", "success"),  # catchError's own default leaves the stage alone
        (CAUGHT | {"12": "yellow"}, "SUCCESS", "unstable"),  # the step `unstable`
        (CAUGHT | {"9": "red", "10": "blue"}, None, "success"),  # an error that a script caught inside
        (dict.fromkeys(CAUGHT, "blue"), "SUCCESS", "success"),
        (dict.fromkeys(CAUGHT, "red"), "SUCCESS", "failed"),
    ],
)
def test_a_failure_that_the_build_goes_on_after(colors: dict[str, str], known: str | None, status: str) -> None:
    stages, _ = read(SOFT)
    assert [found.status for found in stages.judge(colors, {"6": known} if known else {})] == [status]


def test_a_stage_that_the_plugin_still_takes_for_running_is_judged_later() -> None:
    stages, _ = read(SOFT)
    assert stages.judge(CAUGHT, {"6": "IN_PROGRESS"}) == []
    assert [found.status for found in stages.judge(CAUGHT, {"6": "FAILED"})] == ["failed"]


def test_what_a_branch_caught_is_the_stage_s_around_it_too() -> None:
    stages, _ = read(f"2 2 1 stage\n3 3 2 {{ (all)\n4 4 3 {{ (Branch: soft)\n{SOFT}14 4 - }}\n15 3 - }}\n")
    found = stages.judge(CAUGHT | {"14": "blue", "15": "blue"}, {"3": "SUCCESS", "6": "FAILED"})
    assert {stage.name: stage.status for stage in found} == {"all": "unstable", "soft": "failed"}


def test_names_that_come_again_and_branches_of_a_script() -> None:
    _, seen = read(
        '6 6 5 { (test)\n7 6 - }\n9 9 8 { (test)\nStage "test" skipped due to when conditional\n10 9 - }\n'
        "11 11 4 parallel\n12 12 11 { (Branch: left)\n13 13 11 { (Branch: right)\n14 - 12 sh\n15 15 13 node\n"
    )
    assert seen == [
        ("test", "running"), ("test (2)", "running"), ("test (2)", "skipped"), ("left", "running"),
        ("right", "running"),
    ]  # fmt: skip


def test_of_very_many_stages_the_first_are_told() -> None:
    _, seen = read("".join(f"{n} {n} 4 {{ (stage {n})\n" for n in range(10, 400)))
    assert len(seen) == MOST_STAGES


JENKINSFILE = """\
pipeline {
  agent any
  stages {
    stage('build') {
      steps {
        sh 'echo built'
      }
    }
    stage('checks') {
      parallel {
        stage('unit') {
          steps {
            sh 'echo "a test"; sleep 2; exit 3'
          }
        }
        stage('style') {
          steps {
            catchError(buildResult: 'SUCCESS', stageResult: 'UNSTABLE') {
              sh 'exit 1'
            }
          }
        }
        stage('docs') {
          steps {
            catchError(buildResult: 'SUCCESS', stageResult: 'FAILURE') {
              sh 'exit 1'
            }
          }
        }
        stage('spelling') {
          steps {
            catchError(buildResult: 'SUCCESS') {
              sh 'exit 1'
            }
          }
        }
        stage('never') {
          when {
            expression { false }
          }
          steps {
            sh 'true'
          }
        }
      }
    }
    stage('publish') {
      steps {
        sh 'true'
      }
    }
  }
}
"""


@pytest.fixture
def block(tmp_path: Path) -> Iterator[JenkinsServer]:
    server = AppServer(None, name="jenkins")  # type: ignore[arg-type]
    standin = StandIn(tmp_path, lambda: server.url, {"robot": "t0ken"}, os.environ["PATH"])
    server._app.app = standin.app
    with server:
        yield JenkinsServer(url=server.url, username="robot", api_token=SecretStr("t0ken"))
    standin.close()


async def test_a_foreign_jenkinsfile_is_followed_by_its_stages(block: JenkinsServer) -> None:
    async with polling(block) as poller:
        upsert_job(poller.jenkins, "foreign", job_config(JENKINSFILE, []))
        poller.jenkins.connection.send("POST", "job/foreign/build?delay=0sec", what="job")
        ref = BuildRef("foreign", None, 1, f"{block.url}/job/foreign/1/", "k")
        limits = Limits(poll=(0.02, 0.2))
        follower = Follower(poller, ref, limits, logging.getLogger("smartclide"), watch=Watch(foreign=True))
        with pytest.raises(BuildFailedError) as failed:
            await follower.follow()
    outcome = failed.value.outcome
    assert isinstance(outcome, BuildOutcome)
    assert {stage.name: stage.status for stage in outcome.stages} == {
        "build": "success", "checks": "failed", "unit": "failed", "style": "unstable", "docs": "failed",
        "spelling": "success", "never": "skipped", "publish": "skipped",
    }  # fmt: skip
    assert outcome.failure is not None
    assert (outcome.failure.job, outcome.failure.exit_code) == ("unit", 3)
    assert "a test" in outcome.failure.lines
