"""The `monitor` flow: samples what runs, on a schedule, into the store."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pandas as pd
from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from pydantic import Field

from blocks.environment import Environment, environment_names, load_environment
from errors import SmartClideError
from flows.parameters import run_name
from tasks.metrics.frames import with_rates
from tasks.metrics.task import sample_services, store_samples


@flow(
    name="monitor",
    flow_run_name=run_name,
    description="Sample CPU, RAM, network and status of every deployed service.",
)
async def monitor(
    environment: str | None = None,
    samples: Annotated[int, Field(ge=1, le=10_000)] = 5,
    interval: Annotated[
        float, Field(ge=0, title="Interval", description="Seconds from one sample to the next.")
    ] = 60.0,
) -> int:
    """Take `samples` samples, `interval` seconds apart.

    One Environment that cannot be asked does not keep the others from being sampled; the run fails at the end.

    Args:
        environment: Name of one Environment; leave empty for all of them.
        samples: How many samples to take.
        interval: Seconds from one sample to the next.

    Returns:
        How many rows were stored.
    """
    names = [environment] if environment else await environment_names()
    if not names:
        get_run_logger().warning("There is no Environment yet: nothing to sample. Make one with `smartclide init`.")
        return 0
    places = [(name, await load_environment(name)) for name in names]
    loop = asyncio.get_running_loop()
    begin = loop.time()
    last: list[pd.DataFrame] = []
    rows = 0
    failures: dict[str, str] = {}
    for number in range(samples):
        await asyncio.sleep(max(0.0, begin + number * interval - loop.time()))
        results = await asyncio.gather(*(_sample_one(*place) for place in places), return_exceptions=True)
        for name, result in zip(names, results, strict=True):
            if isinstance(result, SmartClideError):
                failures[name] = str(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                rows += len(result)
                last.append(result)
    if last:
        await acreate_table_artifact(_overview(last), key="result-monitor", description="The last sample of each pod.")
    if failures:
        raise SmartClideError("; ".join(f"{name}: {why}" for name, why in failures.items()))
    return rows


async def _sample_one(name: str, place: Environment) -> pd.DataFrame:
    frame = await sample_services(place.cluster, name, place.namespace)
    if not frame.empty:
        await store_samples(place.metrics, frame)
    get_run_logger().info("%s: %d rows, %d with gaps", name, len(frame), int((frame["gap"] != "").sum()))
    return frame


def _overview(frames: list[pd.DataFrame]) -> list[dict[str, Any]]:
    """The last sample of each Environment, with rates from the samples of this run, as a reader sees it."""
    everything = with_rates(pd.concat(frames, ignore_index=True))
    last = everything.groupby("environment")["sampled_at"].transform("max")
    newest = everything[everything["sampled_at"] == last]
    return [
        {
            "environment": row["environment"],
            "service": row["service"],
            "pod": row["pod"] or "none",
            "status": f"{row['phase'] or 'no pods'}{', ready' if row['ready'] else ''}",
            "CPU cores": _figure(row["cpu_cores"], 4),
            "memory MiB": _figure(row["memory_bytes"] / 2**20, 1),
            "received B/s": _figure(row["network_rx_rate"], 0),
            "sent B/s": _figure(row["network_tx_rate"], 0),
            "restarts": _figure(row["restarts"], 0),
            "gap": row["gap"],
        }
        for row in newest.to_dict("records")
    ]


def _figure(value: float, digits: int) -> float | None:
    """A number, so that whoever reads the result can reckon with it; None where there is no data."""
    if pd.isna(value):
        return None
    return round(float(value), digits) if digits else round(float(value))
