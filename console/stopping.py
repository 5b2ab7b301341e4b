"""Ending a worker with the flow runs it has under way: none outlives it, each ends in a state with a name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelling, Crashed, Scheduled

_UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_PAGE = 200
_POLL_SECONDS = 0.5
_CANCELLED = "The worker that ran it was stopped. Run it again: it goes on from what is there."
_CRASHED = (
    "The worker that ran it was stopped before the run could end. "
    "Its Jenkins build may go on: run it again, and it is found."
)
_GIVEN_BACK = "The worker that had taken it was stopped before it began: another one takes it."
_UNREACHABLE = (httpx.HTTPError, PrefectHTTPStatusError, RuntimeError)  # RuntimeError: Prefect's "failed to reach API"


@dataclass(frozen=True)
class Worker:
    """A worker that we started.

    Attributes:
        pool: Its work pool.
        name: Its name, which is no other worker's: its flow runs are told by it.
        process: It leads a session of its own.
        folder: Its temporary files, and those of its flow runs.
    """

    pool: str
    name: str
    process: subprocess.Popen[bytes]
    folder: Path


def under_way(client: SyncPrefectClient, worker: Worker) -> list[FlowRun]:
    """The flow runs that this worker has started and that have not ended."""
    of_pool = WorkPoolFilter.model_validate({"name": {"any_": [worker.pool]}})
    unfinished = FlowRunFilter.model_validate({"state": {"type": {"any_": _UNDER_WAY}}})
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            work_pool_filter=of_pool, flow_run_filter=unfinished, limit=_PAGE, offset=len(found)
        )
        found += page
        if len(page) < _PAGE:
            return [run for run in found if run.labels.get("prefect.worker.name") == worker.name]


def cancel_runs(worker: Worker, timeout: float) -> None:
    """Cancel what the worker has under way, and wait for it: a deployment stops its Jenkins build first.

    Args:
        worker: Its flow runs are meant.
        timeout: Seconds until it stops to wait.
    """
    deadline = time.monotonic() + timeout
    with get_client(sync_client=True) as client:
        while left := under_way(client, worker):
            for run in left:
                if run.state is None or not run.state.is_cancelling():
                    client.set_flow_run_state(run.id, Cancelling(message=_CANCELLED))
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)


def _parents() -> Iterator[tuple[int, int]]:
    """Every process, and who started it. Small images have no `ps`, macOS has no /proc."""
    if Path("/proc/self/stat").exists():
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it ended meanwhile
                yield int(stat.parent.name), int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        return
    with suppress(OSError):
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False)
        yield from ((int(child), int(parent)) for child, parent in map(str.split, listed.stdout.splitlines()))


def descendants(process_id: int) -> list[int]:
    """Processes that a process has started, and those that they have."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found, wave = [], [process_id]
    while wave:
        wave = [child for parent in wave for child in children.get(parent, [])]
        found += wave
    return found


def kill_group(process_id: int) -> None:
    """Kill a process that leads a group, and the group; nothing when it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process_id) == process_id:
            os.killpg(process_id, signal.SIGKILL)


def end_process(worker: Worker, timeout: float = 20) -> None:
    """Ask the worker to end, once, as a second signal would kill it; then kill it."""
    if worker.process.poll() is None:
        worker.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        worker.process.wait(timeout)
    kill_group(worker.process.pid)
    worker.process.wait()


def kill_runs(worker: Worker) -> list[FlowRun]:
    """Kill what the worker left under way, and mark it Crashed. Each of its flow runs leads a process group of its own.

    A run that it had taken but not begun is scheduled anew, for another worker or the next one.

    Returns:
        Those that were killed.
    """
    killed = []
    with get_client(sync_client=True) as client:
        for run in under_way(client, worker):
            number = (run.infrastructure_pid or "").rpartition(":")[2]
            if not number and run.state is not None and run.state.is_pending():
                client.set_flow_run_state(run.id, Scheduled(message=_GIVEN_BACK), force=True)
                continue
            if number.isdecimal():
                kill_group(int(number))
            client.set_flow_run_state(run.id, Crashed(message=_CRASHED), force=True)
            killed.append(run)
    return killed


def stop(worker: Worker, timeout: float = 90) -> list[FlowRun]:
    """Cancel the worker's flow runs, then end it. A second Ctrl-C ends it at once.

    Returns:
        The runs that had to be killed.
    """
    killed: list[FlowRun] = []
    with suppress(KeyboardInterrupt, *_UNREACHABLE):
        if worker.process.poll() is None:  # else nobody is left to cancel them
            cancel_runs(worker, timeout)
    started = descendants(worker.process.pid) if worker.process.poll() is None else []  # its number may be another's
    end_process(worker)
    with suppress(*_UNREACHABLE):
        killed = kill_runs(worker)
    for process_id in started:  # where the server does not say which runs are under way
        kill_group(process_id)
    shutil.rmtree(worker.folder, ignore_errors=True)
    return killed
