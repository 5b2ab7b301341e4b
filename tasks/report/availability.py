"""Whether services were there: shares of samples, per service. Pure.

A sample counts as *available* when at least one pod was ready, as *complete* when all desired replicas were, and as
*down* when none was. Time without samples is not counted either way; `samples` says how much was seen.
"""

from __future__ import annotations

import pandas as pd

COLUMNS = ["environment", "service", "samples", "available_share", "complete_share", "down_samples"]


def ready_counts(samples: pd.DataFrame) -> pd.DataFrame:
    """Ready pods and desired replicas of each service at each sample.

    Returns:
        Columns environment, service, sampled_at, ready (int), desired (int; 0 where not known).
    """
    rows = samples.assign(ready_pod=(samples["ready"] & (samples["pod"] != "")).astype(int))
    grouped = rows.groupby(["environment", "service", "sampled_at"], as_index=False)
    counts = grouped.agg(ready=("ready_pod", "sum"), desired=("desired", "max"))
    return counts.assign(desired=counts["desired"].fillna(0).astype(int))


def availability(samples: pd.DataFrame) -> pd.DataFrame:
    """Availability of each service over the samples.

    Returns:
        One row for each service: environment, service, samples (count), available_share and complete_share
        (0 to 1), down_samples (count). Services scaled to zero on purpose count as complete, not as down.
    """
    counts = ready_counts(samples)
    if counts.empty:
        return pd.DataFrame(columns=COLUMNS)
    wanted = counts["desired"] > 0
    counts["available"] = (counts["ready"] > 0) | ~wanted
    counts["complete"] = counts["ready"] >= counts["desired"]
    counts["down"] = ~counts["available"]
    grouped = counts.groupby(["environment", "service"], as_index=False)
    return grouped.agg(
        samples=("sampled_at", "nunique"),
        available_share=("available", "mean"),
        complete_share=("complete", "mean"),
        down_samples=("down", "sum"),
    )[COLUMNS]
