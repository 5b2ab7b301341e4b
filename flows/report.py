"""The `report` flow: from stored samples to tables, plots, files and artifacts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import pandas as pd
from prefect import flow, get_run_logger
from pydantic import Field

from blocks.environment import environment_names, load_environment
from errors import SmartClideError
from flows.parameters import run_name
from tasks.metrics.task import read_samples
from tasks.report.task import publish_report, summarise_samples, write_report
from tasks.rollout.publication import list_all_releases


@flow(
    name="report",
    flow_run_name=run_name,
    description="Write the report of a period: HTML with plots, Markdown, CSV, JSON, and artifacts.",
)
async def report(
    environment: str | None = None,
    hours: Annotated[float, Field(gt=0)] = 24.0,
    output: str | None = None,
) -> dict[str, str]:
    """Report on one Environment or on all.

    Args:
        environment: Name of one Environment; leave empty for all of them.
        hours: Length of the period that ends now.
        output: Folder or fsspec URL for the files; default: beside the samples.

    Returns:
        Path by file name; empty when there is no Environment.
    """
    names = [environment] if environment else await environment_names()
    if not names:
        get_run_logger().warning("There is no Environment yet: nothing to report. Make one with `smartclide init`.")
        return {}
    end = datetime.now(UTC)
    period = (end - timedelta(hours=hours), end)
    places = [(name, await load_environment(name)) for name in names]
    frames, releases, notes = [], [], []
    for name, place in places:
        frames.append(await read_samples(place.metrics, *period, name))
        try:
            releases += await list_all_releases(place.cluster, place.namespace, name)
        except SmartClideError as error:  # the samples are worth reporting all the same
            notes.append(f"Releases of {name} could not be read: {error.message}")
    samples = pd.concat(frames, ignore_index=True)
    made = await summarise_samples(samples, releases, period, notes)
    paths = await write_report(made, places[0][1].metrics, output)
    await publish_report(made, paths)
    return paths
