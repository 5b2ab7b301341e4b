"""Whole builds: examples, results, interruption, credentials, files. Shell steps are real."""

import base64
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from sandbox.jenkins.executor import run, validate
from sandbox.jenkins.model import Credential
from tests.sandbox.jenkins.fake_host import FakeHost

EXAMPLES = Path(__file__).parent / "examples"
GOLDEN = Path(__file__).parents[2] / "tasks" / "jenkins_build" / "golden"


@pytest.fixture
def build(tmp_path):
    """Runs a script; `steps` is wrapped into a declarative stage on an agent."""

    def start(script=None, parameters=None, *, steps=None, **options):
        text = script or "pipeline {\n agent any\n stages {\n stage('s') {\n steps {\n" + steps + "\n}\n}\n}\n}\n"
        host = FakeHost(tmp_path / "host", text, parameters, **options)
        host.outcome = run(host)
        return host

    return start


def bare_stages(count):
    stages = "".join(f"stage('s{n}') {{\nsteps {{\necho 'hi'\n}}\n}}\n" for n in range(count))
    return "pipeline {\nagent none\nstages {\n" + stages + "}\n}\n"


def text_of(host):
    return [line for line in host.console.splitlines() if not line.startswith(("[Pipeline]", "Running on"))]


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"

    def git(*arguments):
        command = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org", *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    folder.mkdir()
    git("init", "-q", "-b", "main")
    for number in (1, 2):
        (folder / "file.txt").write_text(f"{number}\n")
        git("add", ".")
        git("commit", "-q", "-m", f"commit {number}")
    return f"file://{folder}", git("rev-parse", "HEAD~1"), git("rev-parse", "HEAD")


def example(number):
    return next(EXAMPLES.glob(f"{number:02}-*")).read_text()


@pytest.fixture
def fake_docker(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(
        '#!/bin/sh\necho "docker $*" >> "$WORKSPACE_TMP/docker.log"\n'
        'case "$1" in\n'
        'run) for last; do :; done; case "$*" in "run -d"*) echo container1 ;; *) echo made > made.txt ;; esac ;;\n'
        'image) echo "${IMAGE%:*}@sha256:abc" ;;\nlogin) cat > "$WORKSPACE_TMP/password" ;;\nesac\n'
    )
    (folder / "docker").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_example_hello_checks_out_the_commit(build, repository):
    url, first, _ = repository
    host = build(example(1), {"REPO_URL": url, "COMMIT_SHA": first})
    assert host.outcome == "SUCCESS", host.console
    assert f"it is héllo {first} [set]" in host.console
    assert 'Commit message: "commit 1"' in host.console


def test_example_parallel_stage(build):
    host = build(example(2).replace("sleep 2", "sleep 0.3"))
    assert host.outcome == "SUCCESS"
    assert sorted(host.statuses()) == [(name, "SUCCESS") for name in ("lint", "package", "test", "unit")]
    assert sorted(line for line in text_of(host) if " in " in line) in (
        ["lint in app", "unit in app@2"],
        ["lint in app@2", "unit in app"],
    )


@pytest.mark.parametrize(("fail", "outcome"), [("none", "SUCCESS"), ("test-ab", "FAILURE")])
def test_example_needs_dag_starts_every_job_once(build, fail, outcome):
    host = build(example(3).replace("sleep 4", "sleep 0.2").replace("sleep 1", "sleep 0"), {"FAIL_JOB": fail})
    assert host.outcome == outcome, host.console
    started = sorted(line for line in text_of(host) if line.endswith("state=running"))
    jobs = ["build-a", "build-b", "test-a", "test-ab", "test-flaky"] + (["deploy"] if fail == "none" else [])
    assert started == sorted(f"gl-job name={job} state=running" for job in jobs)
    assert ("gl-job name=deploy state=skipped" in host.console) == (fail == "test-ab")
    assert dict(host.statuses())["test-flaky"] == "UNSTABLE"


def test_example_artifacts(build):
    host = build(example(4))
    assert host.outcome == "SUCCESS", host.console
    assert (host.folder / "archive/dist/app").read_text() == "bin\n"
    assert os.access(host.folder / "archive/dist/app", os.X_OK)
    assert len(host.test_reports) == 1


@pytest.mark.parametrize(
    ("branch", "main", "feature"),
    [("main", "SUCCESS", "NOT_EXECUTED"), ("feat/x", "NOT_EXECUTED", "SUCCESS"), ("", "NOT_EXECUTED", "NOT_EXECUTED")],
)
def test_example_rules(build, branch, main, feature):
    host = build(example(5), {"BRANCH": branch})
    assert host.outcome == "SUCCESS"
    assert host.statuses() == [("always", "SUCCESS"), ("only-main", main), ("feature", feature)]


@pytest.mark.parametrize(("answer", "line"), [("proceed", "deployed"), ("abort", "gl-job name=deploy state=skipped")])
def test_example_manual_job(tmp_path, answer, line):
    host = FakeHost(tmp_path, example(6))
    host.answers["Deploy"] = (answer, {})
    outcome = run(host)
    assert line in text_of(host)
    assert outcome == "SUCCESS"
    assert text_of(host)[-1] == "goes on, result=SUCCESS"


def test_a_rejected_input_that_nothing_catches_aborts_the_build(tmp_path):
    host = FakeHost(tmp_path, "input id: 'Go', message: 'go?'\necho 'went on'")
    host.answers["Go"] = ("abort", {})
    assert run(host) == "ABORTED"
    assert "went on" not in text_of(host)


def test_env_is_read_by_an_interpolated_name_and_never_by_an_index(build):
    script = """String name = 'A'
env."${name}_B" = 'set'
echo "${env."${name}_B"} ${env?."${name}_C"} ${params['P']}"
try { echo env[name] } catch (Exception e) { echo e.message }
try { env[name] = 'x' } catch (Exception e) { echo e.message }
"""
    host = build(script, {"P": "p"})
    prefix = "Scripts not permitted to use staticMethod org.codehaus.groovy.runtime.DefaultGroovyMethods"
    assert text_of(host) == [
        "set null p",
        f"{prefix} getAt java.lang.Object java.lang.String",
        f"{prefix} putAt java.lang.Object java.lang.String java.lang.Object",
    ]
    assert host.outcome == "SUCCESS"


def test_example_allow_failure_retry_timeout(build):
    host = build(example(7).replace("limited(2)", "limited(1)"))
    assert host.outcome == "SUCCESS", host.console
    assert host.statuses() == [
        ("allowed", "UNSTABLE"), ("exit codes", "UNSTABLE"), ("retry", "SUCCESS"), ("timeout", "UNSTABLE"),
        ("after", "SUCCESS"),
    ]  # fmt: skip
    assert "ERROR: timed out after 1 s" in text_of(host)
    assert text_of(host)[-1] == "result=SUCCESS"


def test_example_services(build, fake_docker):
    host = build(example(8), path=fake_docker)
    assert host.outcome == "SUCCESS", host.console
    log = (host.workspaces / "demo/app@tmp/docker.log").read_text()
    assert "--network container:container1 --label jenkins=jenkins-demo-app-7" in log
    assert "docker rm -f container1" in log


def test_example_docker_build_push(build, repository, fake_docker):
    url, _, head = repository
    credential = Credential("registry", "usernamePassword", {"username": "robot", "password": "s3cret"})
    parameters = {"REPO_URL": url, "COMMIT_SHA": head, "REGISTRY": "127.0.0.1:5000"}
    host = build(example(9), parameters, path=fake_docker, credentials=[credential])
    assert host.outcome == "SUCCESS", host.console
    expected = f'{{"image":"127.0.0.1:5000/demo/app:{head[:12]}","digest":"sha256:abc","commit":"{head}"}}'
    assert host.description == expected
    assert (host.folder / "archive/image.json").read_text() == expected + "\n"
    assert (host.workspaces / "demo/app@tmp/password").read_text() == "s3cret"
    assert "s3cret" not in host.console


@pytest.mark.parametrize(("fail", "status"), [("job", "failed"), ("none", "success")])
def test_example_after_script(build, fail, status):
    host = build(example(10), {"FAIL_JOB": fail})
    assert f"after status={status} shell=[]" in text_of(host)
    assert host.outcome == ("FAILURE" if fail == "job" else "SUCCESS")


def test_console_and_nodes_of_a_failed_declarative_build(build):
    host = build(
        """pipeline {
  agent any
  stages {
    stage('ok') { steps { echo 'fine' } }
    stage('boom') { steps { sh 'echo about; exit 3' } }
    stage('never') { steps { echo 'x' } }
  }
  post { always { echo 'post always' } }
}
"""
    )
    workspace = host.workspaces / "demo/app"
    assert (
        host.console
        == f"""[Pipeline] Start of Pipeline
[Pipeline] node
Running on Jenkins in {workspace}
[Pipeline] {{
[Pipeline] stage
[Pipeline] {{ (ok)
[Pipeline] echo
fine
[Pipeline] }}
[Pipeline] // stage
[Pipeline] stage
[Pipeline] {{ (boom)
[Pipeline] sh
+ echo about
about
+ exit 3
[Pipeline] }}
[Pipeline] // stage
[Pipeline] stage
[Pipeline] {{ (never)
Stage "never" skipped due to earlier failure(s)
[Pipeline] }}
[Pipeline] // stage
[Pipeline] stage
[Pipeline] {{ (Declarative: Post Actions)
[Pipeline] echo
post always
[Pipeline] }}
[Pipeline] // stage
[Pipeline] }}
[Pipeline] // node
[Pipeline] End of Pipeline
ERROR: script returned exit code 3
"""
    )
    assert [(node.name, node.status, node.error) for node in host.nodes if node.kind == "stage"] == [
        ("ok", "SUCCESS", None),
        ("boom", "FAILED", "script returned exit code 3"),
        ("never", "FAILED", "script returned exit code 3"),
        ("Declarative: Post Actions", "SUCCESS", None),
    ]
    assert all(node.ended for node in host.nodes)


def interrupted(tmp_path, script, event="aborted", when="begin"):
    host = FakeHost(tmp_path, script)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(run(host)))
    thread.start()
    deadline = time.monotonic() + 10
    while when not in text_of(host) and time.monotonic() < deadline:
        time.sleep(0.01)
    getattr(host, event).set()
    thread.join(10)
    assert not thread.is_alive(), host.console
    return host, outcomes[0]


def test_abort_terminates_the_shell_and_runs_post(tmp_path):
    script = """pipeline {
  agent any
  stages {
    stage('z') { steps { sh 'echo begin; sleep 100' } }
    stage('later') { steps { echo 'x' } }
  }
  post {
    aborted { sh 'echo was aborted' }
    failure { echo 'failed' }
  }
}"""
    host, outcome = interrupted(tmp_path, script)
    assert outcome == "ABORTED"
    assert host.statuses() == [("z", "ABORTED"), ("later", "ABORTED"), ("Declarative: Post Actions", "SUCCESS")]
    assert "was aborted" in text_of(host)
    assert "failed" not in text_of(host)
    assert "script returned exit code 143" in text_of(host)


def test_abort_reaches_every_branch_and_can_be_caught(tmp_path):
    branch = "try { sh '#!/bin/sh\\necho begin; sleep 100' } catch (org.jenkinsci.plugins.workflow.steps.Flow"
    branch += "InterruptedException e) { echo 'caught'; throw e }"
    host, outcome = interrupted(tmp_path, f"node {{ parallel a: {{ {branch} }}, b: {{ {branch} }} }}")
    assert outcome == "ABORTED"
    assert text_of(host).count("caught") == 2
    assert host.statuses("branch") == [("a", "ABORTED"), ("b", "ABORTED")]


def test_kill_ends_a_script_that_swallows_interruptions(tmp_path):
    script = "while (true) { try { echo 'begin'; sleep 30 } catch (e) { echo 'resisted' } }"
    host, outcome = interrupted(tmp_path, script, "killed")
    assert (outcome, text_of(host)) == ("ABORTED", ["begin", "Sleeping for 30 sec"])


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_what_a_script_leaves_in_the_background_ends_with_the_build(build):
    host = build(steps="sh 'sleep 100 & echo $! > pid'")
    assert host.outcome == "SUCCESS"
    pid = (host.workspaces / "demo/app/pid").read_text().strip()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    raise AssertionError("still running")


def test_a_bare_timeout_aborts_even_inside_catch_error(build):
    host = build(
        steps="catchError(buildResult: 'SUCCESS') { timeout(time: 100, unit: 'MILLISECONDS') { sh 'sleep 9' } }"
    )
    assert host.outcome == "ABORTED"
    assert "Cancelling nested steps due to timeout" in text_of(host)


def test_fail_fast_interrupts_the_siblings(build):
    host = build(
        """pipeline { agent any
stages { stage('p') {
  failFast true
  parallel {
    stage('slow') { steps { sh 'sleep 60' } }
    stage('bad') { steps { error 'oops' } }
  }
} } }"""
    )
    assert host.outcome == "FAILURE"
    assert dict(host.statuses()) == {"p": "SUCCESS", "slow": "ABORTED", "bad": "FAILED"}
    assert text_of(host)[-1] == "ERROR: oops"
    assert "Failed in branch bad" in text_of(host)


@pytest.mark.parametrize(
    ("steps", "line", "outcome"),
    [
        ("sh '#!/bin/bash\\nfalse\\necho went on'", "went on", "SUCCESS"),
        ("script { echo \"rc=${sh(returnStatus: true, script: 'kill -9 $$')}\" }", "rc=137", "SUCCESS"),
        ("script { echo sh(returnStdout: true, script: 'echo out; echo err >&2').trim() + '!' }", "out!", "SUCCESS"),
        ("withEnv(['A=x=$HOME\"', 'E=']) { sh '#!/bin/sh\\necho \"$A [${E-unset}]\"' }", 'x=$HOME" [unset]', "SUCCESS"),
        ("sh '#!/bin/sh\\necho $JOB_NAME $JOB_BASE_NAME $BUILD_TAG $BUILD_NUMBER'",
         "demo/app app jenkins-demo-app-7 7", "SUCCESS"),
        ("script { env.X = 'set'; sh '#!/bin/sh\\necho $X'; echo \"$X ${env.NO}\" }", "set null", "SUCCESS"),
        ("writeFile file: 'd/f', text: 'é'\ndir('d') { echo readFile('f') + fileExists('g') }", "éfalse", "SUCCESS"),
        ("unstable 'careful'", "WARNING: careful", "UNSTABLE"),
        ("stash name: 'n', includes: 'none/**'", "ERROR: No files included in stash ‘n’", "FAILURE"),
        ("unstash 'n'", "ERROR: No such saved stash ‘n’", "FAILURE"),
        ("archiveArtifacts 'none'",
         'ERROR: No artifacts found that match the file pattern "none". Configuration error?', "FAILURE"),
        ("withCredentials([string(credentialsId: 'no-such', variable: 'T')]) { echo 'x' }",
         "ERROR: Could not find credentials entry with ID 'no-such'", "FAILURE"),
        ("script { 'x'.eachLine { } }",
         "ERROR: WorkflowScript: 6: the method java.lang.String.eachLine is not supported by the Jenkins stand-in",
         "FAILURE"),
        ("script { new File('/x') }",
         "org.jenkinsci.plugins.scriptsecurity.sandbox.RejectedAccessException: "
         "Scripts not permitted to use new java.io.File java.lang.String", "FAILURE"),
    ],
)  # fmt: skip
def test_steps(build, steps, line, outcome):
    host = build(steps=steps)
    assert line in text_of(host), host.console
    assert host.outcome == outcome


def test_an_unknown_step_is_no_such_method(build):
    host = build(steps="ansiColor('xterm') { echo 'x' }")
    assert host.outcome == "FAILURE"
    assert "java.lang.NoSuchMethodError: No such DSL method 'ansiColor' found among steps [" in host.console


def test_a_compile_error_is_a_failure_without_stages(build):
    host = build("pipeline {\n agent any\n stages { stage('a') { steps { script { def x = [1,2 } } } }\n}\n")
    assert host.outcome == "FAILURE"
    assert host.nodes == []
    assert "WorkflowScript: 3: expecting ']', found '}' @ line 3, column 54." in host.console


def test_secrets_are_masked_plain_and_in_base64(build):
    secret = base64.b64encode(b"apiVersion: v1\n").decode()
    credentials = [
        Credential("login", "usernamePassword", {"username": "me", "password": "pa$s w'd"}),
        Credential("token", "string", {"secret": "tok-en"}),
        Credential("config", "file", {"fileName": "kube.yml", "secretBytes": secret}),
    ]
    host = build(
        """pipeline { agent any
environment { REG = credentials('login') }
stages { stage('a') { steps {
  withCredentials([string(credentialsId: 'token', variable: 'T'), file(credentialsId: 'config', variable: 'F')]) {
    sh 'echo "$REG_USR $REG_PSW" $T; printf %s "$T" | base64; cat "$F"; test "$REG" = "me:$REG_PSW"'
    echo "groovy ${T}"
  }
  sh 'echo "outside T=$T"'
} } } }""",
        credentials=credentials,
    )
    assert host.outcome == "SUCCESS", host.console
    for secret in ("pa$s", "tok-en", base64.b64encode(b"tok-en").decode()):
        assert secret not in host.console
    assert "**** **** ****" in text_of(host)
    assert "apiVersion: v1" in text_of(host)
    assert "groovy ****" in text_of(host)
    assert "outside T=" in text_of(host)
    assert (
        'Warning: A secret was passed to "echo" using Groovy String interpolation, which is insecure.' in host.console
    )


def test_stash_keeps_modes_and_links_and_drops_default_excludes(build):
    host = build(
        steps="""sh 'mkdir -p a/b; echo x > a/b/f; chmod 755 a/b/f; ln -s f a/b/l; touch a/.gitignore'
stash 's'
deleteDir()
unstash 's'
sh 'test -x a/b/f; test "$(readlink a/b/l)" = f; test ! -e a/.gitignore'"""
    )
    assert host.outcome == "SUCCESS", host.console
    assert "Stashed 2 file(s)" in text_of(host)


def test_failed_tests_make_the_stage_unstable(build):
    report = '<testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>'
    host = build(steps=f"writeFile file: 'r.xml', text: '{report}'\njunit '*.xml'\necho currentBuild.currentResult")
    assert host.outcome == "UNSTABLE"
    assert host.statuses() == [("s", "UNSTABLE")]
    assert text_of(host)[-1] == "UNSTABLE"


def test_checkout_returns_the_commit_and_names_an_absent_one(build, repository, tmp_path):
    url, _, head = repository
    scm = f"[$class: 'GitSCM', branches: [[name: '%s']], userRemoteConfigs: [[url: '{url}', credentialsId: 'none']]]"
    host = build(steps=f"script {{ def r = checkout({scm % '*/main'})\necho r.GIT_COMMIT + ' ' + env.GIT_COMMIT }}")
    assert f"{head} null" in text_of(host), host.console
    assert 'Warning: CredentialId "none" could not be found.' in text_of(host)
    absent = FakeHost(tmp_path / "absent", f"node {{ checkout({scm % ('0' * 40)}) }}")
    assert run(absent) == "FAILURE"
    assert "Couldn't find any revision to build." in text_of(absent)[-1]


def test_a_guard_before_the_pipeline_and_parameters_defaults(build):
    host = build(
        """if (params.COMMIT_SHA != 'abc') { error "job was rewritten for commit abc" }
pipeline { agent none
parameters { string(name: 'WHO', defaultValue: 'dflt') }
stages { stage('s') { steps { echo "who=${params.WHO} ${env.WHO}" } } } }""",
        {"COMMIT_SHA": "abc"},
    )
    assert "who=dflt dflt" in text_of(host), host.console


def test_input_of_a_stage_and_build_of_another_job(tmp_path):
    script = """pipeline { agent none
stages {
  stage('gate') {
    input { message 'Go?'
      parameters { string(name: 'TARGET', defaultValue: 'x') } }
    steps { echo "to ${TARGET}" }
  }
  stage('child') { steps { build job: 'f/other', parameters: [string(name: 'A', value: 'b')] } }
} }"""
    host = FakeHost(tmp_path, script)
    host.answers = {"Gate": ("proceed", {"TARGET": "staging"}), "f/other": (3, "FAILURE")}
    assert run(host) == "FAILURE"
    assert "to staging" in text_of(host)
    assert host.triggered == [("f/other", {"A": "b"})]
    assert text_of(host)[-1] == "ERROR: f » other #3 completed with status FAILURE (propagate: false to ignore)"


class Willing(dict):
    """Answers every input."""

    def __contains__(self, key):
        return True

    def __missing__(self, key):
        return ("proceed", {})


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.Jenkinsfile")), ids=lambda path: path.stem)
def test_rendered_pipelines_run(tmp_path, path, repository, fake_docker):
    url, _, head = repository
    text = re.sub(r"\b[0-9a-f]{40}\b", head, re.sub(r"http://gitlab\.example/[\w./-]+?\.git", url, path.read_text()))
    text = re.sub(r"\bsleep(\(| ?\(?)(time: )?(?:\d+|seconds)", r"sleep\1\g<2>0", text)
    parameters = {"COMMIT_SHA": head, "BUILD_KEY": "k", "REPO_URL": url, "CI_COMMIT_BRANCH": "main"}
    login = Credential("registry", "usernamePassword", {"username": "robot", "password": "s3cret"})
    host = FakeHost(tmp_path / "host", text, parameters, path=fake_docker, credentials=[login])
    host.answers = Willing()
    run(host)
    for refusal in ("not supported by the Jenkins stand-in", "NoSuchMethodError", "Exception", "job was rewritten"):
        assert refusal not in host.console
    assert "gl-job name=" in host.console or "image" in dict(host.statuses())


def test_more_stages_than_a_java_method_holds_are_not_compiled(build):
    assert validate(bare_stages(200)) == []  # the linter does not see it
    host = build(bare_stages(200))
    assert host.outcome == "FAILURE"
    assert "startup failed:\nGeneral error during class generation: Method too large" in host.console
    assert "hi" not in host.console


def test_as_many_stages_as_a_java_method_holds_run(build):
    assert build(bare_stages(150)).console.count("hi\n") == 150


@pytest.mark.parametrize(
    ("entry", "most", "message"),
    [
        ("1", 250, "WorkflowScript: 2: List expressions can only contain up to 250 elements @ line 2, column 10."),
        ("n{}: 1", 125, "WorkflowScript: 2: Map expressions can only contain up to 125 entries @ line 2, column 10."),
    ],
)
@pytest.mark.parametrize(("annotation", "more"), [("", 0), ("", 1), ("@NonCPS ", 1)])
def test_long_literals_are_compiled_by_groovy_alone(build, entry, most, message, annotation, more):
    literal = ", ".join(entry.format(n) for n in range(most + more))
    host = build(f'{annotation}Object all() {{\n  return [{literal}]\n}}\necho "all ${{all().size()}}"\n')
    refused = more and not annotation
    assert (message in host.console) is bool(refused)
    assert (f"all {most + more}" in host.console) is not bool(refused)
