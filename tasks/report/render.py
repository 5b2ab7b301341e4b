"""The report as HTML, Markdown, CSV and JSON. Pure: tables in, text out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from tasks import markdown as markdown_text
from tasks.report.plots import ReleaseMark, service_plots

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["html", "j2"]), trim_blocks=True
)
NO_DATA = "no data"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the last as Excel for Japanese takes them


@dataclass(frozen=True)
class Report:
    """Everything a report is written from.

    Attributes:
        start: Begin of the period, aware.
        end: End of the period, aware.
        summary: As `tasks.report.summary.summarise` gives it.
        samples: As `tasks.metrics.frames` documents.
        releases: One mapping for each release in the period, with the same keys.
        marks: Releases for the plots.
        notes: What the reader must know, e.g. sources that could not be asked.
    """

    start: datetime
    end: datetime
    summary: pd.DataFrame
    samples: pd.DataFrame
    releases: Sequence[dict[str, Any]] = ()
    marks: Sequence[ReleaseMark] = ()
    notes: Sequence[str] = ()


def share(value: float) -> str:
    """A share as a percentage.

    >>> share(0.9987), share(1.0), share(float("nan"))
    ('99.87 %', '100 %', 'no data')
    """
    if math.isnan(value):
        return NO_DATA
    return f"{value * 100:.2f}".rstrip("0").rstrip(".") + " %"


def cores(value: float) -> str:
    """CPU in thousandths of a core, as Kubernetes writes it.

    >>> cores(0.0123), cores(1.5)
    ('12 m', '1.50')
    """
    if math.isnan(value):
        return NO_DATA
    return f"{value:.2f}" if value >= 1 else f"{value * 1000:.0f} m"


def size(value: float) -> str:
    """Bytes with a binary unit.

    >>> size(512), size(20971520.0)
    ('512 B', '20.0 MiB')
    """
    if math.isnan(value):
        return NO_DATA
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def rows(summary: pd.DataFrame) -> list[dict[str, str]]:
    """The summary as a reader sees it: one mapping of column title to text for each service."""
    return [
        {
            "Service": f"{row['service']} ({row['environment']})",
            "Available": share(row["available_share"]),
            "All replicas": share(row["complete_share"]),
            "CPU p95": f"{cores(row['cpu_p95_cores'])}{_of(row['cpu_of_limit'], row['cpu_of_request'])}",
            "Memory max": f"{size(row['memory_max_bytes'])}{_of(row['memory_of_limit'], row['memory_of_request'])}",
            "Received": _rate(row["network_rx_rate"]),
            "Sent": _rate(row["network_tx_rate"]),
            "Restarts": NO_DATA if pd.isna(row["restarts"]) else str(int(row["restarts"])),
            "Samples": str(int(row["samples"])),
            "Gaps": str(int(row["gaps"])),
        }
        for row in summary.to_dict("records")
    ]


def html(report: Report) -> str:
    """One self-contained page: no script, no request to anywhere."""
    services = []
    for row, shown in zip(report.summary.to_dict("records"), rows(report.summary), strict=True):
        own = report.samples[report.samples["environment"] == row["environment"]]
        plot = Markup(service_plots(own, row["service"], report.marks))  # noqa: S704 - made by matplotlib, which escapes
        services.append({"name": shown["Service"], "plot": plot, "gap_reasons": row.get("gap_reasons", "")})
    return _TEMPLATES.get_template("report.html.j2").render(
        report=report, table=rows(report.summary), services=services, period=_period(report)
    )


def markdown(report: Report) -> str:
    """The tables, for an artifact or a merge request."""
    table = rows(report.summary)
    lines = ["# Services", "", _period(report), ""]
    lines += _markdown_table(table) if table else ["No samples in this period."]
    if report.releases:
        lines += [
            "",
            "## Releases",
            "",
            *_markdown_table([{k.capitalize(): str(v) for k, v in r.items()} for r in report.releases]),
        ]
    lines += ["", *[f"- {markdown_text.plain(note)}" for note in report.notes]] if report.notes else []
    return "\n".join(lines) + "\n"


def csv(report: Report) -> str:
    """The summary, unrounded, as CSV."""
    return as_csv(report.summary)


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV that no spreadsheet program calculates with: text that begins as a formula gets an apostrophe.

    Numbers and times stay as they are. Source: owasp.org/www-community/attacks/CSV_Injection.

    >>> as_csv(pd.DataFrame({"service": ["=1+1", "web"], "slope": [-0.5, 2.0]})).splitlines()
    ['service,slope', "'=1+1,-0.5", 'web,2.0']
    """
    safe = table.apply(_without_formulas) if len(table) else table
    return safe.to_csv(index=False, lineterminator="\r\n")  # RFC 4180's; with "\n" a carriage return is not quoted


def _without_formulas(column: pd.Series[Any]) -> pd.Series[Any]:
    if is_numeric_dtype(column) or is_datetime64_any_dtype(column):
        return column
    found = [text for text in column.unique() if isinstance(text, str) and text.startswith(_FORMULA)]
    return column.replace({text: f"'{text}" for text in found}) if found else column


def as_json(report: Report) -> str:
    """The summary and the releases, unrounded; missing figures are null."""
    table = json.loads(report.summary.to_json(orient="records", date_format="iso"))
    content = {
        "start": report.start.isoformat(),
        "end": report.end.isoformat(),
        "services": table,
        "releases": list(report.releases),
        "notes": list(report.notes),
    }
    return json.dumps(content, indent=2, default=str) + "\n"


def _rate(value: float) -> str:
    return NO_DATA if math.isnan(value) else f"{size(value)}/s"


def _of(limit: float, request: float) -> str:
    if not math.isnan(limit):
        return f" ({share(round(limit, 3))} of limit)"
    return "" if math.isnan(request) else f" ({share(round(request, 3))} of request)"


def _period(report: Report) -> str:
    return f"{report.start:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M} UTC, {len(report.samples)} rows of samples."


def _markdown_table(table: Sequence[dict[str, str]]) -> list[str]:
    titles = list(table[0])
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    lines += ["| " + " | ".join(markdown_text.plain(row.get(t, "")) for t in titles) + " |" for row in table]
    return lines
