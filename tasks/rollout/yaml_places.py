"""YAML text -> plain values, and the place (line, column) of any key in it. Pure.

The descriptor's errors name the place; YAML 1.1 by PyYAML's safe tags, aliases allowed, duplicate keys refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from errors import InputError


class PlacedYaml:
    """One parsed document.

    Attributes:
        value: The document as plain Python values (``{}`` for an empty file).
    """

    def __init__(self, text: str, file: str) -> None:
        """Parse `text`; `file` is the name used in messages.

        Raises:
            InputError: The text is not YAML, or a key appears twice; the message starts with ``file:line:column``.
        """
        self._file = file
        try:
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.value: Any = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
            raise InputError(f"{place}: not valid YAML: {error.problem}.", remedy="Correct the YAML.") from error
        except yaml.YAMLError as error:
            raise InputError(f"{file}: not valid YAML: {error}", remedy="Correct the YAML.") from error
        if self.value is None:
            self.value = {}
        self._refuse_duplicates(self._root, set())

    def place(self, path: Sequence[str | int]) -> str:
        """``file:line:column`` of the deepest node of `path` that the text has; the key itself where it is a key."""
        node, mark = self._root, None
        for step in path:
            node, found = _child(node, step)
            if found is None:
                break
            mark = found
        return f"{self._file}:{mark.line + 1}:{mark.column + 1}" if mark else self._file

    def _refuse_duplicates(self, node: yaml.Node | None, seen: set[int]) -> None:
        if node is None or id(node) in seen:  # an alias may point back
            return
        seen.add(id(node))
        keys: set[str] = set()
        if isinstance(node, yaml.MappingNode):
            for key, child in node.value:
                if key.value in keys and key.tag != "tag:yaml.org,2002:merge":
                    line, column = key.start_mark.line + 1, key.start_mark.column + 1
                    raise InputError(
                        f"{self._file}:{line}:{column}: {key.value!r} is given twice.", remedy="Remove one of them."
                    )
                keys.add(str(key.value))
                self._refuse_duplicates(child, seen)
        elif isinstance(node, yaml.SequenceNode):
            for child in node.value:
                self._refuse_duplicates(child, seen)


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Mark | None]:
    """The child of a mapping (mark of its key) or sequence (mark of the item), or nothing."""
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if key.value == str(step):
                return child, key.start_mark
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark
    return None, None
