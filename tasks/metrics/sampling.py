"""One sample of every deployed service of an Environment: asks the sources, notes what is missing and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from errors import AccessError, InputError, NotFoundError, ProtocolError, SmartClideError, UnavailableError
from tasks.metrics.frames import frame
from tasks.metrics.kubelet import node_usage
from tasks.metrics.metrics_api import namespace_usage
from tasks.metrics.queries import Usage, pod_row
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.names import ENVIRONMENT, MANAGED_BY, NAME, REVISION, label_value, selector_text

_TOO_YOUNG = "the source has no figures for this pod yet"
_SOURCE_ERRORS = (AccessError, InputError, NotFoundError, UnavailableError, ProtocolError)


@dataclass(frozen=True)
class Scope:
    """Which services are sampled: all that this project deployed to an Environment's namespace."""

    environment: str
    namespace: str

    @property
    def selector(self) -> str:
        """Label selector of their Deployments and pods."""
        return selector_text({MANAGED_BY: "smartclide", ENVIRONMENT: label_value(self.environment)})


def take_sample(client: ClusterClient, scope: Scope, now: datetime | None = None) -> pd.DataFrame:
    """Sample every pod of every service.

    Args:
        client: The cluster.
        scope: Which services.
        now: Time of the sample, aware; default: the clock's.

    Returns:
        A frame as `tasks.metrics.frames` documents; empty when nothing is deployed.

    Raises:
        UnavailableError, AccessError: The pods themselves could not be listed. A usage source that fails is a gap.
    """
    deployments = client.list("Deployment", scope.namespace, scope.selector)
    pods = [p for p in client.list("Pod", scope.namespace, scope.selector) if NAME in p["metadata"].get("labels", {})]
    usage, problems = _usage(client, scope, pods)
    moment = (now or datetime.now(UTC)).isoformat()
    rows = []
    for deployment in deployments:
        base = _service_columns(deployment, scope, moment)
        own = [p for p in pods if p["metadata"]["labels"][NAME] == base["service"]]
        for pod in own:
            why_not = problems.get(pod["spec"].get("nodeName", ""), problems.get("", _TOO_YOUNG))
            row = base | pod_row(pod, usage.get(pod["metadata"]["uid"]), why_not)
            row["time"] = row["time"] or moment
            row["revision"] = _number(pod["metadata"]["labels"].get(REVISION), base["revision"])
            rows.append(row)
        if not own:
            rows.append(base | {"time": moment, "source": "none", "gap": "no pods"})
    return frame(rows)


def _service_columns(deployment: Mapping[str, Any], scope: Scope, moment: str) -> dict[str, Any]:
    labels = deployment["metadata"].get("labels", {})
    return {
        "sampled_at": moment,
        "environment": scope.environment,
        "namespace": scope.namespace,
        "service": labels.get(NAME, deployment["metadata"]["name"]),
        "revision": _number(labels.get(REVISION), None),
        "desired": deployment["spec"].get("replicas", 1),
        "ready": False,
    }


def _usage(
    client: ClusterClient, scope: Scope, pods: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Usage], dict[str, str]]:
    """Usage by pod UID, and by node (or "" for all) why there is none: kubelets first, then metrics.k8s.io."""
    usage: dict[str, Usage] = {}
    problems: dict[str, str] = {"": _TOO_YOUNG}
    for node in sorted({pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName")}):
        try:
            usage |= node_usage(client, node)
        except _SOURCE_ERRORS as error:
            problems[node] = _short(error)
    if problems.keys() != {""}:
        try:
            by_name = namespace_usage(client, scope.namespace, scope.selector)
        except _SOURCE_ERRORS as error:
            return usage, {node: f"{why}; {_short(error)}" for node, why in problems.items()}
        for pod in pods:
            found = by_name.get(pod["metadata"]["name"])
            if found is not None:
                usage.setdefault(pod["metadata"]["uid"], found)
    return usage, problems


def _short(error: SmartClideError) -> str:
    return error.message.rstrip(".")


def _number(text: str | None, default: int | None) -> int | None:
    return int(text) if text and text.isdigit() else default
