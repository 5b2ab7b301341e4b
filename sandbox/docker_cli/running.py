"""``docker run``: the command runs on this machine, and the image is not applied. It says so.

The process takes this one's place (exec), so signals, exit code and streams are its own. As in a container it sees
only the variables it is given, and a few the machine needs.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from sandbox.docker_cli.errors import DockerError, not_here
from sandbox.docker_cli.options import SWITCH, VALUE, Options, Syntax
from sandbox.docker_cli.reference import parse as parse_reference

_HARMLESS = (
    "name hostname label label-file network net user memory cpus pull platform add-host network-alias ulimit shm-size"
)
_HARMLESS_SWITCHES = "rm init read-only quiet interactive tty"
SYNTAX = Syntax(
    "docker run",
    {
        **dict.fromkeys(_HARMLESS.split(), VALUE),
        **dict.fromkeys(_HARMLESS_SWITCHES.split(), SWITCH),
        **dict.fromkeys(("env", "env-file", "volume", "mount", "workdir", "entrypoint"), VALUE),
        "detach": SWITCH,
        "privileged": SWITCH,
        "tmpfs": VALUE,
    },
    {"e": "env", "v": "volume", "w": "workdir", "u": "user", "d": "detach", "l": "label", "i": "interactive",
     "t": "tty", "m": "memory", "q": "quiet", "h": "hostname"},
    stop_at_word=True,
)  # fmt: skip
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ")


def run(options: Options, state: Path) -> NoReturn:
    """Become the command.

    Raises:
        DockerError: 125 for what only an engine can do, 126 and 127 as docker for commands that do not start.
    """
    _check(options)
    image, command = _command(options)
    environment = _environment(options)
    folder = Path(options.one("workdir") or _scratch(state))
    if not folder.is_dir():
        raise not_here(f"--workdir {folder} is not a folder of this machine, and the image is not applied.")
    program = _program(command[0], folder, environment.get("PATH"))
    sys.stderr.write(f"docker (sandbox stand-in): running on this machine; image {image} not applied.\n")
    sys.stderr.flush()
    sys.stdout.flush()
    os.chdir(folder)
    try:
        os.execve(program, command, environment)  # noqa: S606 - an argument list, no shell
    except OSError as error:
        raise DockerError(f"docker: exec: {command[0]!r}: {error.strerror}", 126) from error


def _program(name: str, folder: Path, search: str | None) -> str:
    """The program's file; one that the image has elsewhere (``/bin/env``) is looked for by its name."""
    if "/" in name and (folder / name).exists():
        return str(folder / name)
    found = shutil.which(Path(name).name, path=search) if name.startswith("/") or "/" not in name else None
    if found is None:
        raise DockerError(f"docker: exec: {name!r}: not found on this machine (the image is not applied).", 127)
    return found


def _command(options: Options) -> tuple[str, list[str]]:
    if not options.words:
        raise DockerError('"docker run" requires at least 1 argument.')
    image, *command = options.words
    parse_reference(image)
    entrypoint = options.one("entrypoint")
    command = [entrypoint, *command] if entrypoint else command
    if not command:
        raise not_here(f"docker run {image} without a command runs the image's own, and the image is not applied.")
    return image, command


def _check(options: Options) -> None:
    if options.on("detach"):
        raise not_here("docker run -d (a service beside the job) needs containers.")
    for flag in ("privileged", "tmpfs", "mount"):
        if options.all(flag):
            raise not_here(f"docker run --{flag} needs containers.")
    for volume in options.all("volume"):
        source, _, rest = volume.partition(":")
        target = rest.partition(":")[0] if rest else source
        if os.path.normpath(source) != os.path.normpath(target) or not source.startswith("/"):
            raise not_here(f"docker run -v {volume}: a folder can only be mounted at its own path.")


def _scratch(state: Path) -> Path:
    """An empty folder for a run without ``--workdir``; those of processes that are gone are removed."""
    runs = state / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    for folder in runs.iterdir():
        if folder.name.isdecimal() and not _alive(int(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)
    made = runs / str(os.getpid())
    made.mkdir(exist_ok=True)
    return made


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _environment(options: Options) -> dict[str, str]:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    entries = [line for file in options.all("env-file") for line in _env_file(Path(file))]
    for entry in [*entries, *options.all("env")]:
        name, equals, value = entry.partition("=")
        if equals:
            environment[name] = value
        elif name in os.environ:
            environment[name] = os.environ[name]
    return environment


def _env_file(file: Path) -> list[str]:
    try:
        lines = file.read_text().splitlines()
    except OSError as error:
        raise DockerError(f"docker: open {file}: {error.strerror}", 125) from error
    return [line.lstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
