"""The commands that change what runs: deploy, rollback, undeploy, and the answers to what a build asks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from console.command_options import ENVIRONMENT, JSON, LOCAL, NO_WAIT, example
from errors import printable


@click.command(
    **example(
        "smartclide deploy group/app main -e staging\nsmartclide deploy group/app v1.2 -e production --set replicas=3"
    )
)
@click.argument("project")
@click.argument("ref", default="")
@ENVIRONMENT
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a descriptor key; dots nest.")
@click.option("--rebuild", is_flag=True, help="Build again although this commit was built.")
@click.option(
    "--retry-failed", "from_failed_stage", is_flag=True, help="Take a build that failed up again where it failed."
)
@click.option("--redeploy", is_flag=True, help="Deploy although just this release was rolled back by hand.")
@click.option(
    "--dry-run", is_flag=True, help="Show the Jenkinsfile's diagnostics and what would change; change nothing."
)
@click.option("--run-deploy-jobs", is_flag=True, help="Keep jobs that deploy by themselves.")
@click.option("--generate-pipeline", is_flag=True, help="Build the image only, where there is no .gitlab-ci.yml.")
@click.option("--strict", is_flag=True, help="Treat the interpreter's warnings as errors.")
@click.option(
    "--manual-jobs", type=click.Choice(["skip", "ask"]), help="Optional manual jobs; default: as the Environment says."
)
@LOCAL
@NO_WAIT
@JSON
def deploy(project: str, ref: str, environment: str, settings: Sequence[str], **options: Any) -> None:
    """Take PROJECT at REF (default: its default branch) to a running service in an Environment."""
    from console.runs import run
    from console.settings import parse_settings
    from tasks.hiding import bare

    how = {name: options.pop(name) for name in ("local", "no_wait", "as_json")}
    options = {name: value for name, value in options.items() if value is not None}
    parameters = {
        "project": bare(project), "ref": ref, "environment": environment, "descriptor": parse_settings(settings),
        "options": options,
    }  # fmt: skip
    run("deploy", parameters, **how)


@click.command(**example("smartclide rollback hello -e staging --revision 3"))
@click.argument("service")
@ENVIRONMENT
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    help="Revision to go back to; default: the last good one before the current.",
)
@LOCAL
@NO_WAIT
@JSON
def rollback(service: str, environment: str, revision: int | None, **how: bool) -> None:
    """Bring SERVICE back to an earlier revision."""
    from console.runs import run

    parameters = {"service": service, "environment": environment, "revision": revision}
    run("rollback", parameters, **how)


@click.command(**example("smartclide undeploy hello -e staging\nsmartclide undeploy hello -e staging --purge"))
@click.argument("service")
@ENVIRONMENT
@click.option(
    "--purge",
    is_flag=True,
    help="Remove the release history too, and what Jenkins has of the project, unless it is deployed elsewhere.",
)
@LOCAL
@NO_WAIT
@JSON
def undeploy(service: str, environment: str, purge: bool, **how: bool) -> None:
    """Remove SERVICE from an Environment; its history is kept unless --purge."""
    from console.runs import run

    parameters = {"service": service, "environment": environment, "purge": purge}
    run("undeploy", parameters, **how)


_COMMENT = click.option("--comment", default="", help="Why; kept with the release.")
_SUBMITTER = click.option("--submitter", help="Who decides; default: your login name.")
_VALUES = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="What the build asks for beside yes or no."
)


@click.command(**example("smartclide approve\nsmartclide approve 6f1c... --comment 'tested on staging'"))
@click.argument("run", required=False)
@_COMMENT
@_SUBMITTER
@_VALUES
@JSON
def approve(run: str | None, comment: str, submitter: str | None, settings: Sequence[str], as_json: bool) -> None:
    """Say yes to what a running build asks; without RUN, list what waits.

    RUN is the id of the paused run, or of the deployment that waits for it.
    """
    from console.approvals import show_waiting

    if run is None:
        show_waiting(as_json)
    else:
        _answer(run, "approve", (comment, submitter, settings), as_json)


@click.command(**example("smartclide reject 6f1c... --comment 'not before Monday'"))
@click.argument("run")
@_COMMENT
@_SUBMITTER
@JSON
def reject(run: str, comment: str, submitter: str | None, as_json: bool) -> None:
    """Say no to what a running build asks: an optional manual job is skipped, any other ends the build."""
    _answer(run, "reject", (comment, submitter, ()), as_json)


def _answer(run: str, decision: str, by: tuple[str, str | None, Sequence[str]], as_json: bool) -> None:
    from console.approvals import answer
    from console.settings import parse_pairs

    comment, submitter, settings = by
    one = answer(run, decision, comment, submitter, parse_pairs(settings))
    if as_json:
        click.echo(json.dumps({"flow_run_id": one.id, "question": one.question, "decision": decision}))
    else:
        click.echo(printable(f"{one.question} ({one.build}): {decision}"))


COMMANDS: tuple[click.Command, ...] = (deploy, rollback, undeploy, approve, reject)
