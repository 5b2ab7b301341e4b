"""Usage of a namespace's pods from metrics.k8s.io (metrics-server): CPU and memory only."""

from __future__ import annotations

from urllib.parse import quote

from tasks.metrics.queries import Usage, usage_from_metrics_api
from tasks.rollout.cluster import ClusterClient


def namespace_usage(client: ClusterClient, namespace: str, selector: str) -> dict[str, Usage]:
    """Usage by pod name.

    Raises:
        NotFoundError: The cluster has no metrics-server.
        AccessError, UnavailableError, ProtocolError: As the API server answers.
    """
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods?labelSelector={quote(selector)}"
    return usage_from_metrics_api(client.get_json(path, "metrics.k8s.io").get("items", []))
