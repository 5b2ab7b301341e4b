"""A Dockerfile's text as instructions: directives, comments, continuations, flags and heredocs.

Source: docs.docker.com/reference/dockerfile; details from github.com/moby/buildkit,
``frontend/dockerfile/parser/parser.go``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sandbox.docker_cli.errors import DockerfileError

_KEYWORDS = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER "
    "VOLUME WORKDIR"
)
KEYWORDS = frozenset(_KEYWORDS.split())
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(.+?)\s*")
_HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_][A-Za-z0-9_]*)\2")
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(\S*))?(?:\s+|$)")
_WITH_HEREDOCS = ("RUN", "COPY", "ADD")


@dataclass(frozen=True)
class Heredoc:
    """``<<NAME`` and the lines up to ``NAME``; `expand` unless the name was quoted."""

    name: str
    content: str
    expand: bool


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        keyword: In capitals.
        flags: ``--name=value`` in front, in order.
        rest: The text after the flags, continuation lines joined.
        line: Its first line, counted from 1.
        heredocs: In order.
    """

    keyword: str
    flags: tuple[tuple[str, str], ...]
    rest: str
    line: int
    heredocs: tuple[Heredoc, ...] = ()

    def __str__(self) -> str:
        flags = "".join(f"--{name}={value} " for name, value in self.flags)
        return f"{self.keyword} {flags}{self.rest}"

    def flag(self, name: str) -> str | None:
        """The flag's last value."""
        return dict(self.flags).get(name)

    def json_form(self) -> list[str] | None:
        """The arguments when written as a JSON list of strings, else None."""
        if not self.rest.startswith("["):
            return None
        try:
            value = json.loads(self.rest)
        except (ValueError, RecursionError):
            return None
        good = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        return list(value) if good else None


@dataclass(frozen=True)
class Dockerfile:
    """The instructions and the escape character (a backslash, or a backtick by directive)."""

    instructions: tuple[Instruction, ...]
    escape: str = "\\"


def parse(text: str) -> Dockerfile:
    """Parse a Dockerfile.

    Raises:
        DockerfileError: With the line.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape(lines)
    instructions = tuple(_instructions(lines, escape))
    if not instructions:
        raise DockerfileError("the file has no instructions", 0)
    return Dockerfile(instructions, escape)


def _escape(lines: Sequence[str]) -> str:
    """Directives stand at the top; the first line that is none ends them."""
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None:
            break
        if match[1].lower() == "escape":
            if match[2] not in ("\\", "`"):
                raise DockerfileError(f"invalid escape token {match[2]!r}: it is \\ or `", number)
            return match[2]
    return "\\"


def _instructions(lines: Sequence[str], escape: str) -> Iterator[Instruction]:
    position = 0
    while position < len(lines):
        start = position
        text, position = _logical_line(lines, position, escape)
        if not text:
            continue
        keyword, rest = re.split(r"\s+", text, maxsplit=1) if re.search(r"\s", text) else (text, "")
        keyword = keyword.upper()
        if keyword not in KEYWORDS:
            raise DockerfileError(f"unknown instruction: {keyword[:40]}", start + 1)
        heredocs: list[Heredoc] = []
        if keyword in _WITH_HEREDOCS:
            for match in _HEREDOC.finditer(rest):
                heredoc, position = _heredoc(lines, position, match, start + 1)
                heredocs.append(heredoc)
        flags, rest = _flags(rest.strip())
        if not rest and not heredocs:
            raise DockerfileError(f"{keyword} requires at least one argument", start + 1)
        yield Instruction(keyword, flags, rest, start + 1, tuple(heredocs))


def _logical_line(lines: Sequence[str], position: int, escape: str) -> tuple[str, int]:
    """A line with its continuations; comments and empty lines inside are left out."""
    text, going_on = "", False
    while position < len(lines):
        line = lines[position]
        position += 1
        stripped = line.strip()
        if stripped.startswith("#") or (going_on and not stripped):
            if going_on:
                continue
            return "", position
        end = re.sub(r"[ \t]+$", "", line)
        going_on = end.endswith(escape)
        text += end[:-1] if going_on else line
        if not going_on:
            break
    return text.strip(), position


def _heredoc(lines: Sequence[str], position: int, match: re.Match[str], start: int) -> tuple[Heredoc, int]:
    name = match[3]
    content: list[str] = []
    while position < len(lines):
        line = lines[position].lstrip("\t") if match[1] else lines[position]
        position += 1
        if line == name:
            return Heredoc(name, "".join(f"{entry}\n" for entry in content), not match[2]), position
        content.append(line)
    raise DockerfileError(f"unterminated heredoc <<{name}", start)


def _flags(rest: str) -> tuple[tuple[tuple[str, str], ...], str]:
    flags = []
    while match := _FLAG.match(rest):
        flags.append((match[1], match[2] if match[2] is not None else "true"))
        rest = rest[match.end() :]
    return tuple(flags), rest
