"""Prefect tasks of the report step: write the files, publish the artifacts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import fsspec
from prefect import task
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE

from blocks.metrics_store import MetricsStore
from errors import InputError
from tasks.report import render
from tasks.report.plots import ReleaseMark
from tasks.report.summary import summarise
from tasks.retrying import TRANSIENT
from tasks.rollout.history import ReleaseRecord
from tasks.storing import storing


@task(name="summarise", cache_policy=NO_CACHE)
async def summarise_samples(
    samples: Any, releases: Sequence[tuple[str, ReleaseRecord]], period: tuple[datetime, datetime], notes: Sequence[str]
) -> render.Report:
    """Make the report's tables.

    Args:
        samples: A frame as `tasks.metrics.frames` documents.
        releases: Service name and record of each release.
        period: Begin and end, aware.
        notes: What the reader must know.
    """
    inside = [(s, r) for s, r in releases if r.finished and period[0] <= datetime.fromisoformat(r.finished) < period[1]]
    marks = [
        ReleaseMark(
            service, f"r{r.revision}", datetime.fromisoformat(r.finished), r.state in ("deployed", "superseded")
        )
        for service, r in inside
    ]
    summary = await asyncio.to_thread(summarise, samples)
    return render.Report(period[0], period[1], summary, samples, [_release_row(*one) for one in inside], marks, notes)


@task(name="write report", cache_policy=NO_CACHE, timeout_seconds=300, **TRANSIENT)
async def write_report(report: render.Report, store: MetricsStore, folder: str | None) -> dict[str, str]:
    """Write ``report.html``, ``report.md``, ``services.csv``, ``samples.csv`` and ``report.json``.

    Args:
        report: What to write.
        store: Reports go beside the samples, under ``reports/``, unless `folder` says otherwise.
        folder: Local folder or fsspec URL, or None.

    Returns:
        Path by file name.
    """
    return await asyncio.to_thread(_write, report, store, folder)


@task(name="publish report", cache_policy=NO_CACHE)
async def publish_report(report: render.Report, paths: Mapping[str, str]) -> None:
    """Markdown, table and link artifacts of the report."""
    await acreate_markdown_artifact(render.markdown(report), key="report", description="CPU, RAM, network and status.")
    await acreate_table_artifact(
        render.rows(report.summary), key="report-services", description="One row for each service."
    )
    await acreate_table_artifact(
        [{"file": name, "path": path} for name, path in paths.items()],
        key="result-report",
        description="Files written.",
    )
    if paths["report.html"].startswith("/"):
        await acreate_link_artifact(f"file://{paths['report.html']}", key="report-html", link_text="report.html")


def _release_row(service: str, record: ReleaseRecord) -> dict[str, Any]:
    return {
        "environment": record.environment,
        "service": service,
        "revision": record.revision,
        "state": record.state,
        "commit": record.commit_sha[:8],
        "image": record.image,
        "finished": record.finished,
        "cause": record.cause,
    }


def _write(report: render.Report, store: MetricsStore, folder: str | None) -> dict[str, str]:
    if folder is None:
        with storing(store):
            return _written(report, *_beside(report, store))
    filesystem, path = fsspec.core.url_to_fs(folder)
    return _written(report, filesystem, str(path))


def _beside(report: render.Report, store: MetricsStore) -> tuple[Any, str]:
    filesystem, root = store.get_client()
    return filesystem, f"{root}/reports/{report.end:%Y-%m-%dT%H%M%S}"


def _written(report: render.Report, filesystem: Any, folder: str) -> dict[str, str]:
    _make(filesystem, folder)
    texts = {
        "report.html": render.html(report),
        "report.md": render.markdown(report),
        "services.csv": render.csv(report),
        "samples.csv": render.as_csv(report.samples),
        "report.json": render.as_json(report),
    }
    for name, text in texts.items():
        with filesystem.open(f"{folder}/{name}", "wb") as file:
            file.write(text.encode())
    return {name: f"{folder}/{name}" for name in texts}


def _make(filesystem: Any, folder: str) -> None:
    try:
        filesystem.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The report's folder {folder} cannot be made: {error.strerror or error}.", remedy="Name another one."
        ) from error
