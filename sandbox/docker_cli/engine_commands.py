"""Commands about containers and networks: there are none, and these say so as docker would of an empty engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.docker_cli.errors import DockerError
from sandbox.docker_cli.options import SWITCH, VALUE, Syntax, parse

if TYPE_CHECKING:
    from sandbox.docker_cli.main import Setting

VERSION = "sandbox"


def _ps(arguments: list[str], _setting: Setting) -> None:
    flags = {"all": SWITCH, "quiet": SWITCH, "no-trunc": SWITCH, "filter": VALUE, "format": VALUE}
    options = parse(Syntax("docker ps", flags, {"a": "all", "q": "quiet", "f": "filter"}), arguments)
    if not options.on("quiet") and not options.one("format"):
        sys.stdout.write("CONTAINER ID   IMAGE   COMMAND   CREATED   STATUS   PORTS   NAMES\n")


def _no_container(name: str) -> Callable[[list[str], Setting], None]:
    flags = {"force": SWITCH, "volumes": SWITCH, "follow": SWITCH, "timestamps": SWITCH, "tail": VALUE, "time": VALUE}
    short = {"f": "follow" if name == "logs" else "force", "v": "volumes", "t": "time"}

    def command(arguments: list[str], _setting: Setting) -> None:
        options = parse(Syntax(f"docker {name}", flags, short), arguments)
        if not options.words:
            raise DockerError(f'"docker {name}" requires at least 1 argument.')
        message = "\n".join(f"Error response from daemon: No such container: {word}" for word in options.words)
        if not options.on("force"):
            raise DockerError(message)
        sys.stderr.write(f"{message}\n")

    return command


def _network_create(arguments: list[str], _setting: Setting) -> None:
    syntax = Syntax("docker network create", {"label": VALUE, "driver": VALUE, "internal": SWITCH}, {"d": "driver"})
    options = parse(syntax, arguments)
    if len(options.words) != 1:
        raise DockerError('"docker network create" requires 1 argument.')
    sys.stderr.write("docker (sandbox stand-in): no network made: there are no containers to connect.\n")
    sys.stdout.write(f"{options.words[0]}\n")


def _network_remove(arguments: list[str], _setting: Setting) -> None:
    options = parse(Syntax("docker network rm", {"force": SWITCH}, {"f": "force"}), arguments)
    for word in options.words:
        sys.stdout.write(f"{word}\n")


def _version(arguments: list[str], _setting: Setting) -> None:
    options = parse(Syntax("docker version", {"format": VALUE}, {"f": "format"}), arguments)
    about = {"Version": VERSION, "Os": sys.platform}
    template = options.one("format")
    if template:
        _format(template, {"Client": about, "Server": about})
        return
    sys.stdout.write(f"Docker version {VERSION} (a stand-in of the sandbox, without an engine)\n")


def _info(arguments: list[str], _setting: Setting) -> None:
    options = parse(Syntax("docker info", {"format": VALUE}, {"f": "format"}), arguments)
    about = {"Containers": 0, "ServerVersion": VERSION, "OperatingSystem": "sandbox stand-in", "Driver": "none"}
    if template := options.one("format"):
        _format(template, about)
        return
    for name, value in about.items():
        sys.stdout.write(f"{name}: {value}\n")


def _format(template: str, value: object) -> None:
    from sandbox.docker_cli.template import render

    sys.stdout.write((json.dumps(value) if template == "json" else render(template, value)) + "\n")


COMMANDS: dict[str, Callable[[list[str], Setting], None]] = {
    "info": _info,
    "kill": _no_container("kill"),
    "logs": _no_container("logs"),
    "network create": _network_create,
    "network rm": _network_remove,
    "ps": _ps,
    "rm": _no_container("rm"),
    "stop": _no_container("stop"),
    "version": _version,
}
