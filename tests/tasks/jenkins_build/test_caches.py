"""The shell text that keeps caches, under the shells an agent may have: with GNU's tools, and with busybox alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.interpretation.pipeline import Cache, Job
from tasks.jenkins_build import caches
from tasks.jenkins_build.job_script import word
from tests.tasks.jenkins_build.running import git

BUSYBOX = shutil.which("busybox")


@dataclass(frozen=True)
class Agent:
    """An agent with one shell and its tools."""

    workspace: Path
    shell: str
    path: str

    def run(self, text: list[str], status: str = "success", **variables: str) -> list[str]:
        """What the text writes, errors last; it must end well."""
        done = self.started(text, status, **variables)
        output, errors = done.communicate(timeout=60)
        assert done.returncode == 0, errors
        return [*output.splitlines(), *errors.splitlines()]

    def started(self, text: list[str], status: str = "success", **variables: str) -> subprocess.Popen[str]:
        script = "\n".join(["set -e", *caches.FUNCTIONS, *text, ""])
        places = {"CI_PROJECT_DIR": str(self.workspace), "WORKSPACE_TMP": f"{self.workspace}@tmp"}
        environment = {"PATH": self.path, "CI_JOB_STATUS": status, **places, **variables}
        pipe, here = subprocess.PIPE, self.workspace
        shell = [*self.shell.split(), "-c", script]
        return subprocess.Popen(shell, cwd=here, env=environment, stdout=pipe, stderr=pipe, text=True)

    def save(self, *kept: Cache, status: str = "success", **variables: str) -> list[str]:
        return self.run(caches.save(Job("j", "s", (), caches=kept)), status, **variables)

    def restore(self, *kept: Cache, **variables: str) -> list[str]:
        return self.run(caches.restore(Job("j", "s", (), caches=kept)), **variables)

    def make(self, *names: str) -> None:
        """Empty files; those that end in a slash are folders."""
        for name in names:
            path = self.workspace / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                path.write_text("")

    def clear(self) -> None:
        shutil.rmtree(self.workspace)
        self.workspace.mkdir()

    def files(self) -> list[str]:
        found = [path for path in self.workspace.rglob("*") if ".git" not in path.parts]
        return sorted(p.relative_to(self.workspace).as_posix() + ("/" if p.is_dir() else "") for p in found)

    @property
    def root(self) -> Path:
        return self.workspace.with_name("app@cache")


def agent_of(kind: str, folder: Path) -> Agent:
    workspace = folder / "work spaces" / "app@2"
    workspace.mkdir(parents=True)
    workspace.with_name("app@2@tmp").mkdir()
    if kind != "busybox":
        return Agent(workspace, kind, os.environ["PATH"])
    if BUSYBOX is None:
        pytest.skip("busybox is not installed")
    tools = folder / "tools"
    tools.mkdir()
    subprocess.run([BUSYBOX, "--install", "-s", str(tools)], check=True)
    (tools / "git").symlink_to(shutil.which("git") or "")
    return Agent(workspace, f"{BUSYBOX} sh", str(tools))


@pytest.fixture(params=["bash", pytest.param("sh", marks=pytest.mark.slow), "busybox"])
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Agent:
    return agent_of(request.param, tmp_path)


FILES = (
    "a",
    "b.txt",
    "d/a",
    "d/b.txt",
    "d/e/b.txt",
    "d/.h",
    ".m2/r",
    "we ird/it's $x",
    "-rf",
    "q\\ne",
    "x[1]",
    "u\u00fc",
)


@pytest.mark.parametrize("agent", ["sh", "busybox"], indirect=True)
@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("d", "d/ d/.h d/a d/b.txt d/e/ d/e/b.txt"),
        ("./d/e/", "d/ d/e/ d/e/b.txt"),
        ("*.txt", "b.txt"),
        ("d/*", "d/ d/.h d/a d/b.txt d/e/ d/e/b.txt"),
        ("**/b.txt", "b.txt d/ d/b.txt d/e/ d/e/b.txt"),
        ("d/**/b.txt", "d/ d/b.txt d/e/ d/e/b.txt"),
        ("{a,d/?}", "a d/ d/a d/e/ d/e/b.txt"),
        ("[!b-z]", "a"),
        ("x\\[1\\]", "x[1]"),
        ("x[1]", "x[1]"),
        ("*^*", ""),
        ("-rf", "-rf"),
        ("*rf", "-rf"),
        ("q\\\\ne", "q\\ne"),
        ("*ne", "q\\ne"),
        ("we ird/*", "we ird/ we ird/it's $x"),
        ("u\u00fc", "u\u00fc"),
        ("$CI_PROJECT_DIR/a", "a"),
        ("${DIR}/e", "d/ d/e/ d/e/b.txt"),
        ("nothing", ""),
        ("../*", ""),
        ("d/../a", ""),
        ("/etc/hostname", ""),
        ("$UNSET", ""),
    ],
)
def test_what_a_path_selects(agent: Agent, path: str, selected: str) -> None:
    agent.make(*FILES, "new\nline", ".git/config")
    cache = Cache(paths=(path,))
    agent.save(cache, CI_PROJECT_DIR=str(agent.workspace), DIR="d")
    agent.clear()
    agent.restore(cache)
    assert " ".join(agent.files()) == selected


@pytest.mark.parametrize("path", [".", "**", "*", "$CI_PROJECT_DIR"])
def test_everything_but_git(agent: Agent, path: str) -> None:
    agent.make(*FILES, "empty/", "d/new\nline", ".git/config")
    (agent.workspace / "link").symlink_to("d/a")
    before = agent.files()
    cache = Cache(paths=(path,))
    assert agent.save(cache, CI_PROJECT_DIR=str(agent.workspace)) == ["Saved cache default-non_protected"]
    agent.clear()
    assert agent.restore(cache) == ["Restored cache default-non_protected"]
    assert agent.files() == before
    assert not (agent.workspace / ".git").exists()
    assert (agent.workspace / "link").readlink() == Path("d/a")


def test_untracked_files_ignored_ones_too(agent: Agent) -> None:
    agent.make("known", "new", "d/it's", "x.tmp")
    (agent.workspace / ".gitignore").write_text("*.tmp\n")
    git(agent.workspace, "init", "-q")
    git(agent.workspace, "add", "known", ".gitignore")
    cache = Cache(untracked=True, paths=("known",))
    agent.save(cache)
    agent.clear()
    agent.restore(cache)
    assert agent.files() == ["d/", "d/it's", "known", "new", "x.tmp"]


@pytest.mark.parametrize(
    ("when", "status", "kept"),
    [
        ("on_success", "success", True), ("on_success", "failed", False), ("on_failure", "failed", True),
        ("on_failure", "success", False), ("always", "success", True), ("always", "failed", True),
        ("always", "canceled", False),
    ],
)  # fmt: skip
def test_when(tmp_path: Path, when: str, status: str, kept: bool) -> None:
    agent = agent_of("sh", tmp_path)
    agent.make("a")
    agent.save(Cache(paths=("a",), when=when), status=status)  # type: ignore[arg-type]
    assert bool(list(tmp_path.rglob("cache.tar"))) == kept


@pytest.mark.parametrize(
    ("policy", "saves", "restores"),
    [("pull", False, True), ("push", True, False), ("pull-push", True, True), ("$HOW", False, True), ("$NO", 0, 0)],
)
def test_policy(agent: Agent, policy: str, saves: bool, restores: bool) -> None:
    agent.make("a")
    agent.save(Cache(paths=("a",), policy=policy), HOW="pull")
    assert bool(list(agent.root.rglob("cache.tar"))) == saves
    agent.save(Cache(paths=("a",)))
    agent.clear()
    agent.restore(Cache(paths=("a",), policy=policy), HOW="pull")
    assert agent.files() == (["a"] if restores else [])


def test_fallback_keys_in_their_order(agent: Agent) -> None:
    for name in ("second", "third", "last"):
        agent.make(name)
        agent.save(Cache(name, paths=(name,)))
    wanted = Cache("first", paths=("x",), fallback_keys=("", "$SECOND", "third"))
    agent.clear()
    assert (
        agent.restore(wanted, SECOND="second", CACHE_FALLBACK_KEY="last")[-1] == "Restored cache second-non_protected"
    )
    assert agent.files() == ["second"]
    agent.clear()
    agent.restore(Cache("first", paths=("x",)), CACHE_FALLBACK_KEY="last")
    assert agent.files() == ["last"]
    agent.clear()
    agent.restore(Cache("first", paths=("x",)), CACHE_FALLBACK_KEY="last-non_protected")
    assert agent.files() == ["last"]


def test_protected_branches_have_caches_of_their_own(agent: Agent) -> None:
    agent.make("a")
    agent.save(Cache(paths=("a",)))
    shared = Cache(paths=("a",), unprotect=True)
    agent.clear()
    assert agent.restore(Cache(paths=("a",)), CI_COMMIT_REF_PROTECTED="true") == ["No cache default-protected"]
    no = ["WARNING: CACHE_FALLBACK_KEY must not end in -protected"]
    assert agent.restore(Cache("b"), CACHE_FALLBACK_KEY="default-protected")[1:] == no
    assert agent.restore(shared, CI_COMMIT_REF_PROTECTED="true") == ["Restored cache default-non_protected"]


def test_a_key_made_of_files_follows_what_the_commit_holds(agent: Agent) -> None:
    git(agent.workspace, "init", "-q")

    def key(*globs: str) -> str:
        made = Cache(key_files=globs, key_prefix="p-0_x", paths=("made",))
        return agent.restore(made, CI_COMMIT_SHA=git(agent.workspace, "rev-parse", "HEAD"))[0].removeprefix("No cache ")

    def commit(**files: str) -> None:
        for name, text in files.items():
            (agent.workspace / name).write_text(text)
        git(agent.workspace, "add", ".")
        git(agent.workspace, "commit", "-q", "--allow-empty", "-m", "x")

    commit(lock="1", other="x")
    first = key("lock", "none")
    assert first.startswith("p-0_x-") and len(first) == len("p-0_x-") + 40 + len("-non_protected")
    (agent.workspace / "lock").write_text("changed by the job")
    assert key("lock", "none") == first
    commit(lock="1", other="y")
    assert key("lock", "none") == first == key("l?ck")
    commit(lock="2")
    assert key("lock", "none") != first
    commit(lock="1")
    assert key("lock", "none") == first
    assert key("none") == "p-0_x-default-non_protected"


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=20))
def test_any_key_is_one_folder_of_its_own(agent: Agent, keys: list[str]) -> None:
    distinct = [*dict.fromkeys([*keys, "..", "../x", "a/b", "a_b", "A_b", "x" * 300, "x" * 299])]
    names = agent.run([f"cache_name {word(key)}" for key in distinct])
    assert len(set(names)) == len(distinct)
    assert [name for name in names if not re.fullmatch("[A-Za-z0-9_.-]{0,80}-[0-9a-f]{16}", name)] == []


@pytest.mark.parametrize("key", ["../../x", "a/b", "it's $(touch no) `id`", "-f", "\n", "* ?", "\u00fc"])
def test_a_hostile_key_works_and_leads_nowhere_else(agent: Agent, key: str) -> None:
    agent.make("a")
    cache = Cache("$KEY", paths=("a",))
    agent.save(cache, KEY=key)
    agent.clear()
    agent.restore(cache, KEY=key)
    assert agent.files() == ["a"]
    assert [path.relative_to(agent.root).parts[1:] for path in agent.root.rglob("*") if path.is_file()] == [
        ("cache.tar",)
    ]


def test_two_builds_that_save_at_once_never_leave_a_half_cache(agent: Agent, tmp_path: Path) -> None:
    save = caches.save(Job("j", "s", (), caches=(Cache(paths=("f*",)),)))
    writers = []
    for number in (1, 2):
        workspace = agent.workspace.with_name(f"app@{number + 2}")
        workspace.mkdir()
        workspace.with_name(f"{workspace.name}@tmp").mkdir()
        for name in range(30):
            (workspace / f"f{name}").write_text(str(number) * 20_000)
        loop = [f"for i in {' '.join(map(str, range(15)))}; do", *save, "done"]
        writers.append(Agent(workspace, agent.shell, agent.path).started(loop))
    seen = set()
    while any(writer.poll() is None for writer in writers):
        for path in agent.root.rglob("cache.tar") if agent.root.exists() else ():
            with tarfile.open(path) as archive:
                texts = [archive.extractfile(member).read() for member in archive]  # type: ignore[union-attr]
            assert (len(texts), len(set(texts))) == (30, 1)
            seen.add(texts[0][:1])
    assert [writer.communicate()[0].count("Saved cache") for writer in writers] == [15, 15]
    assert seen
    assert [path.name for path in agent.root.rglob("*") if path.is_file()] == ["cache.tar"]


def test_what_cannot_be_saved_or_restored_is_only_said(agent: Agent) -> None:
    agent.make("a")
    cache = Cache(paths=("a",))
    agent.save(cache)
    (found,) = agent.root.rglob("cache.tar")
    found.write_bytes(b"no archive at all")
    assert "WARNING: cache default-non_protected could not be restored, or not wholly" in agent.restore(cache)
    shutil.rmtree(agent.root)
    agent.root.write_text("a file where the folder should be")
    assert "WARNING: cache default-non_protected was not saved" in agent.save(cache)
    assert agent.restore(cache) == ["No cache default-non_protected"]


def test_a_cache_that_nobody_used_for_a_month_is_removed(agent: Agent) -> None:
    agent.make("a")
    for name in ("old", "used", "new"):
        agent.save(Cache(name, paths=("a",)))
    for path in agent.root.rglob("cache.tar"):
        if "new" not in path.parent.name:
            os.utime(path, (1, 1))
    agent.restore(Cache("used"))
    agent.save(Cache("new", paths=("a",)))
    assert sorted(path.parent.name.partition("-")[0] for path in agent.root.rglob("cache.tar")) == ["new", "used"]


def test_another_folder_for_all_jobs(agent: Agent, tmp_path: Path) -> None:
    agent.make("a")
    agent.save(Cache(paths=("a",)), SMARTCLIDE_CACHE_DIR=str(tmp_path / "c"), JOB_NAME="group/app")
    agent.save(Cache(paths=("a",)), SMARTCLIDE_CACHE_DIR=str(tmp_path / "c"), JOB_NAME="other/app")
    assert not agent.root.exists()
    names = sorted(path.parent.parent.name.partition("-")[0] for path in (tmp_path / "c").rglob("cache.tar"))
    assert names == ["group_app", "other_app"]
