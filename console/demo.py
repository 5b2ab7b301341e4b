"""``make demo``: the main job, end to end, on this machine: sandbox, Prefect server, deploy, monitor, report."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from console.sandboxing import STAND_INS
from console.server import PrefectServer
from errors import InputError, printable
from sandbox.launcher import EXAMPLE_PROJECT, SandboxState, start_background, stop_background

ENVIRONMENT = "demo"
_SAMPLES, _INTERVAL = 3, 3.0


def run_demo(home: Path, *, engine: str = "builtin", keep: bool = False) -> int:
    """Run the demo in a folder of its own, emptied first; the exit code.

    Everything it starts is stopped at the end, and on Ctrl-C, unless `keep` holds it up until Ctrl-C.
    """
    console = Console(highlight=False)
    home = home.resolve()
    home.parent.mkdir(parents=True, exist_ok=True)
    lock = (home.parent / f"{home.name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise InputError(
            f"Another demo runs in {home}.", remedy="End it, or name another folder with --home."
        ) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as cleanup:
        cleanup.callback(lock.close)
        stop_background(home / "sandbox")
        shutil.rmtree(home, ignore_errors=True)
        begin = time.monotonic()
        console.print(f"[bold]SmartCLIDE demo[/]  {STAND_INS}", soft_wrap=True)
        server = cleanup.enter_context(PrefectServer(home / "prefect"))
        os.environ.update(server.environment())
        cleanup.callback(stop_background, home / "sandbox")
        cleanup.push(_hush)
        state = start_background(home / "sandbox", engine="docker" if engine == "docker" else "builtin")
        console.print(f"  GitLab {state.gitlab_url}   Jenkins {state.jenkins_url}   registry {state.registry}   "
                      f"Kubernetes {state.kubernetes_url}", soft_wrap=True)  # fmt: skip
        with console.status("Waiting for the Prefect server to start"):
            server.wait()
        console.print(f"  Prefect UI {server.ui_url}  (started in {time.monotonic() - begin:.0f} s)\n")
        ok = _run_flows(console, home, state, server)
        console.print(f"\nThe demo took {time.monotonic() - begin:.0f} s.")
        if keep:
            _keep(console, server, state, cleanup)
        else:
            console.print("Its servers stop now; `make demo DEMO=--keep` leaves them up to look at.")
        return 0 if ok else 1


def _hush(kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None) -> None:
    """After Ctrl-C the flow's thread lives until the process ends: that it misses its servers is no news."""
    if kind is not None and issubclass(kind, KeyboardInterrupt):
        click.echo("Stopping what was started ...", err=True)
        logging.disable(logging.CRITICAL)
        logging.getLogger("prefect._internal.concurrency").disabled = True  # Prefect's own kind, which asks nobody


def _run_flows(console: Console, home: Path, state: SandboxState, server: PrefectServer) -> bool:
    from console.sandboxing import save_environment

    save_environment(ENVIRONMENT, state, metrics_url=f"file://{home}/metrics")
    deploy = _run(console, "deploy", {"project": EXAMPLE_PROJECT, "ref": "main", "environment": ENVIRONMENT})
    if not deploy.ok:
        console.print(Text(printable(deploy.message), style="red"))
        return False
    monitor = _run(console, "monitor", {"environment": ENVIRONMENT, "samples": _SAMPLES, "interval": _INTERVAL})
    report = _run(console, "report", {"environment": ENVIRONMENT, "hours": 1.0, "output": str(home / "report")})
    _show(console, server, deploy, monitor, report)
    return bool(monitor.ok and report.ok)


def _run(console: Console, flow_name: str, parameters: Mapping[str, Any]) -> Any:
    from console.runs import run_here

    result = run_here(flow_name, parameters, console)
    console.print()
    return result


def _show(console: Console, server: PrefectServer, deploy: Any, monitor: Any, report: Any) -> None:
    from console.views import print_rows, show_status

    released = deploy.data[0] if deploy.data else {}
    console.print("[bold]Released[/]")
    console.print(f"  image    {released.get('image', '?')}", soft_wrap=True)
    console.print(f"  run      {server.ui_url}/runs/flow-run/{deploy.id}", soft_wrap=True)
    console.print("\n[bold]Status[/]")
    show_status(ENVIRONMENT, None, as_json=False)
    console.print("\n[bold]CPU, RAM, network[/] (the last of three samples)")
    print_rows(monitor.data or [])
    files = {row["file"]: row["path"] for row in report.data or []}
    console.print("\n[bold]Report[/]")
    console.print(f"  {files.get('report.html', '?')}", soft_wrap=True)


def _keep(console: Console, server: PrefectServer, state: SandboxState, cleanup: ExitStack) -> None:
    from console.serve import deploy_all, ensure_work_pool, register_blocks, start_worker
    from console.stopping import stop

    with console.status("Registering the Prefect deployments"):
        ensure_work_pool()
        register_blocks()
        deploy_all()
        log = server.home / "worker.log"
        cleanup.callback(stop, start_worker(log=log))
    console.print("\nAll of it stays up, with a worker, until you press Ctrl-C:")
    console.print(f"  Prefect UI {server.ui_url}\n  Jenkins    {state.jenkins_url}")
    console.print(f"  In another terminal: export PREFECT_API_URL={server.api_url}", soft_wrap=True)
    console.print(
        f"                       .venv/bin/smartclide deploy {EXAMPLE_PROJECT} main -e {ENVIRONMENT} --rebuild",
        soft_wrap=True,
    )
    console.print(f"  The worker's log: {log}", soft_wrap=True)
    try:
        asyncio.run(asyncio.Event().wait())
    except KeyboardInterrupt:
        console.print("Cleaning up; flow runs under way are cancelled first.")
