"""Plots of one service as SVG text: CPU, memory, network, ready pods; releases as markers. Pure."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tasks.metrics.frames import with_rates
from tasks.report.availability import ready_counts

_MIB = 2**20
_COLOURS = ["#2563eb", "#059669", "#d97706", "#7c3aed", "#db2777", "#0891b2", "#65a30d", "#dc2626"]
_DOTS = 120  # more samples than that run together
_LEGEND: dict[str, Any] = {"fontsize": 7, "framealpha": 0.8, "edgecolor": "none"}
_STYLE = {
    "svg.hashsalt": "smartclide",  # the same frame gives the same bytes
    "svg.fonttype": "none",
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.6,
    "axes.edgecolor": "#9ca3af",
}


@dataclass(frozen=True)
class ReleaseMark:
    """A release as a vertical line: its service, its label (``r3``) and when it was finished."""

    service: str
    label: str
    time: datetime
    good: bool = True


def service_plots(samples: pd.DataFrame, service: str, marks: Sequence[ReleaseMark] = ()) -> str:
    """Four panels for one service.

    Args:
        samples: As `tasks.metrics.frames` documents; rows of other services are left out.
        service: Whose.
        marks: Releases; those of other services or outside the period are left out.

    Returns:
        An ``<svg>`` element, without an XML declaration.
    """
    own = samples[samples["service"] == service]
    pods = with_rates(own[own["pod"] != ""])
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(10, 5.4), layout="constrained")
        axes = figure.subplots(2, 2, sharex=True)
        _lines(axes[0][0], pods, "cpu_cores", 1, "CPU, cores")
        _levels(axes[0][0], pods, "cpu", 1)
        _lines(axes[0][1], pods, "memory_bytes", _MIB, "Memory (working set), MiB")
        _levels(axes[0][1], pods, "memory", _MIB)
        _network(axes[1][0], pods)
        _ready(axes[1][1], own)
        for axis in (*axes[0], *axes[1]):
            _marks(axis, own, service, marks)
            _empty(axis)
            axis.set_ylim(bottom=0, top=axis.get_ylim()[1] * 1.08)
            locator = AutoDateLocator(maxticks=7)  # type: ignore[no-untyped-call]
            axis.xaxis.set_major_locator(locator)
            axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        _period(axes[0][0], own)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def broken(times: pd.Series, values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Values with a NaN wherever more than three usual intervals lie between samples: lines must not bridge gaps."""
    steps = times.diff().dt.total_seconds()
    usual = steps.median()
    before = times[(steps > 3 * usual).shift(-1, fill_value=False)] if usual and usual > 0 else times[:0]
    if before.empty:
        return times, values
    extra = before + pd.Timedelta(seconds=usual)
    all_times = pd.concat([times, extra], ignore_index=True)
    all_values = pd.concat([values, pd.Series([float("nan")] * len(extra))], ignore_index=True)
    order = all_times.argsort(kind="stable")
    return all_times.iloc[order], all_values.iloc[order]


def dots(values: pd.Series) -> dict[str, Any]:
    """How samples are dotted: each of a few; of many only those that no line reaches, as gaps are around them."""
    known = values.notna()
    alone = known & ~known.shift(fill_value=False) & ~known.shift(-1, fill_value=False)
    return {
        "marker": ".",
        "markersize": 3,
        "markevery": [bool(one) for one in (known if len(values) <= _DOTS else alone)],
    }


def _period(axis: Axes, own: pd.DataFrame) -> None:
    """All panels from the first to the last sample, a minute at least: a single one would span years."""
    if own.empty:
        return
    first, last = own["sampled_at"].min(), own["sampled_at"].max()
    if last - first < pd.Timedelta(minutes=1):
        middle, half = first + (last - first) / 2, pd.Timedelta(seconds=36)
        axis.set_xlim(middle - half, middle + half)


def _empty(axis: Axes) -> None:
    """Say so where a panel has no value at all."""
    samples = [line for line in axis.lines if line.get_marker() == "."]  # not the levels
    if not any(np.isfinite(np.asarray(line.get_ydata(), dtype=float)).any() for line in samples):
        axis.text(0.5, 0.5, "no data", transform=axis.transAxes, ha="center", va="center", color="#6b7280")


def _lines(axis: Axes, pods: pd.DataFrame, column: str, unit: float, title: str) -> None:
    axis.set_title(title, loc="left", fontweight="bold")
    for number, (_, pod) in enumerate(pods.sort_values("sampled_at").groupby("pod_uid", sort=False)):
        times, values = broken(pod["sampled_at"].reset_index(drop=True), (pod[column] / unit).reset_index(drop=True))
        axis.plot(times, values, color=_COLOURS[number % len(_COLOURS)], linewidth=1.2, **dots(values))


def _levels(axis: Axes, pods: pd.DataFrame, kind: str, unit: float) -> None:
    noun = "cores" if kind == "cpu" else "bytes"
    top = axis.get_ylim()[1]
    for level, dashes in (("request", (4, 2)), ("limit", (1, 1))):
        known = pods[f"{kind}_{level}_{noun}"].dropna()
        if known.empty:
            continue
        value = known.iloc[-1] / unit
        label = f"{level} {value:g}"
        if value <= 4 * top:
            axis.axhline(value, color="#6b7280", linewidth=0.9, dashes=dashes, label=label)
        else:  # a line far above would press the curve flat
            axis.plot([], [], color="#6b7280", linewidth=0.9, dashes=dashes, label=f"{label}, off the scale")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper left", **_LEGEND)


def _network(axis: Axes, pods: pd.DataFrame) -> None:
    axis.set_title("Network, KiB/s", loc="left", fontweight="bold")
    for direction, colour, label in (("rx", _COLOURS[0], "received"), ("tx", _COLOURS[2], "sent")):
        total = pods.groupby("sampled_at")[f"network_{direction}_rate"].sum(min_count=1).reset_index()
        times, values = broken(total["sampled_at"], total[f"network_{direction}_rate"] / 1024)
        axis.plot(times, values, color=colour, linewidth=1.2, label=label, **dots(values))
    axis.legend(loc="upper left", **_LEGEND)


def _ready(axis: Axes, own: pd.DataFrame) -> None:
    axis.set_title("Ready pods", loc="left", fontweight="bold")
    counts = ready_counts(own)
    for column, colour, width in (("desired", "#9ca3af", 2.2), ("ready", _COLOURS[1], 1.2)):
        times, values = broken(counts["sampled_at"], counts[column].astype(float))
        axis.step(times, values, where="post", color=colour, linewidth=width, label=column, **dots(values))
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="lower left", **_LEGEND)


def _marks(axis: Axes, own: pd.DataFrame, service: str, marks: Sequence[ReleaseMark]) -> None:
    if own.empty:
        return
    span = max(own["sampled_at"].max() - own["sampled_at"].min(), pd.Timedelta(minutes=1))
    first, last = own["sampled_at"].min() - span * 0.25, own["sampled_at"].max() + span * 0.05
    for mark in marks:
        if mark.service == service and first <= pd.Timestamp(mark.time) <= last:
            colour = "#111827" if mark.good else "#dc2626"
            axis.axvline(mark.time, color=colour, linewidth=0.8, linestyle="-.")  # type: ignore[arg-type]
            axis.annotate(mark.label, (mark.time, 1), xycoords=("data", "axes fraction"), fontsize=7, color=colour,
                          xytext=(2, -8), textcoords="offset points")  # fmt: skip
