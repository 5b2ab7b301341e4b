"""How large a Java method Jenkins makes of a ``pipeline`` block: one that cannot fit its 65,535 bytes is not compiled.

Jenkins turns each word into calls that build a program, all in one method. The weights are rounded from scripts that
were compiled with the transformers of workflow-cps 3883 and pipeline-model-definition 2.2175. Sums are at most 3 % too
large, so only what is larger by that much is called too large: never a script that Jenkins runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from sandbox.jenkins.groovy import nodes

_LIMIT = 65_535 * 103 // 100
_WEIGHTS: tuple[tuple[tuple[type, ...], int], ...] = (
    ((nodes.Call, nodes.Name, nodes.Property), 52),
    ((nodes.Closure, nodes.If), 90),
    ((nodes.ListLiteral, nodes.MapLiteral), 20),
    ((nodes.Literal,), 12),
)


def fits_a_method(block: nodes.Node) -> bool:
    """Whether Jenkins may be able to compile the block."""
    return sum(map(_weight, parts_of(block))) <= _LIMIT


def too_long(script: nodes.Script) -> tuple[nodes.Node, str] | None:
    """A literal that Jenkins does not compile, and what it says; @NonCPS methods may have any."""
    for statement in script.statements:
        if isinstance(statement, nodes.Method) and statement.non_cps:
            continue
        for node in parts_of(statement):
            if isinstance(node, nodes.ListLiteral) and len(node.items) > 250:
                return node, "List expressions can only contain up to 250 elements"
            if isinstance(node, nodes.MapLiteral) and len(node.entries) > 125:
                return node, "Map expressions can only contain up to 125 entries"
    return None


def _weight(node: nodes.Node) -> int:
    return next((weight for kinds, weight in _WEIGHTS if isinstance(node, kinds)), 0)


def parts_of(value: Any) -> Iterator[nodes.Node]:
    """The node, or the nodes of the list, and all nodes inside."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from parts_of(item)
    elif isinstance(value, nodes.Node):
        yield value
        for field in dataclasses.fields(value):
            yield from parts_of(getattr(value, field.name))
