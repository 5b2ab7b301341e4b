"""What flows publish of a rollout: artifacts, and a result of plain values. Also how flows find a service."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import task
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from blocks.cluster import Cluster
from tasks import markdown
from tasks.retrying import TRANSIENT
from tasks.rollout import services
from tasks.rollout.cluster import in_thread
from tasks.rollout.history import ReleaseRecord
from tasks.rollout.names import Identity
from tasks.rollout.plan import Change
from tasks.rollout.release import Outcome


def run_holder() -> str:
    """Who holds the Lease: this flow run, by name and id."""
    return f"flow run {flow_run.name} ({flow_run.id})"


@task(name="find service", cache_policy=NO_CACHE, **TRANSIENT)
async def find_service(cluster: Cluster, namespace: str, environment: str, service: str) -> Identity:
    """The identity of a deployed service; `NotFoundError` names those there are."""
    return await in_thread(cluster, lambda c: services.identity_of(c, namespace, environment, service))


@task(name="list all releases", cache_policy=NO_CACHE, **TRANSIENT)
async def list_all_releases(cluster: Cluster, namespace: str, environment: str) -> list[tuple[str, ReleaseRecord]]:
    """Every recorded release of an Environment, with the service's name."""
    return await in_thread(cluster, lambda c: services.releases(c, namespace, environment))


@task(name="publish release", cache_policy=NO_CACHE)
async def publish_release(key: str, identity: Identity, outcome: Outcome, build_url: str = "") -> dict[str, Any]:
    """Artifacts of a release: a summary, the image, the service; returns its plain values.

    Args:
        key: Key of the result artifact.
        identity: The service.
        outcome: What the rollout came to.
        build_url: The Jenkins build, when there was one.
    """
    record = outcome.record
    result = {
        "action": outcome.action,
        "service": identity.service,
        "environment": identity.environment,
        "namespace": identity.namespace,
        "revision": record.revision,
        "image": record.image,
        "commit": record.commit_sha,
        "ref": record.ref,
        "build": build_url,
        "address": _address(identity, record),
    }
    await acreate_table_artifact([result], key=key, description=outcome.message)
    await acreate_markdown_artifact(_summary(result, outcome), key=f"release-{identity.service}")
    if build_url:
        await acreate_link_artifact(build_url, key="jenkins-build", link_text="Jenkins build")
    return result


@task(name="publish plan", cache_policy=NO_CACHE)
async def publish_plan(identity: Identity, changes: Sequence[Change]) -> dict[str, Any]:
    """The plan as a table; returns its plain values."""
    rows = [
        {
            "object": f"{c.kind} {c.name}",
            "action": c.action,
            "field": d.path,
            "from": _short(d.before),
            "to": _short(d.after),
        }
        for c in changes
        for d in c.differences
    ]
    rows += [
        {"object": f"{c.kind} {c.name}", "action": c.action, "field": "", "from": "", "to": ""}
        for c in changes
        if not c.differences
    ]
    await acreate_table_artifact(rows, key="result-plan", description=f"What would change for {identity.service}.")
    return {"action": "planned", "service": identity.service, "environment": identity.environment, "changes": rows}


def _address(identity: Identity, record: ReleaseRecord) -> str:
    """Where the service answers inside the cluster."""
    port = record.descriptor.get("port")
    return f"http://{identity.service}.{identity.namespace}.svc:{port}" if port else ""


def _results(found: Mapping[str, Any]) -> dict[str, str]:
    """What the build's tests came to, and what of it is kept, in words."""
    said = {}
    if "passed" in found:
        passed, failed, skipped = (int(found.get(name, 0)) for name in ("passed", "failed", "skipped"))
        more = f", {skipped} skipped" if skipped else ""
        said["tests"] = f"{passed + failed + skipped}: {passed} passed, {failed} failed{more}"
    if "coverage" in found:
        said["coverage"] = f"{found['coverage']:g} %"
    if kept := found.get("artifacts"):
        said["artifacts"] = "<br>".join(
            f"{markdown.code(file['path'])} ({file['size']:,} bytes): {markdown.code(file['address'])}" for file in kept
        )
    return said


def _summary(result: dict[str, Any], outcome: Outcome) -> str:
    lines = [
        f"# {result['service']} in {result['environment']}",
        "",
        markdown.plain(outcome.message),
        "",
        "| | |",
        "| --- | --- |",
    ]
    lines += [f"| {key} | {markdown.code(str(value))} |" for key, value in result.items() if value != ""]
    lines += [f"| {key} | {value} |" for key, value in _results(outcome.record.results).items()]
    lines += ["", f"Back to an earlier one: `smartclide rollback {result['service']} -e {result['environment']}`"]
    return "\n".join(lines) + "\n"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 200 else f"{text[:197]}..."
