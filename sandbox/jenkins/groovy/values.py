"""Groovy values as Python values, and what Groovy does with them: truth, equality, text, casts, exceptions.

Strings are `str`, integers `int`, decimals `Decimal`, lists `list`, maps `dict`, null `None`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

# every exception a script may name: simple name -> (package, parent)
_THROWABLES: dict[str, tuple[str, str]] = {
    "Throwable": ("java.lang", ""),
    "Exception": ("java.lang", "Throwable"),
    "Error": ("java.lang", "Throwable"),
    "RuntimeException": ("java.lang", "Exception"),
    "IOException": ("java.io", "Exception"),
    "AbortException": ("hudson", "IOException"),
    "NoSuchFileException": ("java.nio.file", "IOException"),
    "InterruptedException": ("java.lang", "Exception"),
    "FlowInterruptedException": ("org.jenkinsci.plugins.workflow.steps", "InterruptedException"),
    "IllegalArgumentException": ("java.lang", "RuntimeException"),
    "NumberFormatException": ("java.lang", "IllegalArgumentException"),
    "IllegalStateException": ("java.lang", "RuntimeException"),
    "NullPointerException": ("java.lang", "RuntimeException"),
    "ArithmeticException": ("java.lang", "RuntimeException"),
    "UnsupportedOperationException": ("java.lang", "RuntimeException"),
    "IndexOutOfBoundsException": ("java.lang", "RuntimeException"),
    "NoSuchElementException": ("java.util", "RuntimeException"),
    "ClassCastException": ("java.lang", "RuntimeException"),
    "GroovyCastException": ("org.codehaus.groovy.runtime.typehandling", "ClassCastException"),
    "MissingPropertyException": ("groovy.lang", "RuntimeException"),
    "MissingMethodException": ("groovy.lang", "RuntimeException"),
    "JsonException": ("groovy.json", "RuntimeException"),
    "PatternSyntaxException": ("java.util.regex", "IllegalArgumentException"),
    "SecurityException": ("java.lang", "RuntimeException"),
    "RejectedAccessException": ("org.jenkinsci.plugins.scriptsecurity.sandbox", "SecurityException"),
    "CredentialNotFoundException": ("org.jenkinsci.plugins.credentialsbinding.impl", "AbortException"),
    "NoSuchMethodError": ("java.lang", "Error"),
    "StackOverflowError": ("java.lang", "Error"),
}


class GroovyString(str):
    """The result of an interpolation (a GString); a plain text otherwise."""

    __slots__ = ()


@dataclass
class Throwable:
    """An exception object of the script; `interruption` tells which interrupter raised it."""

    name: str
    message: str | None = None
    interruption: Any = None

    @property
    def full_name(self) -> str:
        """The Java class name."""
        return f"{_THROWABLES[self.name][0]}.{self.name}"

    def is_a(self, name: str) -> bool:
        """Whether it is of the class (by simple name) or of a subclass of it."""
        current = self.name
        while current:
            if current == name:
                return True
            current = _THROWABLES[current][1]
        return False

    def __str__(self) -> str:
        return self.full_name if self.message is None else f"{self.full_name}: {self.message}"


class GroovyError(Exception):
    """A Groovy exception on its way up; `line` is where it was thrown, 0 if unknown."""

    def __init__(self, value: Throwable, line: int = 0) -> None:
        super().__init__(str(value))
        self.value, self.line = value, line


class UnsupportedError(Exception):
    """The script uses what the stand-in does not know; no `catch` of the script sees it."""


def throw(name: str, message: str | None = None) -> GroovyError:
    """A Groovy exception, by the simple name of its class."""
    return GroovyError(Throwable(name, message))


def rejected(signature: str) -> GroovyError:
    """What the script sandbox says of a method outside its whitelist."""
    return throw("RejectedAccessException", f"Scripts not permitted to use {signature}")


def throwable_name(name: str, imports: dict[str, str]) -> str:
    """The simple name of an exception class as the script wrote it.

    Raises:
        UnsupportedError: The stand-in does not know the class.
    """
    simple = imports.get(name, name).rsplit(".", 1)[-1]
    if simple not in _THROWABLES:
        raise UnsupportedError(f"the exception class {name} is not supported by the Jenkins stand-in")
    return simple


@dataclass(frozen=True)
class ClassReference:
    """A class named in the script."""

    name: str


@dataclass
class MapEntry:
    """``Map.Entry`` as `each { e -> }` yields it."""

    key: Any
    value: Any


@dataclass
class Matcher:
    """The result of ``=~``."""

    pattern: re.Pattern[str]
    text: str
    groups: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.groups = [
            [match[0], *match.groups()] if self.pattern.groups else match[0]
            for match in self.pattern.finditer(self.text)
        ]


class HostObject:
    """An object of Jenkins that a script may use (``env``, ``params``, ``currentBuild``).

    `is_map`: whether ``object[name]`` is a map's; for all others script-security forbids it.
    """

    is_map = False

    def get(self, name: str) -> Any:
        """A property."""
        raise throw("MissingPropertyException", f"No such property: {name} for class: {type(self).__name__}")

    def set(self, name: str, value: Any) -> None:
        """Set a property."""
        raise throw("MissingPropertyException", f"No such property: {name} for class: {type(self).__name__}")

    def call(self, name: str, _arguments: list[Any]) -> Any:
        """Call a method."""
        raise UnsupportedError(f"the method {name} is not supported by the Jenkins stand-in")


def compile_regex(pattern: Any) -> re.Pattern[str]:
    """A Java regular expression as a Python one.

    Raises:
        GroovyError: PatternSyntaxException.
    """
    if isinstance(pattern, re.Pattern):
        return pattern
    translated = to_string(pattern).replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
    translated = re.sub(r"\A\(\?(\w*)d", r"(?\1", translated)  # UNIX_LINES is how Python's lines end anyway
    translated = re.sub(r"(?<!\\)((?:\\\\)*)\\Z", r"\1(?=\\n?\\Z)", translated)
    translated = re.sub(r"(?<!\\)((?:\\\\)*)\\z", r"\1\\Z", translated)
    try:
        return re.compile(translated, re.ASCII)
    except re.error as error:
        raise throw("PatternSyntaxException", f"{error} near index {error.pos}\n{pattern}") from None


def truth(value: Any) -> bool:
    """Groovy truth."""
    if isinstance(value, Matcher):
        return bool(value.groups)
    if isinstance(value, bool | int | float | Decimal | str | list | dict | range | tuple):
        return bool(value)
    return value is not None


def equals(left: Any, right: Any) -> bool:
    """``==``: by value; a boolean never equals a number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, range) or isinstance(right, range):
        return (
            list(left) == list(right) if isinstance(left, range | list) and isinstance(right, range | list) else False
        )
    return bool(left == right)


def compare(left: Any, right: Any) -> int:
    """``<=>``; null is smallest.

    Raises:
        GroovyError: IllegalArgumentException when the two cannot be compared.
    """
    if left is None or right is None:
        return (left is not None) - (right is not None)
    numbers = isinstance(left, int | Decimal) and isinstance(right, int | Decimal)
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise throw("IllegalArgumentException", f"Cannot compare {to_string(left)} and {to_string(right)}")
    return int(left > right) - int(left < right)


def to_string(value: Any) -> str:
    """The text Groovy shows for a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list | tuple | range | set):
        return "[" + ", ".join(to_string(item) for item in value) + "]"
    if isinstance(value, dict):
        return "[" + (", ".join(f"{to_string(k)}:{to_string(v)}" for k, v in value.items()) or ":") + "]"
    if isinstance(value, MapEntry):
        return f"{to_string(value.key)}={to_string(value.value)}"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, re.Pattern):
        return str(value.pattern)
    if isinstance(value, ClassReference):
        return f"class {value.name}"
    return str(value)


def iterate(value: Any) -> Iterable[Any]:
    """What ``for (x in value)`` and ``each`` walk over (a copy, so that the body may change the value)."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [MapEntry(key, item) for key, item in list(value.items())]
    if isinstance(value, Matcher):
        return list(value.groups)
    if isinstance(value, str | list | tuple | range | set):
        return list(value)
    return [value]


_INTEGERS = ("int", "Integer", "long", "Long", "short", "byte", "BigInteger")


def cast(kind: str, value: Any) -> Any:
    """``(kind) value``, and what an assignment to a typed variable does; unknown classes change nothing.

    Raises:
        GroovyError: GroovyCastException.
    """
    simple = kind.rsplit(".", 1)[-1]
    if simple in ("boolean", "Boolean"):
        return truth(value) if value is not None or simple == "boolean" else None
    if value is None:
        if simple in _INTEGERS and simple[0].islower():
            raise _cast_error(value, simple)
        return None
    if simple == "String":
        return to_string(value)
    if simple in _INTEGERS:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise _cast_error(value, simple)
        return int(value)
    if simple in ("double", "Double", "float", "Float", "BigDecimal"):
        return Decimal(value)
    wanted: dict[str, Any] = {"List": (list, range, tuple), "ArrayList": list, "Map": dict, "LinkedHashMap": dict}
    if simple in wanted and not isinstance(value, wanted[simple]):
        raise _cast_error(value, simple)
    return value


def convert(kind: str, value: Any) -> Any:
    """``value as kind``: like a cast, but texts become numbers and lists sets."""
    simple = kind.rsplit(".", 1)[-1]
    if simple in _INTEGERS and isinstance(value, str):
        return parse_integer(value)
    if simple in ("Set", "LinkedHashSet"):
        return list(dict.fromkeys(iterate(value)))
    if simple in ("List", "ArrayList", "String[]", "Object[]"):
        return list(iterate(value))
    return cast(kind, value)


def parse_integer(text: str) -> int:
    """``Integer.parseInt``.

    Raises:
        GroovyError: NumberFormatException.
    """
    if not re.fullmatch(r"[+-]?\d+", text):
        raise throw("NumberFormatException", f'For input string: "{text}"')
    return int(text)


def _cast_error(value: Any, kind: str) -> GroovyError:
    shown = f"Cannot cast object '{to_string(value)}' with class '{class_name(value)}' to class '{kind}'"
    return throw("GroovyCastException", shown)


_CLASSES: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (bool, "java.lang.Boolean", ("Boolean",)),
    (GroovyString, "org.codehaus.groovy.runtime.GStringImpl", ("GString", "CharSequence")),
    (str, "java.lang.String", ("String", "CharSequence")),
    (int, "java.lang.Integer", ("Integer", "Long", "Number")),
    (Decimal, "java.math.BigDecimal", ("BigDecimal", "Number")),
    (list, "java.util.ArrayList", ("ArrayList", "List", "Collection", "Iterable")),
    (range, "groovy.lang.IntRange", ("Range", "List", "Collection", "Iterable")),
    (dict, "java.util.LinkedHashMap", ("LinkedHashMap", "Map", "HashMap")),
)


def class_name(value: Any) -> str:
    """The Java class of a value."""
    if isinstance(value, Throwable):
        return value.full_name
    return next((name for kind, name, _ in _CLASSES if isinstance(value, kind)), "null" if value is None else "Object")


def instance_of(value: Any, kind: str) -> bool:
    """``value instanceof kind`` (by simple name)."""
    simple = kind.rsplit(".", 1)[-1]
    if isinstance(value, Throwable):
        return value.is_a(simple)
    if simple == "Closure":
        return callable(value)
    if value is None or simple == "Object":
        return value is not None
    names = next((names for type_, _, names in _CLASSES if isinstance(value, type_)), ())
    return simple in names


def from_json(text: str) -> Any:
    """``JsonSlurper().parseText``.

    Raises:
        GroovyError: JsonException.
    """
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise throw("JsonException", str(error)) from None


def to_json(value: Any) -> str:
    """``JsonOutput.toJson``: compact; other characters than ASCII escaped."""
    return json.dumps(value, separators=(",", ":"), default=_json_default)


def _json_default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, range | tuple):
        return list(value)
    return to_string(value)
