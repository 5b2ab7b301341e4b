"""What an unquoted YAML word means to GitLab: YAML 1.1 as Ruby's Psych reads it, printed back as Ruby prints it.

Source of the rules: psych's ``scalar_scanner.rb``. GitLab turns numbers and booleans into text where it needs text,
so ``VERSION: 1.10`` reaches a job as ``1.1`` and ``FLAG: yes`` as ``true``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeVar

from tasks.source.nodes import ScalarKind

_BOOLEANS = {"yes": "true", "true": "true", "on": "true", "no": "false", "false": "false", "off": "false"}
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9](?:[0-9]|[,_][0-9])*)")
_OCTAL = re.compile(r"[-+]?0[0-7_,]+")
_OTHER_BASE = re.compile(r"[-+]?0(?:b[01_,]+|x[0-9a-fA-F_,]+)")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_,]*)?\.[0-9]*(?:[eE][-+][0-9]+)?")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}")
_SEXAGESIMAL_FLOAT = re.compile(rf"{_SEXAGESIMAL.pattern}\.[0-9_]*")
_DATE = re.compile(r"\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)")
_TIME = re.compile(
    r"-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|\s+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?", re.ASCII
)
_Number = TypeVar("_Number", int, float)
_MAX_DIGITS = 4000  # Python refuses to print longer integers


def is_date(text: str) -> bool:
    """Whether Psych takes a plain scalar for a date or a time, which GitLab does not allow."""
    return text[:1] in "-0123456789" and bool(_DATE.fullmatch(text) or _TIME.fullmatch(text))


def resolve(text: str) -> tuple[str, ScalarKind]:
    """Return the text and the kind of a plain (unquoted) scalar."""
    if text in ("", "~") or text.lower() == "null":
        return "", "null"
    first = text[0]
    if first in "yYtTnNfFoO":
        word = _BOOLEANS.get(text.lower())
        return (word, "boolean") if word else (text, "string")
    if first in "0123456789+-." and len(text) < _MAX_DIGITS:
        return _number(text) or (text, "string")
    return text, "string"


def _number(text: str) -> tuple[str, ScalarKind] | None:
    integer = _integer(text)
    if integer is not None:
        return str(integer), "integer"
    if text.lower() in (".inf", "+.inf", "-.inf", ".nan"):
        return {".nan": "NaN", "-.inf": "-Infinity"}.get(text.lower(), "Infinity"), "float"
    if _SEXAGESIMAL_FLOAT.fullmatch(text):
        return _as_ruby(_in_seconds(text, float)), "float"
    if text not in (".", "+.", "-.") and _FLOAT.fullmatch(text):
        return _as_ruby(float(text.replace("_", "").replace(",", ""))), "float"
    return None


def _integer(text: str) -> int | None:
    plain = text.replace("_", "").replace(",", "")
    if _DECIMAL.fullmatch(text):
        return int(plain)
    if _OCTAL.fullmatch(text) and plain.lstrip("+-").isdigit():
        return int(plain, 8)
    if _OTHER_BASE.fullmatch(text):
        return int(plain, 0)
    if _SEXAGESIMAL.fullmatch(text):
        return _in_seconds(text, int)
    return None


def _in_seconds(text: str, number: Callable[[str], _Number]) -> _Number:
    """Hours, minutes, seconds, as Psych adds them up: ``1:30`` is an hour and a half, ``-1:30`` half an hour less."""
    hours, minutes, seconds = map(number, f"{text.replace('_', '')}:0".split(":")[:3])
    return hours * 3600 + minutes * 60 + seconds


def _as_ruby(value: float) -> str:
    if math.isinf(value) or math.isnan(value):
        return str(value)
    if value == 0 or 1e-4 <= abs(value) < 1e16:
        return repr(value)
    mantissa, _, exponent = f"{value:e}".partition("e")
    shortest = repr(value).partition("e")[0]
    mantissa = shortest if "." in shortest else f"{shortest}.0"
    return f"{mantissa}e{exponent}"
