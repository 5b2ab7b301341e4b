"""Generated Jenkinsfiles under Debian's groovy (2.4.21, the very version in Jenkins) and on the stand-in's executor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from sandbox.jenkins import executor
from sandbox.jenkins.model import Credential
from tasks.interpretation.pipeline import Job, Pipeline
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tests.sandbox.jenkins.fake_host import FakeHost
from tests.tasks.jenkins_build.groovy.cases import CASES, Case

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
REQUIRED = "SMARTCLIDE_REQUIRE_GROOVY"
RENDERINGS: tuple[Literal["stages", "graph"], ...] = ("stages", "graph")
LOGIN = {"username": "robot", "password": "s3cret-word"}


@dataclass(frozen=True)
class Ran:
    """What came of a Jenkinsfile: the build's result, its console and its description."""

    result: str
    console: str = ""
    description: str | None = None


@dataclass(frozen=True)
class Outcomes:
    """By case and rendering: under groovy, and on the stand-in. `classes` are folders of class files, by file."""

    groovy: Mapping[tuple[str, str], Ran]
    standin: Mapping[tuple[str, str], Ran]
    classes: Mapping[str, Path]


def tool_of() -> tuple[str, dict[str, str]]:
    """The groovy command and the environment it wants: Debian's finds no Java by itself."""
    found, java = shutil.which("groovy"), shutil.which("java")
    home = os.environ.get("JAVA_HOME") or (str(Path(java).resolve().parents[1]) if java else None)
    if found and home:
        quick = (
            "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # it runs for seconds: better code would cost more than it gives
        )
        return found, {**os.environ, "JAVA_HOME": home, "JAVA_OPTS": quick}
    missing = "groovy and Java are not installed (Debian: apt-get install groovy)"
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, but {missing}")
    pytest.skip(missing)


def outcomes_in(folder: Path) -> Outcomes:
    """Everything there is to compile and to run, in one groovy process: starting one takes seconds."""
    tool, environment = tool_of()
    origin, sha = repository(folder / "origin.git")
    files, cases = folder / "files", folder / "standin"
    path = f"{HERE}{os.pathsep}{os.environ['PATH']}"
    for name, text in {**_goldens(), **_largest()}.items():
        _write(files / name, text)
    for key, (case, text) in _jenkinsfiles(origin, sha).items():
        given = {"parameters": _parameters(case, origin, sha), "answers": case.answers, "path": path}
        given |= {"scm": _scm(origin)} if case.own else {}
        _write(files / "-".join(key), text, {**given, "credentials": {"robot": LOGIN}})
    words: list[str | Path] = [tool, "-cp", HERE, HERE / "run.groovy", files, "12"]
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        standin = _on_standin(_jenkinsfiles(origin, sha), cases, (origin, sha, path))
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    groovy = {key: Ran(**json.loads((files / "-".join(key) / "result.json").read_text())) for key in standin}
    return Outcomes(groovy, standin, {path.name: path for path in files.iterdir()})


def repository(folder: Path) -> tuple[str, str]:
    folder.mkdir()

    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", *words]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q", "-b", "main")
    (folder / "Dockerfile").write_text("FROM scratch\n")
    for text in ("first\n", "hello\n"):
        (folder / "file").write_text(text)
        git("add", ".")
        git("commit", "-q", "-m", "x")
    return f"file://{folder}", git("rev-parse", "HEAD")


def _parameters(case: Case, url: str, sha: str) -> dict[str, str]:
    if case.own:
        return dict(case.parameters)
    return {"COMMIT_SHA": sha, "BUILD_KEY": "k", "REPO_URL": url, **case.parameters}


def _scm(url: str) -> dict[str, Any]:
    return {"$class": "GitSCM", "branches": [{"name": "main"}], "userRemoteConfigs": [{"url": url}], "extensions": []}


def _jenkinsfiles(url: str, sha: str) -> dict[tuple[str, str], tuple[Case, str]]:
    found: dict[tuple[str, str], tuple[Case, str]] = {}
    for name, case in CASES.items():
        stages = tuple(dict.fromkeys(job.stage for job in case.jobs if job.parent is None))
        pipeline = Pipeline(None, stages, case.jobs, **case.pipeline)
        settings = RenderSettings(url, sha, **case.settings)
        for rendering in RENDERINGS:
            found[name, rendering] = case, render(pipeline, replace(settings, rendering=rendering))
    return found


def _write(folder: Path, text: str, case: Mapping[str, Any] | None = None) -> None:
    folder.mkdir(parents=True)
    (folder / "Jenkinsfile").write_text(text, encoding="ascii")
    if case is not None:
        (folder / "case.json").write_text(json.dumps(case))


def _on_standin(
    texts: Mapping[tuple[str, str], tuple[Case, str]], folder: Path, how: tuple[str, str, str]
) -> dict[tuple[str, str], Ran]:
    url, sha, path = how

    def run(key: tuple[str, str]) -> Ran:
        case, text = texts[key]
        credential = Credential("robot", "usernamePassword", LOGIN)
        host = FakeHost(folder / "-".join(key), text, _parameters(case, url, sha), credentials=[credential], path=path)
        host.answers.update(case.answers)
        host.scm = _scm(url) if case.own else None
        result = executor.run(host)  # type: ignore[arg-type]  # the fake's attributes are not annotated
        return Ran(result, host.console, host.description)

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(texts, pool.map(run, texts), strict=True))


def _goldens() -> dict[str, str]:
    return {f"golden {path.stem}": path.read_text(encoding="ascii") for path in sorted(GOLDEN.glob("*.Jenkinsfile"))}


def _largest() -> dict[str, str]:
    """As many declarative stages as are rendered, and a graph of a thousand jobs."""
    script = ("echo a line of a script that is not short",) * 30
    few = [_large(f"job {n}", f"s{n}", script) for n in range(25)]
    many = [_large(f"job {n}", f"s{n // 250}", (f"echo {n}", *script)) for n in range(1000)]
    settings = RenderSettings("http://gitlab.example/group/app.git", "0" * 40)
    return {
        f"largest {rendering}": render(
            Pipeline(None, tuple(dict.fromkeys(job.stage for job in jobs)), tuple(jobs)),
            replace(settings, rendering=rendering),
        )
        for rendering, jobs in zip(RENDERINGS, (few, many), strict=True)
    }


def _large(name: str, stage: str, script: tuple[str, ...]) -> Job:
    return Job(name, stage, script, variables={"N": name}, after_script=("echo done",))
