"""The sandbox's ``docker`` command: what the Jenkinsfiles of this project call, without a Docker engine.

Images are built by a small builder, kept below one folder, and pushed and pulled by the real protocol; ``docker run``
runs on this machine. What needs an engine is refused with exit code 125. Only the standard library is imported, and
each command's part when it is called: a pipeline starts this program often.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.docker_cli.errors import DockerError, not_here
from sandbox.docker_cli.options import Syntax, parse


@dataclass(frozen=True)
class Setting:
    """Where this sandbox keeps its images, and which registries beyond loopback belong to it."""

    state: Path
    registries: frozenset[str] = frozenset()

    @property
    def logins_folder(self) -> Path:
        """``$DOCKER_CONFIG``, else a folder of the sandbox."""
        return Path(os.environ.get("DOCKER_CONFIG") or self.state / "config")


def _run(arguments: list[str], setting: Setting) -> None:
    from sandbox.docker_cli.running import SYNTAX, run

    run(parse(SYNTAX, arguments), setting.state)


def _images(name: str) -> Callable[[list[str], Setting], None]:
    def command(arguments: list[str], setting: Setting) -> None:
        from sandbox.docker_cli import image_commands

        image_commands.COMMANDS[name](arguments, setting)

    return command


def _other(name: str) -> Callable[[list[str], Setting], None]:
    def command(arguments: list[str], setting: Setting) -> None:
        from sandbox.docker_cli import engine_commands

        engine_commands.COMMANDS[name](arguments, setting)

    return command


COMMANDS: dict[tuple[str, ...], Callable[[list[str], Setting], None]] = {
    ("run",): _run,
    ("container", "run"): _run,
    **{(name,): _images(name) for name in ("build", "push", "pull", "tag", "images", "rmi", "login", "logout")},
    **{("image", name): _images(name) for name in ("build", "push", "pull", "tag")},
    ("buildx", "build"): _images("build"),
    ("inspect",): _images("inspect"),
    ("image", "inspect"): _images("inspect"),
    ("image", "ls"): _images("images"),
    ("image", "rm"): _images("rmi"),
    **{(name,): _other(name) for name in ("ps", "rm", "logs", "stop", "kill", "version", "info")},
    ("container", "ls"): _other("ps"),
    ("container", "rm"): _other("rm"),
    ("container", "logs"): _other("logs"),
    ("network", "create"): _other("network create"),
    ("network", "rm"): _other("network rm"),
}


def _dispatch(arguments: list[str], setting: Setting) -> None:
    if arguments[:1] in (["--version"], ["-v"]):
        arguments = ["version"]
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        known = ", ".join(" ".join(words) for words in COMMANDS)
        sys.stdout.write(f"The sandbox's docker command, a stand-in without an engine. It knows: {known}.\n")
        return
    parse(Syntax("docker", {}, stop_at_word=True), arguments)
    for length in (2, 1):
        command = COMMANDS.get(tuple(arguments[:length]))
        if command is not None:
            command(arguments[length:], setting)
            return
    raise not_here(f"docker {' '.join(arguments[:2])} is not known here.")


def main(arguments: Sequence[str], setting: Setting) -> int:
    """Run one command; its exit code."""
    try:
        _dispatch(list(arguments), setting)
        sys.stdout.flush()
    except DockerError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{error}\n")
        return error.code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: let the exit be quiet
        return 1
    except OSError as error:
        sys.stderr.write(f"docker (sandbox stand-in): {error.filename or ''}: {error.strerror or error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
