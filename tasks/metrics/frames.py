"""Samples as one DataFrame: fixed columns, dtypes and units; rates derived on reading.

Layout: wide, one row for each pod and sample. A tidy layout (one row a measure) of the same samples takes as many
bytes and about four times as long to read; ``benchmarks/metrics_layout.py`` prints the ratios.
A service without any pod has one row with an empty `pod`, so that an outage shows.

=====================  ===================  ==========================================================================
Column                 dtype                Meaning, unit
=====================  ===================  ==========================================================================
sampled_at             datetime64[us, UTC]  when we asked: the same for all rows of one sample
time                   datetime64[us, UTC]  source's time of CPU and memory; `sampled_at` where none
environment            string               name of the Environment
namespace              string               Kubernetes namespace
service                string               name of the service
revision               Int64                revision of the release the pod belongs to
pod                    string               pod name; empty for a service without pods
pod_uid                string               pod UID; counters are comparable only within one
node                   string               node name; empty while unscheduled
image                  string               image the pod runs, by digest where the node tells
phase                  string               Pending, Running, Succeeded, Failed, Unknown; empty without a pod
ready                  bool                 the pod's Ready condition
restarts               Int64                restarts of its containers, summed
desired                Int64                replicas the Deployment asks for
cpu_cores              float64              CPU in use, cores
memory_bytes           float64              memory working set, bytes
network_time           datetime64[us, UTC]  time of the network counters
network_rx_bytes       float64              bytes received since the pod's start: a raw counter
network_tx_bytes       float64              bytes sent since the pod's start: a raw counter
cpu_request_cores      float64              sum of the containers' CPU requests, cores
cpu_limit_cores        float64              sum of the containers' CPU limits, cores; NaN when one has none
memory_request_bytes   float64              likewise, bytes
memory_limit_bytes     float64              likewise, bytes
source                 string               kubelet, metrics.k8s.io, or none
gap                    string               why a measure is missing; empty when none is
=====================  ===================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

DTYPES: dict[str, Any] = {  # Any: the stubs know dtypes as literals only
    "sampled_at": "datetime64[us, UTC]",
    "time": "datetime64[us, UTC]",
    "environment": "string",
    "namespace": "string",
    "service": "string",
    "revision": "Int64",
    "pod": "string",
    "pod_uid": "string",
    "node": "string",
    "image": "string",
    "phase": "string",
    "ready": "bool",
    "restarts": "Int64",
    "desired": "Int64",
    "cpu_cores": "float64",
    "memory_bytes": "float64",
    "network_time": "datetime64[us, UTC]",
    "network_rx_bytes": "float64",
    "network_tx_bytes": "float64",
    "cpu_request_cores": "float64",
    "cpu_limit_cores": "float64",
    "memory_request_bytes": "float64",
    "memory_limit_bytes": "float64",
    "source": "string",
    "gap": "string",
}
KEY = ["sampled_at", "environment", "service", "pod"]


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of the documented shape.

    Args:
        rows: One mapping for each row; absent measures may be left out or None.

    Returns:
        Columns and dtypes as in the table above, a fresh RangeIndex.
    """
    table = pd.DataFrame(list(rows), columns=list(DTYPES))
    table["ready"] = [value is True for value in table["ready"]]
    for column, dtype in DTYPES.items():
        if dtype.startswith("datetime"):
            table[column] = pd.to_datetime(table[column], utc=True, format="ISO8601").astype(dtype)
        elif dtype == "string":
            table[column] = table[column].astype("string").fillna("")
        elif dtype == "float64":
            table[column] = pd.to_numeric(table[column]).astype("float64")
        else:
            table[column] = table[column].astype(dtype)
    return table


def distinct(samples: pd.DataFrame) -> pd.DataFrame:
    """Rows without exact repetitions, in time order."""
    return samples.drop_duplicates(KEY, keep="last").sort_values(KEY, kind="stable").reset_index(drop=True)


def with_rates(samples: pd.DataFrame) -> pd.DataFrame:
    """Samples with ``network_rx_rate`` and ``network_tx_rate`` in bytes/s.

    Counters are compared only within one pod UID. The first sample of a pod has no rate; neither has one whose
    counter went back (the pod's network was reset) or whose time did not advance: those stay NaN.
    """
    ordered = samples.sort_values(["pod_uid", "network_time"], kind="stable").copy()
    same = ordered["pod_uid"] == ordered["pod_uid"].shift()
    seconds = ordered["network_time"].diff().dt.total_seconds()
    for direction in ("rx", "tx"):
        delta = ordered[f"network_{direction}_bytes"].diff()
        usable = same & (ordered["pod_uid"] != "") & (seconds > 0) & (delta >= 0)
        ordered[f"network_{direction}_rate"] = (delta / seconds).where(usable.fillna(False).astype(bool))
    return ordered.sort_index()
