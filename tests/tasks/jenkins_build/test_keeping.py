"""Files that a build archived, kept in a store: which, how much, and what is left when it goes wrong."""

from pathlib import Path
from typing import Any

import fsspec
import pytest

from errors import UnavailableError
from tasks.jenkins_build import keeping
from tasks.jenkins_build.keeping import keep_files, list_files
from tasks.jenkins_build.outcome import BuildOutcome, BuildRef
from tasks.jenkins_build.server import Jenkins

from .conftest import KEY, Running
from .test_task import run


class Store:
    """A folder."""

    url = "file:///"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def secrets(self) -> tuple[str, ...]:
        return ()

    def get_client(self) -> tuple[Any, str]:
        return fsspec.filesystem("file"), str(self.folder)

    def files(self) -> dict[str, bytes]:
        return {p.relative_to(self.folder).as_posix(): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


async def archived(jenkins: Running) -> BuildOutcome:
    image = '{"image": "r.example.com/a:1", "digest": "sha256:' + "d" * 64 + '", "commit": "1"}'
    outcome = await run(jenkins, jenkins.spec(("archive", image)))
    assert outcome.artifacts == ("image.json",)
    return outcome


async def test_only_what_a_glob_names_is_kept(jenkins: Running, store: Store) -> None:
    outcome = await archived(jenkins)
    assert (
        keep_files(jenkins.client, outcome.ref, list_files(jenkins.client, outcome, ["*.txt"]), store)[0].kept is None
    )
    assert store.files() == {}
    [listed] = keep_files(jenkins.client, outcome.ref, list_files(jenkins.client, outcome, ["*.json"]), store)
    name = f"builds/{outcome.ref.job}/1/artifacts/image.json"
    assert list(store.files()) == [name]
    assert listed.kept is not None
    assert (listed.kept.address, listed.size) == (f"file://{store.folder}/{name}", len(store.files()[name]))


@pytest.mark.parametrize("told", [True, False], ids=["size told", "size unknown"])
async def test_what_is_too_large_is_left_out_and_said(
    jenkins: Running, store: Store, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_BYTES", 50)
    if not told:
        jenkins.server.faults.add("status", "wfapi/artifacts", status=404)
    outcome = await archived(jenkins)
    [listed] = keep_files(jenkins.client, outcome.ref, list_files(jenkins.client, outcome, ["**"]), store)
    assert (listed.size is None) == (not told)
    assert (listed.kept, listed.problem) == (None, "of one build 0 MiB are kept")
    assert store.files() == {}


async def test_a_path_that_leads_out_is_not_written(jenkins: Running, store: Store) -> None:
    ref = BuildRef("group/app", 1, 1, "http://jenkins.example.com/", KEY)
    outcome = BuildOutcome(ref, "SUCCESS", 1.0, artifacts=("a/../../../../out.txt",))
    [listed] = keep_files(jenkins.client, ref, list_files(jenkins.client, outcome, ["**/*"]), store)
    assert listed.problem == "its path leads out of the build's folder"


async def test_a_download_that_breaks_leaves_no_half_file(
    jenkins: Running, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = await archived(jenkins)
    listed = list_files(jenkins.client, outcome, ["*.json"])

    def broken(self: Jenkins, job: str, number: int, path: str, into: Any) -> None:
        into.write(b"half")
        raise UnavailableError("Jenkins is gone.")

    with monkeypatch.context() as patched, pytest.raises(UnavailableError):
        patched.setattr(Jenkins, "download_artifact", broken)
        keep_files(jenkins.client, outcome.ref, listed, store)
    assert not any(name.endswith("image.json") for name in store.files())
    assert keep_files(jenkins.client, outcome.ref, listed, store)[0].kept is not None
    assert [name.rpartition("/")[2] for name in store.files()] == ["image.json"]
