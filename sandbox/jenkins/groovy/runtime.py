"""Scopes, closures and methods at run time, and the `World` a script lives in."""

from __future__ import annotations

from typing import Any, Protocol

from sandbox.jenkins.groovy import nodes, values


class World(Protocol):
    """What surrounds a script."""

    def call_step(self, name: str, positional: list[Any], named: dict[str, Any], line: int) -> Any:
        """Run a step."""

    def has_step(self, name: str) -> bool:
        """Whether there is such a step."""

    def variable(self, name: str) -> Any:
        """A global variable or environment variable; raises GroovyError MissingPropertyException."""

    def check(self) -> None:
        """Raises when the build was killed; called in every loop."""

    def static_call(self, class_name: str, name: str, arguments: list[Any]) -> Any:
        """A static method of a Jenkins class; NotImplemented if it is none of Jenkins'."""


class Scope:
    """Local variables; the outermost one is the script's binding."""

    def __init__(self, parent: Scope | None = None) -> None:
        self.variables: dict[str, Any] = {}
        self.types: dict[str, str] = {}
        self.parent = parent

    def find(self, name: str) -> Scope | None:
        """The scope that holds a variable."""
        scope: Scope | None = self
        while scope is not None and name not in scope.variables:
            scope = scope.parent
        return scope

    def declare(self, name: str, kind: str | None, value: Any) -> None:
        """A new variable, cast to its type."""
        if kind is not None:
            self.types[name] = kind
        self.variables[name] = value if kind is None else values.cast(kind, value)

    def assign(self, name: str, value: Any) -> None:
        """Set a variable of this scope, cast to its type."""
        self.variables[name] = values.cast(self.types[name], value) if name in self.types else value


class Jump(Exception):  # noqa: N818 - control flow, not an error
    """``break`` or ``continue`` on its way to the loop."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Return(Exception):  # noqa: N818 - control flow, not an error
    """``return`` on its way to the method or closure."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Runner(Protocol):
    """What closures and methods need of the interpreter."""

    fields: Scope

    def bind(self, scope: Scope, parameters: list[nodes.Parameter], arguments: list[Any], name: str) -> None:
        """Bind arguments to parameters."""

    def run_body(self, body: list[nodes.Statement], scope: Scope) -> Any:
        """Run statements."""

    def run_non_cps(self, method: nodes.Method, scope: Scope) -> Any:
        """Run a @NonCPS method's body."""


class ClosureValue:
    """A closure with the scope it was made in."""

    def __init__(self, interpreter: Runner, node: nodes.Closure, scope: Scope) -> None:
        self.interpreter, self.node, self.scope = interpreter, node, scope

    @property
    def arity(self) -> int:
        """The number of parameters (1 with the implicit ``it``)."""
        return 1 if self.node.parameters is None else len(self.node.parameters)

    def __call__(self, *arguments: Any) -> Any:
        """Run the closure."""
        scope = Scope(self.scope)
        if self.node.parameters is None:
            scope.variables["it"] = arguments[0] if arguments else None
        else:
            if len(arguments) == 1 and self.arity > 1 and isinstance(arguments[0], list):
                arguments = tuple(arguments[0])
            self.interpreter.bind(scope, self.node.parameters, list(arguments), "closure")
        return self.interpreter.run_body(self.node.body, scope)


class MethodValue:
    """A method of the script."""

    def __init__(self, interpreter: Runner, node: nodes.Method) -> None:
        self.interpreter, self.node = interpreter, node

    def __call__(self, *arguments: Any) -> Any:
        """Run the method; a @NonCPS one excludes all others, as no step can interrupt it."""
        scope = Scope(self.interpreter.fields)
        self.interpreter.bind(scope, self.node.parameters, list(arguments), self.node.name)
        if not self.node.non_cps:
            result = self.interpreter.run_body(self.node.body, scope)
        else:
            result = self.interpreter.run_non_cps(self.node, scope)
        kind = self.node.returns
        return None if kind == "void" else result if kind is None else values.cast(kind, result)
