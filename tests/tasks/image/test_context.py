"""Unpacking archives of unknown authors."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from errors import InputError, ProtocolError
from tasks.image.context import ArchiveLimits, unpack

Entry = tuple[str, bytes | None, dict[str, object]]


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    def make(*entries: Entry) -> Path:
        path = tmp_path / "a.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for name, content, fields in entries:
                member = tarfile.TarInfo(name)
                member.size = len(content or b"")
                for field, value in fields.items():
                    setattr(member, field, value)
                tar.addfile(member, io.BytesIO(content or b""))
        return path

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def test_the_one_folder_is_the_context(archive: Callable[..., Path], folder: Path) -> None:
    made = archive(
        ("app-abc/Dockerfile", b"FROM scratch\n", {}),
        ("app-abc/run.sh", b"#!/bin/sh\n", {"mode": 0o755}),
        ("app-abc/link", None, {"type": tarfile.SYMTYPE, "linkname": "Dockerfile"}),
    )
    context = unpack(made, folder)
    assert context == folder / "app-abc"
    assert (context / "link").read_text() == "FROM scratch\n"
    assert (context / "run.sh").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("app/../../evil", {}),
        ("app/link", {"type": tarfile.SYMTYPE, "linkname": "../../../etc/passwd"}),
        ("app/link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("app/hard", {"type": tarfile.LNKTYPE, "linkname": "../../outside"}),
        ("app/device", {"type": tarfile.CHRTYPE}),
        ("app/pipe", {"type": tarfile.FIFOTYPE}),
        ("/app/absolute", {}),
    ],
)
def test_unsafe_entries(archive: Callable[..., Path], folder: Path, name: str, fields: dict[str, object]) -> None:
    with pytest.raises(InputError, match="holds an unsafe entry"):
        unpack(archive((name, b"", fields)), folder)
    assert not (folder.parent / "evil").exists()


def test_an_entry_below_a_link_that_leads_out(archive: Callable[..., Path], folder: Path) -> None:
    links = [
        ("app/a", None, {"type": tarfile.SYMTYPE, "linkname": "."}),
        ("app/b", None, {"type": tarfile.SYMTYPE, "linkname": "a/../.."}),
        ("app/b/evil", b"x", {}),
    ]
    with pytest.raises(InputError, match="'app/b' links to something outside"):
        unpack(archive(*links), folder)
    assert not (folder.parent / "evil").exists()


def test_special_mode_bits_and_owners_are_dropped(archive: Callable[..., Path], folder: Path) -> None:
    made = archive(("app/run", b"#!/bin/sh\n", {"mode": 0o6777, "uid": 12345, "gid": 12345}))
    found = (unpack(made, folder) / "run").stat()
    assert (found.st_mode & 0o7777, found.st_uid) == (0o755, folder.stat().st_uid)


@pytest.mark.filterwarnings("ignore:Python 3.14 will, by default, filter:DeprecationWarning")  # of 3.12 and 3.13
def test_the_same_without_the_filter_of_newer_pythons(
    archive: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    made = archive(
        ("app-abc/Dockerfile", b"FROM scratch\n", {}),
        ("app-abc/hard", None, {"type": tarfile.LNKTYPE, "linkname": "app-abc/Dockerfile"}),
    )
    assert (unpack(made, folder) / "hard").read_text() == "FROM scratch\n"


@pytest.mark.parametrize("limits", [ArchiveLimits(size=9), ArchiveLimits(entries=1)])
def test_what_is_too_large(archive: Callable[..., Path], folder: Path, limits: ArchiveLimits) -> None:
    with pytest.raises(InputError, match="unpacks to more than"):
        unpack(archive(("a/1", b"12345", {}), ("a/2", b"67890", {})), folder, limits)


def test_damaged_archives(archive: Callable[..., Path], folder: Path, tmp_path: Path) -> None:
    made = archive(("a/1", b"x" * 5000, {}))
    (tmp_path / "cut.tar.gz").write_bytes(made.read_bytes()[:60])
    (tmp_path / "html.tar.gz").write_bytes(b"<html></html>")
    for name in ("cut.tar.gz", "html.tar.gz"):
        with pytest.raises(ProtocolError, match="archive is damaged"):
            unpack(tmp_path / name, folder)


def test_two_folders_at_the_top(archive: Callable[..., Path], folder: Path) -> None:
    with pytest.raises(ProtocolError, match="not one folder at its top"):
        unpack(archive(("a/1", b"", {}), ("b/1", b"", {})), folder)
