"""How large the methods of compiled Groovy are, read from class files.

Source: The Java Virtual Machine Specification, chapter 4 (https://docs.oracle.com/javase/specs/jvms/se17/html/).
"""

from __future__ import annotations

import struct
from pathlib import Path

LIMIT = 65_535
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_WIDE = {5, 6}
_TEXT = 1


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, width: int) -> int:
        (value,) = struct.unpack_from({2: ">H", 4: ">I"}[width], self.data, self.at)
        self.at += width
        return int(value)

    def numbers(self, count: int) -> list[int]:
        return [self.number(2) for _ in range(count)]


def method_sizes(file: Path) -> dict[str, int]:
    """Bytes of code by method, as ``Class.method``; of overloads the largest."""
    reader = _Reader(file.read_bytes())
    reader.at = 8
    texts = _texts(reader)
    reader.numbers(3)
    reader.numbers(reader.number(2))
    _members(reader, texts)
    found: dict[str, int] = {}
    for name, size in _members(reader, texts):
        key = f"{file.stem}.{name}"
        found[key] = max(size, found.get(key, 0))
    return found


def _texts(reader: _Reader) -> dict[int, str]:
    texts, index, count = {}, 1, reader.number(2)
    while index < count:
        tag = reader.data[reader.at]
        reader.at += 1
        if tag == _TEXT:
            length = reader.number(2)
            texts[index] = reader.data[reader.at : reader.at + length].decode("utf-8", "replace")
            reader.at += length
        else:
            reader.at += _SIZES[tag]
        index += 2 if tag in _WIDE else 1
    return texts


def _members(reader: _Reader, texts: dict[int, str]) -> list[tuple[str, int]]:
    members = []
    for _ in range(reader.number(2)):
        _, name, _, attributes = reader.numbers(4)
        size = 0
        for _ in range(attributes):
            kind, length = texts[reader.number(2)], reader.number(4)
            if kind == "Code":
                (size,) = struct.unpack_from(">I", reader.data, reader.at + 4)
            reader.at += length
        members.append((texts[name], size))
    return members
