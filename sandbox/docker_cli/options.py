"""Docker's command line syntax: known flags only, values after a space or ``=``, short flags in bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.docker_cli.errors import DockerError

SWITCH, VALUE = "switch", "value"
_TRUE, _FALSE = ("true", "1", "t"), ("false", "0", "f")


@dataclass(frozen=True)
class Syntax:
    """One command's flags.

    Attributes:
        command: For messages, e.g. ``docker run``.
        flags: Long name -> `SWITCH` or `VALUE`.
        short: Short name -> long name.
        stop_at_word: Whether flags end at the first plain word (``docker run IMAGE ...``).
        refused: Long name -> why the stand-in cannot do it.
    """

    command: str
    flags: Mapping[str, str]
    short: Mapping[str, str] = field(default_factory=dict)
    stop_at_word: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Options:
    """A parsed command line: values by long flag name, in order, and the plain words."""

    values: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Every value of a flag."""
        return self.values.get(name, [])

    def one(self, name: str, default: str = "") -> str:
        """A flag's last value."""
        return (self.values.get(name) or [default])[-1]

    def on(self, name: str) -> bool:
        """Whether a switch is set."""
        return self.one(name, "false") in _TRUE


def parse(syntax: Syntax, arguments: Sequence[str]) -> Options:
    """Parse a command's arguments.

    Raises:
        DockerError: 125, an unknown flag or a missing or bad value.
    """
    options = Options()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            options.words += rest
            break
        if word.startswith("--"):
            _long(syntax, word, rest, options)
        elif word.startswith("-") and word != "-":
            _short(syntax, word, rest, options)
        else:
            options.words.append(word)
            if syntax.stop_at_word:
                options.words += rest
                break
    return options


def _fail(syntax: Syntax, message: str) -> DockerError:
    known = ", ".join(sorted(f"--{name}" for name in syntax.flags))
    return DockerError(
        f"{message}\nThe sandbox's docker command knows {syntax.command} with: {known or 'no flags'}.", 125
    )


def _long(syntax: Syntax, word: str, rest: list[str], options: Options) -> None:
    name, equals, value = word[2:].partition("=")
    if name not in syntax.flags:
        raise _fail(syntax, f"unknown flag: --{name}")
    _store(syntax, name, value if equals else None, (rest, options))


def _short(syntax: Syntax, word: str, rest: list[str], options: Options) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter not in syntax.short:
            raise _fail(syntax, f"unknown shorthand flag: {letter!r} in {word}")
        name = syntax.short[letter]
        value = None
        if letters and (syntax.flags[name] == VALUE or letters.startswith("=")):
            value, letters = letters.removeprefix("="), ""
        _store(syntax, name, value, (rest, options))


def _store(syntax: Syntax, name: str, value: str | None, state: tuple[list[str], Options]) -> None:
    rest, options = state
    if syntax.flags[name] == SWITCH:
        value = "true" if value is None else value.lower()
        if value not in (*_TRUE, *_FALSE):
            raise _fail(syntax, f"invalid argument {value!r} for --{name}: not a boolean")
    elif value is None:
        if not rest:
            raise _fail(syntax, f"flag needs an argument: --{name}")
        value = rest.pop(0)
    options.values.setdefault(name, []).append(value)
