"""`smartclide interpret` and includes from elsewhere: refused until allowed, and local ones never from outside."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.interpret import InterpretOptions, interpret_file
from errors import InputError
from sandbox.gitlab.server import GitLab
from sandbox.http import AppServer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    server = AppServer(None, name="gitlab")  # type: ignore[arg-type]
    made = GitLab(tmp_path_factory.mktemp("gitlab"), lambda: server.url)
    server._app.app = made.app
    component = "spec: {inputs: {stage: {default: test}}}\n---\nscan: {stage: '$[[ inputs.stage ]]', script: [scan]}\n"
    made.create_project("team/lib", {"a.yml": "a: {script: [a]}\n", "templates/scan.yml": component})
    made.tag("team/lib", "1.0.0", "main")
    made.release("team/lib", "1.0.0")
    made.set_template("Bash", "bash: {script: [bash]}\n")
    with server:
        yield server.url, made.add_token("robot", ["read_api", "read_repository"])
    made.close()


def names(file: Path, **options: object) -> list[str]:
    result = interpret_file(file, InterpretOptions(**options))  # type: ignore[arg-type]
    assert result.errors == []
    assert result.pipeline is not None
    return [job.name for job in result.pipeline.jobs]


def errors(file: Path, **options: object) -> list[str]:
    return [str(found) for found in interpret_file(file, InterpretOptions(**options)).errors]  # type: ignore[arg-type]


def write(folder: Path, text: str) -> Path:
    file = folder / ".gitlab-ci.yml"
    file.write_text(text)
    return file


def test_projects_components_and_templates_of_the_named_gitlab(tmp_path: Path, gitlab: tuple[str, str]) -> None:
    file = write(
        tmp_path,
        "include:\n  - {project: team/lib, file: a.yml}\n  - template: Bash.gitlab-ci.yml\n"
        "  - {component: $CI_SERVER_FQDN/team/lib/scan@~latest, inputs: {stage: build}}\n",
    )
    assert names(file, gitlab_url=gitlab[0], gitlab_token=gitlab[1]) == ["a", "bash", "scan"]
    (first, *_) = errors(file, gitlab_url=gitlab[0])
    assert "hides it from anonymous users" in first


def test_what_is_not_allowed_says_how_to_allow_it(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "include:\n  - {project: team/lib, file: a.yml}\n  - https://e.com/x.yml\n  - template: B.gitlab-ci.yml\n",
    )
    found = errors(file)
    assert [text.rpartition(" is not fetched: ")[2] for text in found] == [
        "give --gitlab-url (and a token, for projects that are not public). [include-not-fetched]",
        "give --allow-remote. [include-not-fetched]",
        "give --gitlab-url and a token, or --templates with a folder of GitLab's templates. [include-not-fetched]",
    ]


def test_components_of_the_folder_at_its_own_commit(tmp_path: Path) -> None:
    (tmp_path / "templates" / "two").mkdir(parents=True)
    (tmp_path / "templates" / "one.yml").write_text(
        "spec: {component: [name, sha]}\n---\n'$[[ component.name ]]-$[[ component.sha ]]': {script: [a]}\n"
    )
    (tmp_path / "templates" / "two" / "template.yml").write_text("include: /inner.yml\n")
    (tmp_path / "inner.yml").write_text("inner: {script: [a]}\n")
    address = "$CI_SERVER_FQDN/$CI_PROJECT_PATH"
    file = write(tmp_path, f"include:\n  - component: {address}/one@$CI_COMMIT_SHA\n  - component: {address}/two@abc\n")
    known = ["CI_SERVER_FQDN=gitlab.example.com", "CI_PROJECT_PATH=team/Lib", "CI_COMMIT_SHA=abc"]
    assert names(file, variables=known) == ["one-abc", "inner"]
    write(tmp_path, f"include:\n  - component: {address}/one@1.0\n  - component: {address}/three@abc\n")
    older, absent = errors(file, variables=known)
    assert "is not fetched: give --gitlab-url" in older
    assert f"There is no component three in {tmp_path / 'templates'}." in absent


def test_templates_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "templates" / "Jobs").mkdir(parents=True)
    (tmp_path / "templates" / "Jobs" / "Build.gitlab-ci.yml").write_text("built: {script: [b]}\n")
    file = write(tmp_path, "include: {template: Jobs/Build.gitlab-ci.yml}\n")
    assert names(file, templates=tmp_path / "templates") == ["built"]
    file = write(tmp_path, "include: {template: None.gitlab-ci.yml}\n")
    assert "There is no template None.gitlab-ci.yml" in errors(file, templates=tmp_path / "templates")[0]


def test_local_includes_stay_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.yml").write_text("secret: {script: [s]}\n")
    inside = tmp_path / "repository"
    inside.mkdir()
    (inside / "link.yml").symlink_to(tmp_path / "secret.yml")
    for path in ("../secret.yml", "link.yml", str(tmp_path / "secret.yml")):
        (found,) = errors(write(inside, f"include: {path}\n"))
        assert "there is no file" in found


def test_a_folder_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        assert names(write(tmp_path, "a: {script: [a], rules: [{exists: ['closed/x']}, {when: always}]}\n")) == ["a"]
    finally:
        closed.chmod(0o700)


def test_inputs_of_the_file_itself(tmp_path: Path) -> None:
    file = write(tmp_path, "spec: {inputs: {name: }}\n---\n'$[[ inputs.name ]]-job': {script: [a]}\n")
    assert names(file, inputs=["name=build"]) == ["build-job"]
    assert "[input-missing]" in errors(file)[0]
    with pytest.raises(InputError, match="--input 'name' is not KEY=VALUE"):
        errors(file, inputs=["name"])


@pytest.mark.parametrize("url", ["gitlab.example.com", "ftp://x", "https://user:word@gitlab.example.com"])
def test_a_malformed_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="--gitlab-url is no address"):
        errors(write(tmp_path, "a: {script: [a]}\n"), gitlab_url=url)


def test_no_client_is_imported_without_need(tmp_path: Path) -> None:
    file = write(tmp_path, "a: {script: [a]}\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom console.interpret import *\n"
        f"interpret_file(Path({str(file)!r}), InterpretOptions())\n"
        "print([m for m in ('prefect', 'pandas', 'gitlab', 'httpx', 'requests', 'pydantic') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_gitlab_includes_need_no_prefect(tmp_path: Path, gitlab: tuple[str, str]) -> None:
    file = write(tmp_path, "include: {project: team/lib, file: a.yml}\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom console.interpret import *\n"
        f"options = InterpretOptions(gitlab_url={gitlab[0]!r}, gitlab_token={gitlab[1]!r})\n"
        f"r = interpret_file(Path({str(file)!r}), options)\n"
        "print([j.name for j in r.pipeline.jobs], [m for m in ('prefect', 'pandas') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "['a'] []\n"
