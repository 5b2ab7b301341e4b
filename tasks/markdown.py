"""Text of others in Markdown: names, references and messages that must not become markup. Pure."""

from __future__ import annotations

import re

from errors import printable

_SPECIAL = re.compile(r"([\\`*\[\]<>|])")
_TICKS = re.compile(r"`+")


def plain(text: str) -> str:
    r"""The text on one line, as it is to be read.

    >>> plain("a|b <img src=x>\n[c](d)")
    'a\\|b \\<img src=x\\> \\[c\\](d)'
    """
    return _SPECIAL.sub(r"\\\1", _one_line(text))


def code(text: str) -> str:
    """The text as code, on one line; for a cell of a table too.

    >>> code("feature/`x`")
    '`` feature/`x` ``'
    >>> code("main")
    '`main`'
    """
    shown = _one_line(text).replace("|", "\\|")
    fence = "`" * (_longest(shown) + 1)
    padding = " " if "`" in shown else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def block(text: str, language: str) -> str:
    """The text as a block of code; `text` ends with a line feed."""
    fence = "`" * max(3, _longest(text) + 1)
    return f"{fence}{language}\n{text}{fence}\n"


def _longest(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
