import math
from datetime import UTC, datetime, timedelta

import pandas as pd

from tasks.metrics.frames import DTYPES, distinct, frame, with_rates

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def row(seconds, uid="u1", rx=None, tx=None, **more):
    at = (T0 + timedelta(seconds=seconds)).isoformat()
    counters = {"network_time": at, "network_rx_bytes": rx, "network_tx_bytes": tx} if rx is not None else {}
    return {"sampled_at": at, "time": at, "environment": "e", "service": "s", "pod": f"p-{uid}", "pod_uid": uid,
            **counters, **more}  # fmt: skip


def test_an_empty_frame_has_the_documented_columns_and_dtypes():
    assert {name: str(dtype) for name, dtype in frame([]).dtypes.items()} == DTYPES


def test_missing_measures_are_gaps_not_zeros():
    table = frame([row(0, cpu_cores=0.5), row(1)])
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == DTYPES
    assert table["cpu_cores"][0] == 0.5
    assert math.isnan(table["cpu_cores"][1])
    assert math.isnan(table["network_rx_bytes"][0])
    assert table["restarts"][0] is pd.NA
    assert not table["ready"].any()


def rates(*rows):
    table = with_rates(frame(rows))
    return [None if math.isnan(x) else x for x in table["network_rx_rate"]]


def test_rates_are_bytes_per_second_and_the_first_is_a_gap():
    assert rates(row(0, rx=100, tx=0), row(10, rx=300, tx=0), row(15, rx=300, tx=0)) == [None, 20.0, 0.0]


def test_a_counter_that_went_back_has_no_rate_and_the_next_one_has():
    assert rates(row(0, rx=500, tx=0), row(10, rx=20, tx=0), row(20, rx=40, tx=0)) == [None, None, 2.0]


def test_two_pods_are_never_compared():
    assert rates(row(0, "a", rx=0, tx=0), row(5, "b", rx=1000, tx=0), row(10, "a", rx=100, tx=0)) == [None, None, 10.0]


def test_a_sample_that_the_source_repeats_has_no_rate():
    same = row(0, rx=100, tx=0)
    assert rates(same, {**same, "sampled_at": (T0 + timedelta(seconds=30)).isoformat()}) == [None, None]


def test_a_missing_counter_breaks_the_series():
    assert rates(row(0, rx=0, tx=0), row(10), row(20, rx=100, tx=0))[1:] == [None, 5.0]


def test_exact_repetitions_are_dropped():
    assert len(distinct(frame([row(0), row(0), row(1)]))) == 2
