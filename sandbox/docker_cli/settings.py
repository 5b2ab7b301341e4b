"""The instructions that change an image's configuration and no file.

Source: docs.docker.com/reference/dockerfile.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sandbox.docker_cli.dockerfile import Instruction
from sandbox.docker_cli.errors import DockerfileError
from sandbox.docker_cli.stage import Stage
from sandbox.docker_cli.words import Lexer

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_HEALTH = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def pairs(instruction: Instruction, lexer: Lexer) -> list[tuple[str, str]]:
    """``A=1 B=2``, or the old ``A the rest of the line``.

    Raises:
        DockerfileError: Neither.
    """
    first, _, rest = instruction.rest.partition(" ")
    if "=" not in first and instruction.keyword != "ARG":
        if not rest.strip():
            raise DockerfileError(f"{instruction.keyword} must have two arguments", instruction.line)
        return [(first, lexer.expand(rest.strip()))]
    found = []
    for word in lexer.words(instruction.rest):
        name, equals, value = word.partition("=")
        if not equals or not name:
            message = f"can't find = in {word!r}: {instruction.keyword} must be of the form name=value"
            raise DockerfileError(message, instruction.line)
        found.append((name, value))
    return found


def set_env(stage: Stage, instruction: Instruction, lexer: Lexer) -> None:
    """``ENV``."""
    values = stage.environment | dict(pairs(instruction, lexer))
    stage.config["Env"] = [f"{name}={value}" for name, value in values.items()]


def _label(stage: Stage, instruction: Instruction, lexer: Lexer) -> None:
    stage.config["Labels"] = {**(stage.config.get("Labels") or {}), **dict(pairs(instruction, lexer))}


def _expose(stage: Stage, instruction: Instruction, lexer: Lexer) -> None:
    ports = stage.config.setdefault("ExposedPorts", {})
    for word in lexer.words(instruction.rest):
        match = _PORT.fullmatch(word)
        if not match or int(match[2] or match[1]) > 65535 or int(match[2] or match[1]) < int(match[1]):
            raise DockerfileError(f"invalid containerPort: {word}", instruction.line)
        for port in range(int(match[1]), int(match[2] or match[1]) + 1):
            ports[f"{port}/{(match[3] or 'tcp').lower()}"] = {}


def _user(stage: Stage, instruction: Instruction, lexer: Lexer) -> None:
    stage.config["User"] = lexer.expand(instruction.rest)


def _stop_signal(stage: Stage, instruction: Instruction, lexer: Lexer) -> None:
    signal = lexer.expand(instruction.rest)
    if not re.fullmatch(r"(SIG)?[A-Z0-9+-]+", signal, re.IGNORECASE):
        raise DockerfileError(f"invalid signal: {signal}", instruction.line)
    stage.config["StopSignal"] = signal


def _volume(stage: Stage, instruction: Instruction, lexer: Lexer) -> None:
    listed = instruction.json_form()
    words = [lexer.expand(word) for word in listed] if listed is not None else lexer.words(instruction.rest)
    if not all(words):
        raise DockerfileError("VOLUME specified can not be an empty string", instruction.line)
    stage.config["Volumes"] = {**(stage.config.get("Volumes") or {}), **{word: {} for word in words}}


def _command(stage: Stage, instruction: Instruction) -> list[str]:
    listed = instruction.json_form()
    return listed if listed is not None else [*stage.shell, instruction.rest]


def _cmd(stage: Stage, instruction: Instruction, _lexer: Lexer) -> None:
    stage.config["Cmd"] = _command(stage, instruction)
    stage.own_cmd = True


def _entrypoint(stage: Stage, instruction: Instruction, _lexer: Lexer) -> None:
    stage.config["Entrypoint"] = _command(stage, instruction)
    if not stage.own_cmd:
        stage.config.pop("Cmd", None)  # a new entry point takes back the base's CMD, as docker does


def _shell(stage: Stage, instruction: Instruction, _lexer: Lexer) -> None:
    listed = instruction.json_form()
    if not listed:
        raise DockerfileError("SHELL requires the arguments to be in JSON form", instruction.line)
    stage.shell = stage.config["Shell"] = listed


def _nanoseconds(text: str, instruction: Instruction) -> int:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise DockerfileError(f"invalid duration {text!r}: write it like 30s or 1m30s", instruction.line)
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _healthcheck(stage: Stage, instruction: Instruction, _lexer: Lexer) -> None:
    kind, _, rest = instruction.rest.partition(" ")
    if kind.upper() == "NONE":
        stage.config["Healthcheck"] = {"Test": ["NONE"]}
        return
    if kind.upper() != "CMD" or not rest.strip():
        raise DockerfileError(f"unknown type {kind[:40]!r} in HEALTHCHECK (try CMD)", instruction.line)
    command = Instruction("CMD", (), rest.strip(), instruction.line).json_form()
    health: dict[str, object] = {"Test": ["CMD", *command] if command else ["CMD-SHELL", rest.strip()]}
    for name, value in instruction.flags:
        if name == "retries" and value.isdecimal():
            health["Retries"] = int(value)
        elif name in _HEALTH:
            health[_HEALTH[name]] = _nanoseconds(value, instruction)
        else:
            raise DockerfileError(f"bad flag --{name}={value} in HEALTHCHECK", instruction.line)
    stage.config["Healthcheck"] = health


def _onbuild(stage: Stage, instruction: Instruction, _lexer: Lexer) -> None:
    stage.config["OnBuild"] = [*(stage.config.get("OnBuild") or []), instruction.rest]


def _maintainer(stage: Stage, instruction: Instruction, _lexer: Lexer) -> None:
    stage.author = instruction.rest


SETTINGS: dict[str, Callable[[Stage, Instruction, Lexer], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": set_env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
}
