"""Jobs of a running build that wait for an agent, or have lost theirs, by what the console says. Pure.

Jenkins queues a ``node`` step as an item without name or address, so that its reason cannot be told apart from those of
other builds; but after some seconds the step writes its reason into the console, too.
"""

from __future__ import annotations

from tasks.jenkins_build.page import Line

_WAITS = "Still waiting to schedule task"
_UNREACHABLE = "Cannot contact "


class AgentWaits:
    """Fed with every line, in order.

    Attributes:
        reasons: Why a ``node`` step waits, by the step's id; None where Jenkins does not tell the step.
        lost: What Jenkins says of agents that it cannot reach, by the step that runs there; it waits until they are
            back.
    """

    def __init__(self) -> None:
        self.reasons: dict[str | None, str] = {}
        self.lost: dict[str | None, str] = {}
        self._announced: set[str | None] = set()

    def read(self, line: Line) -> str | None:
        """Take a line in; returns the reason why a step waits, when the line is one."""
        text = line.text.partition("] ")[2] if line.text.startswith("[20") else line.text
        if text.startswith(_UNREACHABLE):
            self.lost[line.step] = text
        else:
            self.lost.pop(line.step, None)
        if text == _WAITS:
            self._announced.add(line.step)
        elif line.step in self._announced:
            self._announced.discard(line.step)
            self.reasons[line.step] = text
            return text
        elif text.startswith("Running on "):
            self.reasons.pop(line.step, None)
        return None

    def changed(self, reasons: list[str]) -> str | None:
        """What the queue says by now; the new reason of the one step that waits, if there is one and it has changed.

        Args:
            reasons: Of all ``node`` steps in Jenkins' queue, whosever they are.
        """
        if len(self.reasons) != 1 or len(set(reasons)) != 1:
            return None
        (step, known), now = next(iter(self.reasons.items())), reasons[0]
        self.reasons[step] = now
        return now if now != known else None
