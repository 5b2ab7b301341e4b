"""The same Dockerfile built by the sandbox's builder and by a real engine: the same files and settings."""

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.docker_cli.commanding import Docker, remove_from_registry, write

pytestmark = pytest.mark.integration

DOCKERFILE = r"""
ARG BASE
FROM scratch AS files
COPY tree /out/
WORKDIR /made/here
COPY a.txt ./
FROM $BASE
ARG VERSION=0
ENV V=${VERSION:-none} W="a b" X=a\ b Y='$V' Z="$V\"q"
ENV OLD style value
LABEL one="1 $V" two=2
WORKDIR /srv
WORKDIR app
COPY *.txt texts/
COPY tree .
COPY tree/sub /srv/app
COPY tree/sub/deep.py renamed.py
COPY ["with space", "/x y/"]
COPY link /followed
COPY --from=files /out /from/out
COPY --from=files /made/here/a.txt /from/
COPY a.txt b.txt /bin/
ADD archive.tar.gz /unpacked
ADD a.txt /etc
EXPOSE 80 53/udp
VOLUME /data /logs
USER 7:7
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --timeout=1m --retries=3 CMD ["true"]
ENTRYPOINT ["/bin/sh", "-c"]
CMD echo $V \
    # a comment
    done
"""


def context(folder: Path) -> Path:
    write(
        folder,
        {
            "Dockerfile": DOCKERFILE, "a.txt": "a", "b.txt": "b", "with space": "s", "no.log": "", "keep.log": "",
            "tree/main.py": "m", "tree/sub/deep.py": "d", "tree/sub/x.pyc": "", "tree/sub/no.log": "",
            ".dockerignore": "**/*.pyc\n*.log\n!keep.log\ntree/sub/*.log\n",
        },
    )  # fmt: skip
    (folder / "tree" / "main.py").chmod(0o755)
    (folder / "tree" / "link").symlink_to("main.py")
    (folder / "link").symlink_to("a.txt")
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("dir/file")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"hi"))
    return folder


def engine(*arguments: str, text: bytes = b"") -> bytes:
    done = subprocess.run(["docker", *arguments], input=text, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def contents(image: str) -> dict[str, tuple[str, int, str, bytes]]:
    """Path -> kind, mode, link target, content of a container made from the image."""
    container = engine("create", image).decode().strip()
    try:
        archive = engine("export", container)
    finally:
        engine("rm", container)
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            data = file.read() if file else b""
            found[member.name] = (member.type.decode(), member.mode, member.linkname, data)
    return found


def settings(image: str) -> dict[str, Any]:
    config = json.loads(engine("image", "inspect", "--format", "{{json .Config}}", image))
    # an engine's own fields, and empty ones, which engines write or leave out at will
    return {key: value for key, value in config.items() if value and key not in ("Image", "Hostname", "ArgsEscaped")}


def test_files_and_settings_are_the_same(docker: Docker, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "SMARTCLIDE_TEST_REGISTRY", "SMARTCLIDE_TEST_BASE_IMAGE"):
        if not os.environ.get(name):
            pytest.skip(f"needs {name}: a real Docker engine, its registry, an image there")
    folder, base = context(tmp_path / "context"), os.environ["SMARTCLIDE_TEST_BASE_IMAGE"]
    arguments = ("--build-arg", f"BASE={base}", "--build-arg", "VERSION=1.2", "--label", "three=3")
    ours, theirs = f"{os.environ['SMARTCLIDE_TEST_REGISTRY']}/p5/ours:1", "p5/theirs:1"
    docker.ok("build", *arguments, "-t", ours, str(folder))
    pushed = docker.ok("push", ours)
    try:
        engine("build", *arguments, "-t", theirs, str(folder))
        engine("pull", ours)
        assert settings(ours) == settings(theirs)
        assert contents(ours) == contents(theirs)
    finally:
        subprocess.run(["docker", "rmi", "-f", ours, theirs], capture_output=True, check=False)
        remove_from_registry(ours, pushed.split("digest: ")[1].split()[0])
