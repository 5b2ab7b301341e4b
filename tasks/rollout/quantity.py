"""Kubernetes resource quantities: ``100m``, ``0.5``, ``128Mi``, ``1e3``. Pure.

Source of the grammar: k8s.io/apimachinery ``pkg/api/resource/quantity.go``.
"""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_QUANTITY = re.compile(rf"(?P<number>{_NUMBER})(?P<suffix>[eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(text: str) -> Decimal:
    """The quantity in its base unit: cores, or bytes.

    >>> parse("250m"), parse("128Mi"), parse("1e3")
    (Decimal('0.250'), Decimal('134217728'), Decimal('1E+3'))

    Raises:
        ValueError: The text is not a quantity, or is negative.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a Kubernetes quantity; write e.g. 250m (CPU) or 128Mi (memory)")
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    if suffix in _BINARY:
        return number * Decimal(2 ** _BINARY[suffix])
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return Decimal(match["number"] + suffix) if suffix else number
