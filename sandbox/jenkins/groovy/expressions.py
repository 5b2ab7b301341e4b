"""Expressions: precedence climbing over the operators, then paths (calls, properties, indexes, trailing closures)."""

from __future__ import annotations

from abc import abstractmethod
from decimal import Decimal

from sandbox.jenkins.groovy import nodes
from sandbox.jenkins.groovy.cursor import PRIMITIVES, Cursor
from sandbox.jenkins.groovy.lexer import Hole, Token, tokenize

ASSIGNMENTS = ("=", "+=", "-=", "*=", "/=", "%=", "<<=", "**=", "?=")
# loosest first; every level is left-associative
LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!=", "<=>", "=~", "==~", "===", "!=="),
    ("<", "<=", ">", ">=", "in", "instanceof", "as"),
    ("<<", ">>", ">>>", "..", "..<"),
    ("+", "-"),
    ("*", "/", "%"),
)
# What stands after `in` of a `for` binds at least this tightly in Groovy 2.4 (`forInClause` of its grammar).
SHIFT = 7
_REFUSED = {"|", "^", "&", ">>", ">>>", "===", "!=="}
_CASTABLE = PRIMITIVES | {
    "String", "Integer", "Long", "Boolean", "List", "Map", "Set", "Object", "Number", "GString", "Collection",
    "BigDecimal", "Double", "Float", "ArrayList", "LinkedHashMap", "CharSequence",
}  # fmt: skip


class ExpressionParser(Cursor):
    """The half of the parser that reads expressions."""

    @abstractmethod
    def block_statements(self) -> list[nodes.Statement]:
        """Statements up to ``}`` (the other half)."""

    def expression(self) -> nodes.Expression:
        """An expression, assignments included."""
        left = self._ternary()
        if not self.at(*ASSIGNMENTS):
            return left
        operator = self.take()
        if operator.value == "?=":
            raise self.unsupported("the operator '?='", operator)
        if not isinstance(left, nodes.Name | nodes.Property | nodes.DynamicProperty | nodes.Index):
            raise self.error("the left side of an assignment is not a variable", operator)
        self.newlines()
        return nodes.Assign(left.line, left.column, left, operator.value, self.command_or_expression())

    def command_or_expression(self) -> nodes.Expression:
        """An expression, or a call without parentheses (``sh label: 'a', script: 'b'``)."""
        found = self.expression()
        if not isinstance(found, nodes.Name | nodes.Property) or not self._starts_command_argument():
            return found
        arguments = self._command_arguments()
        if isinstance(found, nodes.Name):
            return nodes.Call(found.line, found.column, None, found.name, arguments)
        return nodes.Call(found.line, found.column, found.target, found.name, arguments, found.safe, found.spread)

    def _starts_command_argument(self) -> bool:
        token = self.token
        if not token.spaced or token.kind in ("nl", "eof", "op"):
            return False
        return token.kind != "kw" or token.value in ("new", "null", "true", "false", "this")

    def _command_arguments(self) -> list[nodes.Argument]:
        arguments = [self._argument()]
        while self.accept(","):
            self.newlines()
            arguments.append(self._argument())
        return arguments

    def _argument(self) -> nodes.Argument:
        token = self.token
        named = token.kind in ("id", "kw", "str") and self.peek().value == ":" and self.peek().kind == "op"
        if named:
            self.take()
            self.take()
            self.newlines()
            return nodes.Argument(token.line, token.column, self.expression(), token.value)
        if self.at("*"):
            raise self.unsupported("the spread of arguments")
        return nodes.Argument(token.line, token.column, self.expression())

    def _ternary(self) -> nodes.Expression:
        test = self._level(0)
        following = self.after_newlines()
        if following.kind == "op" and following.value in ("?", "?:"):
            self.newlines()
        if self.accept("?:"):
            self.newlines()
            return nodes.Binary(test.line, test.column, "?:", test, self._ternary())
        if not self.accept("?"):
            return test
        self.newlines()
        yes = self._ternary()
        self.newlines()
        self.expect(":")
        self.newlines()
        return nodes.Ternary(test.line, test.column, test, yes, self._ternary())

    def _level(self, level: int) -> nodes.Expression:
        if level == len(LEVELS):
            return self._power()
        left = self._level(level + 1)
        while True:
            token = self.token
            if self.at("!") and self.peek().value in ("in", "instanceof") and "in" in LEVELS[level]:
                self.take()
                left = self._negated(left)
            elif self.at(*LEVELS[level]):
                left = self._binary(left, self.take(), level)
            else:
                return left
            if token.value in _REFUSED:
                raise self.unsupported(f"the operator '{token.value}'", token)

    def _negated(self, left: nodes.Expression) -> nodes.Expression:
        token = self.take()
        if token.value == "instanceof":
            return nodes.InstanceOf(token.line, token.column, self._type(), left, negated=True)
        inside = nodes.Binary(token.line, token.column, "in", left, self._level(SHIFT))
        return nodes.Unary(token.line, token.column, "!", inside)

    def _binary(self, left: nodes.Expression, operator: Token, level: int) -> nodes.Expression:
        if operator.value == "instanceof":
            return nodes.InstanceOf(operator.line, operator.column, self._type(), left)
        if operator.value == "as":
            return nodes.Cast(operator.line, operator.column, self._type(), left)
        self.newlines()
        right = self._level(level + 1)
        return nodes.Binary(operator.line, operator.column, operator.value, left, right)

    def _type(self) -> str:
        token, name = self.token, self.type_name()
        if name is None:
            raise self.error(f"unexpected token: {token.value}", token)
        return name

    def _power(self) -> nodes.Expression:
        left = self._unary()
        while operator := self.accept("**"):
            self.newlines()
            left = nodes.Binary(operator.line, operator.column, "**", left, self._unary())
        return left

    def _unary(self) -> nodes.Expression:
        token = self.token
        if self.accept("!", "-", "+", "~"):
            return nodes.Unary(token.line, token.column, token.value, self._unary())
        if self.accept("++", "--"):
            return nodes.Step(token.line, token.column, token.value, self._unary(), prefix=True)
        if self.at("(") and (cast := self._cast()):
            return cast
        return self._postfix()

    def _cast(self) -> nodes.Expression | None:
        begin, start = self.position, self.take()
        name = self.type_name()
        if name and name.rstrip("[]").rsplit(".", 1)[-1] in _CASTABLE and self.accept(")"):
            token = self.token
            if token.kind in ("id", "str", "gstr", "int", "decimal") or self.at(
                "(", "[", "{", "new", "null", "true", "false", "this"
            ):
                return nodes.Cast(start.line, start.column, name, self._unary())
        self.position = begin
        return None

    def _postfix(self) -> nodes.Expression:
        path = self._path()
        if self.at("++", "--") and isinstance(path, nodes.Name | nodes.Property | nodes.Index):
            token = self.take()
            return nodes.Step(token.line, token.column, token.value, path, prefix=False)
        return path

    def _path(self) -> nodes.Expression:
        found = self._primary()
        while True:
            if self.token.kind == "nl":
                following = self.after_newlines()
                if following.kind == "op" and following.value in (".", "?.", "*."):
                    self.newlines()
            if self.at(".", "?.", "*."):
                found = self._member(found, self.take())
            elif self.at("("):
                found = self._call(found, self._call_arguments())
            elif self.at("["):
                found = self._index(found)
            elif self.at("{") and isinstance(found, nodes.Name | nodes.Property | nodes.Call | nodes.CallValue):
                found = self._trailing_closure(found)
            elif self.at(".&", "::", "@"):
                raise self.unsupported(f"the operator '{self.token.value}'")
            else:
                return found

    def _member(self, target: nodes.Expression, dot: Token) -> nodes.Expression:
        self.newlines()
        token = self.take()
        if token.kind == "gstr" and dot.value != "*.":
            name = nodes.Interpolated(token.line, token.column, [self._part(part) for part in token.parts])
            return nodes.DynamicProperty(token.line, token.column, target, name, dot.value == "?.")
        if token.kind not in ("id", "kw", "str"):
            raise self.error(f"unexpected token: {token.value}", token)
        return nodes.Property(token.line, token.column, target, token.value, dot.value == "?.", dot.value == "*.")

    def _call(self, found: nodes.Expression, arguments: list[nodes.Argument]) -> nodes.Expression:
        if isinstance(found, nodes.Name):
            return nodes.Call(found.line, found.column, None, found.name, arguments)
        if isinstance(found, nodes.DynamicProperty):
            raise self.unsupported("a method with an interpolated name")
        if isinstance(found, nodes.Property):
            place = (found.line, found.column)
            return nodes.Call(*place, found.target, found.name, arguments, found.safe, found.spread)
        return nodes.CallValue(found.line, found.column, found, arguments)

    def _call_arguments(self) -> list[nodes.Argument]:
        self.expect("(")
        arguments: list[nodes.Argument] = []
        while not self.at(")"):
            arguments.append(self._argument())
            if not self.accept(","):
                break
        self.expect(")")
        return arguments

    def _index(self, target: nodes.Expression) -> nodes.Expression:
        bracket = self.take()
        index = self.expression()
        if self.at(":"):
            raise self.error("No map entry allowed at this place", bracket)
        if self.at(","):
            raise self.unsupported("an index of several values")
        self.expect("]")
        return nodes.Index(bracket.line, bracket.column, target, index)

    def _trailing_closure(self, found: nodes.Expression) -> nodes.Expression:
        closure = self.closure()
        argument = nodes.Argument(closure.line, closure.column, closure)
        if isinstance(found, nodes.Call | nodes.CallValue):
            found.arguments.append(argument)
            return found
        return self._call(found, [argument])

    def _primary(self) -> nodes.Expression:
        token = self.take()
        place = (token.line, token.column)
        if token.kind == "str":
            return nodes.Literal(*place, token.value)
        if token.kind == "gstr":
            return nodes.Interpolated(*place, [self._part(part) for part in token.parts])
        if token.kind == "int":
            return nodes.Literal(*place, int(token.value, 16) if token.value[:2] in ("0x", "0X") else int(token.value))
        if token.kind == "decimal":
            return nodes.Literal(*place, Decimal(token.value))
        if token.kind == "id":
            return nodes.Name(*place, token.value)
        return self._keyword_or_bracket(token)

    def _keyword_or_bracket(self, token: Token) -> nodes.Expression:
        place = (token.line, token.column)
        constants = {"true": True, "false": False, "null": None}
        if token.kind == "kw" and token.value in constants:
            return nodes.Literal(*place, constants[token.value])
        if token.kind == "kw" and token.value == "this":
            return nodes.Name(*place, "this")
        if token.kind == "kw" and token.value == "new":
            name = self._type()
            return nodes.New(*place, name, self._call_arguments())
        if token.value == "(" and token.kind == "op":
            inner = self.expression()
            self.expect(")")
            return inner
        if token.value == "[" and token.kind == "op":
            return self._list_or_map(token)
        if token.value == "{" and token.kind == "op":
            self.position -= 1
            return self.closure()
        shown = {"nl": "\\n", "eof": ""}.get(token.kind, token.value)
        raise self.error(f"unexpected token: {shown}", token)

    def _part(self, part: str | Hole) -> str | nodes.Expression:
        if isinstance(part, str):
            return part
        inner = type(self)(tokenize(part.text, part.line, part.column))
        inner.newlines()
        expression = inner.expression()
        inner.newlines()
        if inner.token.kind != "eof":
            raise inner.error(f"unexpected token: {inner.token.value}")
        return expression

    def _list_or_map(self, bracket: Token) -> nodes.Expression:
        if self.accept(":"):
            self.expect("]")
            return nodes.MapLiteral(bracket.line, bracket.column, [])
        items: list[nodes.Expression] = []
        entries: list[tuple[nodes.Expression, nodes.Expression]] = []
        while not self.at("]"):
            if self.at("*"):
                raise self.unsupported("the spread operator '*'")
            key = self._map_key()
            if self.accept(":"):
                entries.append((key, self.expression()))
            else:
                items.append(key)
            if not self.accept(","):
                break
        self.expect("]")
        if items and entries:
            raise self.error("a list mixes elements and map entries", bracket)
        if entries:
            return nodes.MapLiteral(bracket.line, bracket.column, entries)
        return nodes.ListLiteral(bracket.line, bracket.column, items)

    def _map_key(self) -> nodes.Expression:
        token = self.token
        if token.kind in ("id", "kw") and self.peek().kind == "op" and self.peek().value == ":":
            self.take()
            return nodes.Literal(token.line, token.column, token.value)
        return self.expression()

    def closure(self) -> nodes.Closure:
        """``{ a, b -> ... }`` or ``{ ... }``."""
        brace = self.expect("{")
        start = self.position
        parameters = self._closure_parameters()
        if parameters is None:
            self.position = start
        body = self.block_statements()
        self.expect("}")
        return nodes.Closure(brace.line, brace.column, parameters, body)

    def _closure_parameters(self) -> list[nodes.Parameter] | None:
        self.newlines()
        if self.accept("->"):
            return []
        parameters: list[nodes.Parameter] = []
        while (parameter := self.parameter()) is not None:
            parameters.append(parameter)
            self.newlines()
            if self.accept("->"):
                return parameters
            if not self.accept(","):
                return None
            self.newlines()
        return None

    def parameter(self) -> nodes.Parameter | None:
        """``name``, ``def name``, ``Type name`` or ``name = default``; None if it is something else."""
        self.accept("final")
        token = self.token
        kind: str | None = None
        if not self.accept("def"):
            following = self.peek()
            alone = token.kind == "id" and (following.kind != "id" and following.value not in (".", "<", "["))
            if not alone:
                kind = self.type_name()
        if self.token.kind != "id":
            return None
        name = self.take().value
        default = self.expression() if self.accept("=") else None
        return nodes.Parameter(token.line, token.column, name, kind, default)
