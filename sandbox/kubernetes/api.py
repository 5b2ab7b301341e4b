"""Every request but watches: authorization, discovery, objects, logs, proxies and measurements."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sandbox.kubernetes import discovery, logs, measures, proxy, reading, tables, writing
from sandbox.kubernetes.load import Load
from sandbox.kubernetes.node import NODE
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.resources import named
from sandbox.kubernetes.routes import Call, Route, parse
from sandbox.kubernetes.status import ApiError, Object, bad_request, forbidden, not_found
from sandbox.kubernetes.store import clone

Answer = tuple[int, Any, list[str]]
_OPEN = ("/version", "/readyz", "/healthz", "/livez")
_USER = {"username": "smartclide-sandbox", "groups": ["system:masters", "system:authenticated"]}
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def verb(route: Route, call: Call) -> str:
    """The verb authorization knows a request by."""
    if call.method in ("GET", "HEAD"):
        return "watch" if call.flag("watch") else "get" if route.name else "list"
    if call.method == "DELETE" and not route.name:
        return "deletecollection"
    return _VERBS[call.method]


class Api:
    """The API server.

    Attributes:
        denied: Pairs of verb and permission (``("get", "nodes/proxy")``; ``"*"`` = any) that are answered 403.
    """

    def __init__(self, objects: Objects, load: Load, token: str, *, trust_kubectl: bool) -> None:
        self.objects = objects
        self.load = load
        self.denied: set[tuple[str, str]] = set()
        self._token = token
        self._trust_kubectl = trust_kubectl

    def authorize(self, call: Call) -> Route | None:
        """The route of a request that its credentials allow.

        Raises:
            ApiError: 401 for a wrong token, 403 for none or for what `denied` names.
        """
        route = parse(call.path)
        given = call.headers.get("authorization", "")
        if given and given != f"Bearer {self._token}":
            raise ApiError(401, "Unauthorized", "Unauthorized")
        kubectl = self._trust_kubectl and call.headers.get("user-agent", "").startswith("kubectl/")
        if not given and not kubectl and call.path not in _OPEN:
            if route is None:
                text = f'User "system:anonymous" cannot {call.method.lower()} path "{call.path}"'
                raise ApiError(403, "Forbidden", f"forbidden: {text}", {})
            raise self._refusal(route, call, "system:anonymous")
        if route is not None and not self.allowed(verb(route, call), route.permission):
            raise self._refusal(route, call, _USER["username"])
        return route

    def allowed(self, action: str, permission: str) -> bool:
        """Whether a verb on a resource is granted."""
        return not {(action, permission), ("*", permission)} & self.denied

    @staticmethod
    def _refusal(route: Route, call: Call, user: object) -> ApiError:
        where = f' in the namespace "{route.namespace}"' if route.namespace else " at the cluster scope"
        what = route.resource.plural + (f"/{route.subresource}" if route.subresource else "")
        text = (
            f'User "{user}" cannot {verb(route, call)} resource "{what}" in API group "{route.resource.group}"{where}'
        )
        return forbidden(route.resource.group, route.resource.plural, route.name, text)

    def answer(self, route: Route | None, call: Call) -> Answer:
        """Answer a request: status code, JSON object or text, warnings."""
        if route is None:
            return self._document(call)
        if route.resource.key in self._virtual:
            return self._virtual[route.resource.key](self, route, call)
        if route.subresource:
            return self._subresource(route, call)
        if call.method in ("GET", "HEAD"):
            return self._read(route, call)
        writers = {
            ("POST", False): writing.create,
            ("PUT", True): writing.update,
            ("PATCH", True): writing.patch,
            ("DELETE", True): writing.delete,
            ("DELETE", False): writing.delete_collection,
        }
        writer = writers.get((call.method, bool(route.name)))
        if writer is None:
            raise ApiError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
            )
        return writer(self.objects, route, call)

    def _document(self, call: Call) -> Answer:
        path = call.path.rstrip("/") or "/"
        parts = path.strip("/").split("/")
        body: Any = None
        if path in ("/readyz", "/healthz", "/livez"):
            body = "ok"
        elif path == "/version":
            body = discovery.VERSION
        elif path == "/api":
            body = discovery.core(call.headers.get("host", ""))
        elif path == "/apis":
            body = discovery.group_list(self._hidden())
        elif path == "/openapi/v3":
            body = discovery.openapi_paths()
        elif path.startswith("/openapi/v3/"):
            body = discovery.openapi(path.removeprefix("/openapi/v3/"))
        elif parts[0] == "apis" and len(parts) > 1 and parts[1] in self._hidden():
            body = None
        elif parts[0] == "apis" and len(parts) == 2:
            body = discovery.group(parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            body = discovery.resource_list(parts[1], parts[2])
        elif parts[0] == "api" and len(parts) == 2:
            body = discovery.resource_list("", parts[1])
        elif path == "/":
            body = {"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]}
        return (200, body, []) if body is not None else (404, "404 page not found\n", [])

    def _hidden(self) -> frozenset[str]:
        return frozenset({"metrics.k8s.io"} if self.load.metrics == 404 else ())

    def _read(self, route: Route, call: Call) -> Answer:
        if not route.name:
            body = reading.listing(self.objects.store, route, call)
            return 200, tables.of_list(route.resource, body) if tables.wanted(call) else body, []
        item = self.objects.get(route.resource, *route.key)
        if tables.wanted(call):
            return 200, tables.table(route.resource, [item], item["metadata"]["resourceVersion"]), []
        return 200, item, []

    def _subresource(self, route: Route, call: Call) -> Answer:
        name = route.subresource
        if name == "proxy" and route.resource.key == "nodes":
            return self._node_proxy(route)
        if name == "proxy" and route.resource.key == "services":
            return proxy.service(self.objects.store, route)
        if name not in route.resource.subresources:
            return 404, "404 page not found\n", []
        if name == "log":
            return logs.read(self.objects.get(route.resource, *route.key), call)
        if name == "eviction":
            self.objects.delete(route.resource, route.key, {})
            return 201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, []
        if call.method in ("GET", "HEAD"):
            item = self.objects.get(route.resource, *route.key)
            return 200, writing.scale_of(item) if name == "scale" else item, []
        if name == "finalize":
            return 200, self.objects.get(route.resource, *route.key), []
        return (writing.patch if call.method == "PATCH" else writing.update)(self.objects, route, call)

    def _node_proxy(self, route: Route) -> Answer:
        node = self.objects.get(route.resource, "", route.name)
        if self.load.summary != 200:
            text = "the server is currently unable to handle the request"
            raise ApiError(self.load.summary, "ServiceUnavailable" if self.load.summary == 503 else "NotFound", text)
        if route.rest.strip("/") != "stats/summary":
            return 404, "404 page not found\n", []
        return 200, measures.summary(self.load, node, self._pods(), time.time()), []

    def _pods(self, namespace: str = "") -> list[Object]:
        found = self.objects.store.peek(named("pods"), namespace)
        return [pod for pod in found if pod["spec"].get("nodeName") == NODE]

    def _metrics(self, route: Route, call: Call) -> Answer:
        if self.load.metrics == 404:
            return 404, "404 page not found\n", []
        if self.load.metrics != 200:
            text = "the server is currently unable to handle the request"
            raise ApiError(self.load.metrics, "ServiceUnavailable", text, {})
        select = reading.matcher(named(route.resource.plural), call.query, route.name)
        kind = {"kind": route.resource.kind, "apiVersion": route.resource.api_version}
        items = [entry for entry in self._measured(route, select) if entry is not None]
        if not route.name:
            return 200, {**kind, "kind": f"{kind['kind']}List", "metadata": {}, "items": items}, []
        if not items:
            raise not_found(route.resource.group, route.resource.plural, route.name)
        return 200, {**kind, **items[0]}, []

    def _measured(self, route: Route, select: Callable[[Object], bool]) -> list[Object | None]:
        at = time.time()
        if route.resource.plural == "nodes":
            nodes = [node for node in self.objects.store.peek(named("nodes")) if select(node)]
            return [measures.node_metrics(self.load, node, self._pods(), at) for node in nodes]
        return [measures.pod_metrics(self.load, pod, at) for pod in self._pods(route.namespace) if select(pod)]

    def _review(self, route: Route, call: Call) -> Answer:
        if call.method != "POST":
            raise ApiError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
            )
        body = clone(writing.document(call, route.resource.kind))
        if not isinstance(body, dict):
            raise bad_request(f"the object provided is unrecognized (must be of type {route.resource.kind})")
        result = {"apiVersion": route.resource.api_version, "kind": route.resource.kind, "metadata": {}}
        result["spec"] = body.get("spec") or {}
        if route.resource.kind == "SelfSubjectReview":
            result.pop("spec")
            result["status"] = {"userInfo": _USER}
        elif route.resource.kind == "SelfSubjectAccessReview":
            result["status"] = self._access(body.get("spec") or {})
        else:
            everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            paths = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
            result["status"] = {"resourceRules": everything, "nonResourceRules": paths, "incomplete": False}
        return 201, result, []

    def _access(self, spec: Object) -> Object:
        asked = spec.get("resourceAttributes") or {}
        name = f"{asked.get('resource', '')}.{asked['group']}" if asked.get("group") else asked.get("resource", "")
        if asked.get("subresource"):
            name += f"/{asked['subresource']}"
        if self.allowed(asked.get("verb", ""), name):
            return {"allowed": True, "reason": "stand-in: every token holder is an administrator"}
        return {"allowed": False}

    _virtual: dict[str, Callable[[Api, Route, Call], Answer]] = {
        "pods.metrics.k8s.io": _metrics,
        "nodes.metrics.k8s.io": _metrics,
        "selfsubjectreviews.authentication.k8s.io": _review,
        "selfsubjectaccessreviews.authorization.k8s.io": _review,
        "selfsubjectrulesreviews.authorization.k8s.io": _review,
    }
