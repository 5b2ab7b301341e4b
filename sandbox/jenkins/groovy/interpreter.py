"""A tree-walking interpreter. It knows the language; steps and Jenkins' objects come from a `World`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

from sandbox.jenkins.groovy import nodes, operators, values
from sandbox.jenkins.groovy.methods import call_method, call_static
from sandbox.jenkins.groovy.values import ClassReference, GroovyError, GroovyString, HostObject, UnsupportedError, truth

CLASSES = frozenset(
    [
        "System",
        "Math",
        "Integer",
        "Long",
        "Boolean",
        "String",
        "JsonOutput",
        "JsonSlurper",
        "JsonSlurperClassic",
        "URLEncoder",
        "URLDecoder",
        "UUID",
        "Utils",
        "Jenkins",
        "Runtime",
        "Hudson",
        "Pattern",
        "File",
        "Date",
        "List",
        "Map",
        "Object",
        "Number",
        "Closure",
        "Exception",
        "Throwable",
    ]
)


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


class _Jump(Exception):  # noqa: N818 - control flow, not an error
    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _Return(Exception):  # noqa: N818 - control flow, not an error
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class ClosureValue:
    """A closure with the scope it was made in."""

    def __init__(self, interpreter: Interpreter, node: nodes.Closure, scope: Scope) -> None:
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

    def __init__(self, interpreter: Interpreter, node: nodes.Method) -> None:
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


class Interpreter:
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
        except _Return as returned:
            return returned.value

    def evaluate(self, expression: nodes.Expression) -> Any:
        """The value of an expression at the top level of the script."""
        return self._evaluate(expression, self.main)

    def run_body(self, body: list[nodes.Statement], scope: Scope) -> Any:
        """Run a closure's or method's statements: what it returns, or the last statement's value."""
        try:
            return self._block(body, scope)
        except _Return as returned:
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
        except _Jump as jump:
            return jump.word == "break"
        return False

    def _run_Jump(self, statement: nodes.Jump, _scope: Scope) -> None:
        raise _Jump(statement.word)

    def _run_Return(self, statement: nodes.Return, scope: Scope) -> None:
        raise _Return(None if statement.value is None else self._evaluate(statement.value, scope))

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
        except _Jump as jump:
            if jump.word != "break":
                raise
        return value

    def _case(self, subject: Any, test: nodes.Expression, scope: Scope) -> bool:
        value = self._evaluate(test, scope)
        if isinstance(value, ClassReference):
            return values.instance_of(subject, value.name)
        return operators.is_case(value, subject)

    # expressions

    def _evaluate(self, expression: nodes.Expression, scope: Scope) -> Any:
        handler: Callable[[Any, Scope], Any] = getattr(self, "_eval_" + type(expression).__name__)
        return handler(expression, scope)

    def _test(self, expression: nodes.Expression, scope: Scope) -> bool:
        return truth(self._evaluate(expression, scope))

    def _eval_Literal(self, expression: nodes.Literal, _scope: Scope) -> Any:
        return expression.value

    def _eval_Interpolated(self, expression: nodes.Interpolated, scope: Scope) -> Any:
        return GroovyString(
            "".join(
                part if isinstance(part, str) else values.to_string(self._evaluate(part, scope))
                for part in expression.parts
            )
        )

    def _eval_Name(self, expression: nodes.Name, scope: Scope) -> Any:
        name = expression.name
        holder = scope.find(name)
        if holder is not None:
            return holder.variables[name]
        if name == "this":
            return _This(self)
        if name in self.script.imports:
            return ClassReference(self.script.imports[name])
        if name in CLASSES:
            return ClassReference(name)
        return self.world.variable(name)

    def _eval_ListLiteral(self, expression: nodes.ListLiteral, scope: Scope) -> list[Any]:
        return [self._evaluate(item, scope) for item in expression.items]

    def _eval_MapLiteral(self, expression: nodes.MapLiteral, scope: Scope) -> dict[Any, Any]:
        return {self._evaluate(key, scope): self._evaluate(value, scope) for key, value in expression.entries}

    def _eval_Closure(self, expression: nodes.Closure, scope: Scope) -> ClosureValue:
        return ClosureValue(self, expression, scope)

    def _eval_Ternary(self, expression: nodes.Ternary, scope: Scope) -> Any:
        return self._evaluate(expression.yes if self._test(expression.test, scope) else expression.no, scope)

    def _eval_Cast(self, expression: nodes.Cast, scope: Scope) -> Any:
        return values.convert(expression.type, self._evaluate(expression.operand, scope))

    def _eval_InstanceOf(self, expression: nodes.InstanceOf, scope: Scope) -> bool:
        kind = self.script.imports.get(expression.type, expression.type)
        return values.instance_of(self._evaluate(expression.operand, scope), kind) != expression.negated

    def _eval_Unary(self, expression: nodes.Unary, scope: Scope) -> Any:
        value = self._evaluate(expression.operand, scope)
        if expression.operator == "!":
            return not truth(value)
        if expression.operator == "~":
            return values.compile_regex(value)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise values.throw("MissingMethodException", f"No signature of method: {expression.operator} of {value}")
        return -value if expression.operator == "-" else value

    def _eval_Binary(self, expression: nodes.Binary, scope: Scope) -> Any:
        operator = expression.operator
        left = self._evaluate(expression.left, scope)
        if operator == "&&":
            return truth(left) and self._test(expression.right, scope)
        if operator == "||":
            return truth(left) or self._test(expression.right, scope)
        if operator == "?:":
            return left if truth(left) else self._evaluate(expression.right, scope)
        right = self._evaluate(expression.right, scope)
        if operator == "in" and isinstance(right, ClassReference):
            return values.instance_of(left, right.name)
        return operators.binary(operator, left, right)

    def _eval_Step(self, expression: nodes.Step, scope: Scope) -> Any:
        old = self._evaluate(expression.operand, scope)
        new = operators.binary(expression.operator[0], old, 1)
        self._assign(expression.operand, new, scope)
        return new if expression.prefix else old

    def _eval_Assign(self, expression: nodes.Assign, scope: Scope) -> Any:
        value = None
        if expression.operator != "=":
            value = self._evaluate(expression.target, scope)
        right = self._evaluate(expression.value, scope)
        value = right if expression.operator == "=" else operators.binary(expression.operator[:-1], value, right)
        self._assign(expression.target, value, scope)
        return value

    def _assign(self, target: nodes.Expression, value: Any, scope: Scope) -> None:
        if isinstance(target, nodes.Name):
            (scope.find(target.name) or self.binding).assign(target.name, value)
        elif isinstance(target, nodes.Property):
            operators.set_property(self._evaluate(target.target, scope), target.name, value)
        elif isinstance(target, nodes.Index):
            operators.set_index(self._evaluate(target.target, scope), self._evaluate(target.index, scope), value)

    def _eval_Property(self, expression: nodes.Property, scope: Scope) -> Any:
        if (name := _dotted(expression)) and scope.find(name.split(".")[0]) is None and _is_class(name):
            return ClassReference(name)
        target = self._evaluate(expression.target, scope)
        if expression.spread:
            return [operators.get_property(item, expression.name) for item in values.iterate(target)]
        if target is None and expression.safe:
            return None
        return operators.get_property(target, expression.name)

    def _eval_Index(self, expression: nodes.Index, scope: Scope) -> Any:
        return operators.get_index(self._evaluate(expression.target, scope), self._evaluate(expression.index, scope))

    def _eval_New(self, expression: nodes.New, scope: Scope) -> Any:
        positional, _ = self._arguments(expression.arguments, scope)
        return operators.construct(self.script.imports.get(expression.type, expression.type), positional)

    def _eval_CallValue(self, expression: nodes.CallValue, scope: Scope) -> Any:
        function = self._evaluate(expression.function, scope)
        positional, named = self._arguments(expression.arguments, scope)
        if not callable(function):
            raise values.throw(
                "MissingMethodException", f"No signature of method: {values.class_name(function)}.call()"
            )
        return function(*([named] if named else []), *positional)

    def _arguments(self, arguments: list[nodes.Argument], scope: Scope) -> tuple[list[Any], dict[str, Any]]:
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for argument in arguments:
            value = self._evaluate(argument.value, scope)
            if argument.name is None:
                positional.append(value)
            else:
                named[argument.name] = value
        return positional, named

    def _eval_Call(self, call: nodes.Call, scope: Scope) -> Any:
        if call.target is None:
            return self._call_function(call, scope)
        dotted = _dotted(call.target)
        if dotted and scope.find(dotted.split(".")[0]) is None and _is_class(dotted):
            target: Any = ClassReference(dotted)
        else:
            target = self._evaluate(call.target, scope)
        positional, named = self._arguments(call.arguments, scope)
        arguments = [*([named] if named else []), *positional]
        if call.spread:
            return [self._call_on(item, call.name, arguments) for item in values.iterate(target)]
        if target is None and call.safe:
            return None
        if isinstance(target, _This):
            return self._call_named(call, positional, named, scope)
        return self._call_on(target, call.name, arguments)

    def _call_function(self, call: nodes.Call, scope: Scope) -> Any:
        positional, named = self._arguments(call.arguments, scope)
        return self._call_named(call, positional, named, scope)

    def _call_named(self, call: nodes.Call, positional: list[Any], named: dict[str, Any], scope: Scope) -> Any:
        holder = scope.find(call.name)
        arguments = [*([named] if named else []), *positional]
        if holder is not None and callable(holder.variables[call.name]):
            return holder.variables[call.name](*arguments)
        if call.name in self.methods:
            return self.methods[call.name](*arguments)
        inside = getattr(self._inside, "method", None)
        if inside is not None and self.world.has_step(call.name):
            message = f"expected to call WorkflowScript.{inside} but wound up catching {call.name}; see: @NonCPS"
            raise values.throw("IllegalStateException", message)
        return self.world.call_step(call.name, positional, named, call.line)

    def _call_on(self, target: Any, name: str, arguments: list[Any]) -> Any:
        if isinstance(target, ClassReference):
            result = self.world.static_call(target.name, name, arguments)
            return call_static(target.name, name, arguments) if result is NotImplemented else result
        if isinstance(target, HostObject):
            return target.call(name, arguments)
        if callable(target) and name in ("call", "doCall"):
            return target(*arguments)
        if isinstance(target, dict) and callable(target.get(name)):
            return target[name](*arguments)
        return call_method(target, name, arguments)


class _This:
    """The script object, for ``this.method()``."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter


def _dotted(expression: nodes.Expression) -> str | None:
    if isinstance(expression, nodes.Name):
        return expression.name
    if isinstance(expression, nodes.Property) and not expression.safe:
        inner = _dotted(expression.target)
        return inner and f"{inner}.{expression.name}"
    return None


def _is_class(name: str) -> bool:
    first, _, rest = name.partition(".")
    return first in ("java", "groovy", "org", "hudson", "jenkins") and rest.rsplit(".", 1)[-1][:1].isupper()
