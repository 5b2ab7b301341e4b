"""What the builder makes of a Dockerfile and a folder."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.docker_cli.build import BuildOptions, build
from sandbox.docker_cli.errors import DockerError, DockerfileError
from sandbox.docker_cli.reference import Reference
from sandbox.docker_cli.store import Image, Store
from tests.sandbox.docker_cli.commanding import write

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # Docker adds it where a base has none


class NoRegistry:
    def pull(self, reference: Reference) -> Image:
        raise DockerError(f"manifest for {reference} not found")


class Builder:
    def __init__(self, folder: Path) -> None:
        self.context = folder / "context"
        self.context.mkdir()
        self.store = Store(folder / "store")
        self.said: list[str] = []

    def __call__(self, dockerfile: str, files: dict[str, str] | None = None, **options: Any) -> Image:
        write(self.context, {"Dockerfile": dockerfile, **(files or {})})
        return build(self.context, BuildOptions(**options), self.store, NoRegistry(), self.said.append)

    def files(self, image: Image) -> dict[str, bytes | None]:
        """Path -> content, None for folders, of all layers."""
        found: dict[str, bytes | None] = {}
        for layer in image.manifest["layers"]:
            with tarfile.open(self.store.blob(layer["digest"])) as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.isfile() else None
                    found[member.name] = file.read() if file else None
        return found

    def warnings(self) -> list[str]:
        return [line for line in self.said if not line.startswith("Step ")]


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def test_settings(builder: Builder) -> None:
    image = builder(
        'FROM scratch\nENV A=1 B="x y"\nENV C the rest\nENV D=$A-${E:-e}\nLABEL l=$A\nEXPOSE 80 53/udp 7000-7001\n'
        'USER 1000:1000\nVOLUME ["/data"]\nSTOPSIGNAL SIGTERM\nSHELL ["/bin/bash", "-c"]\nENTRYPOINT ["run"]\n'
        "CMD a $B\nHEALTHCHECK --interval=1m30s --retries=2 CMD check it\nWORKDIR /srv\nWORKDIR app\n"
    )
    assert image.config["config"] == {
        "Env": [PATH, "A=1", "B=x y", "C=the rest", "D=1-e"],
        "Labels": {"l": "1"},
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "7000/tcp": {}, "7001/tcp": {}},
        "User": "1000:1000",
        "Volumes": {"/data": {}},
        "StopSignal": "SIGTERM",
        "Shell": ["/bin/bash", "-c"],
        "Entrypoint": ["run"],
        "Cmd": ["/bin/bash", "-c", "a $B"],
        "Healthcheck": {"Test": ["CMD-SHELL", "check it"], "Interval": 90_000_000_000, "Retries": 2},
        "WorkingDir": "/srv/app",
    }
    assert builder.warnings() == []
    assert len(image.config["rootfs"]["diff_ids"]) == len(image.manifest["layers"]) == 2  # the two folders
    assert len(image.config["history"]) == 14


def test_copying(builder: Builder) -> None:
    files = {"a.txt": "a", "b.txt": "b", "src/main.py": "m", "src/sub/deep.py": "d", "other/x": "x"}
    image = builder(
        "FROM scratch\nWORKDIR /app\nCOPY *.txt texts/\nCOPY src .\nCOPY src/main.py renamed.py\nCOPY other/x /app\n"
        'COPY ["a.txt", "/with space/"]\n',
        files,
    )
    assert {path: data for path, data in builder.files(image).items() if data is not None} == {
        "app/texts/a.txt": b"a",
        "app/texts/b.txt": b"b",
        "app/main.py": b"m",
        "app/sub/deep.py": b"d",
        "app/renamed.py": b"m",
        "app/x": b"x",  # /app is a folder by then
        "with space/a.txt": b"a",
    }


def test_modes_links_and_owners(builder: Builder) -> None:
    write(builder.context, {"tree/run.sh": "x", "plain": "p"})
    (builder.context / "tree" / "run.sh").chmod(0o750)
    (builder.context / "tree" / "link").symlink_to("run.sh")
    (builder.context / "to-plain").symlink_to("plain")
    image = builder("FROM scratch\nCOPY --chown=9:9 tree /t/\nCOPY --chmod=600 plain /p\nCOPY to-plain /q\n")
    members = {}
    for layer in image.manifest["layers"]:
        with tarfile.open(builder.store.blob(layer["digest"])) as tar:
            members |= {member.name: member for member in tar}
    assert members["t/run.sh"].mode == 0o750
    assert (members["t/link"].issym(), members["t/link"].linkname) == (True, "run.sh")
    assert members["p"].mode == 0o600
    assert members["q"].isfile()  # a link named itself is followed, as docker does
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}
    assert builder.warnings() == ["line 2: --chown=9:9 not applied: every file belongs to 0:0"]


def test_dockerignore(builder: Builder) -> None:
    files = {
        ".dockerignore": "# comment\n*.log\n!keep.log\nnode_modules\n**/*.pyc\n/docs/*.md\n",
        "a.log": "", "keep.log": "", "sub/b.log": "", "node_modules/m/x.js": "", "deep/er/c.pyc": "",
        "docs/x.md": "", "docs/sub/y.md": "", "ok.py": "",
    }  # fmt: skip
    image = builder("FROM scratch\nCOPY . /\n", files)
    kept = sorted(path for path, data in builder.files(image).items() if data is not None)
    assert kept == [".dockerignore", "Dockerfile", "docs/sub/y.md", "keep.log", "ok.py", "sub/b.log"]
    with pytest.raises(DockerfileError, match=r"Dockerfile:2: COPY: 'a.log' not found .*left out by .dockerignore"):
        builder("FROM scratch\nCOPY a.log /\n")


def test_stages(builder: Builder) -> None:
    image = builder(
        "ARG NAME=late\nFROM scratch AS Build\nCOPY f /out/f\nENV FROM_BUILD=1\nFROM build AS middle\nCOPY g /out/g\n"
        "FROM scratch\nARG NAME\nCOPY --from=middle /out /all\nCOPY --from=0 /out/f /one\nLABEL name=$NAME\n",
        {"f": "f", "g": "g"},
    )
    assert {path: data for path, data in builder.files(image).items() if data is not None} == {
        "all/f": b"f",
        "all/g": b"g",
        "one": b"f",
    }
    assert image.config["config"] == {"Env": [PATH], "Labels": {"name": "late"}}
    target = builder("FROM scratch AS a\nCOPY f /a\nFROM scratch AS b\nCOPY nothing /b\n", target="a")
    assert builder.files(target) == {"a": b"f"}
    with pytest.raises(DockerfileError, match="target stage 'c' could not be found"):
        builder("FROM scratch AS a\n", target="c")


def test_what_was_not_applied_is_said_and_labelled(builder: Builder) -> None:
    image = builder(
        "FROM maven:3 AS build\nRUN mvn package\nFROM eclipse-temurin:21\nCOPY --from=build /target/app.jar /app.jar\n"
        'CMD ["java", "-jar", "/app.jar"]\n'
    )
    assert builder.warnings() == [
        "line 1: base image maven:3 not applied: an empty base stands in for it",
        "line 2: not executed by the sandbox's builder: RUN mvn package",
        "line 3: base image eclipse-temurin:21 not applied: an empty base stands in for it",
        "line 4: /target/app.jar is not in stage or image build and was left out: "
        "the base image maven:3 was not applied; RUN in line 2 was not executed",
    ]
    assert image.config["config"]["Labels"] == {
        "smartclide.eu/sandbox-base-not-applied": "eclipse-temurin:21",
        "smartclide.eu/sandbox-left-out": "/target/app.jar in line 4",
    }


def test_a_missing_image_of_the_sandbox_is_an_error(builder: Builder) -> None:
    with pytest.raises(DockerError, match=r"manifest for 127\.0\.0\.1:9/a:1 not found"):
        builder("FROM 127.0.0.1:9/a:1\n")


def test_an_image_built_before_is_a_base(builder: Builder) -> None:
    builder("FROM scratch\nCOPY f /base\nENV A=1\nCMD x\n", {"f": "f"}, tags=("my/base:1",))
    image = builder("FROM my/base:1\nENV B=$A\nENTRYPOINT y\n")
    assert image.config["config"]["Env"] == [PATH, "A=1", "B=1"]
    assert "Cmd" not in image.config["config"]  # a new entry point takes the base's CMD back
    assert builder.files(image) == {"base": b"f"}


def test_arguments(builder: Builder) -> None:
    text = (
        "FROM scratch\nARG A=default\nARG B\nLABEL a=$A b=$B arch=$TARGETARCH\nARG TARGETARCH\nLABEL os=$TARGETARCH\n"
    )
    labels = builder(text, arguments={"B": "given", "C": "unused"}, platform="linux/arm64").config["config"]["Labels"]
    assert labels == {"a": "default", "b": "given", "arch": "", "os": "arm64"}
    assert builder.warnings() == ["[Warning] One or more build-args ['C'] were not consumed"]


def test_heredocs_become_files(builder: Builder) -> None:
    image = builder("FROM scratch\nARG V=1\nCOPY <<conf <<'raw' /etc/app/\nv=$V\nconf\nv=$V\nraw\n")
    assert builder.files(image)["etc/app/conf"] == b"v=1\n"
    assert builder.files(image)["etc/app/raw"] == b"v=$V\n"


def test_add_unpacks_archives(builder: Builder) -> None:
    with tarfile.open(builder.context / "x.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("../dir/file")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"hi"))
    image = builder("FROM scratch\nADD x.tar.gz /opt/\nCOPY x.tar.gz /kept.tar.gz\n")
    assert builder.files(image)["opt/dir/file"] == b"hi"
    assert "kept.tar.gz" in builder.files(image)
    with pytest.raises(DockerfileError, match="Dockerfile:2: ADD https://x/y: the sandbox's builder has no network"):
        builder("FROM scratch\nADD https://x/y /\n")


def test_the_same_input_gives_the_same_digest(tmp_path: Path) -> None:
    digests = []
    for name, time in (("one", 1), ("two", 2_000_000_000)):
        (tmp_path / name).mkdir()
        builder = Builder(tmp_path / name)
        write(builder.context, {"b": "b", "a/c": "c"})
        for path in builder.context.rglob("*"):
            os.utime(path, (time, time))
        digests.append(builder("FROM scratch\nCOPY . /\n", platform="linux/amd64").digest)
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RUN x\n", "Dockerfile: no build stage in current context: there is no FROM"),
        ("RUN x\nFROM a\n", "Dockerfile:1: no build stage in current context: FROM must come first"),
        ("FROM a b\n", "Dockerfile:1: FROM requires either one argument, or three: FROM <source> [AS <name>]"),
        ("FROM scratch\nCOPY none /\n", "Dockerfile:2: COPY: 'none' not found in the build context"),
        ("FROM scratch\nCOPY ../up /\n", "Dockerfile:2: COPY: '../up' not found in the build context"),
        ("FROM scratch\nCOPY one\n", "Dockerfile:2: COPY requires at least two arguments"),
        (
            "FROM scratch\nCOPY --parents a b\n",
            "Dockerfile:2: the sandbox's builder does not understand COPY --parents",
        ),
        ("FROM scratch\nEXPOSE http\n", "Dockerfile:2: invalid containerPort: http"),
        ("FROM scratch\nENV A\n", "Dockerfile:2: ENV must have two arguments"),
        ("FROM scratch AS a\nCOPY --from=a x /\n", "Dockerfile:2: --from=a: a stage cannot copy from itself"),
        ("FROM Bad:Image:x\n", 'Dockerfile:1: invalid reference format: "Bad:Image:x"'),
        ("FROM $NONE\n", "Dockerfile:1: base name ($NONE) should not be blank"),
        (
            "FROM scratch\nHEALTHCHECK --interval=5 CMD x\n",
            "Dockerfile:2: invalid duration '5': write it like 30s or 1m30s",
        ),
    ],
)
def test_mistakes(builder: Builder, text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        builder(text)
    assert str(caught.value) == message


WORDS = "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL USER VOLUME WORKDIR"
RESTS = ["scratch", "a b", "A=1", "${A:-x} /", "* /", "--from=0 . /x", "[a]*", "[] x", "[!a /", "0 AS 0", "..", "/ /"]
INSTRUCTION = st.builds(
    lambda word, rest: f"{word} {rest}",
    st.sampled_from(WORDS.split(" ")),
    st.one_of(st.text(max_size=12), st.sampled_from(RESTS)),
)


@given(lines=st.lists(INSTRUCTION, max_size=6))
def test_any_dockerfile_is_built_or_refused(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "Dockerfile").write_text("\n".join(["FROM scratch", *lines]), encoding="utf-8")
    try:
        image = build(folder, BuildOptions(), Store(folder / "store"), NoRegistry(), lambda _line: None)
    except DockerError:
        return
    assert json.loads(json.dumps(image.config))["rootfs"]["type"] == "layers"
