"""What a team reads first: one row for each service. Pure: samples in, a table out."""

from __future__ import annotations

import pandas as pd

from tasks.metrics.frames import with_rates
from tasks.report.availability import availability

_SERVICE = ["environment", "service"]


def summarise(samples: pd.DataFrame) -> pd.DataFrame:
    """One row for each service.

    Args:
        samples: As `tasks.metrics.frames` documents.

    Returns:
        environment, service, samples, available_share, complete_share, down_samples; of single pods:
        cpu_mean_cores, cpu_p95_cores, cpu_max_cores, cpu_of_request and cpu_of_limit (p95 as a share),
        memory_mean_bytes, memory_max_bytes, memory_of_request and memory_of_limit (maximum as a share); of the whole
        service: network_rx_rate and network_tx_rate (mean bytes/s), restarts (in the period), pods (distinct),
        gaps (rows with a missing measure) and gap_reasons. Figures without data are NaN.
    """
    table = availability(samples)
    if table.empty:
        return table
    pods = with_rates(samples[samples["pod"] != ""])
    grouped = pods.groupby(_SERVICE)
    usage = pd.DataFrame(
        {
            "cpu_mean_cores": grouped["cpu_cores"].mean(),
            "cpu_p95_cores": grouped["cpu_cores"].quantile(0.95),
            "cpu_max_cores": grouped["cpu_cores"].max(),
            "memory_mean_bytes": grouped["memory_bytes"].mean(),
            "memory_max_bytes": grouped["memory_bytes"].max(),
            "pods": grouped["pod_uid"].nunique(),
        }
    )
    newest = pods.sort_values("sampled_at").groupby(_SERVICE).last()
    usage["cpu_of_request"] = usage["cpu_p95_cores"] / newest["cpu_request_cores"]
    usage["cpu_of_limit"] = usage["cpu_p95_cores"] / newest["cpu_limit_cores"]
    usage["memory_of_request"] = usage["memory_max_bytes"] / newest["memory_request_bytes"]
    usage["memory_of_limit"] = usage["memory_max_bytes"] / newest["memory_limit_bytes"]
    for direction in ("rx", "tx"):
        usage[f"network_{direction}_rate"] = _service_rate(pods, f"network_{direction}_rate")
    usage["restarts"] = _restarts(pods)
    table = table.merge(usage.reset_index(), on=_SERVICE, how="left")
    return table.merge(_gaps(samples), on=_SERVICE, how="left")


def _service_rate(pods: pd.DataFrame, column: str) -> pd.Series:
    """Mean over samples of the sum over pods; a sample in which no pod has a rate does not count."""
    at_once = pods.groupby([*_SERVICE, "sampled_at"])[column].sum(min_count=1)
    return at_once.groupby(_SERVICE).mean()


def _restarts(pods: pd.DataFrame) -> pd.Series:
    """Restarts seen in the period: the rise of each pod's count since its first sample."""
    per_pod = pods.sort_values("sampled_at").groupby([*_SERVICE, "pod_uid"])["restarts"]
    return (per_pod.max() - per_pod.first()).groupby(_SERVICE).sum()


def _gaps(samples: pd.DataFrame) -> pd.DataFrame:
    rows = samples.assign(has_gap=(samples["gap"] != "").astype(int))
    grouped = rows.groupby(_SERVICE)
    reasons = rows[rows["gap"] != ""].groupby(_SERVICE)["gap"].agg(lambda texts: "; ".join(sorted(set(texts))[:3]))
    result = pd.DataFrame({"gaps": grouped["has_gap"].sum()})
    result["gap_reasons"] = reasons
    result["gap_reasons"] = result["gap_reasons"].fillna("")
    return result.reset_index()
