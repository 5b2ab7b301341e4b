"""The store of samples: Parquet files under an fsspec URL, one folder a day and Environment, one file an append."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.metrics.frames import DTYPES, distinct, frame
from tasks.storing import Store, storing


def append(store: Store, samples: pd.DataFrame) -> list[str]:
    """Write samples; returns the paths written. A file appears whole or not at all: it is moved into place.

    Raises:
        SmartClideError: The store cannot be written.
    """
    with storing(store):
        return _append(store, samples)


def _append(store: Store, samples: pd.DataFrame) -> list[str]:
    filesystem, root = store.get_client()
    written = []
    groups = samples.groupby([samples["sampled_at"].dt.strftime("%Y-%m-%d"), "environment"], sort=True)
    for (day, environment), part in groups:
        folder = f"{root}/{day}/{environment}"
        path = f"{folder}/{datetime.now(UTC):%H%M%S%f}-{uuid.uuid4().hex[:8]}.parquet"
        filesystem.makedirs(folder, exist_ok=True)
        with filesystem.open(f"{path}.part", "wb") as file:
            pq.write_table(pa.Table.from_pandas(part, preserve_index=False), file, compression="zstd")
        filesystem.mv(f"{path}.part", path)
        written.append(path)
    return written


def read(store: Store, start: datetime, end: datetime, environment: str | None = None) -> pd.DataFrame:
    """Samples with start <= sampled_at < end, distinct and in time order; an empty frame when there are none.

    Args:
        store: Where.
        start: Aware datetime.
        end: Aware datetime.
        environment: Only this Environment's; None for all.

    Raises:
        SmartClideError: The store cannot be read.
    """
    with storing(store):
        parts = _parts(store, start, end, environment)
    if not parts:
        return frame([])
    samples = pd.concat(parts, ignore_index=True).astype(DTYPES)
    return distinct(samples[(samples["sampled_at"] >= start) & (samples["sampled_at"] < end)])


def _parts(store: Store, start: datetime, end: datetime, environment: str | None) -> list[pd.DataFrame]:
    filesystem, root = store.get_client()
    files: list[str] = []
    day = start.astimezone(UTC).date()
    while day <= end.astimezone(UTC).date():
        files += filesystem.glob(f"{root}/{day}/{environment or '*'}/*.parquet")
        day += timedelta(days=1)
    parts = []
    for path in sorted(files):
        with filesystem.open(path, "rb") as file:
            parts.append(pq.read_table(file).to_pandas())
    return parts
