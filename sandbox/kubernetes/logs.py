"""Pod logs: stand-in text, since no container runs."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.kubelet import CRASH_LOG
from sandbox.kubernetes.routes import Call
from sandbox.kubernetes.status import Object, bad_request

Answer = tuple[int, Any, list[str]]


def read(pod: Object, call: Call) -> Answer:
    """The log of one container, with ``tailLines``, ``previous``, ``timestamps`` and ``limitBytes``.

    Raises:
        ApiError: 400 for an unknown container, or one that has not started.
    """
    name = pod["metadata"]["name"]
    containers = [container["name"] for container in pod["spec"]["containers"]]
    wanted = call.query.get("container") or containers[0]
    if wanted not in containers:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    if len(containers) > 1 and not call.query.get("container"):
        text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
        raise bad_request(text)
    found = [entry for entry in pod.get("status", {}).get("containerStatuses") or [] if entry["name"] == wanted]
    status = found[0] if found else {}
    lines = _lines(pod, wanted, status, previous=call.flag("previous"))
    if call.query.get("tailLines"):
        count = int(call.query["tailLines"])
        lines = lines[-count:] if count else []
    stamped = call.flag("timestamps")
    text = "".join(f"{moment[:-1]}.000000000Z {line}\n" if stamped else f"{line}\n" for moment, line in lines)
    return 200, text[: int(call.query["limitBytes"])] if call.query.get("limitBytes") else text, []


def _lines(pod: Object, container: str, status: Object, *, previous: bool) -> list[tuple[str, str]]:
    metadata = pod["metadata"]
    state, last = status.get("state") or {}, status.get("lastState") or {}
    ended = (
        last.get("terminated")
        if previous
        else state.get("terminated") or (last.get("terminated") if "waiting" in state else None)
    )
    if previous and not ended:
        text = f'previous terminated container "{container}" in pod "{metadata["name"]}" not found'
        raise bad_request(text)
    if not ended and "running" not in state:
        reason = (state.get("waiting") or {}).get("reason", "ContainerCreating")
        shown = "trying and failing to pull image" if "Image" in reason else reason
        raise bad_request(f'container "{container}" in pod "{metadata["name"]}" is waiting to start: {shown}')
    begin = ended["startedAt"] if ended else state["running"]["startedAt"]
    lines = [
        (begin, f"stand-in: no container runs; this is the log of {metadata['name']}/{container}"),
        (begin, f"stand-in: image {status.get('image', '')} {status.get('imageID', '')}".rstrip()),
        (begin, f"stand-in: started, run {status.get('restartCount', 0) + (0 if previous or ended else 1)}"),
    ]
    if ended and ended["exitCode"]:
        crash = (metadata.get("annotations") or {}).get(CRASH_LOG, f"exited with code {ended['exitCode']}")
        lines += [(ended["finishedAt"], line) for line in crash.splitlines()]
    elif ended:
        lines.append((ended["finishedAt"], "stand-in: completed"))
    return lines
