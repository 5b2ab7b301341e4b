"""The image stage's shell text, run with a `docker` that answers as Docker does for Docker Hub, and as podman does."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tasks.jenkins_build.image_stage import script_lines
from tasks.jenkins_build.settings import ImageBuild

OTHERS = ["ghcr.io/acme/group-app@sha256:1", "docker.io/other/app@sha256:2", "acme/group-app-2@sha256:3"]
DOCKER = """#!/bin/sh
case "$1 $2" in
"image inspect") cat names ;;
"build --label") test -x "$DOCKER_CONFIG/cli-plugins/docker-buildx" ;;
esac
"""


@pytest.mark.parametrize("name", ["acme/group-app", "docker.io/acme/group-app"])
def test_an_image_on_docker_hub_built_with_the_user_s_own_plugin(tmp_path: Path, name: str) -> None:
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "names").write_text("\n".join([*OTHERS, f"{name}@sha256:4", ""]))
    plugin = tmp_path / "home" / ".docker" / "cli-plugins" / "docker-buildx"
    plugin.parent.mkdir(parents=True)
    plugin.touch(mode=0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "WORKSPACE_TMP": str(tmp_path / "tmp"),
        "HOME": str(tmp_path / "home"),
    }
    text = "\n".join(script_lines(ImageBuild("docker.io/acme/group-app", "abc"), "abc"))
    subprocess.run(["/bin/sh", "-c", text], cwd=tmp_path, env=environment, check=True)
    assert json.loads((tmp_path / "image.json").read_text()) == {
        "image": "docker.io/acme/group-app:abc",
        "digest": "sha256:4",
        "commit": "abc",
    }
    assert plugin.exists()
    assert not (tmp_path / "tmp" / "docker").exists()
