"""``smartclide serve``: everything that makes the UI form, the schedules and REST calls start flow runs.

It makes a process work pool, registers the blocks, runs ``prefect deploy --all`` on prefect.yaml (the only place
that describes deployments) and starts a worker.
"""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
from prefect.exceptions import ObjectAlreadyExists

from console.command_options import EXIT_FAILED
from console.inheriting import inherited
from console.stopping import Worker, stop
from errors import SmartClideError
from tasks.hiding import Hider

WORK_POOL = "smartclide"
ROOT = Path(__file__).resolve().parent.parent


def ensure_work_pool(name: str = WORK_POOL) -> bool:
    """Create the process work pool; False when it was there already."""
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        except ObjectAlreadyExists:
            return False
    return True


def register_blocks() -> None:
    """Make our block types known to the server, so that the UI offers them."""
    import blocks

    for name in blocks.__all__:
        getattr(blocks, name).register_type_and_schema()


def deploy_all() -> str:
    """Run ``prefect deploy --all``; returns what it printed.

    Raises:
        SmartClideError: It failed.
    """
    done = _prefect(["--no-prompt", "deploy", "--all"])
    if done.returncode != 0:
        raise SmartClideError(
            f"`prefect deploy --all` failed: {Hider()(done.stdout[-800:]).strip()}",
            remedy="Check the Prefect server's address.",
        )
    refuse_unknown_parameters()
    return done.stdout


def refuse_unknown_parameters() -> None:
    """Have the server refuse a misspelt parameter: else it starts a run, which crashes before it can say why.

    ``prefect deploy`` has no setting for it: it writes the schema of a flow without ``additionalProperties``.
    """
    with get_client(sync_client=True) as client:
        pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[WORK_POOL]))
        for deployment in client.read_deployments(work_pool_filter=pool, limit=200):
            schema = {**(deployment.parameter_openapi_schema or {}), "additionalProperties": False}
            client.update_deployment(deployment.id, DeploymentUpdate(parameter_openapi_schema=schema))


def start_worker(limit: int = 10, log: Path | None = None) -> Worker:
    """Start a worker of the pool in a process, and a session, of its own; it writes to `log`, or to the terminal."""
    name = f"{platform.node() or 'worker'}-{uuid4().hex[:8]}"
    folder = Path(tempfile.mkdtemp(prefix="smartclide-worker-"))
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--limit", str(limit)]
    with log.open("ab") if log else nullcontext() as output:
        process = subprocess.Popen(
            [*command, "--name", name],
            cwd=ROOT, stdout=output, stderr=output,
            # Prefect's runner makes a folder of one name for all users of the machine in the temporary folder
            env={**_environment(), "TMPDIR": str(folder)},
            start_new_session=True,
        )  # fmt: skip
    return Worker(WORK_POOL, name, process, folder)


def _prefect(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=ROOT, env=_environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip


def _environment() -> dict[str, str]:
    from prefect.settings import get_current_settings

    return {**inherited(), **get_current_settings().to_environment_variables(exclude_unset=True)}


def serve_forever(limit: int, *, with_worker: bool) -> int:
    """Register everything, then run a worker until it is stopped; its exit code."""
    import click

    created = ensure_work_pool()
    click.echo(f"Work pool {WORK_POOL}: {'created' if created else 'there'}")
    register_blocks()
    click.echo("Block types: registered")
    deploy_all()
    click.echo("Prefect deployments of prefect.yaml: registered")
    if not with_worker:
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    worker = start_worker(limit)
    code = 0
    try:
        code = worker.process.wait()
    except KeyboardInterrupt:
        click.echo("Stopping: flow runs under way are cancelled, their Jenkins builds stopped (again: at once).")
    killed = stop(worker)
    for run in killed:
        click.echo(f"{run.name} did not end in time and was killed; it is marked Crashed.", err=True)
    return EXIT_FAILED if killed else code
