"""A job's shell text, run by the real shells of this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import InputError
from tasks.interpretation.pipeline import Image, Job, JobEnvironment
from tasks.jenkins_build.job_script import (
    AGENT_VARIABLES,
    START,
    agent_exports,
    commands,
    exports,
    job_variables,
    own_variables,
    word,
)

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
VALUES = st.text(CHARACTERS, max_size=60) | st.text(
    "'\"$\\`!\n\r\t *?~#;&|<>(){}[]é\U0001f600\x01\x1b\x7f", max_size=60
)


def run(
    lines: list[str], folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    script = folder / "job.sh"
    script.write_bytes("\n".join([*START, *lines, ""]).encode())
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin", **(environment or {})}
    return subprocess.run(["/bin/sh", script], capture_output=True, env=path, timeout=60, check=False)


@settings(deadline=None, max_examples=60)
@given(values=st.lists(VALUES, min_size=1, max_size=6))
def test_variables_arrive_byte_for_byte(values: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    variables = {f"V{index}": value for index, value in enumerate(values)}
    show = [f"printf '%s\\0' \"$V{index}\"" for index in range(len(values))]
    done = run([*exports(variables, {}), *show], tmp_path_factory.mktemp("run"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().split("\0")[:-1] == values


@settings(deadline=None, max_examples=60)
@given(value=VALUES)
def test_commands_run_byte_for_byte_and_are_shown(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    command = f"printf %s {word(value)}"
    done = run(commands([command]), tmp_path_factory.mktemp("run"))
    first, newline, _ = command.partition("\n")
    shown = f"$ {first}{' # collapsed multi-line command' if newline else ''}\n"
    assert done.stdout.decode() == shown + value
    assert done.returncode == 0


def test_a_command_of_100_kilobytes(tmp_path: Path) -> None:
    text = "it's ${x} \\ é " * 8_000
    done = run([f"printf %s {word(text)} > out"], tmp_path, {"PWD": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert Path("out").read_bytes() == text.encode()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_shell_is_bash_where_there_is_one(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine")
    done = run(['echo "${BASH_VERSION:+bash}" "$-"', "[[ a == a ]] && false | true", "echo not reached"], tmp_path)
    assert done.returncode == 1
    assert done.stdout.split()[0] == b"bash"
    assert b"x" not in done.stdout.split()[1]
    assert b"not reached" not in done.stdout


def test_plain_sh_does_where_there_is_no_bash(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = run(
        ['echo "bash=${BASH_VERSION-none}"', "false", "echo not reached"], tmp_path, {"PATH": str(tmp_path / "bin")}
    )
    if b"bash=none" not in done.stdout:
        pytest.skip("/bin/sh is bash on this machine")
    assert done.returncode == 1
    assert b"not reached" not in done.stdout


def test_commands_share_one_shell(tmp_path: Path) -> None:
    done = run(
        commands(["x=1; mkdir -p sub; cd sub", "if true; then", 'echo "x=$x $(basename "$PWD")"', "fi"]), tmp_path
    )
    assert done.stdout.decode().splitlines() == [
        "$ x=1; mkdir -p sub; cd sub",
        "$ if true; then",
        '$ echo "x=$x $(basename "$PWD")"',
        "x=1 sub",
        "$ fi",
    ]


def test_references_to_what_only_the_build_knows_are_expanded_where_they_were_left(tmp_path: Path) -> None:
    variables = {
        "A": "$CI_PROJECT_DIR/.m2",
        "B": "${CI_PROJECT_DIR}$HOME`id`",
        "C": "$CI_PROJECT_DIRS$$",
        "D": "$$x$CI$$CI",
        "E": "",
        "F": "$$CI",
    }
    lines = [
        *agent_exports(AGENT_VARIABLES),
        *exports(variables, {"A", "B", "C", "D"}),
        'printf "%s|" "$A" "$B" "$C" "$D" "${E-unset}" "$F"',
    ]
    done = run(lines, tmp_path, {"WORKSPACE": "/w s/'$x", "HOME": "/home/me"})
    assert done.stdout.decode() == "/w s/'$x/.m2|/w s/'$x/home/me`id`|$|$xtrue$CI||$$CI|"


def test_names_no_shell_takes_are_named_and_left(tmp_path: Path) -> None:
    names = ["A-B", "1X", "x y", "a;touch hacked", "$(touch hacked)", "x\ntouch hacked", "UID", "", "é"]
    done = run([*exports(dict.fromkeys(names, "v"), {}), "echo end"], tmp_path)
    assert (done.returncode, done.stdout) == (0, b"end\n")
    assert len(done.stderr.splitlines()) == len(names)
    assert not Path("hacked").exists()


def test_a_nul_character_is_refused() -> None:
    with pytest.raises(InputError, match="NUL"):
        exports({"A": "a\0b"}, {})
    with pytest.raises(InputError, match="NUL"):
        commands(["echo a\0b"])


def test_git_works_in_a_container_whose_user_does_not_own_the_workspace(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    # Git's own switch for its tests: as if somebody else owned the folder.
    given = {"WORKSPACE": str(tmp_path), "BUILD_NUMBER": "1", "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    show = f"git -C {tmp_path} status --short"
    for image, code in ((None, 128), (Image("alpine"), 0)):
        done = run([*job_variables(Job("a", "a", (), image=image), 1, 60), show], tmp_path, given)
        assert done.returncode == code, done.stderr


def test_the_name_of_an_environment_may_hold_what_only_the_build_knows(tmp_path: Path) -> None:
    job = Job("a", "a", (), environment=JobEnvironment("review/$CI_COMMIT_REF_SLUG", "https://$CI_COMMIT_REF_SLUG.x"))
    show = 'echo "$CI_ENVIRONMENT_NAME ${CI_ENVIRONMENT_SLUG-none} $CI_ENVIRONMENT_URL"'
    done = run([*own_variables(job), show], tmp_path, {"CI_COMMIT_REF_SLUG": "my-topic"})
    assert done.stdout == b"review/my-topic none https://my-topic.x\n"


@pytest.mark.parametrize(
    ("name", "slug"), [("production", "production"), ("review/Feature-1", "review-feature-1-ras601"), ("a-$X", "unset")]
)
def test_a_job_knows_the_slug_of_its_environment(name: str, slug: str, tmp_path: Path) -> None:
    job = Job("a", "a", (), environment=JobEnvironment(name))
    done = run([*own_variables(job), 'echo "${CI_ENVIRONMENT_SLUG-unset}"'], tmp_path)
    assert done.stdout.decode() == f"{slug}\n"
