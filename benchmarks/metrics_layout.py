"""Why samples are wide (a row a pod) and not tidy (a row a measure): size on disk and time to read, as ratios.

One day of 20 pods, a sample a minute, the same figures in both layouts.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.metrics.frames import frame

PODS, MINUTES = 20, 24 * 60
MEASURES = ["cpu_cores", "memory_bytes", "network_rx_bytes", "network_tx_bytes", "restarts", "desired",
            "cpu_request_cores", "cpu_limit_cores", "memory_request_bytes", "memory_limit_bytes"]  # fmt: skip
KEYS = ["sampled_at", "time", "environment", "namespace", "service", "revision", "pod", "pod_uid", "node", "image"]


def wide() -> pd.DataFrame:
    random = np.random.default_rng(1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = []
    for minute in range(MINUTES):
        at = (start + timedelta(minutes=minute)).isoformat()
        for pod in range(PODS):
            rows.append({"sampled_at": at, "time": at, "network_time": at, "environment": "staging", "namespace": "n",
                         "service": f"s{pod // 2}", "revision": 1, "pod": f"s{pod // 2}-7d9f-{pod}",
                         "pod_uid": f"00000000-0000-0000-0000-{pod:012d}", "node": f"node-{pod % 3}",
                         "image": "registry/app@sha256:" + "0" * 64, "phase": "Running", "ready": True, "restarts": 0,
                         "desired": 2, "cpu_cores": random.random(), "memory_bytes": random.random() * 1e8,
                         "network_rx_bytes": minute * 1000.0 + pod, "network_tx_bytes": minute * 2000.0 + pod,
                         "cpu_request_cores": 0.1, "cpu_limit_cores": 0.5, "memory_request_bytes": 2.0**26,
                         "memory_limit_bytes": 2.0**27, "source": "kubelet", "gap": ""})  # fmt: skip
    return frame(rows)


def best(action, tries: int = 5) -> float:
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    samples = wide()
    tidy = samples.melt(id_vars=KEYS, value_vars=MEASURES, var_name="measure", value_name="value")
    tidy["value"] = tidy["value"].astype("float64")
    with TemporaryDirectory() as folder:
        paths = {"wide": Path(folder, "wide.parquet"), "tidy": Path(folder, "tidy.parquet")}
        for name, table in (("wide", samples), ("tidy", tidy)):
            pq.write_table(pa.Table.from_pandas(table, preserve_index=False), paths[name], compression="zstd")
        sizes = {name: path.stat().st_size for name, path in paths.items()}
        reads = {name: best(lambda p=path: pq.read_table(p).to_pandas()) for name, path in paths.items()}

    def mean_wide():
        samples.groupby("service")["cpu_cores"].mean()

    def mean_tidy():
        tidy[tidy["measure"] == "cpu_cores"].groupby("service")["value"].mean()

    queries = {"wide": best(mean_wide), "tidy": best(mean_tidy)}
    print(f"metrics layout, {len(samples)} samples of a pod:")
    print(f"  size on disk   tidy / wide = {sizes['tidy'] / sizes['wide']:.1f}  ({sizes['wide'] / 2**20:.2f} MiB wide)")
    print(f"  time to read   tidy / wide = {reads['tidy'] / reads['wide']:.1f}  ({reads['wide'] * 1000:.0f} ms wide)")
    print(f"  mean CPU       tidy / wide = {queries['tidy'] / queries['wide']:.1f}")


if __name__ == "__main__":
    main()
