"""Values with dollars, in the shell of a job: what GitLab and its runner make of them, of those of reports too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from sandbox.jenkins import executor
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tests.tasks.jenkins_build.running import Listening, project

PIPELINE = r"""
variables:
  TOKENS: "$1 ${TOKENS_:-x}'$$1'\"$(pwd)\" ${"
  OPEN: "$CI_COMMIT_BRANCH $$1 $1$HOME"
  USES: "<$THERE $ABSENT>"
  THERE: "$THERE!"
  ABSENT: "$ABSENT:$CI_COMMIT_BRANCH 'x'"
report:
  stage: build
  script:
    - printf '%s\n' 'A=$B/${B}' 'B=$OPEN' 'C=$1 ${x:-y} 5$ $$B $(pwd)' "D=it's %B% %%B% %Y" 'E=${B} ${ b' >r.env
  artifacts: {reports: {dotenv: r.env}}
plain:
  stage: test
  needs: []
  script: ['printf "%s\n" "$TOKENS" "$OPEN" "$THERE" "$ABSENT" "$USES" "$OWN"']
  variables: {OWN: "$OWN."}
told:
  stage: test
  variables: {A: mine, LATE: "<$C $D>"}
  script: ['printf "%s\n" "$A" "$B" "$C" "$D" "$E" "$LATE"']
"""


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_values_with_dollars(tmp_path: Path, rendering: Literal["stages", "graph"]) -> None:
    text = PIPELINE.replace("  needs: []\n", "") if rendering == "stages" else PIPELINE
    commit = project(tmp_path / "repository", {"file": "x"})
    jenkinsfile = render(interpret({".gitlab-ci.yml": text}, Context()), RenderSettings(rendering=rendering))
    given = {"COMMIT_SHA": commit.sha, "REPO_URL": commit.clone_url, "CI_COMMIT_BRANCH": "main"}
    host = Listening(
        tmp_path, jenkinsfile, {"PATH": os.environ["PATH"], "HOME": "/home/agent", "THERE": "outside"}, **given
    )
    ran = host.ran(executor.run(host))
    assert ran.states == {"report": "success", "plain": "success", "told": "success"}, ran.console
    absent = "$ABSENT:$CI_COMMIT_BRANCH 'x':main 'x'"
    lines = [" '$1'\"$(pwd)\" ", "main $1 ", "outside", absent, f"<outside {absent}>", "$OWN.."]
    assert ran.lines["plain"] == lines
    dollars, named = "  5$ $B $(pwd)", "it's main $1  %%B% %Y"
    assert ran.lines["told"] == ["main $1 /main $1 ", "main $1 ", dollars, named, "main $1   b", f"<{dollars} {named}>"]
