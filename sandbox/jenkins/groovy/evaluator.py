"""Expressions: node -> value."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.jenkins.groovy import nodes, operators, values
from sandbox.jenkins.groovy.methods import call_method, call_static
from sandbox.jenkins.groovy.runtime import ClosureValue, MethodValue, Runner, Scope, World
from sandbox.jenkins.groovy.values import ClassReference, GroovyString, HostObject, truth

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


class Evaluator(Runner):
    """The half of the interpreter that evaluates expressions."""

    script: nodes.Script
    world: World
    binding: Scope
    methods: dict[str, MethodValue]
    _inside: threading.local

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
            return _This()
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
        elif isinstance(target, nodes.DynamicProperty):
            name = str(self._evaluate(target.name, scope))
            operators.set_property(self._evaluate(target.target, scope), name, value)
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

    def _eval_DynamicProperty(self, expression: nodes.DynamicProperty, scope: Scope) -> Any:
        target = self._evaluate(expression.target, scope)
        if target is None and expression.safe:
            return None
        return operators.get_property(target, str(self._evaluate(expression.name, scope)))

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
