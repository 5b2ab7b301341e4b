"""Push, pull and login against the registry stand-in; and what a real engine makes of the images."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.http import AppServer
from sandbox.registry.server import Registry
from tests.sandbox.docker_cli.commanding import Docker, remove_from_registry, write

DOCKERFILE = 'FROM scratch\nCOPY hello /hello\nCMD ["/hello"]\n'


@pytest.fixture(params=["open", pytest.param("basic", marks=pytest.mark.slow), "token"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AppServer]:
    users = None if request.param == "open" else {"robot": "s3cret"}
    with AppServer(Registry(tmp_path / "registry", users, request.param == "token").app, name=request.param) as server:
        yield server


def host(server: AppServer) -> str:
    return server.url.removeprefix("http://")


def test_push_and_pull(docker: Docker, server: AppServer, tmp_path: Path) -> None:
    image = f"{host(server)}/team/app:abc"
    docker.environment["DOCKER_CONFIG"] = str(tmp_path / "private config")
    context = write(tmp_path / "c", {"Dockerfile": DOCKERFILE, "hello": "hello\n"})
    docker.ok("build", "-t", image, str(context))
    config = tmp_path / "private config" / "config.json"
    if server.name != "open":
        refused = docker("push", image)
        assert (refused.returncode, "unauthorized: authentication required" in refused.stderr) == (1, True)
        wrong = docker("login", "-u", "robot", "--password-stdin", host(server), text="wrong")
        assert (wrong.returncode, config.exists()) == (1, False)
        assert "wrong" not in wrong.stderr
        assert (
            docker.ok("login", "-u", "robot", "--password-stdin", host(server), text="s3cret\n") == "Login Succeeded\n"
        )
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
    pushed = docker.ok("push", image)
    digest = pushed.splitlines()[-1].split("digest: ")[1].split()[0]
    shown = docker.ok("image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", image)
    assert shown == f"{host(server)}/team/app@{digest}\n\n"
    assert "Layer already exists" in docker.ok("push", image)
    other = Docker(tmp_path / "elsewhere", dict(docker.environment))
    assert f"Digest: {digest}" in other.ok("pull", image)
    assert other.ok("image", "inspect", "-f", "{{.Config.Cmd}}", f"{host(server)}/team/app@{digest}") == "[/hello]\n"
    if server.name != "open":
        docker.ok("logout", host(server))
        assert json.loads(config.read_text())["auths"] == {}
        assert docker("push", image).returncode == 1


# the lines of the image stage that the renderer writes (tests/tasks/jenkins_build/golden/image-only.Jenkinsfile)
STAGE = """set -e
export DOCKER_CONFIG="$PWD/docker"
printf %s "$REGISTRY_PASSWORD" | docker login -u "$REGISTRY_USER" --password-stdin "$REGISTRY"
docker build --label "org.opencontainers.image.revision=$COMMIT" -f ./Dockerfile --build-arg='VERSION=1.2' -t "$IMAGE" .
docker push "$IMAGE"
digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$IMAGE" \
  | grep -F "${IMAGE%:*}@" | head -n 1)
printf %s "${digest#*@}" > digest
"""


def test_the_image_stage_of_a_pipeline(docker: Docker, server: AppServer, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": DOCKERFILE, "hello": "hello\n"})
    if server.name == "open":
        docker.ok("build", "-t", f"{host(server)}/other/app:abc", str(context))  # its digest must not be taken for ours
    values = {"REGISTRY": host(server), "IMAGE": f"{host(server)}/team/app:abc", "COMMIT": "abc"}
    login = {"REGISTRY_USER": "robot", "REGISTRY_PASSWORD": "s3cret"}
    path = f"{docker.script.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", STAGE],
        cwd=context,
        env={"PATH": path, **values, **login},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    auth = ("robot", "s3cret") if server.name == "basic" else None
    if server.name != "token":
        head = httpx.head(f"{server.url}/v2/team/app/manifests/abc", auth=auth)
        assert (context / "digest").read_text() == head.headers["docker-content-digest"]
    assert "s3cret" not in done.stdout + done.stderr


def test_without_docker_config_the_user_s_home_is_left_alone(docker: Docker, tmp_path: Path) -> None:
    docker.environment["HOME"] = str(tmp_path / "home")
    with AppServer(Registry(tmp_path / "registry", {"robot": "s3cret"}).app) as server:
        docker.ok("login", "-u", "robot", "--password-stdin", host(server), text="s3cret")
    assert not (tmp_path / "home").exists()
    assert (tmp_path / "state dir" / "config" / "config.json").exists()


def test_a_base_image_comes_from_the_sandbox_s_registry(docker: Docker, tmp_path: Path) -> None:
    with AppServer(Registry(tmp_path / "registry").app) as server:
        base = f"{host(server)}/base:1"
        docker.ok("build", "-t", base, str(write(tmp_path / "b", {"Dockerfile": DOCKERFILE, "hello": "x"})))
        docker.ok("push", "-q", base)
        other = Docker(tmp_path / "elsewhere")
        text = f"FROM {base} AS b\nFROM scratch\nCOPY --from=b /hello /copied\nCOPY --from={base} /hello /again\n"
        built = other("build", "-t", "x", str(write(tmp_path / "d", {"Dockerfile": text})))
        assert built.returncode == 0 and "not applied" not in built.stderr
        missing = other("build", str(write(tmp_path / "e", {"Dockerfile": f"FROM {host(server)}/none:1\n"})))
        assert (missing.returncode, "manifest for" in missing.stderr) == (1, True)


def test_failures_of_the_registry_are_said_in_one_line(docker: Docker, tmp_path: Path) -> None:
    with AppServer(Registry(tmp_path / "registry").app) as server:
        image = f"{host(server)}/app:1"
        docker.ok("build", "-t", image, str(write(tmp_path / "c", {"Dockerfile": DOCKERFILE, "hello": "x"})))
        faults = {
            "status": "uploading to app: unexpected status 503\n",
            "drop": "Remote end closed connection without response\n",
            "garbage": f"pushing {image}: manifest_blob_unknown: blob unknown to registry\n",  # "has" the blob
        }
        for kind, message in faults.items():
            server.faults.add(kind, "blobs", times=2)
            failed = docker("push", image)
            server.faults.clear()
            assert (failed.returncode, failed.stderr.endswith(message), failed.stderr.count("\n")) == (1, True, 1)
        docker.ok("push", image)
        layer = httpx.get(f"{server.url}/v2/app/manifests/1").json()["layers"][0]["digest"].removeprefix("sha256:")
        (tmp_path / "registry" / "blobs" / "sha256" / layer).write_bytes(b"tampered")
        pulled = Docker(tmp_path / "elsewhere")("pull", image)
        assert (pulled.returncode, "do not have the digest" in pulled.stderr) == (1, True)
    refused = docker("push", image)
    assert (refused.returncode, "refused" in refused.stderr) == (1, True)


@pytest.mark.integration
def test_a_real_engine_runs_what_was_built(docker: Docker, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "SMARTCLIDE_TEST_REGISTRY", "SMARTCLIDE_TEST_BASE_IMAGE"):
        if not os.environ.get(name):
            pytest.skip(f"needs {name}: a real Docker engine, its registry, an image with a shell there")
    image = f"{os.environ['SMARTCLIDE_TEST_REGISTRY']}/p5/built:1"
    text = (
        f"FROM {os.environ['SMARTCLIDE_TEST_BASE_IMAGE']}\nWORKDIR /srv\nCOPY file .\nENV A=1\nCMD cat file; echo $A\n"
    )
    docker.ok("build", "-t", image, str(write(tmp_path / "c", {"Dockerfile": text, "file": "from a file\n"})))
    docker.ok("push", image)
    digest = docker.ok("image", "inspect", "--format", "{{index .RepoDigests 0}}", image).strip()
    try:
        done = subprocess.run(["docker", "run", "--rm", "-q", digest], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "from a file\n1\n"), done.stderr
    finally:
        subprocess.run(["docker", "rmi", "-f", digest], capture_output=True, check=False)
        remove_from_registry(image, digest.partition("@")[2])
