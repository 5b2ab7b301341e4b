"""The few Go templates that scripts give to ``--format``; any other is refused by name.

Known: plain text, ``{{.A.B}}``, ``{{json .A}}``, ``{{index .A "key"}}``, ``{{len .A}}``, ``{{println .A}}`` and
``{{range .A}}...{{end}}`` with ``.`` for the element.
"""

from __future__ import annotations

import json
import re

from sandbox.docker_cli.errors import DockerError

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_CALL = re.compile(r"(?:(json|len|print|println)\s+)?(\.[\w.]*)")
_INDEX = re.compile(r'(?:(json|print|println)\s+)?\(?index\s+(\.[\w.]*)\s+(?:"([^"]*)"|(\d+))\)?')
_RANGE = re.compile(r"range\s+(\.[\w.]*)")


def render(template: str, value: object) -> str:
    """Fill in a template.

    Raises:
        DockerError: 125 for a template the stand-in does not know, 1 for a field that is not there.
    """
    parts = _ACTION.split(template)
    text, position = _render(parts, 0, value)
    if position < len(parts):
        raise _unknown(parts[position])
    return text


def _unknown(action: str) -> DockerError:
    known = '{{.A.B}}, {{json .A}}, {{index .A "key"}}, {{len .A}}, {{println .A}} and {{range .A}}...{{end}}'
    return DockerError(f"docker (sandbox stand-in): --format action {action!r} is not known; it knows {known}.", 125)


def _render(parts: list[str], position: int, value: object) -> tuple[str, int]:
    """Render from an even position up to an unmatched ``end`` or the end of the template."""
    found = parts[position]
    position += 1
    while position < len(parts):
        action = parts[position]
        if action == "end":
            break
        if match := _RANGE.fullmatch(action):
            text, position = _repeat(parts, position + 1, _field(value, match[1]))
            found += text
        else:
            found += _show(action, value)
            position += 1
        found += parts[position]
        position += 1
    return found, position


def _repeat(parts: list[str], position: int, entries: object) -> tuple[str, int]:
    values = list(entries.values()) if isinstance(entries, dict) else entries or []
    if not isinstance(values, list):
        raise DockerError(f"template: range can't iterate over {entries}")
    _once, end = _render(parts, position, _Anything())
    if end >= len(parts):
        raise DockerError("template: unexpected EOF: range without end")
    return "".join(_render(parts, position, value)[0] for value in values), end + 1


class _Anything(dict[str, object]):
    """Stands for an element while looking for the end of an empty range."""


def _show(action: str, value: object) -> str:
    if match := _INDEX.fullmatch(action):
        container = _field(value, match[2])
        key: str | int = match[3] if match[3] is not None else int(match[4])
        try:
            found = container[key]  # type: ignore[index] # whatever it is: the except says so
        except (KeyError, TypeError, IndexError):
            found = "" if isinstance(container, (dict, _Anything)) else _no_index(key)
        return _print(match[1], found)
    if match := _CALL.fullmatch(action):
        return _print(match[1], _field(value, match[2]))
    if action == "println":
        return "\n"
    raise _unknown(action)


def _no_index(key: object) -> str:
    raise DockerError(f"template: error calling index: out of range: {key}")


def _field(value: object, path: str) -> object:
    for name in filter(None, path.split(".")):
        if isinstance(value, _Anything):
            return _Anything()
        if not isinstance(value, dict) or name not in value:
            raise DockerError(f"template: can't evaluate field {name}: the image has no {path}")
        value = value[name]
    return value


def _print(how: str | None, value: object) -> str:
    if how == "json":
        return json.dumps(value, separators=(",", ":"))
    if how == "len":
        return str(len(value)) if isinstance(value, (list, dict, str)) else "0"
    return _plain(value) + ("\n" if how == "println" else "")


def _plain(value: object) -> str:
    """As Go prints it: lists in brackets, maps sorted."""
    if isinstance(value, list):
        return f"[{' '.join(_plain(entry) for entry in value)}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_plain(value[key])}' for key in sorted(value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)
