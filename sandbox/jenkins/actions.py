"""Parts of a build's ``api/json``: its actions and artifacts."""

from __future__ import annotations

from typing import Any

from sandbox.jenkins import parameters
from sandbox.jenkins.builds import Build, now
from sandbox.jenkins.export import Bean
from sandbox.jenkins.items import Job


def cause_action(causes: Any) -> Bean:
    """CauseAction."""
    beans = [
        Bean(
            cause.cls,
            {"shortDescription": cause.description, **cause.fields},
            dict.fromkeys(("shortDescription", *cause.fields), 3),
        )
        for cause in causes
    ]
    return Bean("hudson.model.CauseAction", {"causes": beans}, {"causes": 2})


def parameters_action(job: Job, chosen: Any) -> Bean | None:
    """ParametersAction, or None for a build without parameters."""
    if not chosen:
        return None
    known = {definition.name: definition for definition in job.definitions()}
    beans = [
        parameters.value_bean(known.get(name) or parameters.Definition("String", name), value)
        for name, value in chosen.items()
    ]
    return Bean("hudson.model.ParametersAction", {"parameters": beans}, {"parameters": 2})


def time_in_queue(build: Build) -> Bean:
    """What the metrics plugin adds."""
    building = 0 if build.running else (build.ended or now()) - build.started
    fields: dict[str, Any] = {
        "blockedDurationMillis": 0,
        "blockedTimeMillis": 0,
        "buildableDurationMillis": 0,
        "buildableTimeMillis": 0,
        "buildingDurationMillis": building,
        "executingTimeMillis": building,
        "executorUtilization": 1.0,
        "subTaskCount": 0,
        "waitingDurationMillis": build.queued_for,
        "waitingTimeMillis": build.queued_for,
        "queuingDurationMillis": build.queued_for,
        "queuingTimeMillis": build.queued_for,
        "totalDurationMillis": building + build.queued_for,
    }
    hidden = ("queuingDurationMillis", "queuingTimeMillis", "totalDurationMillis")
    return Bean("jenkins.metrics.impl.TimeInQueueAction", fields, {name: 0 if name in hidden else 2 for name in fields})


def interrupted(interruption: tuple[str, str]) -> Bean:
    """Who or what ended a build early."""
    cls, description = interruption
    cause = Bean(cls, {"shortDescription": description}, {"shortDescription": 3})
    return Bean("jenkins.model.InterruptedBuildAction", {"causes": [cause]})


def artifacts(build: Build) -> list[Bean]:
    """The archived files, by path."""
    base = build.artifacts
    found = sorted(path.relative_to(base) for path in base.rglob("*") if path.is_file()) if base.exists() else []
    return [
        Bean(
            None,
            {
                "displayPath": path.name,
                "fileName": path.name,
                "relativePath": path.as_posix(),
            },
            dict.fromkeys(("displayPath", "fileName", "relativePath"), 3),
        )
        for path in found
    ]
