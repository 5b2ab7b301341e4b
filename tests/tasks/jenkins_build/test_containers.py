"""The docker commands of a job, in a real shell, with a `docker` that writes down what it is told."""

import os
import subprocess
from pathlib import Path

from tasks.interpretation.pipeline import Image, Job, Service
from tasks.jenkins_build.containers import Docker, Secret

DOCKER = """#!/bin/sh
case "$*" in "run -d "*) echo "$*" >>"$FOLDER/told"; env >>"$FOLDER/environment"; echo started ;; esac
"""
AWKWARD = "p4ss'\"$HOME`id`%41\\n end"


def test_no_secret_is_in_a_command_line(tmp_path: Path) -> None:
    """What a service's variables make of a secret is in the environment of Docker's client only."""
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    service = Service("postgres:16", variables={"URL": "pg://me:$DB_PASSWORD@db", "MODE": "fast"})
    job = Job("t", "t", ("x",), services=(service,))
    variables = {
        "POSTGRES_PASSWORD": '"${DB_PASSWORD-}"',
        "DOCKER_HOST": '"tcp://${HOST-}:2375"',
        "odd.name": '"${HOST-}"',
        "LEVEL": "'$1'",
    }
    lines = Docker(job, Image("alpine"), 1, {}, secret=Secret(("DB_PASSWORD",))).start(variables)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "FOLDER": str(tmp_path), "DB_PASSWORD": AWKWARD, "HOST": "engine",
        "BUILD_TAG": "b", "WORKSPACE": str(tmp_path), "WORKSPACE_TMP": str(tmp_path),
    }  # fmt: skip
    script = "\n".join(["service_wait() { :; }", *lines])
    subprocess.run(["/bin/sh", "-c", script], env=environment, check=True, timeout=60)
    told, given = (tmp_path / "told").read_text(), (tmp_path / "environment").read_text().splitlines()
    assert "p4ss" not in told
    assert " -e DB_PASSWORD" not in told  # services get none of the project's own
    assert told.endswith(
        " -e POSTGRES_PASSWORD --env=DOCKER_HOST=tcp://engine:2375 --env=odd.name=engine -e LEVEL -e URL"
        " --env=MODE=fast postgres:16\n"
    )
    assert {f"POSTGRES_PASSWORD={AWKWARD}", f"URL=pg://me:{AWKWARD}@db", "LEVEL=$1"} <= set(given)
    assert not [line for line in given if line.startswith(("DOCKER_HOST=", "odd.name="))]
