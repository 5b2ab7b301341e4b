"""Whole Jenkinsfiles, kept in `golden/`. Rewrite them with SMARTCLIDE_UPDATE_GOLDEN=1 and read the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.interpretation.diagnostics import Span
from tasks.interpretation.expressions import And, Equal, Files, Match, Not, Null, Or, Pattern, Text, Truth, Var
from tasks.interpretation.pipeline import (
    AllowFailure,
    Artifacts,
    Image,
    Job,
    Need,
    Pipeline,
    Retry,
    Service,
    Undecided,
)
from tasks.jenkins_build.jenkinsfile import ImageBuild, RenderSettings, render

GOLDEN = Path(__file__).parent / "golden"
SHA = "3f786850e387550fdab836ed7e6dc881de23001b"
SETTINGS = RenderSettings("http://gitlab.example/group/app.git", SHA, rendering="stages")
SETTINGS_AUTO = RenderSettings("http://gitlab.example/group/app.git", SHA)
CI = ".gitlab-ci.yml"
BUILT = ImageBuild("registry.example:5000/group/app", SHA, {"VERSION": "1.2"}, "registry-robot")
MAIN = Equal(Var("CI_COMMIT_BRANCH"), Text("main"))
TAGGED = Truth(Var("CI_COMMIT_TAG"))

SAMPLES: dict[str, tuple[Pipeline, RenderSettings]] = {
    "hello": (
        Pipeline(None, ("test",), (Job("hello", "test", ('echo "it\'s $GREETING"',), span=Span(CI, 3, 1)),)),
        SETTINGS,
    ),
    "stages": (
        Pipeline(
            "app of the group",
            ("build", "test", "notify"),
            (
                Job(
                    "compile",
                    "build",
                    ("mkdir -p dist\necho bin > dist/app", "echo VERSION=1.2 > build.env"),
                    artifacts=Artifacts(("dist/",), exclude=("dist/*.tmp",), reports={"dotenv": ("build.env",)}),
                    span=Span(CI, 5, 1),
                ),
                Job(
                    "unit",
                    "test",
                    ("make test",),
                    after_script=("echo $CI_JOB_STATUS",),
                    retry=Retry(2),
                    artifacts=Artifacts(when="always", paths=("log",), reports={"junit": ("junit.xml",)}),
                    span=Span(CI, 12, 1),
                ),
                Job(
                    "lint",
                    "test",
                    ("make lint",),
                    allow_failure=AllowFailure(exit_codes=(137, 3)),
                    tags=("linux", "big machine"),
                    span=Span(CI, 20, 1),
                ),
                Job("tell", "notify", ("echo failed",), when="on_failure", dependencies=(), span=Span(CI, 30, 1)),
                Job("tidy up", "notify", ("echo done",), when="always", dependencies=(), span=Span(CI, 35, 1)),
            ),
            variables={"CI_COMMIT_REF_NAME": "main", "CACHE": "$CI_PROJECT_DIR/.cache", "NOTHING": ""},
            unresolved_variables=frozenset({"CACHE"}),
        ),
        RenderSettings("http://gitlab.example/group/app.git", SHA, git_credentials_id="gitlab-token", image=BUILT),
    ),
    "containers": (
        Pipeline(
            None,
            ("test",),
            (
                Job(
                    "integration",
                    "test",
                    ("./wait-for db:5432", "make integration"),
                    before_script=("pip install -e .",),
                    after_script=("rm -rf tmp",),
                    image=Image("python:3.12"),
                    services=(Service("registry.example/tools/postgres:16", ("db",), command=("-c", "fsync=off")),),
                    variables={"POSTGRES_PASSWORD": "not a 'secret'"},
                    span=Span(CI, 4, 1),
                ),
                Job(
                    "shell check",
                    "test",
                    ("shellcheck *.sh",),
                    image=Image("koalaman/shellcheck:stable", entrypoint=("/bin/env", "LANG=C")),
                    allow_failure=AllowFailure(always=True),
                    span=Span(CI, 15, 1),
                ),
            ),
        ),
        SETTINGS,
    ),
    "waiting": (
        Pipeline(
            None,
            ("build", "deploy"),
            (
                Job("a", "build", ("echo a",), span=Span(CI, 3, 1)),
                Job("b", "build", ("echo b",), needs=(Need("a"),), span=Span(CI, 6, 1)),
                Job(
                    "try it",
                    "deploy",
                    ("echo try",),
                    when="manual",
                    allow_failure=AllowFailure(always=True),
                    span=Span(CI, 9, 1),
                ),
                Job("go live", "deploy", ("echo live",), when="manual", span=Span(CI, 13, 1)),
                Job("later", "deploy", ("echo later",), when="delayed", start_in_seconds=90, span=Span(CI, 17, 1)),
            ),
        ),
        SETTINGS,
    ),
    "undecided": (
        Pipeline(
            None,
            ("test", "deploy"),
            (
                Job(
                    "unit",
                    "test",
                    ("make test",),
                    rules=(
                        Undecided(And((MAIN, Not(TAGGED)))),
                        Undecided(Match(Var("CI_COMMIT_BRANCH"), Pattern("^feature/", "i"))),
                        Undecided(Or((Files(("src/**/*.{c,h}",), changed=True), Files(("Makefile",), changed=False)))),
                    ),
                    span=Span(CI, 3, 1),
                ),
                Job(
                    "release",
                    "deploy",
                    ("make release",),
                    rules=(
                        Undecided(Equal(Var("CI_COMMIT_TAG"), Null()), when="never"),
                        Undecided(
                            Or((MAIN, Match(Var("CI_COMMIT_TAG"), Var("RELEASE_PATTERN")))),
                            when="manual",
                            allow_failure=AllowFailure(always=True),
                            variables={"TARGET": "it's live"},
                        ),
                    ),
                    span=Span(CI, 11, 1),
                ),
            ),
            decided=False,
        ),
        RenderSettings(git_credentials_id="gitlab-token", image=ImageBuild("registry.example:5000/group/app")),
    ),
    "graph": (
        Pipeline(
            None,
            ("build", "test", "deploy"),
            (
                Job("app", "build", ("make",), artifacts=Artifacts(("dist/",)), span=Span(CI, 3, 1)),
                Job("docs", "build", ("make docs",), variables={"LANG": "C"}, tags=("linux",), span=Span(CI, 8, 1)),
                Job(
                    "unit",
                    "test",
                    ("make test",),
                    needs=(Need("app"),),
                    image=Image("python:3.12"),
                    after_script=("rm -rf tmp",),
                    artifacts=Artifacts(reports={"junit": ("junit.xml",)}),
                    span=Span(CI, 12, 1),
                ),
                Job(
                    "go live",
                    "deploy",
                    ("echo live",),
                    rules=(Undecided(And((MAIN, Not(TAGGED))), when="manual"),),
                    span=Span(CI, 20, 1),
                ),
            ),
            {"CI_PROJECT_NAME": "app"},
            decided=False,
        ),
        RenderSettings(git_credentials_id="gitlab-token", image=ImageBuild("registry.example:5000/group/app")),
    ),
    "image-only": (Pipeline(None, (), ()), RenderSettings("http://gitlab.example/g/a.git", SHA, image=BUILT)),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_jenkinsfile_is_the_golden_one(name: str) -> None:
    path = GOLDEN / f"{name}.Jenkinsfile"
    text = render(*SAMPLES[name])
    if os.environ.get("SMARTCLIDE_UPDATE_GOLDEN"):
        path.write_text(text, encoding="ascii")
    assert text == path.read_text(encoding="ascii")


@pytest.mark.parametrize("name", SAMPLES)
def test_rendering_again_gives_the_same_bytes(name: str) -> None:
    assert render(*SAMPLES[name]) == render(*SAMPLES[name])
