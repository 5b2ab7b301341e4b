"""Names of images that hold variables which only the build has, with a `docker` that writes down what it is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from sandbox.jenkins import executor
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tests.tasks.jenkins_build.running import Listening, Ran, project

PIPELINE = r"""
build:
  stage: build
  script:
    - printf "%s\n" BUILT=registry.example/app:7 BASE=docker.example:5000/lib/redis:6 TAG=7 >b.env
  artifacts: {reports: {dotenv: b.env}}
plain:
  image: $FULL
  services: ["mirror.example/db:$TAG"]
  variables: {BUILT: given, FULL: "$BUILT", TAG: weak}
  script: ['echo "in $BUILT, $CI_JOB_IMAGE"']
  after_script: [echo after]
ruled:
  image: {name: "mirror.example/${TOOL}:$SUFFIX", pull_policy: [always, never]}
  services: [{name: $BASE, alias: cache}]
  variables: {SUFFIX: "1-$CI_PIPELINE_ID"}
  rules: [{if: $CI_COMMIT_BRANCH == "main", variables: {TOOL: go}}, {when: on_success}]
  script: [echo ruled]
bad: {image: $OPTION, script: [echo never], needs: [more]}
more: {stage: build, script: ['echo OPTION=--privileged >m.env'], artifacts: {reports: {dotenv: m.env}}}
"""
DOCKER = """#!/bin/sh
echo "$*" >>"$LISTED"
case "$*" in *" -i "*) exec sh ;; "run -d "*) echo started ;; esac
"""


def run(folder: Path, text: str, rendering: Literal["stages", "graph"]) -> tuple[Ran, str]:
    """What came of it, and what `docker` was told."""
    commit = project(folder / "repository", {"file": "x"})
    jenkinsfile = render(interpret({".gitlab-ci.yml": text}, Context()), RenderSettings(rendering=rendering))
    assert executor.validate(jenkinsfile) == []
    docker = folder / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    environment = {"PATH": f"{docker.parent}:{os.environ['PATH']}", "LISTED": str(folder / "listed")}
    given = {"COMMIT_SHA": commit.sha, "REPO_URL": commit.clone_url, "CI_COMMIT_BRANCH": "main"}
    host = Listening(folder, jenkinsfile, environment, **given)
    return host.ran(executor.run(host)), (folder / "listed").read_text()


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_they_are_found_out_in_the_build(tmp_path: Path, rendering: Literal["stages", "graph"]) -> None:
    text = PIPELINE.replace(", needs: [more]", "") if rendering == "stages" else PIPELINE
    ran, listed = run(tmp_path, text, rendering)
    assert ran.states == {
        "build": "success", "plain": "success", "ruled": "success", "more": "success", "bad": "failed",
    }  # fmt: skip
    assert ran.lines["plain"][1:3] == ["in registry.example/app:7, registry.example/app:7", "after"]
    calls = listed.splitlines()
    plain = [call for call in calls if call.startswith("run ") and "registry.example/app:7" in call]
    assert [call.endswith(" -i registry.example/app:7 sh") for call in plain[:2]] == [True, True]
    assert "pull -q mirror.example/go:1-7" in calls
    service, db = sorted((call for call in calls if call.startswith("run -d ")), key=lambda call: call.split()[-1])
    assert "$" not in service + db
    assert db.endswith(" mirror.example/db:7")
    assert "--network-alias=mirror.example-db" in db
    hosts = ("docker.example__lib__redis", "docker.example-lib-redis", "cache")
    assert " ".join(f"--network-alias={host}" for host in hosts) in service
    assert service.endswith(" docker.example:5000/lib/redis:6")
    assert any(call.endswith(" -i mirror.example/go:1-7 sh") for call in calls)
    assert "'--privileged' is not an image name" in ran.console
    assert "--privileged" not in listed
