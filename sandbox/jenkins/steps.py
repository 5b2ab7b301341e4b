"""The registry of steps: how one is declared, how its arguments are bound, and how a script calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.jenkins.context import Build
from sandbox.jenkins.groovy import values
from sandbox.jenkins.groovy.values import GroovyError, throw


@dataclass(frozen=True)
class Arguments:
    """The bound arguments of one call."""

    values: Mapping[str, Any]
    body: Callable[..., Any] | None
    line: int

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or the default when it is absent or null."""
        found = self.values.get(name)
        return default if found is None else found

    def text(self, name: str, default: str | None = None) -> str:
        """A text argument.

        Raises:
            GroovyError: It is required and absent.
        """
        found = self.get(name, default)
        if found is None:
            raise throw("IllegalArgumentException", f"argument '{name}' is required")
        return values.to_string(found)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean argument."""
        return bool(self.get(name, default))

    def run(self, *arguments: Any) -> Any:
        """Run the body.

        Raises:
            GroovyError: There is none.
        """
        if self.body is None:
            raise throw("IllegalStateException", "There is no body to invoke")
        return self.body(*arguments)


@dataclass(frozen=True)
class StepType:
    """A kind of step."""

    name: str
    display: str
    run: Callable[[Build, Arguments], Any]
    parameters: tuple[str, ...] = ()
    default: str | None = None
    block: bool = False
    needs_workspace: bool = False
    aliases: tuple[str, ...] = field(default=())


STEPS: dict[str, StepType] = {}


def step(name: str, display: str, parameters: str = "", **options: Any) -> Callable[[Any], Any]:
    """Declare a step; `parameters` by name, the first one takes a single unnamed argument."""

    def register(function: Callable[[Build, Arguments], Any]) -> Callable[[Build, Arguments], Any]:
        names = tuple(parameters.split())
        options.setdefault("default", names[0] if names else None)
        STEPS[name] = StepType(name, display, function, names, **options)
        return function

    return register


def call_step(build: Build, name: str, positional: list[Any], named: dict[str, Any], line: int) -> Any:
    """Run a step by name, as the script called it.

    Raises:
        GroovyError: There is no such step, its arguments do not fit, or it failed.
    """
    kind = STEPS.get(name)
    if kind is None:
        raise GroovyError(unknown_step(name), line)
    arguments = _bind(kind, positional, named, line)
    build.check()
    build.frame(name, atom=not kind.block)
    if kind.needs_workspace and build.context.lease is None:
        message = (
            "Required context class hudson.FilePath is missing\n"
            f"Perhaps you forgot to surround the {name} step with a step that provides this, such as: node"
        )
        raise GroovyError(values.Throwable("IllegalStateException", message), line)
    if not kind.block:
        with build.step_node(kind.display):
            _warn_of_secrets(build, name, arguments)
            build.poll()
            return kind.run(build, arguments)
    try:
        build.poll()
        return kind.run(build, arguments)
    finally:
        if not build.host.killed.is_set():
            build.frame(f"// {name}")


def unknown_step(name: str) -> values.Throwable:
    """What Jenkins says of a step that no plugin brings."""
    message = (
        f"No such DSL method '{name}' found among steps [{', '.join(sorted(STEPS))}] or symbols [] "
        "or globals [currentBuild, env, params, pipeline, scm]"
    )
    return values.Throwable("NoSuchMethodError", message)


def _bind(kind: StepType, positional: list[Any], named: dict[str, Any], line: int) -> Arguments:
    rest = list(positional)
    body = rest.pop() if rest and callable(rest[-1]) and kind.block else None
    bound = dict(named)
    if kind.name == "parallel":
        for item in rest:
            bound.update(item)
        return Arguments(bound, body, line)
    if len(rest) == 1 and isinstance(rest[0], dict) and not named and kind.default not in ("scm", "delegate"):
        bound.update(rest.pop())
    elif len(rest) == 1 and kind.default is not None:
        bound[kind.default] = rest.pop()
    if rest:
        shown = ", ".join(values.to_string(item) for item in rest)
        raise throw("IllegalArgumentException", f"Expected named arguments but got [{shown}] for step {kind.name}")
    unknown = sorted(set(bound) - set(kind.parameters))
    if unknown:
        raise throw(
            "IllegalArgumentException", f"Unknown parameter(s) found for step '{kind.name}': {', '.join(unknown)}"
        )
    return Arguments(bound, body, line)


def _warn_of_secrets(build: Build, name: str, arguments: Arguments) -> None:
    context = build.context
    used = [
        secret_name
        for secret_name, secret in zip(context.secret_names, context.secrets, strict=False)
        if any(isinstance(value, values.GroovyString) and secret in value for value in arguments.values.values())
    ]
    if used:
        build.line(f'Warning: A secret was passed to "{name}" using Groovy String interpolation, which is insecure.')
        build.line(f"\t\t Affected argument(s) used the following variable(s): [{', '.join(used)}]")
        build.line("\t\t See https://jenkins.io/redirect/groovy-string-interpolation for details.")
