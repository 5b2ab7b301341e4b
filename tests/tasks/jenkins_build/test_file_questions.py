"""Rules about files that are left to the build: what git says there decides, as GitLab would have compared."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from sandbox.jenkins import executor
from sandbox.jenkins.model import EarlierBuild
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.jenkins_build.jenkinsfile import RenderSettings
from tasks.jenkins_build.rendered import rendered
from tests.tasks.jenkins_build.running import Listening, Ran, git

Rendering = Literal["stages", "graph"]
BOTH = pytest.mark.parametrize("rendering", ["stages", "graph"])
ZEROS = "0" * 40
PIPELINE = """
docs: {script: [echo docs], rules: [{changes: ["docs/**/*.{md,rst}"]}]}
code: {script: [echo code], rules: [{changes: [src/*]}]}
old: {script: [echo old], only: {refs: [branches, merge_requests, tags], changes: [docs/*]}}
not code: {script: [echo not code], except: {changes: [src/*]}}
"""


@dataclass
class Repository:
    """A repository at `url`; `first` is the commit before `docs`, a push of which changed docs/a/x.md."""

    url: str
    folder: Path
    first: str
    docs: str

    def commit(self, name: str, text: str = "x", branch: str = "") -> str:
        if branch:
            git(self.folder, "checkout", "-q", "-B", branch)
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)
        git(self.folder, "add", ".")
        git(self.folder, "commit", "-q", "-m", name)
        return git(self.folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    made = Repository(f"file://{folder}", folder, "", "")
    made.first = made.commit("src/main.c")
    made.docs = made.commit("docs/a/x.md")
    return made


def run(
    repository: Repository,
    text: str,
    rendering: Rendering,
    parameters: dict[str, str],
    earlier: EarlierBuild | None = None,
) -> Ran:
    pipeline = interpret({".gitlab-ci.yml": text}, Context(files_later=True))
    assert [str(d) for d in pipeline.diagnostics] == []
    made = rendered(pipeline, RenderSettings(rendering=rendering))
    assert executor.validate(made.jenkinsfile) == []
    given = {"BUILD_KEY": "k", "REPO_URL": repository.url, "CI_COMMIT_BRANCH": "main", **parameters}
    assert given.keys() <= set(made.parameters)
    folder = repository.folder.parent / f"build{len(list(repository.folder.parent.iterdir()))}"
    host = Listening(folder, made.jenkinsfile, {"PATH": os.environ["PATH"]}, **given)
    host.earlier = earlier
    return host.ran(executor.run(host))


def ran(*arguments: object) -> list[str]:
    """The jobs that ran."""
    found = run(*arguments)  # type: ignore[arg-type]
    assert found.result == "SUCCESS", found.console
    return sorted(job for job, state in found.states.items() if state == "success")


ALL = ["code", "docs", "old"]


@BOTH
def test_a_push_is_compared_with_what_the_branch_held(repository: Repository, rendering: Rendering) -> None:
    given = {"COMMIT_SHA": repository.docs, "CI_COMMIT_BEFORE_SHA": repository.first}
    assert ran(repository, PIPELINE, rendering, given) == ["docs", "not code"]


@BOTH
def test_a_new_branch_has_nothing_to_be_compared_with(repository: Repository, rendering: Rendering) -> None:
    given = {"COMMIT_SHA": repository.docs, "CI_COMMIT_BEFORE_SHA": ZEROS}
    assert ran(repository, PIPELINE, rendering, given) == ALL
    assert ran(repository, PIPELINE, rendering, {"COMMIT_SHA": repository.docs}) == ALL  # nor a first build


@BOTH
def test_the_branch_held_what_was_built_last(repository: Repository, rendering: Rendering) -> None:
    other = repository.commit("src/other.c", branch="other")
    earlier = None
    for number, built in enumerate((f"{repository.first} main", f"{other} other", f"{repository.docs} main"), start=1):
        earlier = EarlierBuild(number, "SUCCESS", {"SMARTCLIDE_BUILT": built}, lambda before=earlier: before)  # type: ignore[misc]
    assert ran(repository, PIPELINE, rendering, {"COMMIT_SHA": repository.docs}, earlier) == ["docs", "not code"]


def test_a_build_says_what_it_built(repository: Repository) -> None:
    text = "a: {script: [echo], rules: [{changes: [x]}]}"
    found = run(repository, text, "stages", {"COMMIT_SHA": repository.docs})
    assert "SMARTCLIDE_BUILT" not in found.console
    pipeline = interpret({".gitlab-ci.yml": text}, Context(files_later=True))
    jenkinsfile = rendered(pipeline, RenderSettings()).jenkinsfile
    host = Listening(
        repository.folder.parent / "second", jenkinsfile, {"PATH": os.environ["PATH"]},
        COMMIT_SHA=repository.docs, REPO_URL=repository.url, CI_COMMIT_BRANCH="main",
    )  # fmt: skip
    executor.run(host)
    assert host.variables == {"SMARTCLIDE_BUILT": f"{repository.docs} main"}


@BOTH
@pytest.mark.parametrize("given", [{"CI_COMMIT_TAG": "v1", "CI_COMMIT_BRANCH": ""}, {"CI_PIPELINE_SOURCE": "schedule"}])
def test_tags_and_schedules_compare_with_nothing(
    repository: Repository, rendering: Rendering, given: dict[str, str]
) -> None:
    before = {"CI_COMMIT_BEFORE_SHA": repository.first}
    assert ran(repository, PIPELINE, rendering, {"COMMIT_SHA": repository.docs, **before, **given}) == ALL


@BOTH
def test_a_commit_that_is_gone_changes_everything(repository: Repository, rendering: Rendering) -> None:
    given = {"COMMIT_SHA": repository.docs, "CI_COMMIT_BEFORE_SHA": "1" * 40}
    found = run(repository, PIPELINE, rendering, given)
    assert found.states == {"docs": "success", "code": "success", "old": "success", "not code": "skipped"}
    assert f"{'1' * 40} cannot be fetched, so everything counts as changed" in found.console


@BOTH
def test_a_merge_request_is_compared_with_where_it_left_its_target(
    repository: Repository, rendering: Rendering
) -> None:
    feature = repository.commit("docs/y.md", branch="feature")
    git(repository.folder, "checkout", "-q", "main")
    repository.commit("src/later.c")  # on main, after the branch left it
    given = {
        "COMMIT_SHA": feature,
        "CI_COMMIT_BRANCH": "",
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }
    assert ran(repository, PIPELINE, rendering, given) == ["docs", "not code", "old"]


@BOTH
def test_compare_to_is_compared_from_the_common_commit(repository: Repository, rendering: Rendering) -> None:
    feature = repository.commit("docs/y.md", branch="feature")
    git(repository.folder, "tag", "v1", repository.first)
    git(repository.folder, "checkout", "-q", "main")
    repository.commit("src/later.c")
    text = """
branch: {script: [echo], rules: [{changes: {paths: ["src/*"], compare_to: refs/heads/main}}]}
docs: {script: [echo], rules: [{changes: {paths: ["docs/*"], compare_to: main}}]}
deep: {script: [echo], rules: [{changes: {paths: ["docs/a/*"], compare_to: v1}}]}
variable: {script: [echo], rules: [{changes: {paths: ["docs/*"], compare_to: $CI_DEFAULT_BRANCH}}]}
tag too: {script: [echo], rules: [{if: $CI_COMMIT_TAG, when: never}, {changes: {paths: ["x"], compare_to: main}}]}
"""
    given = {"COMMIT_SHA": feature, "CI_DEFAULT_BRANCH": "main"}
    assert ran(repository, text, rendering, given) == ["deep", "docs", "variable"]


def test_a_ref_that_is_not_there_is_said(repository: Repository) -> None:
    text = "a: {script: [echo], rules: [{changes: {paths: [x], compare_to: gone}}]}"
    found = run(repository, text, "stages", {"COMMIT_SHA": repository.docs})
    assert (found.result, found.states) == ("FAILURE", {})
    assert "rules:changes: gone is not a valid ref" in found.console


@BOTH
def test_files_of_the_commit_exist_or_not(repository: Repository, rendering: Rendering) -> None:
    for name in ("pom.xml", "a/b/pom.xml", "ü mlaut.txt", "dir/x.y.js", "we'ird$(touch no)/{x}"):
        commit = repository.commit(name)
    paths = {
        "exact": ("dir/x.y.js", True),
        "not there": ("x.y.js", False),
        "anywhere": ("**/x.y.js", True),
        "star stays": ("*.js", False),
        "braces": ("{no,pom}.{txt,xml}", True),
        "bracket": ("[!q]om.xml", True),
        "folder": ("a/", True),
        "folder name": ("a", False),
        "question": ("po?.xml", True),
        "letters": ("ü*.txt", True),
        "hostile": ("we'ird$(touch no)/\\\\{x\\\\}", True),
        "dots": ("a/b/pomZxml", False),
    }
    text = "\n".join(
        f'{name}: {{script: [echo], rules: [{{exists: ["{glob}"]}}]}}' for name, (glob, _) in paths.items()
    )
    wanted = sorted(name for name, (_, there) in paths.items() if there)
    assert ran(repository, text, rendering, {"COMMIT_SHA": commit}) == wanted


@BOTH
def test_regular_expressions_are_looked_for_in_each_path(repository: Repository, rendering: Rendering) -> None:
    commit = repository.commit("docs/b 1.md")
    text = r"""
docs: {script: [echo], rules: [{changes: {regexp: '\Adocs/(?!a/)'}}]}
others: {script: [echo], rules: [{changes: {regexp: '\A(?!docs/)'}}]}
since: {script: [echo], rules: [{changes: {regexp: '\A(?!docs/)', compare_to: v0}}]}
hexadecimal: {script: [echo], rules: [{exists: {regexp: '/\h \d\.md\z'}}]}
one path: {script: [echo], rules: [{exists: {regexp: '\Adocs[^!]*main'}}]}
flags: {script: [echo], rules: [{exists: {regexp: '(?i:MAIN)\.c$'}}]}
"""
    git(repository.folder, "tag", "v0", repository.first)
    given = {"COMMIT_SHA": commit, "CI_COMMIT_BEFORE_SHA": repository.docs}
    assert ran(repository, text, rendering, given) == ["docs", "flags", "hexadecimal"]
    back = {"COMMIT_SHA": repository.docs, "CI_COMMIT_BEFORE_SHA": repository.docs}
    assert ran(repository, r"a: {script: [echo], rules: [{changes: {regexp: '\A'}}]}", rendering, back) == []


def test_too_many_comparisons_count_as_a_match(repository: Repository) -> None:
    for number in range(1100):
        (repository.folder / f"f{number}").touch()
    (repository.folder / "deep").mkdir()
    for number in range(300):
        (repository.folder / "deep" / f"f{number}").touch()
    commit = repository.commit("last")
    no = ", ".join(f'"no{number}*/x"' for number in range(50))
    top, few = (", ".join(f'"no{number}*"' for number in range(count)) for count in (46, 40))
    text = "\n".join(
        f"{name}: {{script: [echo], rules: [{{exists: [{globs}]}}]}}"
        for name, globs in (("many", no), ("top", top), ("few", few))
    )
    assert ran(repository, text, "stages", {"COMMIT_SHA": commit}) == ["many", "top"]
    changes = (
        f"many: {{script: [echo], rules: [{{changes: [{no}]}}]}}\nfew: {{script: [echo], rules: [{{changes: ['no']}}]}}"
    )
    given = {"COMMIT_SHA": commit, "CI_COMMIT_BEFORE_SHA": repository.docs}
    assert ran(repository, changes, "graph", given) == ["many"]


@BOTH
def test_a_workflow_may_ask_about_files(repository: Repository, rendering: Rendering) -> None:
    text = "workflow: {rules: [{exists: [none]}, {changes: [docs/**/*]}]}\na: {script: [echo]}"
    given = {"COMMIT_SHA": repository.docs, "CI_COMMIT_BEFORE_SHA": repository.first}
    assert ran(repository, text, rendering, given) == ["a"]
    back = {"COMMIT_SHA": repository.first, "CI_COMMIT_BEFORE_SHA": repository.first}
    assert ran(repository, text, rendering, back) == []
