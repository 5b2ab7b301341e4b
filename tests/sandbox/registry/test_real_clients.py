"""The real Docker engine and skopeo against the stand-in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
DOCKER = "docker"


def run(*command: str, home: Path, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DOCKER_CONFIG": str(home / "docker")}
    return subprocess.run(
        command, input=text, text=True, capture_output=True, check=check, env=environment, timeout=120
    )


@pytest.fixture
def base() -> str:
    for name in ("DOCKER_HOST", "SMARTCLIDE_TEST_BASE_IMAGE"):
        if not os.environ.get(name):
            pytest.skip(f"needs {name}: a real Docker engine and an image it can pull")
    return os.environ["SMARTCLIDE_TEST_BASE_IMAGE"]


@pytest.mark.parametrize("kind", ["url", "basic_url", "token_url"])
def test_docker_pushes_and_pulls(kind: str, base: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    host = request.getfixturevalue(kind).removeprefix("http://")
    name = f"{host}/p5/base:1"
    run(DOCKER, "pull", "-q", base, home=tmp_path)
    run(DOCKER, "tag", base, name, home=tmp_path)
    try:
        if kind != "url":
            assert run(DOCKER, "push", "-q", name, home=tmp_path, check=False).returncode == 1
            login = (DOCKER, "login", "-u", "robot", "--password-stdin", host)
            assert run(*login, home=tmp_path, text="wrong", check=False).returncode == 1
            run(*login, home=tmp_path, text="s3cret")
        pushed = run(DOCKER, "push", name, home=tmp_path).stdout
        digest = pushed.split("digest: ")[1].split()[0]
        run(DOCKER, "rmi", name, home=tmp_path)
        pulled = run(DOCKER, "pull", f"{host}/p5/base@{digest}", home=tmp_path).stdout
        assert f"Digest: {digest}" in pulled
        run(DOCKER, "rmi", f"{host}/p5/base@{digest}", home=tmp_path)
    finally:
        run(DOCKER, "rmi", name, home=tmp_path, check=False)


def test_skopeo_copies(url: str, token_url: str, base: str, tmp_path: Path) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("needs skopeo")
    source, target = f"docker://{url.removeprefix('http://')}/a:1", f"docker://{token_url.removeprefix('http://')}/b:1"
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    run("skopeo", "copy", "-q", *plain, f"docker://{base}", source, home=tmp_path)
    run("skopeo", "copy", "-q", *plain, "--dest-creds=robot:s3cret", source, target, home=tmp_path)
    shown = [
        run("skopeo", "inspect", "--tls-verify=false", *login, "-f", "{{.Digest}}", image, home=tmp_path).stdout
        for image, login in ((source, ()), (target, ("--creds=robot:s3cret",)))
    ]
    assert shown[0] == shown[1] and shown[0].startswith("sha256:")
