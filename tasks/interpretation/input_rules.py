"""Whether the `if` of a rule of ``spec:inputs`` holds.

https://docs.gitlab.com/ci/yaml/#specinputsrules. It is an expression as in `rules:if` over ``$[[ inputs.name ]]``; it
knows no variables. A truth value is the same as ``true`` or ``false``, also as texts; a number is the same as no text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tasks.interpretation.evaluation import Scope, evaluate
from tasks.interpretation.expression_parser import ExpressionError, parse
from tasks.source.inputs import INPUT_IN_RULE, ConditionError
from tasks.source.interpolation import Value, shown


def input_rule_holds(text: str, values: Mapping[str, Value]) -> bool:
    """Return whether the condition holds.

    Args:
        text: The expression.
        values: Inputs by name; one that is not there is null.

    Raises:
        ConditionError: It is no expression, or one of its patterns needs too many steps.
    """
    known: dict[str, str] = {}

    def operand(found: re.Match[str]) -> str:
        value = values.get(found[1])
        if value is None or isinstance(value, bool):
            return "null" if value is None else str(value).lower()
        name = f"input_{len(known)}"
        known[name] = value if isinstance(value, str) else f"\0{shown(value)}"  # no text of a rule is the same
        return f"${name}"

    try:
        return evaluate(parse(INPUT_IN_RULE.sub(operand, text)), Scope(known)) is True
    except ExpressionError as error:
        raise ConditionError(str(error)) from error
