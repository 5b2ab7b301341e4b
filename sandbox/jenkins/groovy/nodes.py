"""The syntax tree of a pipeline script. Every node knows its line and column (1-based)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Node:
    """What has a place in the script."""

    line: int
    column: int


class Expression(Node):
    """Has a value."""


class Statement(Node):
    """Is executed."""


@dataclass
class Literal(Expression):
    """A string, number, boolean or null."""

    value: object


@dataclass
class Interpolated(Expression):
    """A GString: texts and expressions in turn."""

    parts: list[str | Expression]


@dataclass
class Name(Expression):
    """A variable, or a class if nothing else has that name."""

    name: str


@dataclass
class ListLiteral(Expression):
    """``[a, b]``."""

    items: list[Expression]


@dataclass
class MapLiteral(Expression):
    """``[key: value]``; keys are expressions, plain names are literals."""

    entries: list[tuple[Expression, Expression]]


@dataclass
class Property(Expression):
    """``target.name``; `safe` for ``?.``, `spread` for ``*.``."""

    target: Expression
    name: str
    safe: bool = False
    spread: bool = False


@dataclass
class DynamicProperty(Expression):
    """``target."${name}"``; `safe` for ``?.``."""

    target: Expression
    name: Expression
    safe: bool = False


@dataclass
class Index(Expression):
    """``target[index]``."""

    target: Expression
    index: Expression


@dataclass
class Argument(Node):
    """One argument of a call; `name` if it is a named one."""

    value: Expression
    name: str | None = None


@dataclass
class Call(Expression):
    """``target.name(arguments)``; `target` None for a plain function or step."""

    target: Expression | None
    name: str
    arguments: list[Argument]
    safe: bool = False
    spread: bool = False


@dataclass
class CallValue(Expression):
    """``expression(arguments)``: calls a closure that an expression yields."""

    function: Expression
    arguments: list[Argument]


@dataclass
class New(Expression):
    """``new Name(arguments)``."""

    type: str
    arguments: list[Argument]


@dataclass
class Unary(Expression):
    """``! - + ~``."""

    operator: str
    operand: Expression


@dataclass
class Step(Expression):
    """``++`` and ``--``, before (`prefix`) or after a variable."""

    operator: str
    operand: Expression
    prefix: bool


@dataclass
class Binary(Expression):
    """A binary operator, ``&&``, ``||`` and ``?:`` included."""

    operator: str
    left: Expression
    right: Expression


@dataclass
class Ternary(Expression):
    """``test ? yes : no``."""

    test: Expression
    yes: Expression
    no: Expression


@dataclass
class Cast(Expression):
    """``(type) operand`` and ``operand as type``."""

    type: str
    operand: Expression


@dataclass
class InstanceOf(Expression):
    """``operand instanceof type``."""

    type: str
    operand: Expression
    negated: bool = False


@dataclass
class Assign(Expression):
    """``target = value``, also with an operator (``+=``)."""

    target: Expression
    operator: str
    value: Expression


@dataclass
class Parameter(Node):
    """A parameter of a closure or method."""

    name: str
    type: str | None = None
    default: Expression | None = None


@dataclass
class Closure(Expression):
    """``{ parameters -> body }``; `parameters` None means the implicit ``it``."""

    parameters: list[Parameter] | None
    body: list[Statement]


@dataclass
class ExpressionStatement(Statement):
    """An expression for its effect (and, as the last of a closure, its value)."""

    expression: Expression


@dataclass
class Declare(Statement):
    """``def x = value`` or ``Type x = value``; several names for ``def (a, b) = value``."""

    names: list[str]
    type: str | None
    value: Expression | None
    field: bool = False


@dataclass
class Method(Statement):
    """A method of the script."""

    name: str
    parameters: list[Parameter]
    body: list[Statement]
    returns: str | None = None
    non_cps: bool = False


@dataclass
class If(Statement):
    """``if (test) yes else no``."""

    test: Expression
    yes: list[Statement]
    no: list[Statement]


@dataclass
class ForIn(Statement):
    """``for (name in iterable)``."""

    name: str
    type: str | None
    iterable: Expression
    body: list[Statement]


@dataclass
class ForLoop(Statement):
    """``for (start; test; update)``."""

    start: Statement | None
    test: Expression | None
    update: Expression | None
    body: list[Statement]


@dataclass
class While(Statement):
    """``while (test)``."""

    test: Expression
    body: list[Statement]


@dataclass
class Jump(Statement):
    """``break`` or ``continue``."""

    word: str


@dataclass
class Return(Statement):
    """``return value``."""

    value: Expression | None


@dataclass
class Throw(Statement):
    """``throw value``."""

    value: Expression


@dataclass
class Catch(Node):
    """One ``catch`` clause; no types means Exception."""

    types: list[str]
    name: str
    body: list[Statement]


@dataclass
class Try(Statement):
    """``try {} catch {} finally {}``."""

    body: list[Statement]
    catches: list[Catch]
    final: list[Statement]


@dataclass
class Switch(Statement):
    """``switch``; a case of None is the default. Cases fall through unless they break."""

    subject: Expression
    cases: list[tuple[Expression | None, list[Statement]]]


@dataclass
class Script:
    """A whole script: imports by simple name, methods, and the statements in order."""

    source: str
    statements: list[Statement]
    imports: dict[str, str] = field(default_factory=dict)
