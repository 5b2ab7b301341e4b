"""CI/CD variables of a project and its groups over the sandbox: who gets them, and that no secret shows anywhere."""

import asyncio
import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)

from blocks.environment import load_environment
from flows.deploy import deploy

TOKEN, CERTIFICATE, PRODUCTION = "masked-t0ken-value", "certificate-l1ne\nsecond\n", "protected-pr0d-value"
AWKWARD = "awk-w4rd'\"$HOME`id`%@:/é\\n"
SECRETS = [TOKEN, "certificate-l1ne", PRODUCTION, "awk-w4rd"]


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


PIPELINE = f"""\
variables:
  TOKEN: "of the text"
  LEVEL: "of the text"
  ADDRESS: "https://$TOKEN@host"
check:
  stage: build
  script:
    - test "$(printf %s "$TOKEN" | sha256sum)" = "{sha(TOKEN)}  -"
    - test "$(printf %s "$ADDRESS" | sha256sum)" = "{sha(f"https://{TOKEN}@host")}  -"
    - test "$(sha256sum < "$CERTIFICATE")" = "{sha(CERTIFICATE)}  -"
    - test "$LEVEL" = project
    - test "$GROUP_ONLY" = group
    - echo "the token is $TOKEN"
    - test "$(printf %s "$AWKWARD" | sha256sum)" = "{sha(AWKWARD)}  -"
    - printf 'awkward is %s\\n' "$AWKWARD"
with-protected:
  stage: build
  rules: [{{if: $PRODUCTION}}]
  script:
    - test "$(printf %s "$PRODUCTION" | sha256sum)" = "{sha(PRODUCTION)}  -"
without-protected:
  stage: build
  rules: [{{if: $PRODUCTION == null}}]
  script:
    - test -z "${{PRODUCTION+set}}"
by-secret:
  stage: build
  rules: [{{if: '$TOKEN =~ /^masked-t/'}}]
  script: ["true"]
not-by-secret:
  stage: build
  rules: [{{if: '$TOKEN == "of the text"'}}]
  script: ["false"]
"""


@pytest.fixture(scope="module")
def project(house):
    path = house.project("secretive/team/vault", **{".gitlab-ci.yml": PIPELINE.encode()})
    gitlab = house.sandbox.gitlab
    gitlab.set_variable(path, "TOKEN", TOKEN, masked=True)
    gitlab.set_variable(path, "TOKEN", "of-another-place", masked=True, environment_scope="elsewhere/*")
    gitlab.set_variable(path, "CERTIFICATE", CERTIFICATE, variable_type="file")
    gitlab.set_variable(path, "PRODUCTION", PRODUCTION, protected=True)
    gitlab.set_variable(path, "AWKWARD", AWKWARD, masked=True)
    gitlab.set_variable(path, "LEVEL", "project")
    gitlab.set_variable("secretive/team", "LEVEL", "group")
    gitlab.set_variable("secretive", "GROUP_ONLY", "group")
    gitlab.commit(path, "feature", {"note": "x"}, "On an unprotected branch")
    return path


def told(run_id):
    """Log lines and artifacts of a run."""
    with get_client(sync_client=True) as client:
        mine, texts = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])), []
        while page := client.read_logs(mine, limit=200, offset=len(texts)):
            texts += [entry.message for entry in page]
        kept = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        return [*texts, *(str(a.data) for a in client.read_artifacts(artifact_filter=kept, limit=200))]


def left(house, server, secrets):
    """Where secrets are after it all: tables of Prefect's database, files of its results, kept logs, Jenkins' home."""
    metrics = asyncio.run(load_environment(house.environment)).metrics.url.removeprefix("file://")
    found = []
    with closing(sqlite3.connect(server.home / "prefect.db")) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = map(str, database.execute(f'SELECT * FROM "{table}"'))
            found += [table for row in rows if any(secret in row for secret in secrets)]
    for folder in (Path(metrics), house.sandbox.home / "jenkins", server.home / "storage"):
        for path in folder.rglob("*"):
            if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
                found.append(path.name)
    return sorted(set(found))


def jobs(house, number):
    console = house.jenkins(f"{JOB}/{number}/consoleText").text
    states = [line for line in console.splitlines() if line.startswith("gl-job ") and "running" not in line]
    return sorted(line.removeprefix("gl-job name=").replace(" state=", " ") for line in states), console


FOLDER = "job/smartclide/job/secretive/job/team/job/vault.git"
JOB = f"{FOLDER}/job/vault"


def stored(house):
    listed = house.jenkins(f"{FOLDER}/credentials/store/folder/domain/_/api/json?tree=credentials[id]").json()
    return sorted(entry["id"].replace(f"-{number(house)}-", "-N-") for entry in listed["credentials"])


def number(house):
    return house.sandbox.gitlab.project_id("secretive/team/vault")


@pytest.mark.slow
def test_variables_reach_the_jobs_and_show_nowhere(run, house, project, prefect_server):
    for build, (ref, decided) in enumerate([("main", "with-protected"), ("feature", "without-protected")], start=1):
        state = run(deploy, project=project, ref=ref)
        assert state.is_completed(), state
        ran, console = jobs(house, build)
        assert ran == ["by-secret success", "check success", f"{decided} success"]
        assert "the token is ****" in console
        assert "awkward is ****" in console
        shown = [*told(state.state_details.flow_run_id), console, str(state.result())]
        shown += [house.jenkins(f"{JOB}/config.xml").text, house.jenkins(f"{JOB}/api/json?depth=2").text]
        for secret in SECRETS:
            assert not [text for text in shown if secret in text]
    ids = ["file-N-CERTIFICATE", "protected-var-N-PRODUCTION", "var-N-AWKWARD", "var-N-TOKEN"]
    assert stored(house) == [f"gitlab-{one}" for one in ids]
    assert left(house, prefect_server, [*SECRETS, *house.secrets]) == ["credentials.json"]  # Jenkins' store
    assert {"console.log", "log"} <= set(left(house, prefect_server, ["the token is ****"]))  # they are looked into
    no_longer_there(run, house, project)


def no_longer_there(run, house, project):
    """What is gone from GitLab goes from Jenkins; needs what the deployments before it have stored."""
    with house.sandbox.gitlab._instance.store.changing() as state:
        kept = [entry for entry in state.project(project).variables if entry["key"] == "LEVEL"]
        state.project(project).variables[:] = kept
    house.sandbox.gitlab.commit(
        project, "main", {".gitlab-ci.yml": "check: {script: ['test \"$LEVEL\" = project']}"}, "Plain"
    )
    assert run(deploy, project=project, ref="main").is_completed()
    assert stored(house) == []
    assert house.builds(project) == [1]  # the job of a project without secrets lies where those of others do
