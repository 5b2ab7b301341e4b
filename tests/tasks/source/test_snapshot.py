"""Which files of a commit are read."""

from collections.abc import Callable

import pytest

from blocks.gitlab_server import GitLabServer
from errors import NotFoundError, UnavailableError
from sandbox.gitlab.server import GitLab as StandIn
from sandbox.http import AppServer
from tasks.interpretation.compiler import include_options, interpret
from tasks.interpretation.context import Context
from tasks.interpretation.task import include_decisions
from tasks.source.diagnostics import Findings
from tasks.source.repository import GitLab
from tasks.source.snapshot import check_dockerfile, read_snapshot
from tasks.source.task import read_source, resolve_commit

Block = Callable[..., GitLabServer]


def test_definition_descriptor_and_includes(gitlab: StandIn, block: Block) -> None:
    gitlab.create_project(
        "team/app",
        {
            ".gitlab-ci.yml": "include:\n  - local: /ci/one.yml\n  - ci/parts/*.yml\n  - local: ci/absent.yml\n",
            ".smartclide.yml": "port: 80\n",
            "Dockerfile": "FROM scratch\n",
            "ci/one.yml": "include: ci/$CI_COMMIT_REF_NAME.yml\n",
            "ci/main.yml": "a: {script: a}\n",
            "ci/parts/x.yml": "x: {script: x}\n",
            "ci/parts/y.yml": "y: {script: y}\n",
            "ci/unused.yml": "z: {script: z}\n",
        },
    )
    reader = GitLab(block())
    snapshot = read_snapshot(reader, reader.commit("team/app"))
    assert sorted(snapshot.files) == [
        ".gitlab-ci.yml", ".smartclide.yml", "ci/main.yml", "ci/one.yml", "ci/parts/x.yml", "ci/parts/y.yml",
    ]  # fmt: skip
    assert snapshot.files["ci/main.yml"] == "a: {script: a}\n"
    assert (snapshot.ci_path, snapshot.has_dockerfile, snapshot.generated) == (".gitlab-ci.yml", True, False)
    check_dockerfile(snapshot)


@pytest.mark.parametrize("ref", ["", ":v1"])
def test_a_definition_that_the_settings_name_in_another_project(gitlab: StandIn, block: Block, ref: str) -> None:
    name = f"team/outside{len(ref)}"
    gitlab.create_project(name, {".gitlab-ci.yml": "no: {script: no}\n", "ci/own.yml": "own: {script: own}\n"})
    gitlab.create_project(f"{name}-ci", {"ci/main.yml": "include: /part.yml\n", "part.yml": "old: {script: old}\n"})
    gitlab.tag(f"{name}-ci", "v1", "main")
    gitlab.commit(f"{name}-ci", "main", {"part.yml": "new: {script: new}\n"}, "Later")
    gitlab.set_ci_config_path(name, f"ci/main.yml@{name}-ci{ref}")
    reader = GitLab(block())
    snapshot = read_snapshot(reader, reader.commit(name))
    pipeline = interpret(snapshot.files, Context(), entry=snapshot.ci_path)
    assert [job.name for job in pipeline.jobs] == ["old" if ref else "new"]
    gitlab.set_ci_config_path(name, "/ci/own.yml")
    assert read_snapshot(reader, reader.commit(name)).files == {"ci/own.yml": "own: {script: own}\n"}


def test_files_are_those_of_the_commit_not_of_the_branch(gitlab: StandIn, block: Block) -> None:
    gitlab.create_project("team/moving", {".gitlab-ci.yml": "old: {script: a}\n"})
    reader = GitLab(block())
    commit = reader.commit("team/moving")
    gitlab.commit("team/moving", "main", {".gitlab-ci.yml": "new: {script: a}\n"}, "Later")
    assert read_snapshot(reader, commit).files[".gitlab-ci.yml"] == "old: {script: a}\n"


def test_no_pipeline_definition(gitlab: StandIn, block: Block) -> None:
    gitlab.create_project("team/bare", {"Dockerfile": "FROM scratch\n"})
    reader = GitLab(block())
    commit = reader.commit("team/bare")
    with pytest.raises(NotFoundError) as caught:
        read_snapshot(reader, commit)
    assert str(caught.value) == (
        f"Project team/bare has no .gitlab-ci.yml at main ({commit.sha[:8]}). "
        "Add one, or set generate_pipeline=true to only build the image from the Dockerfile."
    )
    snapshot = read_snapshot(reader, commit, generate_pipeline=True)
    assert snapshot.generated
    assert "test -s Dockerfile" in snapshot.files[".gitlab-ci.yml"]


def test_a_dockerfile_counts_in_the_main_folder_only(gitlab: StandIn, block: Block) -> None:
    gitlab.create_project("team/deep", {".gitlab-ci.yml": "a: {script: a}\n", "docker/Dockerfile": "FROM scratch\n"})
    reader = GitLab(block())
    snapshot = read_snapshot(reader, reader.commit("team/deep"))
    assert not snapshot.has_dockerfile
    with pytest.raises(NotFoundError, match=r"team/deep has no Dockerfile in its main folder at main.*image\.from_job"):
        check_dockerfile(snapshot)


def test_all_paths_are_read_only_for_exists_and_wildcards(gitlab: StandIn, block: Block) -> None:
    text = "a: {script: a, rules: [{exists: [src/*.py]}]}\nb: {script: b, rules: [{exists: [nope]}]}\n"
    gitlab.create_project("team/exists", {".gitlab-ci.yml": text, "src/x.py": ""})
    reader = GitLab(block())
    snapshot = read_snapshot(reader, reader.commit("team/exists"))
    assert sorted(snapshot.tree or ()) == [".gitlab-ci.yml", "src/x.py"]
    pipeline = interpret(snapshot.files, Context({}, tree=snapshot.tree))
    assert ([job.name for job in pipeline.jobs], pipeline.diagnostics) == (["a"], ())
    assert read_snapshot(reader, reader.commit("team/shop")).tree is None


def test_includes_with_rules_are_read_or_decided(gitlab: StandIn, block: Block, server: AppServer) -> None:
    text = "include: {project: team/far, file: a.yml, rules: [{if: $NEVER}]}\nb: {script: b}\n"
    gitlab.create_project("team/ruled", {".gitlab-ci.yml": text})
    reader = GitLab(block())
    commit = reader.commit("team/ruled")
    assert list(read_snapshot(reader, commit).absent) == ["team/far@HEAD:/a.yml"]
    decided = read_snapshot(reader, commit, includes=include_options(Context({}), Findings()))
    assert (list(decided.files), decided.absent) == ([".gitlab-ci.yml"], {})


async def test_includes_are_decided_as_the_interpretation_will(gitlab: StandIn, block: Block) -> None:
    text = "include: [$CI_COMMIT_REF_SLUG.yml, {local: no.yml, rules: [{if: $CI_COMMIT_TAG}]}]\n"
    files = {".gitlab-ci.yml": text, "feature-x.yml": "a: {script: a}\n", "no.yml": "n: {script: n}\n"}
    gitlab.create_project("team/slug", files)
    gitlab.commit("team/slug", "feature/x", {"z": "z"}, "Branch")
    commit = await resolve_commit.fn(block(), "team/slug", "feature/x")
    snapshot = await read_source.fn(block(), commit, includes=include_decisions(commit))
    assert list(snapshot.files) == [".gitlab-ci.yml", "feature-x.yml"]


async def test_the_tasks(block: Block) -> None:
    commit = await resolve_commit.fn(block(), "team/shop", "main")
    snapshot = await read_source.fn(block(), commit)
    assert snapshot.commit == commit
    assert snapshot.files == {".gitlab-ci.yml": "build:\n  script: make\n"}


async def test_a_fault_while_reading_an_include_is_not_taken_for_its_absence(
    gitlab: StandIn, block: Block, server: AppServer
) -> None:
    gitlab.create_project("team/flaky", {".gitlab-ci.yml": "include: one.yml\n", "one.yml": "a: {script: a}\n"})
    commit = await resolve_commit.fn(block(), "team/flaky")
    server.faults.add("status", "files/one", status=502)
    with pytest.raises(UnavailableError):
        await read_source.fn(block(), commit)
