"""Fragments of Jenkinsfiles, by feature, and hostile text in every place a user can write."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from errors import InputError
from tasks.interpretation.diagnostics import Span
from tasks.interpretation.expressions import Equal, Match, Pattern, Text, Var
from tasks.interpretation.pipeline import (
    AllowFailure,
    Artifacts,
    Cache,
    Image,
    Job,
    Need,
    Pipeline,
    Retry,
    Service,
    Undecided,
)
from tasks.jenkins_build import caches, containers
from tasks.jenkins_build.artifacts import ant_patterns
from tasks.jenkins_build.conditions import condition, java_pattern
from tasks.jenkins_build.containers import Docker, aliases
from tasks.jenkins_build.graph import RUNNER
from tasks.jenkins_build.jenkinsfile import ImageBuild, RenderSettings, render
from tasks.jenkins_build.names import label
from tasks.jenkins_build.rendered import rendered

SHA = "3f786850e387550fdab836ed7e6dc881de23001b"
SETTINGS = RenderSettings("http://gitlab.example/group/app.git", SHA, rendering="stages")

SETTINGS_GRAPH = RenderSettings("http://gitlab.example/group/app.git", SHA, rendering="graph")


def pipeline(*jobs: Job, **more: object) -> Pipeline:
    stages = tuple(dict.fromkeys(job.stage for job in jobs))
    return Pipeline(None, stages, jobs, **more)  # type: ignore[arg-type]


def job(name: str, stage: str = "test", **more: object) -> Job:
    return Job(name, stage, ("true",), **more)  # type: ignore[arg-type]


def block(text: str, head: str) -> str:
    """The lines of the first block that begins with `head`, without its own indentation."""
    lines = text.split("\n")
    start = next(index for index, line in enumerate(lines) if line.strip().startswith(head))
    depth = len(lines[start]) - len(lines[start].lstrip())
    end = next(index for index in range(start, len(lines)) if lines[index] == " " * depth + "}")
    return "\n".join(line[depth:] for line in lines[start : end + 1])


def test_the_build_checks_that_it_is_of_its_commit_before_anything_else() -> None:
    text = render(pipeline(job("a")), SETTINGS)
    guard = f"if (params.COMMIT_SHA != '{SHA}') {{\n  error 'job was rewritten for commit {SHA}'\n}}\n\npipeline {{\n"
    assert guard in text


def test_a_job_alone_in_its_stage_stands_alone() -> None:
    assert block(render(pipeline(job("unit")), SETTINGS), "stage('unit')") == (
        "stage('unit') {\n"
        "  agent any\n"
        "  steps {\n"
        "    script {\n"
        "      runJob('unit', [stage: 'test', timeout: 3600]) {\n"
        "        sources()\n"
        "        sh label: 'script', encoding: 'UTF-8', script: unitScript()\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}"
    )


def test_jobs_of_one_stage_run_side_by_side_and_none_ends_the_other() -> None:
    text = render(pipeline(job("a"), job("b")), SETTINGS)
    assert block(text, "stage('test')").startswith("stage('test') {\n  parallel {\n")
    assert "failFast" not in text


def test_stage_names_are_unique_even_when_jobs_are_called_like_stages() -> None:
    jobs = (job("test"), job("image"), job("Image", "build"), job("x", "build"))
    text = render(pipeline(*jobs), RenderSettings("u", SHA, image=ImageBuild("r.example/a", SHA)))
    found = re.findall(r"stage\('([^']*)'\)", text)
    assert found == ["test (2)", "test", "image (2)", "build", "Image (3)", "x", "image"]


def test_jobs_of_one_stage_that_need_each_other_run_in_order() -> None:
    text = render(pipeline(job("a"), job("b", needs=(Need("a"),)), job("c", needs=(Need("b"),))), SETTINGS)
    assert re.findall(r"stage\('(.)'\)", text) == ["a", "b", "c"]
    assert "parallel" not in text
    assert "afterNeeds('b', 'on_success', ['a'], [])" in text


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_needs_in_a_circle_are_named(rendering: Literal["stages", "graph"]) -> None:
    jobs = (job("a", needs=(Need("b"),)), job("b", needs=(Need("a"),)))
    with pytest.raises(InputError, match=r"\['a', 'b'\] need each other in a circle"):
        render(pipeline(*jobs), RenderSettings("u", SHA, rendering=rendering))


def test_a_circle_through_stages_is_found() -> None:
    jobs = (job("a", "first", needs=(Need("b"),)), job("b", "second"))
    with pytest.raises(InputError, match=r"\['a'\] need each other"):
        render(pipeline(*jobs), RenderSettings("u", SHA))


@pytest.mark.parametrize(
    ("jobs", "is_graph"),
    [
        ([job("a"), job("b", "z")], False),
        ([job("a"), job("b", "z", needs=())], True),
        ([job(f"j{n}", f"s{n}") for n in range(20)], False),
        ([job(f"j{n}", f"s{n}") for n in range(21)], True),
        ([job(f"j{n}") for n in range(20)], True),
    ],
)
def test_the_graph_is_for_needs_and_for_more_than_twenty_stages(jobs: list[Job], is_graph: bool) -> None:
    text = render(pipeline(*jobs), RenderSettings("u", SHA))
    assert ("advance(begin())" in text) == is_graph


def test_the_runner_is_the_same_in_every_jenkinsfile() -> None:
    settings = RenderSettings("u", SHA, rendering="graph", manual="skip", registry_credentials_id="x")
    for text in (render(pipeline(job("a")), settings), render(pipeline(job("b", "c", retry=Retry(2))), SETTINGS_GRAPH)):
        assert RUNNER.strip("\n") in text


def test_a_job_called_as_an_option_of_parallel_gets_another_title() -> None:
    text = render(pipeline(job("failFast", needs=()), job("b", needs=())), SETTINGS_GRAPH)
    assert "title: 'failFast (2)'" in text


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (job("z", "z"), "afterStages('z', 'on_success', ['a', 'b'])"),
        (job("z", "z", when="on_failure"), "afterStages('z', 'on_failure', ['a', 'b'])"),
        (job("z", "z", when="always"), "afterStages('z', 'always', ['a', 'b'])"),
        (job("z", "z", needs=(Need("y"),), when="always"), "afterNeeds('z', 'always', ['y'], [])"),
        (job("z", "z", needs=(Need("y"), Need("gone", optional=True))), "afterNeeds('z', 'on_success', ['y'], [])"),
        (
            job("z", "z", when="manual"),
            "afterStages('z', 'manual', ['a', 'b']) && approved('z', 'Job-3', 'Run the job z?', false, 3600)",
        ),
        (
            job("z", "z", when="manual", allow_failure=AllowFailure(always=True)),
            "afterStages('z', 'manual', ['a', 'b']) && approved('z', 'Job-3', 'Run the job z?', true, 3600)",
        ),
        (job("z", "z", when="delayed", start_in_seconds=60), "afterStages('z', 'delayed', ['a', 'b']) && waited(60)"),
    ],
)
def test_when_a_job_runs(later: Job, expected: str) -> None:
    text = render(pipeline(job("x", "a"), job("y", "b"), later), SETTINGS)
    when = f"  when {{\n    beforeAgent true\n    expression {{\n      {expected}\n    }}\n  }}\n  agent any\n"
    assert when in block(text, "stage('z')")


def test_a_job_that_needs_nothing_waits_for_nothing() -> None:
    text = render(pipeline(job("x", "a"), job("z", "z", needs=())), SETTINGS)
    assert "when {" not in text


def test_a_job_takes_artifacts_of_earlier_stages_unless_it_says_otherwise() -> None:
    made = Artifacts(("dist/",))
    first, second = job("x:1", "a", artifacts=made), job("y", "a", artifacts=made)
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "fetch(['x-1', 'y'])"),
        ({"dependencies": ("y",)}, "fetch(['y'])"),
        ({"needs": (Need("x:1"), Need("y", artifacts=False))}, "fetch(['x-1'])"),
    ]
    for more, fetched in cases:
        text = render(pipeline(first, second, job("z", "z", **more)), SETTINGS)
        assert f"sources()\n        {fetched}\n" in block(text, "stage('z')")
    assert "fetch(" not in block(render(pipeline(first, job("z", "z", dependencies=())), SETTINGS), "stage('z')")


def test_artifacts_are_kept_for_later_jobs_and_for_people() -> None:
    kept = Artifacts(("dist/", "a b,c"), exclude=("dist/*.o",), when="on_failure", reports={"junit": ("*.xml",)})
    assert block(render(pipeline(job("test: [x]", artifacts=kept)), SETTINGS), "post") == (
        "post {\n"
        "  always {\n"
        "    script {\n"
        "      if (states['test%3A%20%5Bx%5D'] in ['failed', 'unstable'] && !overdue['test%3A%20%5Bx%5D']) {\n"
        "        stash name: 'test-x', includes: 'dist/**,a b?c,a b?c/**', excludes: 'dist/*.o',"
        " allowEmpty: true, useDefaultExcludes: false\n"
        "        stashes.add 'test-x'\n"
        "        archiveArtifacts artifacts: 'dist/**,a b?c,a b?c/**',"
        " excludes: 'dist/*.o,**/.smartclide-empty-folder', allowEmptyArchive: true, defaultExcludes: false\n"
        "      }\n"
        "      catchError(buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {\n"
        "        junit testResults: '*.xml', allowEmptyResults: true, skipPublishingChecks: true,"
        " skipMarkingBuildUnstable: true\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}"
    )


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["dist"], "dist,dist/**"),
        (["./dist/", "$CI_PROJECT_DIR/x/**/*"], "dist/**,x/**/*"),
        (["a.{js,css}"], "a.js,a.js/**,a.css,a.css/**"),
        (["[0-2]x"], "0x,0x/**,1x,1x/**,2x,2x/**"),
        (["[a_][01]/", "[!a].o", "[?].c"], "a0/**,a1/**,_0/**,_1/**,?.o,?.o/**,?.c,?.c/**"),
        (["[a-z][a-z].d/"], "??.d/**"),
        (["."], "**"),
    ],
)
def test_globs(paths: list[str], expected: str) -> None:
    assert ant_patterns(paths) == expected


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({"allow_failure": AllowFailure(always=True)}, "timeout: 3600, allowFailure: true"),
        ({"retry": Retry(2)}, "timeout: 3600, retries: 2"),
        (
            {"retry": Retry(1, ("runner_system_failure", "script_failure"), (3,))},
            "timeout: 3600, retries: 1, retryOn: ['script', 'system'], retryCodes: [3]",
        ),
        ({"timeout_seconds": 5}, "timeout: 5"),
        ({"allow_failure": AllowFailure(exit_codes=(3, 137))}, "timeout: 3600, allowedExitCodes: [3, 137]"),
    ],
)
def test_options_of_a_job(more: dict[str, Any], options: str) -> None:
    assert f"runJob('a', [stage: 'test', {options}])" in render(pipeline(job("a", **more)), SETTINGS)


def test_no_helper_is_there_that_nothing_calls() -> None:
    text = render(pipeline(job("a")), SETTINGS)
    assert re.findall(r"^\w+ (\w+)\(", text, re.MULTILINE) == [
        "limited",
        "attempt",
        "runJob",
        "sources",
        "setup",
        "aScript",
    ]
    assert "exitCodes" not in text
    assert "retry" not in text


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "shallow: true, depth: 20, noTags: true, honorRefspec: true"),
        ({"GIT_DEPTH": "1"}, "shallow: true, depth: 1, noTags: true, honorRefspec: true"),
        ({"GIT_DEPTH": "0"}, "shallow: false, noTags: false, honorRefspec: true"),
    ],
)
def test_depth_of_the_clone(variables: dict[str, str], expected: str) -> None:
    text = render(pipeline(job("a"), variables=variables), SETTINGS)
    assert f"[$class: 'CloneOption', {expected}]" in text


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize(
    ("name", "refspec"),
    [
        ("main", f"+{SHA}:refs/remotes/origin/main"),
        ("feature/a-1_b.c", f"+{SHA}:refs/remotes/origin/feature/a-1_b.c"),
        ("$HOME", SHA),  # Jenkins expands this
        ("two words", SHA),
        ("a:b", SHA),
        ("a..b", SHA),
        ("a/.b", SHA),
        ("a.lock/b", SHA),
        ("caf\u00e9", SHA),
    ],
)
def test_the_commit_is_fetched_as_its_branch_or_with_its_tag(name: str, refspec: str, rendering: str) -> None:
    settings = replace(SETTINGS, rendering=rendering)  # type: ignore[arg-type]
    of_branch = render(pipeline(job("a"), variables={"CI_COMMIT_BRANCH": name}), settings)
    of_tag = render(pipeline(job("a"), variables={"CI_COMMIT_TAG": name}), settings)
    assert f"refspec: '{refspec}'" in of_branch
    assert f"refspec: '{refspec if refspec == SHA else f'+refs/tags/{name}:refs/tags/{name} {SHA}'}'" in of_tag
    assert f"refspec: '{SHA}'" in render(pipeline(job("a")), settings)


def test_a_job_may_want_no_sources_or_others_than_the_rest() -> None:
    jobs = (job("a", variables={"GIT_STRATEGY": "none"}), job("b", variables={"GIT_DEPTH": "3"}), job("c"))
    text = render(pipeline(*jobs), SETTINGS)
    assert "deleteDir()\n" in block(text, "stage('a')")
    assert "sources3()\n" in block(text, "stage('b')")
    assert "sources()\n" in block(text, "stage('c')")
    assert "depth: 3," in block(text, "void sources3()")


def test_credentials_are_named_where_there_are_any() -> None:
    private = RenderSettings("http://gitlab.example/a.git", SHA, git_credentials_id="token")
    assert "url: 'http://gitlab.example/a.git', credentialsId: 'token', refspec:" in render(pipeline(job("a")), private)
    assert "credentialsId" not in render(pipeline(job("a")), SETTINGS)


def test_tags_become_labels() -> None:
    assert label(["linux", "a-b.c_1", "big one", 'a"b\\c', "x||y", "linux"]) == (
        'linux && a-b.c_1 && "big one" && "a\\"b\\\\c" && "x||y"'
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("postgres:16", ("postgres",)),
        ("tutum/wordpress:latest", ("tutum__wordpress", "tutum-wordpress")),
        ("reg.example:5000/a/b@sha256:0", ("reg.example__a__b", "reg.example-a-b")),
    ],
)
def test_host_names_of_services(name: str, expected: tuple[str, ...]) -> None:
    assert aliases(Service(name)) == expected


def test_docker_in_docker_is_privileged_and_shares_its_certificates() -> None:
    job = Job("build", "t", ("docker build .",), services=(Service("docker:27-dind"),), after_script=("docker ps",))
    docker = Docker(job, Image("docker:27"), 3, {})
    [engine] = [line for line in docker.start() if "docker run -d" in line]
    [run] = [line for line in docker.start() if "docker run --rm" in line]
    assert ' --privileged -v "$network-certs:/certs/client:rw" --network-alias=docker ' in engine
    assert ' -v "$network-certs:/certs/client:ro" -i docker:27 sh' in run
    assert run in docker.after()
    assert "--privileged" not in run
    assert 'docker volume rm "$network-certs" >/dev/null || true' in docker.clean_up()
    assert not [line for line in docker.clean_up(services=False) if "volume" in line]
    plain = Docker(Job("t", "t", ("x",), services=(Service("postgres:16"),)), Image("docker:27"), 3, {})
    assert not [line for line in [*plain.start(), *plain.clean_up()] if "certs" in line or "--privileged" in line]


@pytest.mark.parametrize("name", ["--privileged", "", "a b", "a\nb"])
def test_what_is_no_image_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not an image name"):
        render(pipeline(job("a", image=Image(name))), SETTINGS)


def test_the_image_stage_logs_in_only_where_there_is_a_login() -> None:
    anonymous = render(pipeline(job("a")), RenderSettings("u", SHA, image=ImageBuild("r.example:5000/a", SHA)))
    assert "docker login" not in anonymous
    assert "withCredentials" not in anonymous
    assert "post {" not in anonymous
    image = ImageBuild("r.example:5000/a", SHA, {"A B": "it's"}, "robot", "sub dir/Dockerfile", "docker")
    text = render(pipeline(job("a")), RenderSettings("u", SHA, image=image))
    assert 'printf %s "$REGISTRY_PASSWORD" | docker login -u "$REGISTRY_USER" --password-stdin r.example:5000' in text
    assert "forget the login" in block(text, "post")
    assert r"-f \'./sub dir/Dockerfile\' --build-arg=\'A B=it\'\\\'\'s\' -t" in text
    assert "agent {\n    label 'docker'\n  }" in block(text, "stage('image')")


def test_the_image_is_built_unless_a_job_failed() -> None:
    text = block(
        render(pipeline(job("a")), RenderSettings("u", SHA, image=ImageBuild("r.example/a", SHA))), "stage('image'"
    )
    assert "    expression {\n      currentBuild.currentResult in ['SUCCESS', 'UNSTABLE']\n    }\n" in text


def test_more_stages_than_fit_are_refused() -> None:
    jobs = [job(f"j{index}", f"s{index}") for index in range(26)]
    with pytest.raises(InputError, match="needs 26 Jenkins stages, and more than 25 stages do not fit"):
        render(pipeline(*jobs), SETTINGS)
    assert render(pipeline(*jobs[:25]), SETTINGS).count("stage('j") == 25


def test_a_pipeline_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no jobs"):
        render(Pipeline(None, (), ()), SETTINGS)


def test_parameters_of_the_job() -> None:
    assert rendered(pipeline(job("a")), SETTINGS).parameters == ("COMMIT_SHA", "BUILD_KEY")
    rules = (Undecided(Equal(Var("DEPLOY"), Text("yes"))),)
    assert rendered(pipeline(job("a", rules=rules), decided=False), RenderSettings()).parameters == (
        "COMMIT_SHA",
        "BUILD_KEY",
        "REPO_URL",
        "CI_COMMIT_BRANCH",
        "CI_COMMIT_TAG",
        "CI_PIPELINE_SOURCE",
        "DEPLOY",
    )


@pytest.mark.parametrize(
    ("source", "flags", "expected"),
    [
        ("^v\\d+$", "", r"^v\d+\z"),
        ("a$", "m", "(?m)a$"),
        ("[[:alpha:]_][]a-z[&&]", "", r"[\p{Alpha}_][\]a-z\[\&\&]"),
        ("(?P<major>[0-9])", "i", "(?i)(?<major>[0-9])"),
        (r"\$x\[$]", "", r"\$x\[\z]"),
    ],
)
def test_regular_expressions(source: str, flags: str, expected: str) -> None:
    assert java_pattern(Pattern(source, flags)) == expected


def test_a_match_reads_like_this() -> None:
    assert condition(Match(Var("X"), Pattern("^it's"))) == r"(value('X') ?: '') =~ '^it\'s'"


HOSTILE = st.text("CANARY'\"\\$\n\r{}()[];#`%u000a */,&|<>é\U0001f600\x1b\u2028 -:", min_size=1, max_size=30)


@settings(deadline=None, max_examples=80)
@given(a=HOSTILE, b=HOSTILE, c=HOSTILE, d=HOSTILE)
def test_no_user_text_is_ever_code(a: str, b: str, c: str, d: str) -> None:
    hostile = Job(
        a,
        b,
        (c,),
        before_script=(d,),
        after_script=(a,),
        image=Image("i" + "".join(c.split()), entrypoint=(d, a), user=b),
        services=(Service("s" + "".join(d.split()), (a,), (b,), (c,), {d: a}),),
        variables={a: b, "X": c},
        tags=(a, b),
        artifacts=Artifacts((a, b), (c,), reports={"junit": (d,), "dotenv": (a,)}),
        environment=None,
        span=Span(d, 3, 1),
        rules=(Undecided(Equal(Var(a), Text(b)), variables={c: d}), Undecided(Match(Var(c), Pattern(d)))),
        when="manual",
    )
    image = ImageBuild("r.example/a", SHA, {a: b}, c, d, a)
    renderings: list[Literal["stages", "graph"]] = ["stages", "graph"]
    for decided, rendering in [(decided, rendering) for decided in (True, False) for rendering in renderings]:
        whole = Pipeline(c, (b,), (hostile,), {a: c, "Y": d}, decided=decided, unresolved_variables=frozenset({a}))
        text = render(whole, RenderSettings(a, b, c, image, registry_credentials_id=d, rendering=rendering))
        assert text.isascii()
        code = re.sub(r"'(?:[^'\\\n]|\\.)*'|//[^\n]*", "", text)
        assert "CANARY"[:3] not in code
        assert not set(code) & set("`#\\%\r\x1b")
        assert re.sub(r'"[^"\n]*"', "", code).count("{") == re.sub(r'"[^"\n]*"', "", code).count("}")


def test_hostile_text_is_only_data_to_the_shell(tmp_path: Path) -> None:
    evil = "x'; touch hacked; '$(touch hacked)`touch hacked`\ntouch hacked\n"
    image = ImageBuild("r.example/a", SHA, {evil: evil}, None, evil)
    whole = pipeline(
        Job(
            evil,
            "t",
            ("true",),
            image=Image("i", user=evil, platform=evil, pull_policy=("always", "never")),
            services=(Service("s", (evil,), user=evil, platform=evil, pull_policy=("never", "always")),),
            caches=(
                Cache(evil, paths=(evil,), policy=evil, fallback_keys=(evil,)),
                Cache(key_files=(evil,), paths=("x",)),
            ),
            variables={"HEALTHCHECK_TCP_PORT": evil},
        )
    )
    text = render(whole, RenderSettings("u", SHA, image=image))
    bodies = re.findall(r"return \[\n(?:    \w+\(\),\n)*(.*?)    ''\n  \]", text, re.DOTALL)
    assert len(bodies) == 9
    (tmp_path / "docker").write_text("#!/bin/sh\necho docker\n")
    (tmp_path / "docker").chmod(0o755)
    for number, body in enumerate(bodies):
        lines = [_decoded(line.strip().rstrip(",")[1:-1]) for line in body.strip().split("\n")]
        lines = [*containers.FUNCTIONS, *caches.FUNCTIONS, *lines]
        path = tmp_path / f"{number}.sh"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "WORKSPACE": str(tmp_path), "WORKSPACE_TMP": str(tmp_path)}
        subprocess.run(["/bin/sh", path], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=30)
    assert not (tmp_path / "hacked").exists()


def _decoded(body: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), body)


@pytest.mark.parametrize(("manual", "stage", "graph"), [("ask", "a", True), ("skip", "a", False), ("ask", "b", False)])
def test_stages_behind_an_optional_manual_job_are_a_graph_where_it_is_asked_about(
    manual: Literal["ask", "skip"], stage: str, graph: bool
) -> None:
    optional = AllowFailure(always=True)
    on_main = Undecided(Equal(Var("CI_COMMIT_BRANCH"), Text("main")), when="manual", allow_failure=optional)

    def is_graph(play: Job) -> bool:
        found = Pipeline(None, ("a", "b"), (play, job("x", "a"), job("y", "b")))
        return "stage('jobs')" in render(found, RenderSettings("u", SHA, manual=manual))

    assert is_graph(job("play", stage, when="manual", allow_failure=optional)) is graph
    assert is_graph(job("play", stage, rules=(on_main,))) is graph
    assert not is_graph(job("play", stage, when="manual"))
