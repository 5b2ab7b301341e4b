from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from blocks.metrics_store import MetricsStore
from tasks.metrics import store
from tasks.metrics.frames import DTYPES, frame

T0 = datetime(2026, 1, 1, 23, 58, tzinfo=UTC)


def sample(minutes, environment="staging", cpu=0.1):
    at = (T0 + timedelta(minutes=minutes)).isoformat()
    return frame([{"sampled_at": at, "time": at, "environment": environment, "service": "hello", "pod": "p",
                   "pod_uid": "u", "cpu_cores": cpu, "ready": True, "restarts": 1}])  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return MetricsStore(url=f"file://{tmp_path}/metrics")


def test_what_was_appended_is_read_back_in_order_across_midnight(folder):
    for minutes, cpu in ((5, 0.3), (0, 0.1), (1, 0.2)):
        store.append(folder, sample(minutes, cpu=cpu))
    read = store.read(folder, T0, T0 + timedelta(hours=1))
    assert list(read["cpu_cores"]) == [0.1, 0.2, 0.3]
    assert {name: str(dtype) for name, dtype in read.dtypes.items()} == DTYPES
    assert read["restarts"].tolist() == [1, 1, 1]


def test_the_period_is_half_open_and_environments_are_kept_apart(folder):
    for minutes in range(4):
        store.append(folder, sample(minutes))
    store.append(folder, sample(1, "production"))
    read = store.read(folder, T0 + timedelta(minutes=1), T0 + timedelta(minutes=3), "staging")
    assert [t.minute for t in read["sampled_at"]] == [59, 0]
    assert len(store.read(folder, T0, T0 + timedelta(hours=1))) == 5


def test_appending_the_same_sample_twice_counts_once(folder):
    store.append(folder, sample(0))
    store.append(folder, sample(0))
    assert len(store.read(folder, T0, T0 + timedelta(hours=1))) == 1


def test_one_append_of_several_days_and_environments_is_split_and_loses_nothing(folder):
    many = pd.concat([sample(0), sample(5), sample(5, "production")], ignore_index=True)
    assert len(store.append(folder, many)) == 3
    assert len(store.read(folder, T0, T0 + timedelta(hours=1))) == 3


def test_a_half_written_file_is_not_read(folder, tmp_path):
    [path] = store.append(folder, sample(0))
    (tmp_path / "metrics/2026-01-01/staging/x.parquet.part").write_bytes(b"half")
    assert path.endswith(".parquet")
    assert len(store.read(folder, T0, T0 + timedelta(hours=1))) == 1


def test_an_empty_store_reads_as_an_empty_frame(folder):
    read = store.read(folder, T0, T0 + timedelta(hours=1))
    assert read.empty
    assert {name: str(dtype) for name, dtype in read.dtypes.items()} == DTYPES
