"""Usage of a node's pods from its kubelet, through the API server: ``/api/v1/nodes/NODE/proxy/stats/summary``.

It needs ``get`` on ``nodes/proxy``, which managed clusters may refuse: that is an `AccessError`, for the caller to
degrade on. It is the only source of network counters here.
"""

from __future__ import annotations

from tasks.metrics.queries import Usage, usage_from_summary
from tasks.rollout.cluster import ClusterClient


def node_usage(client: ClusterClient, node: str) -> dict[str, Usage]:
    """Usage by pod UID of one node.

    Raises:
        AccessError, NotFoundError, UnavailableError, ProtocolError: As the API server answers.
    """
    path = f"/api/v1/nodes/{node}/proxy/stats/summary"
    return usage_from_summary(client.get_json(path, f"kubelet statistics of node {node}"))
