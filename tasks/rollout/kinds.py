"""Which kinds live where in the API: a discoverer for the DynamicClient that asks nothing for the kinds we use.

The client's own discovery costs four requests and more on every start, and keeps its answers in a world-readable,
guessable file of the temporary folder, where they go stale or can be planted. The kinds below are stable API.
"""

from __future__ import annotations

from typing import Any

from kubernetes.dynamic.resource import Resource

_STABLE = {
    ("v1", "Namespace"): ("namespaces", False),
    ("v1", "Node"): ("nodes", False),
    ("v1", "Pod"): ("pods", True),
    ("v1", "Event"): ("events", True),
    ("v1", "Secret"): ("secrets", True),
    ("v1", "ConfigMap"): ("configmaps", True),
    ("v1", "Service"): ("services", True),
    ("v1", "Endpoints"): ("endpoints", True),
    ("discovery.k8s.io/v1", "EndpointSlice"): ("endpointslices", True),
    ("apps/v1", "Deployment"): ("deployments", True),
    ("apps/v1", "ReplicaSet"): ("replicasets", True),
    ("autoscaling/v1", "HorizontalPodAutoscaler"): ("horizontalpodautoscalers", True),
    ("coordination.k8s.io/v1", "Lease"): ("leases", True),
    ("authentication.k8s.io/v1", "SelfSubjectReview"): ("selfsubjectreviews", False),
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview"): ("selfsubjectaccessreviews", False),
    ("networking.k8s.io/v1", "Ingress"): ("ingresses", True),
}


class StableKinds:
    """The ``discoverer`` of a `kubernetes.dynamic.DynamicClient`: a table, and one request for a kind beyond it."""

    def __init__(self, client: Any, _cache_file: str | None = None) -> None:
        self._client = client
        self._found: dict[tuple[str, str], Resource] = {}

    def get(self, *, api_version: str, kind: str) -> Resource:
        """The resource of one kind.

        Raises:
            KeyError: The cluster does not serve it.
        """
        key = (api_version, kind)
        if key not in self._found:
            plural, namespaced = _STABLE.get(key) or self._ask(api_version, kind)
            self._found[key] = self._resource(api_version, kind, plural, namespaced)
        return self._found[key]

    def _ask(self, api_version: str, kind: str) -> tuple[str, bool]:
        prefix = "apis" if "/" in api_version else "api"
        answer = self._client.request("get", f"/{prefix}/{api_version}", serializer=lambda _client, plain: plain)
        for entry in answer.get("resources", []):
            if entry["kind"] == kind and "/" not in entry["name"]:
                return entry["name"], entry["namespaced"]
        raise KeyError(f"{api_version} {kind}")

    def _resource(self, api_version: str, kind: str, plural: str, namespaced: bool) -> Resource:
        group, _, version = api_version.rpartition("/")
        return Resource(  # type: ignore[no-untyped-call]  # the client has no annotations here
            prefix="apis" if group else "api",
            group=group,
            api_version=version,
            kind=kind,
            namespaced=namespaced,
            verbs=[],
            name=plural,
            client=self._client,
        )
