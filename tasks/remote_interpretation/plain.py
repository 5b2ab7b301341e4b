"""A decided pipeline as plain GitLab CI: one file, without includes, inheritance or rules, for any interpreter.

What runs at the commit is decided here, by our own passes; the interpreter that gets the text only translates it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import yaml
from msgspec.structs import asdict

from errors import InputError
from tasks.interpretation.pipeline import Artifacts, Cache, Job, JobEnvironment, Need, Pipeline, Service


def runnable(pipeline: Pipeline) -> tuple[Job, ...]:
    """The jobs that run without a person: optional manual ones, and those that need them, do not."""
    gone = {job.name for job in pipeline.jobs if job.when == "manual" and job.allow_failure.always}
    while True:
        more = {
            job.name
            for job in pipeline.jobs
            if job.name not in gone and any(need.job in gone and not need.optional for need in job.needs or ())
        }
        if not more:
            return tuple(job for job in pipeline.jobs if job.name not in gone)
        gone |= more


def plain_text(pipeline: Pipeline) -> str:
    """The text. The pipeline must be decided.

    Predefined variables that are known at the commit are among its ``variables``, as another interpreter does not know
    them; secret ones are not.

    Raises:
        InputError: There is a child pipeline, whose jobs one flat file cannot hold.
    """
    jobs = runnable(pipeline)
    if parents := [job.name for job in jobs if job.child is not None]:
        raise InputError(
            f"The job(s) {', '.join(parents)} start a child pipeline, which a service of the Kairos contract cannot "
            "be told.",
            remedy="Use `smartclide interpreter serve` as the remote one, or leave it out of the Environment.",
        )
    stages = [stage for stage in pipeline.stages if any(job.stage == stage for job in jobs)]
    document: dict[str, Any] = {"stages": stages}
    if pipeline.variables:
        document["variables"] = _variables(pipeline.variables, pipeline.unresolved_variables)
    names = {job.name for job in jobs}
    document |= {job.name: _job(job, names, pipeline) for job in jobs}
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000))


def _job(job: Job, names: Collection[str], pipeline: Pipeline) -> dict[str, Any]:
    kept = [name for name in pipeline.variables if name not in job.excluded_variables]
    found = {
        "stage": job.stage,
        "image": _image(job),
        "services": [_service(service) for service in job.services],
        "tags": list(job.tags),
        "variables": _variables(job.variables, job.unresolved_variables),
        "before_script": list(job.before_script),
        "script": list(job.script),
        "after_script": list(job.after_script),
        "artifacts": _artifacts(job.artifacts),
        "cache": _caches(job.caches),
        "hooks": _given({"pre_get_sources_script": job.pre_get_sources}),
        "needs": _needs(job.needs, names),
        "dependencies": None if job.dependencies is None else [name for name in job.dependencies if name in names],
        "when": None if job.when == "on_success" else job.when,
        "start_in": None if job.start_in_seconds is None else f"{job.start_in_seconds} seconds",
        "allow_failure": _allow_failure(job),
        "retry": _retry(job),
        "timeout": None if job.timeout_seconds is None else f"{job.timeout_seconds} seconds",
        "environment": None if job.environment is None else _environment(job.environment),
        "coverage": job.coverage,
        "manual_confirmation": job.confirmation,
        "resource_group": job.resource_group,
        "interruptible": job.interruptible or None,
        "inherit": {"variables": kept} if job.excluded_variables else None,
        # by its name alone it would keep a folder that is not among its artifacts
        "pages": False if job.name == "pages" and "public" not in job.artifacts.paths else None,
    }
    empty_counts = ("script", "needs", "dependencies", "allow_failure", "pages")
    return {key: value for key, value in found.items() if value or (value is not None and key in empty_counts)}


def _environment(environment: JobEnvironment) -> dict[str, Any]:
    return _given({"deployment_tier" if key == "tier" else key: value for key, value in asdict(environment).items()})


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are there, in YAML's own types."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items() if v}


def _variables(values: Mapping[str, str], unresolved: Collection[str]) -> dict[str, Any]:
    """Final texts are not to be expanded again."""
    return {
        name: {"value": text, "expand": False} if "$" in text and name not in unresolved else text
        for name, text in values.items()
    }


def _image(job: Job) -> Any:
    image = job.image
    if image is None:
        return None
    docker = _given({"user": image.user, "platform": image.platform})
    more = _given({"entrypoint": image.entrypoint, "docker": docker, "pull_policy": image.pull_policy})
    return {"name": image.name, **more} if more else image.name


def _service(service: Service) -> Any:
    more = _given(
        {
            "entrypoint": service.entrypoint,
            "command": service.command,
            "variables": dict(service.variables),
            "docker": _given({"user": service.user, "platform": service.platform}),
            "pull_policy": service.pull_policy,
        }
    )
    alias = {"alias": ",".join(service.aliases)} if service.aliases else {}
    return {"name": service.name, **alias, **more} if more or alias else service.name


def _artifacts(artifacts: Artifacts) -> dict[str, Any]:
    found = _given({**asdict(artifacts), "reports": {k: _report(k, v) for k, v in artifacts.reports.items()}})
    if found.get("when") == "on_success":
        del found["when"]
    return found if found.keys() & {"paths", "untracked", "reports"} else {}


def _caches(caches: Iterable[Cache]) -> list[dict[str, Any] | None]:
    """Each at its place: a key made of files holds it."""
    listed: list[dict[str, Any] | None] = []
    for cache in caches:
        place = re.search(rf"(\d+)_{re.escape(_stems(cache))}$", cache.key_prefix)
        listed += [None] * (int(place[1]) - len(listed) if place else 0) + [_cache(cache)]
    return listed


def _cache(cache: Cache) -> dict[str, Any]:
    found = _given({name: value for name, value in asdict(cache).items() if not name.startswith("key")})
    prefix = re.sub(rf"-?\d+_{re.escape(_stems(cache))}$", "", cache.key_prefix)  # reading adds the rest anew
    files = _given({"files": cache.key_files, "prefix": prefix})
    return {"key": files if cache.key_files else cache.key, **found}


def _stems(cache: Cache) -> str:
    return "_".join(name.partition(".")[0] for name in cache.key_files)


def _report(kind: str, paths: tuple[str, ...]) -> Any:
    if kind == "coverage_report":  # the model keeps no format, and the file says it itself
        return {"coverage_format": "cobertura", "path": paths[0]}
    return list(paths)


def _needs(needs: Iterable[Need] | None, names: Collection[str]) -> list[Any] | None:
    if needs is None:
        return None
    listed: list[Any] = []
    for need in needs:
        if need.job in names:
            listed.append(need.job if need.artifacts else {"job": need.job, "artifacts": False})
    return listed


def _allow_failure(job: Job) -> Any:
    allowed = job.allow_failure
    if allowed.exit_codes:
        return {"exit_codes": list(allowed.exit_codes)}
    # without a word a manual job is optional
    return True if allowed.always else False if job.when == "manual" else None


def _retry(job: Job) -> dict[str, Any]:
    return _given(asdict(job.retry)) if job.retry.max else {}
