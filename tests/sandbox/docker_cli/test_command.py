"""The command as pipelines call it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.sandbox.docker_cli.commanding import Docker, write

STAND_IN = "docker (sandbox stand-in): "


def test_run_runs_here_and_says_so(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text('echo "$GIVEN|$TAKEN|$HIDDEN|$PWD"; touch made; exit 7\n')
    docker.environment.update(TAKEN="from outside", HIDDEN="not given")
    place = f"{tmp_path}:{tmp_path}"
    done = docker(
        "run", "--rm", "--init", "--label", "jenkins=1", "--network=none", "-u", "1:1", "-e", "GIVEN=a b", "-e",
        "TAKEN", "-v", place, "-v", f"{place}:ro", "-w", str(tmp_path), "--entrypoint=sh", "python:3.12", "job.sh",
    )  # fmt: skip
    assert done.returncode == 7
    assert done.stdout == f"a b|from outside||{tmp_path}\n"
    assert done.stderr == f"{STAND_IN}running on this machine; image python:3.12 not applied.\n"
    assert (tmp_path / "made").exists()


def test_run_reads_its_input_and_finds_programs_by_name(docker: Docker) -> None:
    done = docker("run", "-i", "--entrypoint=/nowhere/bin/env", "busybox", "X=1", "sh", text="echo $X; pwd\n")
    assert done.stdout.splitlines()[0] == "1"
    assert "/runs/" in done.stdout.splitlines()[1]  # an empty folder of its own
    assert docker("run", "busybox", "no-such-program").returncode == 127


def test_a_stopped_run_takes_the_program_along(docker: Docker, tmp_path: Path) -> None:
    command = [str(docker.script), "run", "--rm", "busybox", "sh", "-c", "echo up; exec sleep 60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == -signal.SIGTERM
    process.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "-d", "web"), "docker run -d (a service beside the job) needs containers"),
        (("run", "-v", "/a:/b", "x", "y"), "a folder can only be mounted at its own path"),
        (("run", "-v", "cache:/b", "x", "y"), "a folder can only be mounted at its own path"),
        (("run", "--privileged", "x", "y"), "--privileged needs containers"),
        (("run", "busybox"), "without a command runs the image's own"),
        (("run", "-w", "/no/such/folder", "x", "true"), "--workdir /no/such/folder is not a folder of this machine"),
        (("compose", "up"), "docker compose up is not known here"),
        (("push", "registry.example/a:1"), "An image does not exist locally"),
        (("pull", "busybox"), "Docker Hub is not a registry of the sandbox"),
        (
            ("login", "-u", "a", "--password-stdin", "registry.example"),
            "registry.example is not a registry of the sandbox",
        ),
        (("image", "inspect", "--type=container", "x"), "--type container needs containers"),
    ],
)
def test_what_needs_an_engine_is_refused_with_a_remedy(docker: Docker, arguments: tuple[str, ...], words: str) -> None:
    done = docker(*arguments)
    assert words in done.stderr
    if arguments[0] != "push":
        assert done.returncode == 125
        assert "Start the sandbox with --engine docker" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--gpus", "all", "x"), "unknown flag: --gpus"),
        (("build", "-Z", "."), "unknown shorthand flag: 'Z' in -Z"),
        (("build", "-t"), "flag needs an argument: --tag"),
        (("build", "--pull=perhaps", "."), "invalid argument 'perhaps' for --pull"),
        (("--debug", "ps"), "unknown flag: --debug"),
    ],
)
def test_unknown_flags(docker: Docker, arguments: tuple[str, ...], words: str) -> None:
    done = docker(*arguments)
    assert (done.returncode, done.stdout) == (125, "")
    assert words in done.stderr


def test_an_empty_engine(docker: Docker) -> None:
    assert docker.ok("ps", "-aq", "--filter", "label=jenkins=x", "--filter", "label=y") == ""
    forced = docker("rm", "-f", "-v", "gone")
    assert (forced.returncode, forced.stderr) == (0, "Error response from daemon: No such container: gone\n")
    assert docker("rm", "gone").returncode == 1
    assert docker("logs", "gone").returncode == 1
    assert docker.ok("network", "create", "--label", "a=b", "net") == "net\n"
    assert docker.ok("network", "rm", "net") == "net\n"
    assert "stand-in" in docker.ok("version")
    assert docker.ok("info", "--format", "{{.ServerVersion}}") == "sandbox\n"
    assert docker.ok("version", "--format", "{{.Server.Version}}") == "sandbox\n"


def test_build_tag_list_and_remove(docker: Docker, tmp_path: Path) -> None:
    context = write(
        tmp_path / "c", {"Dockerfile": "FROM scratch\nARG V\nLABEL v=$V\n", "other/D": "FROM scratch\nCMD x\n"}
    )
    docker.environment["V"] = "from environment"
    out = docker.ok(
        "build", "--network=none", "--label", "l=1", "--build-arg", "V", "-t", "a/b:1", "-t", "c", str(context)
    )
    assert out.splitlines()[1:] == ["Successfully tagged a/b:1", "Successfully tagged c:latest"]
    assert docker.ok("image", "inspect", "-f", "{{json .Config.Labels}}", "c") == '{"l":"1","v":"from environment"}\n'
    number = docker.ok("build", "-q", "-f", "other/D", ".", cwd=context).strip()
    assert (
        docker.ok("image", "inspect", "--format", "{{.Id}} {{.Config.Cmd}}", number[:19])
        == f"{number} [/bin/sh -c x]\n"
    )
    docker.ok("tag", number, "a/d:2")
    assert [line.split()[:2] for line in docker.ok("images", "a/d").splitlines()[1:]] == [["a/d", "2"]]
    assert docker.ok("images", "-q", "a/d") == f"{number[7:19]}\n"
    assert docker.ok("rmi", "a/d:2") == "Untagged: a/d:2\n"
    gone = docker("image", "inspect", "a/d:2")
    assert (gone.returncode, gone.stderr) == (1, "Error: No such image: a/d:2\n")
    assert docker("rmi", "a/d:2").returncode == 1
    assert docker("rmi", "-f", "a/d:2").returncode == 0


def test_a_bad_dockerfile_fails_with_its_line(docker: Docker, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY nothing /\n"})
    done = docker("build", "-t", "x", str(context))
    assert done.returncode == 1
    assert "Dockerfile:2: COPY: 'nothing' not found in the build context" in done.stderr
    absent = docker("build", str(tmp_path / "none"))
    assert (absent.returncode, "path" in absent.stderr and "not found" in absent.stderr) == (1, True)


def test_builds_at_the_same_time_keep_each_other_s_names(docker: Docker, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nARG N\nLABEL n=$N\nCOPY Dockerfile /\n"})
    names = [f"parallel/app:{number}" for number in range(6)]
    running = [
        subprocess.Popen(
            [str(docker.script), "build", "-q", "--build-arg", f"N={name}", "-t", name, str(context)],
            stdout=subprocess.DEVNULL,
        )
        for name in names
    ]
    assert [process.wait(60) for process in running] == [0] * 6
    for name in names:
        assert docker.ok("image", "inspect", "-f", "{{.Config.Labels.n}}", name) == f"{name}\n"


def test_it_starts_apart_from_the_build_s_folder(docker: Docker, tmp_path: Path) -> None:
    write(tmp_path / "c", {"sandbox/__init__.py": "raise SystemExit(9)", "json.py": "raise SystemExit(9)"})
    docker.environment["PYTHONPATH"] = str(tmp_path / "c")
    assert docker("image", "inspect", "none", cwd=tmp_path / "c").returncode == 1


def test_a_reader_that_goes_away_is_no_traceback(docker: Docker) -> None:
    done = subprocess.run(f"'{docker.script}' --help | true", shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert os.access(docker.script, os.X_OK)
