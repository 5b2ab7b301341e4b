"""What is deployed: ``smartclide status`` and ``smartclide history``, read from the cluster itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from blocks.environment import Environment
from console.patience import saved_environment
from errors import NotFoundError, printable
from tasks.rollout import operations, services
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.history import ReleaseRecord
from tasks.rollout.status import ServiceStatus

_HEALTHY = {"running", "stopped"}


def show_status(environment: str, service: str | None, as_json: bool) -> bool:
    """Print how services are now; whether all are healthy.

    Raises:
        NotFoundError: No such service.
    """
    place = saved_environment(environment)
    found = _statuses(place, environment, service)
    if service and not found:
        raise NotFoundError(f"Environment {environment} runs no service {service!r}.")
    if as_json:
        click.echo(json.dumps([asdict(status) for status in found], indent=2))
    elif not found:
        click.echo(f"Environment {environment} runs no services yet.")
    for status in [] if as_json else found:
        click.echo(
            f"{status.service}: {status.state}, revision {status.revision}, {status.ready} of {status.desired} ready"
        )
        click.echo(f"  image {status.image}")
        print_rows([
            {"pod": p.name, "phase": p.phase, "ready": "yes" if p.ready else "no", "restarts": p.restarts,
             "revision": p.revision, "node": p.node, "last end": p.last_termination}
            for p in status.pods
        ])  # fmt: skip
    return all(status.state in _HEALTHY for status in found)


def show_history(environment: str, service: str, as_json: bool) -> None:
    """Print the releases of a service, newest first.

    Raises:
        NotFoundError: None is recorded.
    """
    place = saved_environment(environment)
    client = ClusterClient(place.cluster)
    try:
        identity = services.identity_of(client, place.namespace, environment, service)
        found = sorted(operations.records(client, identity), key=lambda r: -r.revision)
    finally:
        client.close()
    if as_json:
        click.echo(json.dumps([{k: v for k, v in asdict(r).items() if k != "manifests"} for r in found], indent=2))
    else:
        print_rows([_release_row(record) for record in found])


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print mappings with the same keys as a table."""
    if not rows:
        return
    console = Console()
    if not console.is_terminal:
        console.width = 200
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in rows[0]:
        table.add_column(str(title), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else printable(str(value))) for value in row.values()))
    console.print(table)


def print_record(row: Mapping[str, Any]) -> None:
    """Print one mapping, a line a key."""
    width = max(len(str(key)) for key in row)
    for key, value in row.items():
        click.echo(printable(f"{key:<{width}}  {value}"))


def _statuses(place: Environment, environment: str, service: str | None) -> list[ServiceStatus]:
    client = ClusterClient(place.cluster)
    try:
        identities = services.identities(client, place.namespace, environment)
        return [operations.status(client, one) for one in identities if service in (None, one.service)]
    finally:
        client.close()


def _release_row(record: ReleaseRecord) -> dict[str, Any]:
    return {
        "revision": record.revision,
        "state": record.state,
        "commit": record.commit_sha[:8],
        "ref": record.ref,
        "image": record.image,
        "finished": record.finished,
        "cause": record.cause.splitlines()[0] if record.cause else "",
    }
