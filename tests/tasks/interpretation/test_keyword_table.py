from __future__ import annotations

import re

from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.ignored import noted
from tasks.interpretation.keyword_rows import FILE_ROWS, GLOBAL_ROWS, JOB_ROWS
from tasks.interpretation.keyword_table import accepted, keywords, row_of
from tasks.interpretation.shapes import Anything, Entries, Items, Keys, either
from tasks.source.codes import CODES

SECTIONS = {"Files": FILE_ROWS, "Global": GLOBAL_ROWS, "Job": JOB_ROWS}
# What is no keyword but a way to write YAML: rows of their own, in backticks.
SYNTAX = [name for name in FILE_ROWS if "`" in name]

EXACT = """\
stages: [build, test]
variables: {LEVEL: {value: info, expand: false}}
workflow: {name: Main, rules: [{if: $CI_COMMIT_BRANCH}]}
.base: {before_script: [echo base], after_script: [echo after]}
build:
  extends: .base
  stage: build
  script: [make]
  image: {name: "alpine:3.20", entrypoint: [""], docker: {user: "1000", platform: linux/amd64}, pull_policy: always}
  services: [{name: "redis:7", alias: cache, command: [redis-server], variables: {A: b}}]
  artifacts:
    {paths: [bin], exclude: [bin/x], untracked: true, when: always, reports: {junit: j.xml, dotenv: d.env}}
  timeout: 1h
  retry: {max: 2, when: script_failure, exit_codes: 3}
  rules: [{if: $CI_COMMIT_BRANCH == "main", allow_failure: true, variables: {B: c}}]
test:
  stage: test
  script: [make test]
  parallel: {matrix: [{DB: [pg, my]}]}
  needs: [{job: build, artifacts: true, optional: true}]
  allow_failure: {exit_codes: [1]}
  inherit: {default: false, variables: [LEVEL]}
  environment: {name: production, url: "https://example.com", action: verify, deployment_tier: other}
late:
  script: [make late]
  dependencies: [build]
  only: {refs: [branches], variables: [$LEVEL]}
  when: delayed
  start_in: 1 minute
"""


def test_every_keyword_has_a_row() -> None:
    missing = [(t, name) for t, names in accepted().items() for name in names if row_of(name, SECTIONS[t]) is None]
    assert missing == []


def test_no_row_is_of_a_keyword_that_the_parser_does_not_know() -> None:
    known = {title: {row_of(name, SECTIONS[title]) for name in names} for title, names in accepted().items()}
    unknown = [(t, key) for t, rows in SECTIONS.items() for key in rows if key not in known[t]]
    assert unknown == [("Files", name) for name in SYNTAX]


def test_the_keywords_walked_include_those_below_lists_choices_and_free_names() -> None:
    shape = Items(either(Anything(), Keys({"b": Anything(), "c": Entries(Keys({"d": Anything()}))})))
    assert keywords({"a": shape}) == ["a", "a:b", "a:c", "a:c:d"]
    job = accepted()["Job"]
    assert {"needs:parallel:matrix", "rules:changes:compare_to", "artifacts:reports:dotenv"} <= set(job)
    assert {"cache:key:files", "retry:exit_codes", "secrets:vault:engine:name", "trigger:include:local"} <= set(job)


def test_a_keyword_that_is_always_spoken_of_is_not_called_exact() -> None:
    for name, code in noted().items():
        row = JOB_ROWS[name]
        assert (row.support != "exact", code in row.codes) == (True, True), name


def test_what_is_not_exact_says_how_or_why_and_its_codes_are_warnings_or_infos() -> None:
    for name, row in {**FILE_ROWS, **GLOBAL_ROWS, **JOB_ROWS}.items():
        assert row.note or row.support == "exact", name
        assert not row.codes or row.support != "exact", name
        assert all(CODES[code].severity != "error" or code == "include-unsupported" for code in row.codes), name


def test_every_code_of_a_warning_or_info_about_a_keyword_is_in_a_row() -> None:
    said = {code for rows in SECTIONS.values() for row in rows.values() for code in row.codes}
    other = {  # of what two jobs say of each other, of YAML, of servers
        *(
            "need-left-out",
            "need-dropped",
            "needs-limit",
            "dependency-same-stage",
            "variables-unreadable",
            "workflow-never",
            "matrix-empty",
            "edge-stages-only",
        ),
        *(
            "yaml-second-document",
            "duplicate-key",
            "odd-value",
            "quoted-variable",
            "variable-loses-text",
            "include-nothing",
            "input-without-spec",
            "remote-secrets",
            "remote-interpreter",
            "remote-manual",
        ),
    }
    assert {c for c, code in CODES.items() if code.severity != "error"} - said == other


def test_a_pipeline_of_exact_keywords_has_no_diagnostic() -> None:
    known = {"CI_COMMIT_BRANCH": "main", "CI_COMMIT_REF_NAME": "main", "CI_PIPELINE_SOURCE": "push"}
    pipeline = interpret({".gitlab-ci.yml": EXACT}, Context(known))
    assert [d.message for d in pipeline.diagnostics] == []
    used = set(re.findall(r"(\w+): ", EXACT)) & JOB_ROWS.keys()
    assert {name for name in used if JOB_ROWS[name].support == "unsupported"} == set()
