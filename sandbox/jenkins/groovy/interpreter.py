"""A tree-walking interpreter. It knows the language; steps and Jenkins' objects come from a `World`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sandbox.jenkins.groovy import nodes, operators, values
from sandbox.jenkins.groovy.evaluator import Evaluator
from sandbox.jenkins.groovy.runtime import Jump, MethodValue, Return, Scope, World
from sandbox.jenkins.groovy.values import ClassReference, GroovyError, UnsupportedError


class Interpreter(Evaluator):
    """Runs one script."""

    def __init__(self, script: nodes.Script, world: World) -> None:
        self.script, self.world = script, world
        self.binding = Scope()
        self.fields = Scope(self.binding)
        self.main = Scope(self.fields)
        self.methods = {m.name: MethodValue(self, m) for m in script.statements if isinstance(m, nodes.Method)}
        self._non_cps_lock = threading.RLock()
        self._inside = threading.local()

    def run_statement(self, statement: nodes.Statement) -> Any:
        """Run a top-level statement of the script."""
        try:
            return self._execute(statement, self.main)
        except Return as returned:
            return returned.value

    def evaluate(self, expression: nodes.Expression) -> Any:
        """The value of an expression at the top level of the script."""
        return self._evaluate(expression, self.main)

    def run_body(self, body: list[nodes.Statement], scope: Scope) -> Any:
        """Run a closure's or method's statements: what it returns, or the last statement's value."""
        try:
            return self._block(body, scope)
        except Return as returned:
            return returned.value
        except RecursionError:
            raise values.throw("StackOverflowError", "too many nested calls") from None

    def run_non_cps(self, method: nodes.Method, scope: Scope) -> Any:
        """Run a @NonCPS method's body."""
        with self._non_cps_lock:
            outer = getattr(self._inside, "method", None)
            self._inside.method = method.name
            try:
                return self.run_body(method.body, scope)
            finally:
                self._inside.method = outer

    def bind(self, scope: Scope, parameters: list[nodes.Parameter], arguments: list[Any], name: str) -> None:
        """Bind arguments to parameters.

        Raises:
            GroovyError: MissingMethodException when the numbers differ.
        """
        required = sum(parameter.default is None for parameter in parameters)
        if not arguments and required == 1 and name == "closure":
            arguments = [None]
        if not required <= len(arguments) <= len(parameters):
            shown = ", ".join(values.to_string(argument) for argument in arguments)
            message = f"No signature of method: {name}() is applicable for argument values: ({shown})"
            raise values.throw("MissingMethodException", message)
        spare = len(arguments) - required  # goes to the parameters with defaults, from the left
        rest = iter(arguments)
        for parameter in parameters:
            if parameter.default is None or spare > 0:
                spare -= parameter.default is not None
                value = next(rest)
            else:
                value = self._evaluate(parameter.default, scope)
            scope.declare(parameter.name, parameter.type, value)

    # statements

    def _block(self, body: list[nodes.Statement], scope: Scope) -> Any:
        value = None
        for statement in body:
            value = self._execute(statement, scope)
        return value

    def _execute(self, statement: nodes.Statement, scope: Scope) -> Any:
        try:
            handler: Callable[[Any, Scope], Any] = getattr(self, "_run_" + type(statement).__name__)
            return handler(statement, scope)
        except GroovyError as error:
            error.line = error.line or statement.line
            raise
        except UnsupportedError as error:
            if not str(error).startswith("WorkflowScript: "):
                raise UnsupportedError(f"WorkflowScript: {statement.line}: {error}") from None
            raise

    def _run_ExpressionStatement(self, statement: nodes.ExpressionStatement, scope: Scope) -> Any:
        return self._evaluate(statement.expression, scope)

    def _run_Method(self, _statement: nodes.Method, _scope: Scope) -> None:
        return None

    def _run_Declare(self, statement: nodes.Declare, scope: Scope) -> None:
        value = None if statement.value is None else self._evaluate(statement.value, scope)
        if statement.value is None and statement.type in ("int", "long", "short", "byte"):
            value = 0
        target = self.fields if statement.field else scope
        if len(statement.names) == 1:
            target.declare(statement.names[0], statement.type, value)
            return
        items = list(values.iterate(value))
        for index, name in enumerate(statement.names):
            target.declare(name, None, items[index] if index < len(items) else None)

    def _run_If(self, statement: nodes.If, scope: Scope) -> Any:
        return self._block(statement.yes if self._test(statement.test, scope) else statement.no, Scope(scope))

    def _run_While(self, statement: nodes.While, scope: Scope) -> None:
        while self._test(statement.test, scope):
            if self._loop_body(statement.body, Scope(scope)):
                break

    def _run_ForIn(self, statement: nodes.ForIn, scope: Scope) -> None:
        for item in values.iterate(self._evaluate(statement.iterable, scope)):
            inner = Scope(scope)
            inner.declare(statement.name, statement.type, item)
            if self._loop_body(statement.body, inner):
                break

    def _run_ForLoop(self, statement: nodes.ForLoop, scope: Scope) -> None:
        outer = Scope(scope)
        if statement.start is not None:
            self._execute(statement.start, outer)
        while statement.test is None or self._test(statement.test, outer):
            if self._loop_body(statement.body, Scope(outer)):
                break
            if statement.update is not None:
                self._evaluate(statement.update, outer)

    def _loop_body(self, body: list[nodes.Statement], scope: Scope) -> bool:
        """Runs it once; whether the loop is to end."""
        self.world.check()
        try:
            self._block(body, scope)
        except Jump as jump:
            return jump.word == "break"
        return False

    def _run_Jump(self, statement: nodes.Jump, _scope: Scope) -> None:
        raise Jump(statement.word)

    def _run_Return(self, statement: nodes.Return, scope: Scope) -> None:
        raise Return(None if statement.value is None else self._evaluate(statement.value, scope))

    def _run_Throw(self, statement: nodes.Throw, scope: Scope) -> None:
        value = self._evaluate(statement.value, scope)
        if not isinstance(value, values.Throwable):
            raise values.throw("GroovyCastException", f"Cannot cast object '{value}' to class 'java.lang.Throwable'")
        raise GroovyError(value, statement.line)

    def _run_Try(self, statement: nodes.Try, scope: Scope) -> Any:
        refused = False
        try:
            try:
                return self._block(statement.body, Scope(scope))
            except GroovyError as error:
                return self._catch(statement, error, scope)
        except UnsupportedError:
            refused = True
            raise
        finally:
            if not refused:
                self._block(statement.final, Scope(scope))

    def _catch(self, statement: nodes.Try, error: GroovyError, scope: Scope) -> Any:
        for clause in statement.catches:
            names = [values.throwable_name(name, self.script.imports) for name in clause.types] or ["Exception"]
            if any(error.value.is_a(name) for name in names):
                inner = Scope(scope)
                inner.declare(clause.name, None, error.value)
                return self._block(clause.body, inner)
        raise error

    def _run_Switch(self, statement: nodes.Switch, scope: Scope) -> Any:
        subject = self._evaluate(statement.subject, scope)
        matched = False
        inner = Scope(scope)
        ordered = statement.cases
        default = next((i for i, (test, _) in enumerate(ordered) if test is None), None)
        first = next((i for i, (test, _) in enumerate(ordered) if test and self._case(subject, test, scope)), default)
        value = None
        try:
            for index, (_, body) in enumerate(ordered):
                matched = matched or index == first
                if matched:
                    value = self._block(body, inner)
        except Jump as jump:
            if jump.word != "break":
                raise
        return value

    def _case(self, subject: Any, test: nodes.Expression, scope: Scope) -> bool:
        value = self._evaluate(test, scope)
        if isinstance(value, ClassReference):
            return values.instance_of(subject, value.name)
        return operators.is_case(value, subject)
