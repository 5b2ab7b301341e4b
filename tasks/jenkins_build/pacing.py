"""When to look at a build again. Pure; all in seconds."""

from __future__ import annotations

import re

_YOUNG = 3.0  # an estimate below this is no help
_FIRST, _STEADY = 0.5, 1.5
_AGE_SHARE = 1 / 18
_NEAR = 0.7
_BEHIND = 0.1  # a look at the expected end itself would come just too early
_RATE = 25.0  # looks a second that one Jenkins is asked for at most, by all followers of a process
_LEFT = re.compile(r"Expires in (\d+(?:\.\d+)?) ?(ms|sec)")


def next_look(
    age: float, estimate: float | None, bounds: tuple[float, float], followers: int = 1, *, to_come: bool = False
) -> float:
    """The pause until the next look at a running build.

    While jobs of it have not begun, looks are as rare as its log allows: it cannot end yet. After that, where Jenkins
    knows how long the job's builds take, looks are rare until that end, one is just behind it, and they are close from
    there on. Else their distance grows with the build's age: the end of a first build may come at any time, and is
    noticed late only in proportion, or by 1.5 s.

    Args:
        age: Since the build began.
        estimate: Jenkins' estimate of its duration, or None.
        bounds: Shortest and longest pause; the longest bounds how late a line of the log is shown.
        followers: Builds followed on this Jenkins by this process: many of them are looked at less often each.
        to_come: Whether jobs have not begun that will as long as nothing fails.

    >>> [round(next_look(age, None, (0.3, 2.7)), 1) for age in (0, 1.2, 3, 30, 50, 600)]
    [0.5, 1.2, 1.5, 1.7, 2.7, 2.7]
    >>> [round(next_look(age, 60.0, (0.3, 2.7)), 2) for age in (10, 57, 58.6, 61, 64, 90)]
    [2.7, 1.55, 1.5, 0.7, 2.0, 2.7]
    >>> next_look(10, None, (0.3, 2.7), followers=50), next_look(10, None, (0.3, 2.7), to_come=True)
    (2.0, 2.7)
    """
    shortest, longest = bounds
    if to_come:
        wanted = longest
    elif estimate is None or estimate < _YOUNG:
        wanted = max(_FIRST, min(age, _STEADY), age * _AGE_SHARE)
    else:
        wanted = _near_end(estimate - age, longest)
    return max(min(max(wanted, shortest), longest), followers / _RATE)


def _near_end(left: float, longest: float) -> float:
    behind = left + _BEHIND
    if behind <= 0:
        return max(_NEAR, -left / 2)
    return behind if behind <= longest else max(_NEAR, min(longest, behind / 2))


def quiet_left(why: str | None) -> float | None:
    """How long a queue item's quiet period still lasts by its `why`, or None when it waits for something else.

    >>> quiet_left("In the quiet period. Expires in 0.93 sec"), quiet_left("In the quiet period. Expires in 51 ms")
    (0.93, 0.051)
    >>> quiet_left("Waiting for next available executor") is None
    True
    """
    found = _LEFT.search(why or "")
    if found is None:
        return None
    return float(found[1]) / (1000 if found[2] == "ms" else 1)
