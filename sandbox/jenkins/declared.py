"""Parameters that only the Jenkinsfile declares: the first run writes them into the job (and has their defaults)."""

from __future__ import annotations

from typing import Any

from sandbox.jenkins.parameters import Definition

_KINDS = {"string": "String", "text": "Text", "booleanParam": "Boolean", "choice": "Choice", "password": "Password"}


def declared(script: str) -> list[Definition]:
    """The ``parameters`` of a declarative Jenkinsfile with literal arguments; none for a script that is not valid."""
    from sandbox.jenkins.declarative import find_pipeline, read_pipeline
    from sandbox.jenkins.groovy.parser import GroovySyntaxError, parse

    if "parameters" not in script:
        return []
    try:
        block = find_pipeline(parse(script))
    except GroovySyntaxError:
        return []
    model, problems = read_pipeline(block) if block is not None else (None, [])
    if model is None or problems:
        return []
    return [_definition(call) for call in model.parameters]


def _definition(call: Any) -> Definition:
    given = {argument.name: _literal(argument.value) for argument in call.arguments}
    kind = _KINDS[call.name]
    choices = given.get("choices") or []
    choices = tuple(choices.splitlines() if isinstance(choices, str) else map(str, choices))
    default: Any = given.get("defaultValue")
    if kind == "Boolean":
        default = bool(default)
    elif kind == "Choice":
        default = choices[0] if choices else ""
    else:
        default = str(default or "")
    return Definition(kind, str(given.get("name")), default, given.get("description"), choices, bool(given.get("trim")))


def _literal(node: Any) -> Any:
    """The value of a literal or of a list of literals; None for any other expression."""
    if hasattr(node, "items"):
        return [_literal(item) for item in node.items]
    return getattr(node, "value", None)
