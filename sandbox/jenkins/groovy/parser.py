"""Statements, and the entry: text -> `nodes.Script`."""

from __future__ import annotations

from sandbox.jenkins.groovy import nodes
from sandbox.jenkins.groovy.cursor import PRIMITIVES
from sandbox.jenkins.groovy.expressions import SHIFT, ExpressionParser
from sandbox.jenkins.groovy.lexer import GroovySyntaxError, Token, decode_unicode_escapes, tokenize

_REFUSED = frozenset({"class", "interface", "enum", "trait", "do", "goto", "package", "static", "super", "assert"})


def parse(text: str) -> nodes.Script:
    """Parse a script.

    Raises:
        GroovySyntaxError: It is not Groovy, or uses a construct outside the subset.
    """
    source = decode_unicode_escapes(text.replace("\r\n", "\n"))
    parser = Parser(tokenize(source))
    statements = parser.block_statements()
    if parser.token.kind != "eof":
        raise parser.error(f"unexpected token: {parser.token.value}")
    return nodes.Script(source, statements, parser.imports)


class Parser(ExpressionParser):
    """The half of the parser that reads statements."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.imports: dict[str, str] = {}

    def block_statements(self) -> list[nodes.Statement]:
        """Statements up to ``}`` or the end; they are separated by line ends or ``;``."""
        statements: list[nodes.Statement] = []
        while True:
            while self.token.kind == "nl" or self.at(";"):
                self.take()
            if self.token.kind == "eof" or self.at("}"):
                return statements
            statement = self._statement()
            if statement is not None:
                statements.append(statement)
            if not (self.token.kind in ("nl", "eof") or self.at(";", "}")):
                raise self.error(f"expecting '}}', found '{self.token.value}'")

    def _statement(self) -> nodes.Statement | None:
        token = self.token
        if token.kind == "kw":
            reader = getattr(self, f"_{token.value}_statement", None)
            if reader is not None:
                self.take()
                statement: nodes.Statement | None = reader(token)
                return statement
            if token.value in _REFUSED:
                raise self.unsupported(f"'{token.value}'")
        if self.at("@"):
            return self._annotated()
        if self.at("{"):
            raise self.unsupported("a block or closure as a statement")
        if token.kind == "id" and self.peek().kind == "op" and self.peek().value == ":":
            raise self.unsupported("a label")
        return self._declaration() or self._expression_statement()

    def _expression_statement(self) -> nodes.Statement:
        token = self.token
        return nodes.ExpressionStatement(token.line, token.column, self.command_or_expression())

    def _import_statement(self, _token: Token) -> None:
        if self.at("static"):
            raise self.unsupported("'import static'")
        path = [self.name()]
        while self.accept("."):
            if self.at("*"):
                raise self.unsupported("an import with '*'")
            path.append(self.name())
        simple = self.name() if self.accept("as") else path[-1]
        self.imports[simple] = ".".join(path)

    def _annotated(self) -> nodes.Statement | None:
        annotations = set()
        while self.accept("@"):
            token = self.token
            name = self.type_name() or ""
            if name == "Library":
                raise self.unsupported("@Library", token)
            if name.rsplit(".", 1)[-1] not in ("Field", "NonCPS"):
                raise self.unsupported(f"the annotation @{name}", token)
            annotations.add(name.rsplit(".", 1)[-1])
            self.newlines()
        place = self.token
        found = self._declaration()
        if isinstance(found, nodes.Declare) and annotations == {"Field"}:
            found.field = True
        elif isinstance(found, nodes.Method) and annotations == {"NonCPS"}:
            found.non_cps = True
        else:
            raise self.unsupported(f"@{' @'.join(sorted(annotations))} here", place)
        return found

    def _declaration(self) -> nodes.Statement | None:
        """``def x``, ``Type x``, ``Type name(...) {``; None and nothing taken if it is an expression."""
        start, token = self.position, self.token
        modified = False
        while self.at("final", "def") or (token.kind == "id" and self.at_modifier()):
            modified = True
            self.take()
        if modified and self.at("("):
            return self._several(token)
        kind = self._declared_type(modified)
        if self.token.kind != "id" or (kind is None and not modified):
            self.position = start
            return None
        name = self.take().value
        if self.at("(") and (method := self._method(token, kind, name)):
            return method
        if not (self.token.kind in ("nl", "eof") or self.at("=", ";", "}", "in", ",", ":")):
            self.position = start
            return None
        if self.at(","):
            raise self.unsupported("the declaration of several variables at once")
        value = self._initial_value() if self.at("=") else None
        return nodes.Declare(token.line, token.column, [name], kind, value)

    def at_modifier(self) -> bool:
        """Whether ``private`` and its like are in turn; they mean nothing in a script."""
        return self.token.value in ("private", "public", "protected") and self.peek().kind in ("id", "kw")

    def _declared_type(self, modified: bool) -> str | None:
        token, start = self.token, self.position
        if modified and token.kind == "id" and self.peek().kind != "id" and self.peek().value not in (".", "<", "["):
            return None
        kind = self.type_name()
        simple = (kind or "").rsplit(".", 1)[-1]
        if kind and (simple.rstrip("[]") in PRIMITIVES or simple[:1].isupper()):
            return kind
        self.position = start
        return None

    def _initial_value(self) -> nodes.Expression:
        self.expect("=")
        self.newlines()
        return self.command_or_expression()

    def _several(self, token: Token) -> nodes.Statement:
        self.expect("(")
        names = []
        while not self.at(")"):
            self.type_name() if self.peek().kind == "id" else None
            names.append(self.name())
            if not self.accept(","):
                break
        self.expect(")")
        return nodes.Declare(token.line, token.column, names, None, self._initial_value())

    def _method(self, token: Token, kind: str | None, name: str) -> nodes.Statement | None:
        start = self.position
        self.expect("(")
        parameters: list[nodes.Parameter] = []
        while not self.at(")"):
            parameter = self.parameter()
            if parameter is None:
                self.position = start
                return None
            parameters.append(parameter)
            if not self.accept(","):
                break
        self.expect(")")
        self.newlines()
        return nodes.Method(token.line, token.column, name, parameters, self._braced(), kind)

    def _braced(self) -> list[nodes.Statement]:
        self.expect("{")
        body = self.block_statements()
        self.expect("}")
        return body

    def _body(self) -> list[nodes.Statement]:
        self.newlines()
        if self.at("{"):
            return self._braced()
        statement = self._statement()
        return [] if statement is None else [statement]

    def _test(self) -> nodes.Expression:
        self.expect("(")
        test = self.expression()
        self.expect(")")
        return test

    def _if_statement(self, token: Token) -> nodes.Statement:
        test = self._test()
        yes = self._body()
        start = self.position
        while self.token.kind == "nl" or self.at(";"):
            self.take()
        if self.accept("else"):
            return nodes.If(token.line, token.column, test, yes, self._body())
        self.position = start
        return nodes.If(token.line, token.column, test, yes, [])

    def _while_statement(self, token: Token) -> nodes.Statement:
        return nodes.While(token.line, token.column, self._test(), self._body())

    def _for_statement(self, token: Token) -> nodes.Statement:
        self.expect("(")
        if self.at(";"):
            return self._counting_for(token, None)
        first = self._declaration()
        if isinstance(first, nodes.Declare) and first.value is None and self.at("in", ":"):
            return self._for_in(token, first.names[0], first.type)
        if first is None and self.token.kind == "id" and self.peek().value in ("in", ":"):
            return self._for_in(token, self.name(), None)
        return self._counting_for(token, first or self._expression_statement())

    def _for_in(self, token: Token, name: str, kind: str | None) -> nodes.Statement:
        # `for (x in a ?: b)` is a syntax error in Groovy 2.4: parentheses are needed. After a colon anything goes.
        iterable = self._level(SHIFT) if self.take().value == "in" else self.expression()
        self.expect(")")
        return nodes.ForIn(token.line, token.column, name, kind, iterable, self._body())

    def _counting_for(self, token: Token, start: nodes.Statement | None) -> nodes.Statement:
        self.expect(";")
        test = None if self.at(";") else self.expression()
        self.expect(";")
        update = None if self.at(")") else self.expression()
        self.expect(")")
        return nodes.ForLoop(token.line, token.column, start, test, update, self._body())

    def _break_statement(self, token: Token) -> nodes.Statement:
        if self.token.kind == "id":
            raise self.unsupported(f"'{token.value}' with a label")
        return nodes.Jump(token.line, token.column, token.value)

    _continue_statement = _break_statement

    def _return_statement(self, token: Token) -> nodes.Statement:
        nothing = self.token.kind in ("nl", "eof") or self.at(";", "}")
        return nodes.Return(token.line, token.column, None if nothing else self.command_or_expression())

    def _throw_statement(self, token: Token) -> nodes.Statement:
        return nodes.Throw(token.line, token.column, self.expression())

    def _try_statement(self, token: Token) -> nodes.Statement:
        body = self._braced()
        catches: list[nodes.Catch] = []
        while self.after_newlines().kind == "kw" and self.after_newlines().value == "catch":
            self.newlines()
            catches.append(self._catch(self.take()))
        final: list[nodes.Statement] = []
        following = self.after_newlines()
        if following.kind == "kw" and following.value == "finally":
            self.newlines()
            self.take()
            self.newlines()
            final = self._braced()
        elif not catches:
            raise self.error("expecting 'catch' or 'finally' after try", token)
        return nodes.Try(token.line, token.column, body, catches, final)

    def _catch(self, token: Token) -> nodes.Catch:
        self.expect("(")
        types: list[str] = []
        self.accept("def", "final")
        if not (self.token.kind == "id" and self.peek().value == ")"):
            types.append(self._type())
            while self.accept("|"):
                types.append(self._type())
        name = self.name()
        self.expect(")")
        self.newlines()
        return nodes.Catch(token.line, token.column, types, name, self._braced())

    def _switch_statement(self, token: Token) -> nodes.Statement:
        subject = self._test()
        self.newlines()
        self.expect("{")
        cases: list[tuple[nodes.Expression | None, list[nodes.Statement]]] = []
        self.newlines()
        while word := self.accept("case", "default"):
            test = self.expression() if word.value == "case" else None
            self.expect(":")
            cases.append((test, self._case_body()))
            self.newlines()
        self.expect("}")
        return nodes.Switch(token.line, token.column, subject, cases)

    def _case_body(self) -> list[nodes.Statement]:
        body: list[nodes.Statement] = []
        while True:
            while self.token.kind == "nl" or self.at(";"):
                self.take()
            if self.at("case", "default", "}") or self.token.kind == "eof":
                return body
            statement = self._statement()
            if statement is not None:
                body.append(statement)


__all__ = ["GroovySyntaxError", "parse"]
