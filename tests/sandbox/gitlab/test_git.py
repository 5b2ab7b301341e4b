"""Real git against the stand-in."""

import os
import subprocess
from pathlib import Path

from tests.sandbox.gitlab.running import Running, git


def with_login(running: Running, user: str, token: str, path: str) -> str:
    return f"{running.url.replace('//', f'//{user}:{token}@')}/{path}.git"


def test_public_project_is_cloned_without_a_token(running: Running, tmp_path: Path) -> None:
    git("clone", "-q", f"{running.url}/open/site.git", "site", cwd=tmp_path)
    assert (tmp_path / "site" / "README.md").read_text() == "site\n"
    assert git("log", "-1", "--format=%an %ae %aI", cwd=tmp_path / "site").stdout == (
        "Sandbox sandbox@example.com 2026-01-01T00:00:00+00:00\n"
    )


def test_private_project_needs_a_token_with_any_user_name(running: Running, tmp_path: Path) -> None:
    refused = git("clone", "-q", f"{running.url}/team/shop.git", "no", cwd=tmp_path, check=False)
    assert refused.returncode == 128
    assert "terminal prompts disabled" in refused.stderr  # git was asked for a login (401)
    for user in ("oauth2", "anybody"):
        git("clone", "-q", with_login(running, user, running.token, "team/shop"), user, cwd=tmp_path)
        assert (tmp_path / user / "src" / "main.py").read_text() == "print('hello')\n"
    assert os.access(tmp_path / "oauth2" / "run.sh", os.X_OK)


def test_wrong_and_weak_tokens(running: Running, tmp_path: Path) -> None:
    wrong = git("clone", "-q", with_login(running, "oauth2", "wrong", "team/shop"), "no", cwd=tmp_path, check=False)
    assert "Authentication failed" in wrong.stderr
    weak = running.gitlab.add_token("weak", ["read_user"])
    refused = git("clone", "-q", with_login(running, "oauth2", weak, "team/shop"), "no", cwd=tmp_path, check=False)
    assert "403" in refused.stderr
    other = running.gitlab.add_token("other", ["read_repository"], projects=["team/else"])
    hidden = git("clone", "-q", with_login(running, "oauth2", other, "team/shop"), "no", cwd=tmp_path, check=False)
    assert "not found" in hidden.stderr


def test_any_commit_is_fetched_by_its_sha(running: Running, tmp_path: Path) -> None:
    gitlab = running.gitlab
    old = gitlab.commit("open/site", "main", {"README.md": "old\n"}, "Old")
    gitlab.commit("open/site", "main", {"README.md": "new\n", "extra": None}, "New")
    git("init", "-q", cwd=tmp_path)
    git("remote", "add", "origin", f"{running.url}/open/site.git", cwd=tmp_path)
    git("fetch", "-q", "--depth", "1", "origin", old, cwd=tmp_path)
    git("checkout", "-q", "FETCH_HEAD", cwd=tmp_path)
    assert (tmp_path / "README.md").read_text() == "old\n"
    git("init", "-q", "other", cwd=tmp_path)
    url = f"{running.url}/open/site.git"
    git(
        "-c", "protocol.version=0", "fetch", "-q", url, old, cwd=tmp_path / "other"
    )  # the setting decides, not version 2
    assert git("rev-parse", "FETCH_HEAD", cwd=tmp_path / "other").stdout == f"{old}\n"


def test_push_of_more_than_a_buffer_is_there_afterwards(running: Running, tmp_path: Path) -> None:
    url = with_login(running, "oauth2", running.token, "team/shop")
    git("clone", "-q", url, "shop", cwd=tmp_path)
    data = os.urandom(3_000_000)  # above http.postBuffer: sent chunked
    (tmp_path / "shop" / "big.bin").write_bytes(data)
    git("checkout", "-q", "-b", "feature/big", cwd=tmp_path / "shop")
    git("add", "-A", cwd=tmp_path / "shop")
    git("commit", "-q", "-m", "Big", cwd=tmp_path / "shop")
    git("push", "-q", "origin", "HEAD", cwd=tmp_path / "shop")
    git("clone", "-q", "-b", "feature/big", url, "again", cwd=tmp_path)
    assert (tmp_path / "again" / "big.bin").read_bytes() == data


def test_push_needs_a_login_even_to_a_public_project(running: Running, tmp_path: Path) -> None:
    git("clone", "-q", f"{running.url}/open/site.git", "site", cwd=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "Empty", cwd=tmp_path / "site")
    assert "terminal prompts disabled" in git("push", cwd=tmp_path / "site", check=False).stderr
    reader = running.gitlab.add_token("reader", ["read_repository"])
    url = with_login(running, "oauth2", reader, "open/site")
    assert "403" in git("push", url, "HEAD:main", cwd=tmp_path / "site", check=False).stderr


def test_protocol_version_2_is_spoken(running: Running, tmp_path: Path) -> None:
    done = subprocess.run(
        ["git", "-c", "protocol.version=2", "ls-remote", f"{running.url}/open/site.git"],
        env={**os.environ, "GIT_TRACE_PACKET": "1"}, capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert "version 2" in done.stderr
