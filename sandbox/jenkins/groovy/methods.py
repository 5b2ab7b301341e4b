"""The methods of strings, numbers, lists and maps that a sandboxed pipeline may call.

A method that Jenkins' script sandbox forbids raises RejectedAccessException, as there; one that the stand-in does not
know raises `UnsupportedError`.
"""

from __future__ import annotations

import base64
import re
import time
import urllib.parse
import uuid
from decimal import Decimal
from typing import Any

from sandbox.jenkins.groovy import values
from sandbox.jenkins.groovy.collection_methods import LIST, MAP, Method, each, take
from sandbox.jenkins.groovy.values import MapEntry, Matcher, UnsupportedError, equals, throw, to_string, truth


def _replace_all(text: str, pattern: Any, replacement: Any) -> str:
    regex = values.compile_regex(pattern)
    if callable(replacement):
        return regex.sub(lambda match: to_string(replacement(*([match[0], *match.groups()]))), text)
    return regex.sub(lambda match: _expand(match, to_string(replacement)), text)


def _expand(match: re.Match[str], replacement: str) -> str:
    def part(found: re.Match[str]) -> str:
        return found[1] if found[1] else (match[int(found[2]) if found[2] else found[3]] or "")

    return re.sub(r"\\(.)|\$(\d)|\$\{(\w+)\}", part, replacement)


def _split(text: str, pattern: str, limit: int = 0) -> list[str]:
    parts = values.compile_regex(pattern).split(text, maxsplit=max(limit - 1, 0))
    while limit == 0 and len(parts) > 1 and parts[-1] == "":
        parts.pop()
    return parts if len(text) == 0 or parts[0] != "" or len(parts) > 1 else []


def _tokenize(text: str, delimiters: str = " \t\n\r\f") -> list[str]:
    return [part for part in re.split("[" + re.escape(delimiters) + "]", text) if part]


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text[:-1] if text.endswith("\n") else text) if text else []


def _strip_indent(text: str) -> str:
    lines = text.split("\n")
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[indent:] for line in lines)


def _strip_margin(text: str, mark: str = "|") -> str:
    return "\n".join(re.sub(rf"^\s*{re.escape(mark)}", "", line) for line in text.split("\n"))


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if not 0 <= start <= stop <= len(text):
        raise throw("IndexOutOfBoundsException", f"begin {start}, end {stop}, length {len(text)}")
    return text[start:stop]


def _java_hash(text: str) -> int:
    number = 0
    for character in text:
        number = (31 * number + ord(character)) & 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number


_ANY: dict[str, Method] = {
    "toString": to_string,
    "equals": equals,
    "getClass": lambda value: values.ClassReference(values.class_name(value)),
}

_STRING: dict[str, Method] = {
    "trim": lambda text: text.strip("".join(map(chr, range(33)))),
    "strip": lambda text: text.strip(),
    "length": len,
    "size": len,
    "isEmpty": lambda text: not text,
    "isInteger": lambda text: bool(re.fullmatch(r"\s*[+-]?\d+\s*", text)),
    "isNumber": lambda text: bool(re.fullmatch(r"\s*[+-]?\d+(\.\d+)?\s*", text)),
    "toInteger": lambda text: values.parse_integer(text.strip()),
    "toLong": lambda text: values.parse_integer(text.strip()),
    "toBoolean": lambda text: text.strip().lower() in ("true", "y", "1"),
    "toLowerCase": lambda text: text.lower(),
    "toUpperCase": lambda text: text.upper(),
    "capitalize": lambda text: text[:1].upper() + text[1:],
    "contains": lambda text, part: part in text,
    "startsWith": lambda text, part: text.startswith(part),
    "endsWith": lambda text, part: text.endswith(part),
    "equalsIgnoreCase": lambda text, other: other is not None and text.lower() == other.lower(),
    "indexOf": lambda text, part, start=0: text.find(part, start),
    "lastIndexOf": lambda text, part: text.rfind(part),
    "substring": _substring,
    "take": take,
    "drop": lambda text, count: text[max(count, 0) :],
    "takeRight": lambda text, count: text[-count:] if count > 0 else "",
    "split": lambda text, pattern=r"\s+", limit=0: _split(text.strip() if pattern == r"\s+" else text, pattern, limit),
    "tokenize": _tokenize,
    "readLines": _lines,
    "replace": lambda text, old, new: text.replace(old, new),
    "replaceAll": _replace_all,
    "replaceFirst": lambda text, pattern, new: values.compile_regex(pattern).sub(
        lambda match: _expand(match, to_string(new)), text, count=1
    ),
    "matches": lambda text, pattern: values.compile_regex(pattern).fullmatch(text) is not None,
    "concat": lambda text, other: text + other,
    "padLeft": lambda text, width, fill=" ": text.rjust(width, fill),
    "padRight": lambda text, width, fill=" ": text.ljust(width, fill),
    "reverse": lambda text: text[::-1],
    "stripIndent": _strip_indent,
    "stripMargin": _strip_margin,
    "charAt": lambda text, index: text[index],
    "toList": list,
    "each": each,
    "any": lambda text, function: any(truth(function(item)) for item in text),
    "hashCode": _java_hash,
    "compareTo": values.compare,
    "multiply": lambda text, count: text * count,
    "bytes": lambda text: text.encode(),
    "getBytes": lambda text, _charset="UTF-8": text.encode(),
    "count": lambda text, part: text.count(part),
    "minus": lambda text, part: text.replace(to_string(part), "", 1),
}

_NUMBER: dict[str, Method] = {
    "intValue": int,
    "longValue": int,
    "toInteger": int,
    "toLong": int,
    "abs": abs,
    "intdiv": lambda left, right: int(Decimal(left) / Decimal(right)),
    "mod": lambda left, right: left % right,
    "times": lambda count, function: [function(index) for index in range(count)] and None,
    "compareTo": values.compare,
    "upto": lambda start, end, function: [function(index) for index in range(start, end + 1)] and None,
    "round": lambda number: int(number.to_integral_value()),
}

_ENTRY: dict[str, Method] = {"getKey": lambda entry: entry.key, "getValue": lambda entry: entry.value}
_MATCHER: dict[str, Method] = {
    "find": lambda matcher: bool(matcher.groups),
    "matches": lambda matcher: matcher.pattern.fullmatch(matcher.text) is not None,
    "size": lambda matcher: len(matcher.groups),
    "getCount": lambda matcher: len(matcher.groups),
}
_THROWABLE: dict[str, Method] = {
    "getMessage": lambda error: error.message,
    "getLocalizedMessage": lambda error: error.message,
    "toString": str,
}
_BYTES: dict[str, Method] = {
    "encodeBase64": lambda data: base64.b64encode(data).decode(),
    "size": len,
}

_TABLES: tuple[tuple[Any, str, dict[str, Method]], ...] = (
    (bool, "java.lang.Boolean", {}),
    (str, "java.lang.String", _STRING),
    (int | Decimal, "java.lang.Number", _NUMBER),
    (list | range | tuple, "java.util.List", LIST),
    (dict, "java.util.Map", MAP),
    (MapEntry, "java.util.Map$Entry", _ENTRY),
    (Matcher, "java.util.regex.Matcher", _MATCHER),
    (values.Throwable, "java.lang.Throwable", _THROWABLE),
    (bytes, "byte[]", _BYTES),
)

# what the script sandbox of a fresh Jenkins refuses
_REJECTED = {
    "decodeBase64": "staticMethod org.codehaus.groovy.runtime.EncodingGroovyMethods decodeBase64 java.lang.String",
    "execute": "staticMethod org.codehaus.groovy.runtime.ProcessGroovyMethods execute java.lang.String",
    "max": "staticMethod org.codehaus.groovy.runtime.DefaultGroovyMethods max java.util.Collection",
    "min": "staticMethod org.codehaus.groovy.runtime.DefaultGroovyMethods min java.util.Collection",
    "getCauses": "method org.jenkinsci.plugins.workflow.steps.FlowInterruptedException getCauses",
    "printStackTrace": "method java.lang.Throwable printStackTrace",
    "getStackTrace": "method java.lang.Throwable getStackTrace",
}


def call_method(target: Any, name: str, arguments: list[Any]) -> Any:
    """Call a method of a plain value.

    Raises:
        GroovyError: The method threw, the value is null, or the sandbox forbids the method.
        UnsupportedError: The stand-in does not know the method.
    """
    if target is None:
        if name in ("toString", "equals"):
            return _ANY[name](target, *arguments)
        raise throw("NullPointerException", f"Cannot invoke method {name}() on null object")
    kind, table = next(((kind, table) for type_, kind, table in _TABLES if isinstance(target, type_)), ("Object", {}))
    method = table.get(name) or _ANY.get(name)
    if method is None and name in _REJECTED:
        raise values.rejected(_REJECTED[name])
    if method is None:
        raise UnsupportedError(f"the method {kind}.{name} is not supported by the Jenkins stand-in")
    try:
        return method(target, *arguments)
    except IndexError:
        raise throw("IndexOutOfBoundsException", f"{kind}.{name}") from None
    except (TypeError, AttributeError) as error:
        shown = ", ".join(to_string(argument) for argument in arguments)
        raise throw(
            "MissingMethodException",
            f"No signature of method: {values.class_name(target)}.{name}() is applicable for argument types: "
            f"values: [{shown}] ({error})",
        ) from None


_STATIC: dict[str, Method] = {
    "System.currentTimeMillis": lambda: time.time_ns() // 1_000_000,
    "System.nanoTime": time.monotonic_ns,
    "Math.max": max,
    "Math.min": min,
    "Math.abs": abs,
    "Integer.parseInt": values.parse_integer,
    "Integer.valueOf": lambda value: values.convert("Integer", value),
    "Long.parseLong": values.parse_integer,
    "Long.valueOf": lambda value: values.convert("Long", value),
    "Boolean.parseBoolean": lambda text: text is not None and text.lower() == "true",
    "Boolean.valueOf": lambda text: text is True or to_string(text).lower() == "true",
    "String.valueOf": to_string,
    "String.join": lambda separator, items: separator.join(to_string(item) for item in items),
    "JsonOutput.toJson": values.to_json,
    "URLEncoder.encode": lambda text, _charset="UTF-8": urllib.parse.quote_plus(text, safe="*-._"),
    "URLDecoder.decode": lambda text, _charset="UTF-8": urllib.parse.unquote_plus(text),
    "UUID.randomUUID": lambda: str(uuid.uuid4()),
    "Pattern.quote": lambda text: "\\Q" + text + "\\E",
}


def call_static(class_name: str, name: str, arguments: list[Any]) -> Any:
    """Call a static method.

    Raises:
        GroovyError: The sandbox forbids it, or it threw.
        UnsupportedError: The stand-in does not know it.
    """
    simple = class_name.rsplit(".", 1)[-1]
    method = _STATIC.get(f"{simple}.{name}")
    if method is not None:
        return method(*arguments)
    if simple in ("System", "Jenkins", "Runtime", "Hudson"):
        package = "jenkins.model" if simple == "Jenkins" else "java.lang"
        raise values.rejected(f"staticMethod {package}.{simple} {name}")
    raise UnsupportedError(f"the static method {class_name}.{name} is not supported by the Jenkins stand-in")
