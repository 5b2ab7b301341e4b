"""What a `changes` or an `exists` asks about files: globs, or one regular expression, with variables put in."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from tasks.interpretation.evaluation import Scope
from tasks.interpretation.expansion import expand, pieces, references
from tasks.interpretation.expressions import Files, Text, Var
from tasks.source.globs import any_changed, any_exists
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence
from tasks.source.ruby_regex import any_path, check_regex


class Wanted(Struct, frozen=True):
    """What is asked for.

    Attributes:
        paths: Globs, or the one regular expression.
        regexp: Which of both.
        closed: Whether they hold no variable that only the build knows.
    """

    paths: tuple[str, ...]
    regexp: bool
    closed: bool

    def checked(self) -> None:
        """Raises `RegexError` where it is a regular expression that GitLab would not take."""
        if self.regexp and self.closed:
            check_regex(self.paths[0])

    def among_changed(self, files: Collection[str]) -> bool:
        """Whether `changes` holds where `files` changed; raises `RegexError`."""
        return any_path(self.paths[0], files) if self.regexp else any_changed(self.paths, files)

    def among(self, files: Collection[str]) -> bool:
        """Whether `exists` holds where `files` are there; raises `RegexError`."""
        return any_path(self.paths[0], files) if self.regexp else any_exists(self.paths, files)


def wanted_paths(node: Node, scope: Scope) -> Wanted:
    """What the value of a `changes` or an `exists` asks for."""
    regexp = node.get("regexp") if isinstance(node, Mapping_) else None
    listed = (regexp or node.get("paths")) if isinstance(node, Mapping_) else node
    items = listed.items if isinstance(listed, Sequence) else [listed]
    paths = tuple(_put(item.text, scope) for item in items if isinstance(item, Scalar))
    closed = not any(_open(name, scope) for path in paths for name in references(path))
    return Wanted(paths, regexp is not None, closed)


def question(wanted: Wanted, scope: Scope, compared: Node | None) -> Files | None:
    """What the build is to ask about changes; None where a path holds a variable that only the build knows."""
    if not wanted.closed:
        return None
    if not isinstance(compared, Scalar):
        return Files(wanted.paths, changed=True, regexp=wanted.regexp)
    parts = pieces(_put(compared.text, scope))
    since = tuple(_piece(text, named, scope) for text, named in parts)
    return Files(wanted.paths, changed=True, since=since, regexp=wanted.regexp)


def _put(text: str, scope: Scope, within: tuple[str, ...] = ()) -> str:
    """The text with variables put in, and those that their values refer to; there, one that is not set is nothing."""
    if "$" not in text and "%" not in text:
        return text
    values: dict[str, str] = {}
    for name in references(text):
        if name in scope.known and name not in within:
            values[name] = _put(scope.known[name], scope, (*within, name))
        elif within and name not in within and not _open(name, scope):
            values[name] = ""
    return expand(text, values)


def _piece(text: str, named: bool, scope: Scope) -> Text | Var:
    if not named:
        return Text(text)
    return Var(text) if _open(text, scope) else Text(f"${text}")


def _open(name: str, scope: Scope) -> bool:
    return not scope.complete or name in scope.unknown
