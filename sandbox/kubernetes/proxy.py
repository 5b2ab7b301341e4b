"""The API server's proxy to a Service: answered here, since no container runs."""

from __future__ import annotations

import html
from typing import Any

from sandbox.kubernetes.resources import named
from sandbox.kubernetes.routes import Route
from sandbox.kubernetes.status import ApiError, Object
from sandbox.kubernetes.store import Store

Answer = tuple[int, Any, list[str]]


def service(store: Store, route: Route) -> Answer:
    """What ``services/[SCHEME:]NAME[:PORT]/proxy/PATH`` answers.

    Raises:
        ApiError: 404 without the Service, 503 without a ready endpoint or such a port.
    """
    parts = route.name.split(":")
    name = parts[1] if len(parts) == 3 else parts[0]
    port = parts[-1] if len(parts) > 1 else ""
    found = store.get(named("services"), route.namespace, name)
    if found is None:
        text = f'services "{name}" not found'
        raise ApiError(404, "NotFound", text, {"name": name, "kind": "services"})
    endpoints = store.get(named("endpoints"), route.namespace, name) or {}
    ports = found["spec"].get("ports") or []
    served = not port or any(port in (str(entry["port"]), entry.get("name")) for entry in ports)
    addresses = [address for subset in endpoints.get("subsets") or [] for address in subset.get("addresses") or []]
    if not served or not addresses:
        problem = "no endpoints available for service" if served else "no service port"
        shown = f'"{route.name}"' if served else f'"{port}" found for service "{name}"'
        raise ApiError(503, "ServiceUnavailable", f"{problem} {shown}")
    target = addresses[0]["targetRef"]
    pod = store.get(named("pods"), route.namespace, target["name"])
    if pod is None:
        raise ApiError(503, "ServiceUnavailable", f'no endpoints available for service "{route.name}"')
    return 200, _page(name, route.rest, pod), []


def _page(name: str, path: str, pod: Object) -> str:
    images = ", ".join(container["image"] for container in pod["spec"]["containers"])
    return (
        "<!doctype html>\n<title>stand-in</title>\n"
        f"<p>This is a stand-in: no container runs. Service <b>{html.escape(name)}</b>, pod "
        f"<b>{html.escape(pod['metadata']['name'])}</b>, image <code>{html.escape(images)}</code>, "
        f"path <code>/{html.escape(path)}</code>.</p>\n"
    )
