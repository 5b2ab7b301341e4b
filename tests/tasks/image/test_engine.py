"""Building and pushing: what the engine's stream says, and a real engine."""

import asyncio
import gc
import io
import logging
import os
import tarfile
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from blocks.gitlab_server import GitLabServer
from errors import (
    AccessError,
    BuildFailedError,
    DeadlineError,
    InputError,
    NotFoundError,
    ProtocolError,
    UnavailableError,
)
from tasks.image.engine import Engine, EngineBuild, _build_failure, _push_failure
from tasks.image.reference import ImageReference, parse
from tasks.image.registry import Registry
from tasks.image.task import build_image_with_engine
from tasks.source.model import Commit

from .conftest import block

IMAGE = parse("r.example.com/group/app:1")
COMMIT = Commit(
    project_id=1, project_path="group/app", project_name="app", default_branch="main", ref="main", ref_kind="branch",
    sha="a" * 40, title="t", message="t", author="A <a@example.com>", timestamp="2026-01-01T00:00:00Z",
    ref_protected=False, clone_url="http://g/group/app.git", web_url="http://g/group/app", visibility="public",
    server_url="http://g",
)  # fmt: skip


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("unauthorized: authentication required", AccessError),
        ("no basic auth credentials", AccessError),
        ("denied: requested access to the resource is denied", AccessError),
        ("dial tcp 10.0.0.1:443: connect: connection refused", UnavailableError),
        ("received unexpected HTTP status: 503 Service Unavailable", UnavailableError),
        ("unexpected EOF", UnavailableError),
        ("dial tcp: lookup nowhere.invalid: no such host", UnavailableError),
        ("http: server gave HTTP response to HTTPS client", InputError),
        ("manifest invalid", ProtocolError),
    ],
)
def test_errors_of_a_push(error: str, kind: type[Exception]) -> None:
    found = _push_failure(IMAGE, error)
    assert type(found) is kind
    assert str(found).startswith(f"Pushing image r.example.com/group/app:1 failed: {error}")


def test_an_error_of_a_build_names_the_step() -> None:
    error = _build_failure(IMAGE, "returned a non-zero code: 2", "Step 3/4 : RUN make", deque(["one", "two"]))
    assert type(error) is BuildFailedError
    assert str(error).startswith(
        "Building image r.example.com/group/app:1 failed at 'Step 3/4 : RUN make': returned a non-zero code: 2\n"
        "    one\n    two\n"
    )


def test_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with warnings.catch_warnings():  # the Docker SDK leaves the socket of a failed connection to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        for address in ("tcp://127.0.0.1:1", f"unix://{tmp_path}/no.sock", "nonsense://"):
            monkeypatch.setenv("DOCKER_HOST", address)
            with pytest.raises(UnavailableError, match="engine"):
                Engine(print)
        gc.collect()


class _Project:
    """Stands in the place of GitLab's archive: a tar.gz of the given files."""

    files: dict[str, str] = {}

    def __init__(self, _server: GitLabServer) -> None:
        pass

    def archive(self, commit: Commit, target: Path) -> None:
        with tarfile.open(target, "w:gz") as tar:
            for name, text in self.files.items():
                member = tarfile.TarInfo(f"app-{commit.sha}/{name}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))


def _environment(name: str) -> str:
    if not (value := os.environ.get(name)):
        pytest.skip(f"{name} is not set")
    return value


Build = Callable[..., Any]


@pytest.fixture
def repository() -> Iterator[str]:
    _environment("DOCKER_HOST")
    name = f"part7/{uuid.uuid4().hex[:12]}"
    yield name
    with (
        warnings.catch_warnings()
    ):  # the Docker SDK leaves the socket of an answer not read to its end to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    client = docker.from_env()
    for image in client.images.list():
        for tag in image.tags:
            if name in tag:
                client.images.remove(tag, force=True)
    client.close()


def _described(address: str, repository: str, **options: Any) -> EngineBuild:
    return EngineBuild(ImageReference(address, repository, "a" * 40), **options)


@pytest.mark.integration
async def test_a_real_build_and_push(
    repository: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "smartclide")
    base = _environment("SMARTCLIDE_TEST_BASE_IMAGE")
    registry = block(_environment("SMARTCLIDE_TEST_REGISTRY"))
    _Project.files = {
        "Dockerfile": f"FROM {base}\nARG WHO=nobody\nENV WHO=$WHO\nCOPY a.txt /a.txt\n", "a.txt": "hello",
    }  # fmt: skip
    monkeypatch.setattr("tasks.image.task.GitLab", _Project)
    gitlab = GitLabServer(url="http://g")
    build = _described(registry.address, repository, labels={"k": "v"}, build_args={"WHO": "somebody"})
    image = await build_image_with_engine.fn(gitlab, COMMIT, registry, build)
    with Registry(registry) as client:
        assert client.digest(image) == image.digest
        config = client.config(image)["config"]
    assert config["Labels"]["org.opencontainers.image.revision"] == "a" * 40
    assert config["Labels"]["k"] == "v"
    assert "WHO=somebody" in config["Env"]
    shown = "\n".join(caplog.messages)
    assert "Step 4/8 : COPY a.txt /a.txt" in shown
    caplog.clear()
    assert await build_image_with_engine.fn(gitlab, COMMIT, registry, build) == image
    assert caplog.messages == [f"image {image} is in the registry already"]
    other = replace(build, build_args={"WHO": "somebody else"})
    assert (await build_image_with_engine.fn(gitlab, COMMIT, registry, other)).digest != image.digest


@pytest.mark.integration
async def test_a_real_build_that_fails(repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base, address = _environment("SMARTCLIDE_TEST_BASE_IMAGE"), _environment("SMARTCLIDE_TEST_REGISTRY")
    monkeypatch.setattr("tasks.image.task.GitLab", _Project)
    _Project.files = {"Dockerfile": f"FROM {base}\nCOPY absent.txt /a.txt\n"}
    with pytest.raises(BuildFailedError, match=r"failed at 'Step 2/5 : COPY absent.txt /a.txt'"):
        await build_image_with_engine.fn(
            GitLabServer(url="http://g"), COMMIT, block(address), _described(address, repository)
        )
    _Project.files = {"README": "no Dockerfile"}
    with pytest.raises(NotFoundError, match="has no Dockerfile"):
        await build_image_with_engine.fn(
            GitLabServer(url="http://g"), COMMIT, block(address), _described(address, repository)
        )


@pytest.mark.integration
async def test_a_real_push_with_a_login(repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = _environment("SMARTCLIDE_TEST_REGISTRY_LOGIN")
    user, password = (_environment(f"SMARTCLIDE_TEST_REGISTRY_LOGIN_{what}") for what in ("USER", "PASSWORD"))
    monkeypatch.setattr("tasks.image.task.GitLab", _Project)
    _Project.files = {"Dockerfile": "FROM scratch\nCOPY a.txt /a.txt\n", "a.txt": "hello"}
    build = _described(address, repository)
    registry = block(address, (user, password))
    image = await build_image_with_engine.fn(GitLabServer(url="http://g"), COMMIT, registry, build)
    assert image.digest is not None
    with Engine(lambda _: None) as engine:
        for wrong in (None, (user, "wr0ng")):
            with pytest.raises(AccessError) as caught:
                engine.push(image, wrong)
            assert "wr0ng" not in str(caught.value)
        with pytest.raises((UnavailableError, InputError, ProtocolError, NotFoundError)):
            engine.push(ImageReference("127.0.0.1:1", repository, "a" * 40), None)


@pytest.mark.integration
async def test_a_build_that_takes_too_long(repository: str, tmp_path: Path) -> None:
    address = _environment("SMARTCLIDE_TEST_REGISTRY")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    with Engine(lambda _: None, timeout=0.0) as engine, pytest.raises(DeadlineError, match="took too long"):
        engine.build(tmp_path, _described(address, repository), None)
    with Engine(lambda _: None) as engine:
        engine.cancel()
        with pytest.raises(DeadlineError, match="was cancelled"):
            await asyncio.to_thread(engine.build, tmp_path, _described(address, repository), None)
