"""What a container's process would do, told from its image and command: where it listens, how it ends."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.kubernetes.images import Pulled
from sandbox.kubernetes.status import Object

_EXIT = re.compile(r"(?:^|[\s;&|])exit\s+(\d+)\s*$")
_ECHO = re.compile(r"(?:^|[;&|\n])\s*echo\s+([\"']?)([^;&|\n>]*?)\1\s*(?=[;&|\n]|$)")


@dataclass(frozen=True)
class Ending:
    """How a process ends: exit code, the kubelet's reason, and the last lines it writes."""

    code: int
    reason: str
    log: str = ""


def ending(container: Object, image: Pulled | None, log: str | None) -> Ending | None:
    """How the command ends by its own text (``exit 3`` at the end, ``false``, ``true``), or None when it runs on.

    Args:
        container: Of the pod's spec.
        image: What was pulled for it, where that is known.
        log: Its last lines, where the pod says them; else those it echoes.
    """
    command = _command(container, image)
    found = _EXIT.search(command[-1]) if command else None
    code = int(found.group(1)) if found else {"false": 1, "true": 0}.get(" ".join(command))
    if code is None:
        return None
    said = "\n".join(text for _, text in _ECHO.findall(command[-1]))
    shown = log or said or f"stand-in: the command ends in exit {code}"
    return Ending(code, "Error" if code else "Completed", shown if code else said)


def _command(container: Object, image: Pulled | None) -> list[str]:
    """Kubernetes' rule: ``command`` replaces both ENTRYPOINT and CMD, ``args`` only CMD."""
    given, more = container.get("command") or [], container.get("args") or []
    if given or image is None:
        return [*given, *more]
    return [*image.entrypoint, *(more or image.command)]


def listens(container: Object, image: Pulled | None) -> frozenset[int] | None:
    """Ports the process listens on, as far as can be told; None: any.

    By convention a process listens where its image says (EXPOSE), and where the variable PORT tells it to. An image
    that says nothing is believed to listen on the container's declared ports.
    """
    declared = frozenset(int(port["containerPort"]) for port in container.get("ports") or [])
    told = frozenset(
        int(variable["value"])
        for variable in container.get("env") or []
        if variable["name"] == "PORT" and str(variable.get("value", "")).isdigit()
    )
    exposed = image.ports if image is not None else frozenset()
    return (told | exposed or declared or None) if image is not None else None


def refusal(container: Object, kind: str, image: Pulled | None, address: str) -> str | None:
    """Why a probe fails (``readiness``, ``liveness``, ``startup``), in the kubelet's words; None when it does not."""
    probe = container.get(f"{kind}Probe") or {}
    check = probe.get("httpGet") or probe.get("tcpSocket") or probe.get("grpc")
    ports = listens(container, image)
    if not check or ports is None:
        return None
    port = _number(container, check.get("port"))
    if port in ports:
        return None
    refused = f"dial tcp {address}:{port}: connect: connection refused"
    if "httpGet" in probe:
        url = f"{check.get('scheme', 'HTTP').lower()}://{address}:{port}{check.get('path', '/')}"
        refused = f'Get "{url}": {refused}'
    return f"{kind.capitalize()} probe failed: {refused}"


def _number(container: Object, port: int | str | None) -> int | str | None:
    """The number of a port that is named."""
    named = {entry.get("name"): entry["containerPort"] for entry in container.get("ports") or []}
    return named.get(port, port) if isinstance(port, str) else port


def patience(container: Object, kind: str) -> float:
    """Seconds from the start until a failing probe ends the container."""
    probe = container.get(f"{kind}Probe") or {}
    tries, period = probe.get("failureThreshold", 3), probe.get("periodSeconds", 10)
    return float(probe.get("initialDelaySeconds", 0) + tries * period)
