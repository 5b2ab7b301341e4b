"""The order, the bounds and the faults of fetching, with fetchers that need no network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from errors import NotFoundError, UnavailableError
from tasks.interpretation.compiler import include_options, interpret
from tasks.interpretation.context import Context
from tasks.source.diagnostics import Findings
from tasks.source.gathering import Fetchers, gather
from tasks.source.include_options import IncludeOptions
from tasks.source.includes import MAX_INCLUDES, close_includes
from tasks.source.sources import Component, ComponentAt, Local, Project, Remote, Template, Tree, looks_foreign

ENTRY = ".gitlab-ci.yml"


def run(text: str, by_kind: Mapping[type, Callable[[Any], Mapping[str, str]]], **others: Any) -> Any:
    return gather({ENTRY: text}, ENTRY, IncludeOptions(), Fetchers(by_kind, **others))


def test_an_endless_chain_ends_at_the_limit() -> None:
    asked: list[str] = []

    def endless(source: Remote) -> Mapping[str, str]:
        asked.append(source.url)
        return {source.key: f"include: https://e.com/{len(asked)}.yml\n"}

    found = run("include: https://e.com/0.yml\n", {Remote: endless})
    assert len(asked) == MAX_INCLUDES
    findings = Findings()
    close_includes(found.files, ENTRY, findings, IncludeOptions())
    assert [item.code for item in findings.items] == ["include-limit"]


def test_a_fan_ends_at_the_limit() -> None:
    asked: list[str] = []

    def fan(source: Local) -> Mapping[str, str]:
        asked.append(source.path)
        return {source.key: "include: [" + ", ".join(f"{source.path[:-4]}{i}.yml" for i in range(100)) + "]\n"}

    begin = time.monotonic()
    run("include: [a.yml, b.yml]\n", {Local: fan})
    assert len(asked) <= 2 * MAX_INCLUDES
    assert time.monotonic() - begin < 5


def test_what_a_header_shares_is_fetched_before_what_is_below_it() -> None:
    there = {
        "ci/job.yml": "spec: {include: [{local: ci/shared.yml}]}\n---\ninclude: $[[ inputs.next ]]\n",
        "ci/shared.yml": "inputs: {next: {default: ci/next.yml}}\n",
        "ci/next.yml": "job: {script: [a]}\n",
    }
    found = run("include: ci/job.yml\n", {Local: lambda source: {source.key: there[source.path]}})
    assert sorted(found.files) == [ENTRY, "ci/job.yml", "ci/next.yml", "ci/shared.yml"]


def test_a_component_shares_nothing() -> None:
    at = ComponentAt("g/c", "v1", "a" * 40, "templates/x.yml", None)
    header = "spec: {include: [{local: s.yml}]}\n---\n"
    files = {
        ENTRY: "include: {component: h/g/c/x@v1}\n",
        Component("h/g/c/x@v1").key: at.text(),
        Project("g/c", "v1", "templates/x.yml").key: header,
        Project("g/c", "v1", "s.yml").key: "inputs: {}\n",
    }
    findings = Findings()
    close_includes(files, ENTRY, findings, IncludeOptions())
    assert [item.message for item in findings.items] == [
        "A component cannot use `spec:include`: write the inputs into it."
    ]


def test_one_level_is_fetched_side_by_side_and_each_source_once() -> None:
    barrier = threading.Barrier(4, timeout=5)
    asked: list[str] = []

    def slow(source: Local) -> Mapping[str, str]:
        asked.append(source.path)
        barrier.wait()
        return {source.key: "include: [a.yml, b.yml]\n" if source.path == "c.yml" else "x: {script: [a]}\n"}

    run("include: [a.yml, b.yml, c.yml, d.yml, a.yml]\n", {Local: slow})
    assert sorted(asked) == ["a.yml", "b.yml", "c.yml", "d.yml"]


def test_what_is_not_there_is_asked_once_and_told_with_the_reason() -> None:
    asked: list[str] = []

    def absent(source: Remote) -> Mapping[str, str]:
        asked.append(source.url)
        raise NotFoundError("It is gone.", remedy="Look elsewhere.")

    found = run("include: [https://e.com/a.yml, https://e.com/a.yml]\n", {Remote: absent})
    assert asked == ["https://e.com/a.yml"]
    assert found.absent == {"https://e.com/a.yml": "It is gone. Look elsewhere."}


def test_a_server_s_fault_ends_it() -> None:
    def down(_source: Remote) -> Mapping[str, str]:
        raise UnavailableError("down")

    with pytest.raises(UnavailableError):
        run("include: https://e.com/a.yml\n", {Remote: down})


def test_kinds_nobody_fetches_are_left_alone() -> None:
    found = run("include: [https://e.com/a.yml, {template: X.gitlab-ci.yml}]\n", {})
    assert (list(found.files), found.absent) == ([ENTRY], {})


def test_trees_are_asked_for_wildcards_only() -> None:
    texts = {
        "g/p@v1:/a.yml": "include: ci/*.yml\n",
        "g/p@v1:/ci/x.yml": "x: {script: [a]}\n",
        "own.yml": "o: {script: [a]}\n",
    }
    trees: list[Tree] = []

    def tree(source: Tree) -> list[str]:
        trees.append(source)
        return ["a.yml", "ci/x.yml", "ci/x.txt"]

    def text(source: Any) -> Mapping[str, str]:
        return {source.key: texts[source.key]}

    found = run(
        "include: [{project: g/p, ref: v1, file: a.yml}, '*wn.yml']\n", {Project: text, Local: text},
        tree=tree, own_tree=lambda: ["own.yml", "none.txt"],
    )  # fmt: skip
    assert trees == [Tree("g/p", "v1")]
    assert set(found.files) == {ENTRY, *texts}
    assert found.own_tree == ["own.yml", "none.txt"]


def test_rules_of_an_include_ask_for_files_of_where_they_stand() -> None:
    rules = "[{local: yes.yml, rules: [{exists: [a.yml]}]}, {local: no.yml, rules: [{exists: [Dockerfile]}]}]"
    texts = {"g/p@HEAD:/a.yml": f"include: {rules}\n", "g/p@HEAD:/yes.yml": "x: {script: [a]}\n"}

    def text(source: Any) -> Mapping[str, str]:
        if source.key not in texts:
            raise NotFoundError(f"No {source.key}.")
        return {source.key: texts[source.key]}

    context = Context({"CI_COMMIT_BRANCH": "main"}, tree=["Dockerfile"])
    files = {ENTRY: "include: {project: g/p, file: a.yml}\n"}
    fetchers = Fetchers({Project: text}, tree=lambda _source: ["a.yml", "yes.yml"])
    found = gather(files, ENTRY, include_options(context, Findings()), fetchers)
    assert set(found.files) == {ENTRY, *texts}
    pipeline = interpret(found.files, replace(context, trees=found.trees, absent=found.absent))
    assert ([job.name for job in pipeline.jobs], pipeline.diagnostics) == (["x"], ())


def test_a_component_brings_its_file_along() -> None:
    def component(source: Component) -> Mapping[str, str]:
        at = ComponentAt("g/p", "1.2.0", "5f2a", "templates/c.yml", "1.2.0")
        return {source.key: at.text(), "g/p@1.2.0:/templates/c.yml": "include: in.yml\nc: {script: [a]}\n"}

    def project(source: Project) -> Mapping[str, str]:
        return {source.key: "i: {script: [a]}\n"}

    found = run("include: {component: h/g/p/c@1}\n", {Component: component, Project: project})
    assert list(found.files) == [ENTRY, "component:h/g/p/c@1", "g/p@1.2.0:/templates/c.yml", "g/p@1.2.0:/in.yml"]


@pytest.mark.parametrize(
    ("source", "key"),
    [
        (Project("g/p", "", "a.yml"), "g/p@HEAD:/a.yml"),
        (Project("g/p", "feature/x", "d/a.yml"), "g/p@feature/x:/d/a.yml"),
        (Remote("https://e.com/a.yml"), "https://e.com/a.yml"),
        (Template("Jobs/Build.gitlab-ci.yml"), "template:Jobs/Build.gitlab-ci.yml"),
        (Component("h/g/p/c@~latest"), "component:h/g/p/c@~latest"),
        (Tree("g/p", ""), "tree:g/p@HEAD"),
    ],
)
def test_keys_cannot_be_taken_for_paths(source: Any, key: str) -> None:
    assert source.key == key
    assert looks_foreign(key)


def test_a_wildcard_means_files_of_the_commit_only() -> None:
    files = {ENTRY: "include: '**.yml'\n", "a.yml": "a: {script: [a]}\n", "g/p@v1:/b.yml": "b: {script: [b]}\n"}
    root = close_includes(files, "a.yml", Findings(), IncludeOptions())
    assert root is not None
    findings = Findings()
    root = close_includes({**files, "x.yml": "include: 'a*.yml'\n"}, "x.yml", findings, IncludeOptions())
    assert root is not None and list(root.entries) == ["a"] and findings.items == []
    everything = close_includes({**files, ENTRY: "include: '*/**.yml'\n"}, ENTRY, findings, IncludeOptions())
    assert everything is not None and list(everything.entries) == []


def test_a_long_chain_of_local_files_is_no_recursion() -> None:
    files = {f"f{i}.yml": f"include: f{i + 1}.yml\nj{i}: {{script: [a]}}\n" for i in range(MAX_INCLUDES)}
    files[f"f{MAX_INCLUDES}.yml"] = "last: {script: [a]}\n"
    findings = Findings()
    root = close_includes(files, "f0.yml", findings, IncludeOptions())
    assert findings.items == [] and root is not None and len(root.entries) == MAX_INCLUDES + 1


CHILDREN = {
    "a.yml": "include: inner.yml\n"
    "again: {variables: {WHAT: c}, trigger: {include: [$WHAT.yml, {local: $SERVICE.yml}]}}\n",
    "inner.yml": "job: {script: [a]}\n",
    "c.yml": "last: {trigger: {include: never.yml}}\n",
    "spec.yml": "spec: {inputs: {file: {}}}\n---\ninclude: $[[ inputs.file ]].yml\n",
    "given.yml": "job: {script: [a]}\n",
}


def test_the_files_of_child_pipelines_are_fetched_two_deep() -> None:
    asked: list[str] = []

    def local(source: Local) -> Mapping[str, str]:
        asked.append(source.path)
        return {source.path: CHILDREN[source.path]} if source.path in CHILDREN else {}

    text = (
        "variables: {WHAT: a}\n"
        "one: {trigger: {include: $WHAT.yml, strategy: depend}}\n"
        "two: {trigger: {include: spec.yml, inputs: {file: given}}}\n"
        "made: {trigger: {include: [{artifact: made.yml, job: one}]}}\n"
        "other: {trigger: group/app}\n"
        "odd: {trigger: {include: {local: [wrong]}}}\n"
        ".hidden: {trigger: {include: {project: group/ci, file: child.yml}}}\n"
    )
    options = include_options(Context({"SERVICE": "known"}), Findings())
    found = gather({ENTRY: text}, ENTRY, options, Fetchers({Local: local, Project: lambda s: {s.key: "x: {}"}}))
    assert sorted(asked) == ["a.yml", "c.yml", "given.yml", "inner.yml", "known.yml", "spec.yml"]
    assert "group/ci@HEAD:/child.yml" in found.files


def test_the_files_of_child_pipelines_are_fetched_for_every_value_their_names_may_have() -> None:
    asked: set[str] = set()

    def local(source: Local) -> Mapping[str, str]:
        asked.add(source.path)
        return {source.path: "include: $DEEP.yml\n"} if source.path == "in-child.yml" else {}

    text = (
        "variables: {OTHER: never-asked}\n"
        "matrix: {trigger: {include: $M.yml}, parallel: {matrix: [{M: [m1, m2]}, {M: m3}]}}\n"
        ".base: {trigger: {include: $B.yml}, variables: {B: b1}}\n"
        "derived: {extends: .base, variables: {B: b2}}\n"
        "ruled: {trigger: {include: $FILE}, variables: {FILE: r/$R.yml},\n"
        "  rules: [{variables: {R: r1}}, {variables: {R: r2}}]}\n"
        "deep: {trigger: {include: in-child.yml}, variables: {DEEP: d1}}\n"
    )
    gather({ENTRY: text}, ENTRY, include_options(Context({}), Findings()), Fetchers({Local: local}))
    assert asked == {f"{name}.yml" for name in ("m1", "m2", "m3", "b1", "b2", "r/r1", "r/r2", "in-child", "d1")}


def test_children_of_children_without_end_are_bounded() -> None:
    many = "\n".join(f"j{n}: {{trigger: {{include: self.yml}}}}" for n in range(200))
    begin = time.monotonic()
    gather({ENTRY: many, "self.yml": many}, ENTRY, IncludeOptions(), Fetchers({}))
    assert time.monotonic() - begin < 10
