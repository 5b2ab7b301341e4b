"""Run a flow for a command: on a worker through the API, or in this process, and show how it goes."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Mapping
from typing import Any

import click
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_UI_URL
from rich.console import Console

from console.follow import RunResult, follow, quiet_logging, start_local, start_remote
from errors import InputError, printable

_ONE_AT_A_TIME = "Deployment concurrency limit reached."  # Prefect's own words
_BAD_INPUT = ("InputError: ", "InterpretationError: ")


def run(flow_name: str, parameters: Mapping[str, Any], *, local: bool, no_wait: bool, as_json: bool) -> None:
    """Start the flow run, follow it, print its result, and exit 1 when it failed."""
    if local:
        result = run_here(flow_name, parameters, Console(stderr=as_json))
    else:
        run_id = start_remote(flow_name, parameters)
        click.echo(f"Flow run: {run_link(run_id)}", err=as_json)
        if no_wait:
            if as_json:
                click.echo(json.dumps({"flow_run_id": str(run_id)}))
            return
        result = follow(run_id, Console(stderr=as_json))
    show_result(result, as_json)
    sys.exit(0 if result.ok else 2 if why(result).startswith(_BAD_INPUT) else 1)


def why(result: RunResult) -> str:
    """Prefect's message of a failed run without its preamble: ``ErrorClass: what went wrong``."""
    return result.message.removeprefix("Flow run encountered an exception: ")


def run_here(flow_name: str, parameters: Mapping[str, Any], console: Console) -> RunResult:
    """Run the flow in this process and follow it.

    Raises:
        InputError: The parameters do not fit the flow.
    """
    flow = getattr(importlib.import_module(f"flows.{flow_name}"), flow_name)
    try:
        with quiet_logging():
            flow.validate_parameters(dict(parameters))
    except ParameterTypeError as error:
        problems = "; ".join(line.removeprefix(" - ") for line in str(error).splitlines()[1:])
        raise InputError(f"The parameters of {flow_name} are not valid: {problems}.") from error
    with quiet_logging():
        local = start_local(flow, parameters)
        result = follow(local.run_id, console, local)
        local.join(timeout=10)
    return result


def run_link(run_id: object) -> str:
    """The run's page in the Prefect UI."""
    base = PREFECT_UI_URL.value()
    return f"{base}/runs/flow-run/{run_id}" if base else str(run_id)


def show_result(result: RunResult, as_json: bool) -> None:
    """Print what the flow handed back, or why it failed."""
    if as_json:
        click.echo(json.dumps({"flow_run_id": str(result.id), "state": result.state, "message": result.message,
                               "result": result.data}, indent=2))  # fmt: skip
        return
    if not result.ok:
        message = re.sub(r"^[A-Za-z]+Error: ", "", why(result))
        click.echo(printable(f"{result.state.capitalize()}: {message or 'see its log in the Prefect UI'}"), err=True)
        if message == _ONE_AT_A_TIME:
            click.echo("Another run of it, by schedule perhaps, is under way. Add --local for one beside it.", err=True)
    rows = result.data if isinstance(result.data, list) else []
    from console.views import print_record, print_rows

    if len(rows) == 1:
        print_record(rows[0])
    else:
        print_rows(rows)
