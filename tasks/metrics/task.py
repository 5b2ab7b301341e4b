"""Prefect tasks of the metrics step."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.cluster import Cluster
from blocks.metrics_store import MetricsStore
from tasks.metrics import store as sample_store
from tasks.metrics.sampling import Scope, take_sample
from tasks.retrying import TRANSIENT
from tasks.rollout.cluster import ClusterClient


@task(
    name="sample services",
    task_run_name="sample {environment}",
    cache_policy=NO_CACHE,
    timeout_seconds=120,
    **TRANSIENT,
)
async def sample_services(cluster: Cluster, environment: str, namespace: str) -> pd.DataFrame:
    """One sample of every service of an Environment; a frame as `tasks.metrics.frames` documents."""

    def work() -> pd.DataFrame:
        client = ClusterClient(cluster)
        try:
            return take_sample(client, Scope(environment, namespace))
        finally:
            client.close()

    return await asyncio.to_thread(work)


@task(name="store samples", cache_policy=NO_CACHE, timeout_seconds=120, **TRANSIENT)
async def store_samples(store: MetricsStore, samples: pd.DataFrame) -> list[str]:
    """Append samples to the store; the paths written."""
    return await asyncio.to_thread(sample_store.append, store, samples)


@task(
    name="read samples",
    task_run_name="read samples of {environment}",
    cache_policy=NO_CACHE,
    timeout_seconds=300,
    **TRANSIENT,
)
async def read_samples(store: MetricsStore, start: datetime, end: datetime, environment: str) -> pd.DataFrame:
    """Samples with start <= sampled_at < end of one Environment."""
    return await asyncio.to_thread(sample_store.read, store, start, end, environment)
