"""The commands that watch what runs: monitor, report, status, history."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from console.command_options import ENVIRONMENT, EXIT_FAILED, JSON, LOCAL, NO_WAIT, example


@click.command(**example("smartclide monitor -e staging --samples 3 --interval 10"))
@click.option("-e", "--environment", envvar="SMARTCLIDE_ENVIRONMENT", help="Only this Environment; default: all.")
@click.option(
    "--samples", default=5, show_default=True, type=click.IntRange(1, 10_000), help="How many samples to take."
)
@click.option("--interval", default=60.0, show_default=True, type=click.FloatRange(min=0), help="Seconds between them.")
@LOCAL
@NO_WAIT
@JSON
def monitor(environment: str | None, samples: int, interval: float, **how: bool) -> None:
    """Sample CPU, RAM, network and status of the deployed services."""
    from console.runs import run

    parameters = {"environment": environment, "samples": samples, "interval": interval}
    run("monitor", parameters, **how)


@click.command(**example("smartclide report -e staging --hours 24 -o reports/"))
@click.option("-e", "--environment", envvar="SMARTCLIDE_ENVIRONMENT", help="Only this Environment; default: all.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Period.")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files.")
@LOCAL
@NO_WAIT
@JSON
def report(environment: str | None, hours: float, output: Path | None, **how: bool) -> None:
    """Write the report: HTML with plots, Markdown, CSV and JSON."""
    from console.runs import run

    folder = str(output.resolve()) if output else None
    parameters = {"environment": environment, "hours": hours, "output": folder}
    run("report", parameters, **how)


@click.command(**example("smartclide status hello -e staging --json"))
@click.argument("service", required=False)
@ENVIRONMENT
@JSON
def status(service: str | None, environment: str, as_json: bool) -> None:
    """Show how SERVICE (or every service) in an Environment is doing now; exit code 1 if one is not healthy."""
    from console.views import show_status

    sys.exit(0 if show_status(environment, service, as_json) else EXIT_FAILED)


@click.command(**example("smartclide history hello -e staging"))
@click.argument("service")
@ENVIRONMENT
@JSON
def history(service: str, environment: str, as_json: bool) -> None:
    """List the releases of SERVICE, newest first."""
    from console.views import show_history

    show_history(environment, service, as_json)


COMMANDS: tuple[click.Command, ...] = (monitor, report, status, history)
