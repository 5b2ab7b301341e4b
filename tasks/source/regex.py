"""Regular expressions as GitLab runs those of rules, coverage and inputs: by RE2, in time linear in the text.

Python's own `re` backtracks, so a hostile pattern could hang us. https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import re2

_MAX_MEMORY = 8 << 20  # bytes of a compiled pattern and its automaton


class RegexError(ValueError):
    """The pattern is not RE2's, or too large; the text says why. Translated by the callers, never raised further."""


class Regex:
    """A compiled pattern.

    Args:
        source: In RE2's syntax.
        flags: Letters of ``imsU``.

    Raises:
        RegexError: It is not RE2's syntax, or too large.
    """

    def __init__(self, source: str, flags: str = "") -> None:
        options = re2.Options()
        options.log_errors, options.max_mem = False, _MAX_MEMORY
        try:
            self._compiled = re2.compile(_encodable(f"(?{flags}){source}" if flags else source), options)
        except re2.error as error:
            raise RegexError(_reason(error)) from None

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches anywhere in `text`."""
        return self._compiled.search(_encodable(text)) is not None

    def scan(self, text: str) -> Iterator[tuple[str | None, ...]]:
        """Every match in `text`: the whole of it, then its groups (None: not part of this match)."""
        for match in self._compiled.finditer(_encodable(text)):
            yield (match.group(), *match.groups())


@lru_cache(maxsize=512)
def compile_regex(source: str, flags: str = "") -> Regex:
    """`Regex`, kept for when it is asked for again."""
    return Regex(source, flags)


def _reason(error: re2.error) -> str:
    """RE2's words; what people miss most often, in plainer ones."""
    words = error.args[0]
    text: str = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    if text.startswith(("invalid perl operator: (?=", "invalid perl operator: (?!", "invalid perl operator: (?<")):
        return "RE2 has no look-ahead or look-behind"
    back_reference = text.startswith("invalid escape sequence: \\") and text[-1:].isdigit()
    return "RE2 has no back references" if back_reference else text


def _encodable(text: str) -> str:
    """What UTF-8 cannot hold, i.e. halves of surrogate pairs, as question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
