"""The real Docker engine and skopeo against the stand-in."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
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
def image(tmp_path: Path) -> Iterator[str]:
    """A small image of the engine's, of a layer that nobody has yet."""
    if not os.environ.get("DOCKER_HOST"):
        pytest.skip("needs DOCKER_HOST: a real Docker engine")
    archive = tmp_path / "layer.tar"
    content = os.urandom(3_000_000)
    with tarfile.open(archive, "w") as tar:
        file = tarfile.TarInfo("noise")
        file.size = len(content)
        tar.addfile(file, io.BytesIO(content))
    name = f"smartclide-test/{tmp_path.name.lower()}:1"
    run(DOCKER, "import", str(archive), name, home=tmp_path)
    yield name
    run(DOCKER, "rmi", name, home=tmp_path, check=False)


@pytest.mark.parametrize("kind", ["url", "basic_url", "token_url"])
def test_docker_pushes_and_pulls(kind: str, image: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    host = request.getfixturevalue(kind).removeprefix("http://")
    name = f"{host}/p5/base:1"
    run(DOCKER, "tag", image, name, home=tmp_path)
    try:
        if kind != "url":
            assert run(DOCKER, "push", "-q", name, home=tmp_path, check=False).returncode == 1
            login = (DOCKER, "login", "-u", "robot", "--password-stdin", host)
            assert run(*login, home=tmp_path, text="wrong", check=False).returncode == 1
            run(*login, home=tmp_path, text="s3cret")
        pushed = run(DOCKER, "push", name, home=tmp_path).stdout
        digest = pushed.split("digest: ")[1].split()[0]
        run(DOCKER, "rmi", name, image, home=tmp_path)
        pulled = run(DOCKER, "pull", f"{host}/p5/base@{digest}", home=tmp_path).stdout
        assert f"Digest: {digest}" in pulled
        run(DOCKER, "rmi", f"{host}/p5/base@{digest}", home=tmp_path)
    finally:
        run(DOCKER, "rmi", name, home=tmp_path, check=False)


def test_skopeo_copies(url: str, token_url: str, image: str, tmp_path: Path) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("needs skopeo")
    source, target = f"docker://{url.removeprefix('http://')}/a:1", f"docker://{token_url.removeprefix('http://')}/b:1"
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    saved = tmp_path / "image.tar"
    run(DOCKER, "save", "-o", str(saved), image, home=tmp_path)
    run("skopeo", "copy", "-q", *plain, f"docker-archive:{saved}", source, home=tmp_path)
    run("skopeo", "copy", "-q", *plain, "--dest-creds=robot:s3cret", source, target, home=tmp_path)
    shown = [
        run("skopeo", "inspect", "--tls-verify=false", *login, "-f", "{{.Digest}}", image, home=tmp_path).stdout
        for image, login in ((source, ()), (target, ("--creds=robot:s3cret",)))
    ]
    assert shown[0] == shown[1] and shown[0].startswith("sha256:")
