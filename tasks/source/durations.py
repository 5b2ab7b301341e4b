"""GitLab's durations (`timeout`, `start_in`, `expire_in`): ``1h 30m``, ``90 minutes``, ``3 weeks and 2 days``, ``5``.

They are those of the Ruby library chronic_duration: a month has 30 days, a year 365.25, a bare number is seconds.
"""

from __future__ import annotations

import re

MINUTE, HOUR, DAY = 60, 3600, 86400
WEEK, MONTH = 7 * DAY, 30 * DAY
YEAR = 365.25 * DAY

_UNITS: dict[str, float] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("d", "dy", "day", "days"), DAY),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), WEEK),
    **dict.fromkeys(("mo", "mos", "month", "months"), MONTH),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), YEAR),
}
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = {word: float(value) for value, word in enumerate(_WORDS)} | {"a": 1.0, "an": 1.0}
_TOKEN = re.compile(r"(\d+(?:\.\d+)?)|([a-z]+)")
_CLOCK = re.compile(r"\d+(?::[0-5]?\d){1,2}")
_GO = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)
_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": MINUTE, "h": HOUR}
_JOINERS = ("and", "with", "plus")


def seconds(text: str) -> int | None:
    """Return the duration in whole seconds, or None where GitLab would not understand it."""
    plain = text.strip().lower()
    if not plain or len(plain) > 200:
        return None
    if _CLOCK.fullmatch(plain):
        total = 0
        for part in plain.split(":"):
            total = total * 60 + int(part)
        return total
    if re.sub(r"[\d.a-z\s,]", "", plain):
        return None
    return _sum(_TOKEN.findall(plain))


def go_seconds(text: str) -> float | None:
    """A duration as GitLab Runner's variables have it (``1h30m``, ``90s``); None where Go would not understand it.

    >>> go_seconds("1h30m"), go_seconds("1.5s"), go_seconds("5 minutes"), go_seconds("90"), go_seconds("-5m")
    (5400.0, 1.5, None, None, None)
    """
    plain = text.strip()
    if not plain or _GO.sub("", plain):
        return None
    return sum(float(number) * _GO_UNITS[unit] for number, unit in _GO.findall(plain))


def _sum(tokens: list[tuple[str, str]]) -> int | None:
    total, number, any_seen = 0.0, None, False
    for digits, word in tokens:
        if digits or word in _NUMBERS:
            if number is not None:
                return None
            number = float(digits) if digits else _NUMBERS[word]
        elif word in _UNITS and number is not None:
            total, number, any_seen = total + number * _UNITS[word], None, True
        elif word not in _JOINERS:
            return None
    if number is not None and any_seen:
        return None
    return int(total + (number or 0)) if any_seen or number is not None else None
