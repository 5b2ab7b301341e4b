from __future__ import annotations

from tasks.source.diagnostics import Findings
from tasks.source.include_options import IncludeOptions
from tasks.source.includes import Needed, close_includes, further_files
from tasks.source.sources import Local

ENTRY = ".gitlab-ci.yml"


def test_further_files_are_found_level_by_level() -> None:
    there = {ENTRY: "include: [a.yml, /b.yml]\n"}
    assert further_files(there, ENTRY, IncludeOptions()) == Needed((Local("a.yml"), Local("b.yml")))
    there["a.yml"] = "include: {local: deep/c.yml}\n"
    there["b.yml"] = "x: {script: [a]}\n"
    assert further_files(there, ENTRY, IncludeOptions()) == Needed((Local("deep/c.yml"),))
    there["deep/c.yml"] = "x: {script: [a]}\n"
    assert further_files(there, ENTRY, IncludeOptions()) == Needed(())


def test_the_entry_itself_is_needed_first() -> None:
    assert further_files({}, ENTRY, IncludeOptions()) == Needed((Local(ENTRY),))


def test_wildcards_are_patterns_until_the_tree_is_known() -> None:
    there = {ENTRY: "include: {local: 'ci/**.yml'}\n"}
    assert further_files(there, ENTRY, IncludeOptions()) == Needed((), ("ci/**.yml",))
    tree = ["ci/a.yml", "ci/b/c.yml", "ci/b/c.txt", "other.yml"]
    assert further_files(there, ENTRY, IncludeOptions(tree=tree)) == Needed((Local("ci/a.yml"), Local("ci/b/c.yml")))


def test_paths_are_expanded_and_rules_asked() -> None:
    there = {ENTRY: "include: [{local: $X.yml}, {local: no.yml, rules: [{if: $NO}]}]\n"}
    options = IncludeOptions(expand=lambda text: text.replace("$X", "x"), active=lambda *_: False)
    assert further_files(there, ENTRY, options) == Needed((Local("x.yml"),))


def test_the_limit_of_includes() -> None:
    names = [f"f{i}.yml" for i in range(151)]
    there = {ENTRY: f"include: [{', '.join(names)}]\n", **dict.fromkeys(names, "x: {script: [a]}\n")}
    findings = Findings()
    close_includes(there, ENTRY, findings, IncludeOptions())
    assert [d.code for d in findings.items] == ["include-limit"]


def test_an_include_bomb_ends() -> None:
    there = {f"f{i}.yml": f"include: [f{i + 1}.yml, f{i + 1}.yml]\n" for i in range(60)}
    there["f60.yml"] = "x: {script: [a]}\n"
    findings = Findings()
    close_includes(there, "f0.yml", findings, IncludeOptions())
    assert "include-limit" in [d.code for d in findings.items]
