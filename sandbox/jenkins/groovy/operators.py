"""Binary operators, properties, indexes and constructors."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from sandbox.jenkins.groovy import values
from sandbox.jenkins.groovy.methods import call_method
from sandbox.jenkins.groovy.values import (
    GroovyString,
    HostObject,
    MapEntry,
    Matcher,
    Throwable,
    UnsupportedError,
    equals,
    throw,
    to_string,
)

_GROOVY_METHODS = "staticMethod org.codehaus.groovy.runtime.DefaultGroovyMethods"


def binary(operator: str, left: Any, right: Any) -> Any:
    """Apply an operator other than the short-circuit ones.

    Raises:
        GroovyError: The operands do not fit.
    """
    if operator in ("==", "!="):
        return equals(left, right) == (operator == "==")
    if operator in _COMPARISONS:
        return _COMPARISONS[operator](values.compare(left, right))
    if operator == "in":
        return is_case(right, left)
    if operator in ("=~", "==~"):
        return _match(operator, left, right)
    if operator in ("..", "..<"):
        return _range(left, right, operator == "..<")
    if operator == "<<":
        return _left_shift(left, right)
    return _arithmetic(operator, left, right)


_COMPARISONS = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
    "<=>": lambda order: order,
}


def is_case(candidate: Any, value: Any) -> bool:
    """``value in candidate``, and a ``case candidate:`` of a switch."""
    if candidate is None:
        return value is None
    if isinstance(candidate, re.Pattern):
        return value is not None and candidate.fullmatch(to_string(value)) is not None
    if isinstance(candidate, dict):
        return value in candidate
    if isinstance(candidate, list | range | tuple | set):
        return any(equals(value, item) for item in candidate)
    if callable(candidate):
        return values.truth(candidate(value))
    return equals(value, candidate)


def _match(operator: str, left: Any, right: Any) -> Any:
    pattern = values.compile_regex(right)
    if left is None:
        if operator == "==~":
            return False
        left = ""
    text = to_string(left)
    return pattern.fullmatch(text) is not None if operator == "==~" else Matcher(pattern, text)


def _range(left: Any, right: Any, open_end: bool) -> Any:
    if isinstance(left, str) and isinstance(right, str) and len(left) == len(right) == 1:
        return [chr(code) for code in _range(ord(left), ord(right), open_end)]
    if not isinstance(left, int) or not isinstance(right, int):
        raise throw("IllegalArgumentException", f"Incompatible range: {to_string(left)}..{to_string(right)}")
    step = 1 if right >= left else -1
    return range(left, right if open_end else right + step, step)


def _left_shift(left: Any, right: Any) -> Any:
    if isinstance(left, list):
        left.append(right)
        return left
    if isinstance(left, dict) and isinstance(right, dict):
        left.update(right)
        return left
    if isinstance(left, str):
        return left + to_string(right)
    raise _no_method("leftShift", left, right)


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    if isinstance(left, str) or (isinstance(right, str) and operator == "+" and left is not None):
        return _string_arithmetic(operator, left, right)
    if isinstance(left, list | range):
        return _list_arithmetic(operator, list(left), right)
    if isinstance(left, dict) and isinstance(right, dict) and operator == "+":
        return {**left, **right}
    if left is None and isinstance(right, str) and operator == "+":
        return "null" + right
    if not _is_number(left) or not _is_number(right):
        if left is None:
            raise throw("NullPointerException", f"Cannot invoke method {_NAMES[operator]}() on null object")
        raise _no_method(_NAMES[operator], left, right)
    return _number_arithmetic(operator, left, right)


_NAMES = {"+": "plus", "-": "minus", "*": "multiply", "/": "div", "%": "mod", "**": "power"}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _string_arithmetic(operator: str, left: Any, right: Any) -> Any:
    if operator == "+":
        kind = GroovyString if isinstance(left, GroovyString) or isinstance(right, GroovyString) else str
        return kind(to_string(left) + to_string(right))
    if operator == "-":
        return left.replace(to_string(right), "", 1)
    if operator == "*" and _is_number(right):
        return left * int(right)
    raise _no_method(_NAMES[operator], left, right)


def _list_arithmetic(operator: str, left: list[Any], right: Any) -> Any:
    if operator == "+":
        return [*left, *(right if isinstance(right, list | range) else [right])]
    if operator == "-":
        gone = right if isinstance(right, list | range) else [right]
        return [item for item in left if item not in gone]
    if operator == "*" and _is_number(right):
        return left * int(right)
    raise _no_method(_NAMES[operator], left, right)


def _number_arithmetic(operator: str, left: Any, right: Any) -> Any:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "**":
        return left**right
    if right == 0:
        raise throw("ArithmeticException", "Division by zero" if operator == "/" else "/ by zero")
    if operator == "%":
        remainder = abs(left) % abs(right)
        return -remainder if left < 0 else remainder
    quotient = Decimal(left) / Decimal(right)
    rounded = round(quotient, 10)
    return rounded.normalize() if rounded != quotient else quotient


def _no_method(name: str, left: Any, right: Any) -> values.GroovyError:
    message = (
        f"No signature of method: {values.class_name(left)}.{name}() is applicable for argument types: "
        f"({values.class_name(right)}) values: [{to_string(right)}]"
    )
    return throw("MissingMethodException", message)


def get_property(target: Any, name: str) -> Any:
    """``target.name``.

    Raises:
        GroovyError: The target is null or has no such property.
    """
    if isinstance(target, HostObject):
        return target.get(name)
    if isinstance(target, dict):
        return target.get(name)
    if target is None:
        raise throw("NullPointerException", f"Cannot get property '{name}' on null object")
    if isinstance(target, list | range):
        return [get_property(item, name) for item in target]
    if isinstance(target, MapEntry) and name in ("key", "value"):
        return target.key if name == "key" else target.value
    if isinstance(target, Throwable | MapEntry | Matcher) or name in ("class", "bytes"):
        return call_method(target, "get" + name[:1].upper() + name[1:], [])
    raise throw("MissingPropertyException", f"No such property: {name} for class: {values.class_name(target)}")


def set_property(target: Any, name: str, value: Any) -> None:
    """``target.name = value``.

    Raises:
        GroovyError: The target is null or has no such property.
    """
    if isinstance(target, HostObject):
        target.set(name, value)
    elif isinstance(target, dict):
        target[name] = value
    elif target is None:
        raise throw("NullPointerException", f"Cannot set property '{name}' on null object")
    else:
        raise throw("MissingPropertyException", f"No such property: {name} for class: {values.class_name(target)}")


def get_index(target: Any, index: Any) -> Any:
    """``target[index]``; beyond the end of a list it is null.

    Raises:
        GroovyError: The target is null, or a text is too short.
    """
    if isinstance(target, HostObject):
        if not target.is_map:
            raise values.rejected(f"{_GROOVY_METHODS} getAt java.lang.Object java.lang.String")
        return target.get(to_string(index))
    if isinstance(target, dict):
        return target.get(index)
    if isinstance(target, Matcher):
        target = target.groups
        if isinstance(index, int) and index >= len(target):
            raise throw("IndexOutOfBoundsException", f"index is out of range 0..{len(target) - 1} (index = {index})")
    if isinstance(target, list | str | range) and isinstance(index, range):
        return _slice(target, index)
    if isinstance(target, list | range) and isinstance(index, int):
        return target[index] if -len(target) <= index < len(target) else None
    if isinstance(target, str) and isinstance(index, int):
        if not -len(target) <= index < len(target):
            raise throw("IndexOutOfBoundsException", f"String index out of range: {index}")
        return target[index]
    if target is None:
        raise throw("NullPointerException", "Cannot invoke method getAt() on null object")
    raise _no_method("getAt", target, index)


def _slice(target: Any, index: range) -> Any:
    picked = [target[i] for i in (list(index) if index.start >= 0 and index[-1] >= 0 else _relative(target, index))]
    return "".join(picked) if isinstance(target, str) else picked


def _relative(target: Any, index: range) -> list[int]:
    """The positions of ``[1..-1]``, which counts from the end."""
    start = index.start + (len(target) if index.start < 0 else 0)
    last = index[-1] + (len(target) if index[-1] < 0 else 0)
    return list(range(start, last + 1))


def set_index(target: Any, index: Any, value: Any) -> None:
    """``target[index] = value``; a list grows.

    Raises:
        GroovyError: The target is null or takes no index.
    """
    if isinstance(target, HostObject):
        if not target.is_map:
            raise values.rejected(f"{_GROOVY_METHODS} putAt java.lang.Object java.lang.String java.lang.Object")
        target.set(to_string(index), value)
    elif isinstance(target, dict):
        target[index] = value
    elif isinstance(target, list) and isinstance(index, int):
        target.extend([None] * (index + 1 - len(target)))
        target[index] = value
    elif target is None:
        raise throw("NullPointerException", "Cannot invoke method putAt() on null object")
    else:
        raise _no_method("putAt", target, index)


class JsonSlurper(HostObject):
    """``new groovy.json.JsonSlurper()``."""

    def call(self, name: str, arguments: list[Any]) -> Any:
        """Only ``parseText``."""
        if name != "parseText":
            raise UnsupportedError(f"the method JsonSlurper.{name} is not supported by the Jenkins stand-in")
        return values.from_json(*arguments)


def construct(name: str, arguments: list[Any]) -> Any:
    """``new name(arguments)``.

    Raises:
        GroovyError: The sandbox forbids the class.
        UnsupportedError: The stand-in does not know it.
    """
    simple = name.rsplit(".", 1)[-1]
    if simple in ("File", "JsonSlurperClassic", "URL", "Socket", "FileReader", "FileWriter"):
        package = {"JsonSlurperClassic": "groovy.json", "URL": "java.net", "Socket": "java.net"}.get(simple, "java.io")
        signature = " ".join(["java.lang.String"] * len(arguments))
        raise values.rejected(f"new {package}.{simple} {signature}".rstrip())
    if simple == "JsonSlurper":
        return JsonSlurper()
    empty: dict[str, Any] = {"ArrayList": list, "LinkedHashMap": dict, "HashMap": dict, "TreeMap": dict}
    if simple in empty:
        return empty[simple](*arguments)
    try:
        known = values.throwable_name(name, {})
    except UnsupportedError:
        raise UnsupportedError(f"'new {name}' is not supported by the Jenkins stand-in") from None
    return Throwable(known, to_string(arguments[0]) if arguments else None)
