"""The adapter to a cluster: dicts in, dicts out, by the DynamicClient. Synchronous: call it through `in_thread`.

Every request has the block's timeout and no retry of its own; every foreign error is translated in `_translated`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import urllib3.exceptions
from kubernetes.client.exceptions import ApiException, OpenApiException
from kubernetes.dynamic import DynamicClient

from blocks.cluster import Cluster
from errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    ProtocolError,
    SmartClideError,
    UnavailableError,
)
from tasks.hiding import Hider, login_secrets
from tasks.rollout.kinds import StableKinds
from tasks.rollout.manifest import Manifest, secrets_in
from tasks.rollout.names import ENVIRONMENT, FIELD_MANAGER, MANAGED_BY, PROJECT, PROJECT_PATH, Identity
from tasks.rollout.refusals import refusal, terminating
from tasks.transport import unreached

_T = TypeVar("_T")
_MOST_PATIENCE_SECONDS = 30.0
_API_VERSIONS = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "Lease": "coordination.k8s.io/v1",
    "SelfSubjectReview": "authentication.k8s.io/v1",
    "SelfSubjectAccessReview": "authorization.k8s.io/v1",
}


class ClusterClient:
    """One cluster, as one identity."""

    def __init__(self, cluster: Cluster) -> None:
        """Connect to what `cluster` names (no request is made yet).

        Raises:
            InputError: The kubeconfig cannot be used.
            AccessError: It has no credentials.
        """
        self._api = cluster.get_client()
        self._timeout = cluster.timeout_seconds
        self._options = {"_request_timeout": self._timeout, "serializer": _json}
        self.host: str = self._api.configuration.host
        self._hide = Hider(*_secrets(self._api.configuration))
        self._dynamic: Any = DynamicClient(self._api, discoverer=StableKinds)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Give the connections back."""
        self._api.rest_client.close()

    def apply(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Server-side apply as field manager ``smartclide``, never forced.

        Raises:
            ConflictError: Another manager owns a field; the message names both.
        """
        with self._translated_of(manifest):
            answer = self._resource(manifest["kind"], manifest["apiVersion"]).server_side_apply(
                body=manifest,
                namespace=manifest["metadata"].get("namespace"),
                field_manager=FIELD_MANAGER,
                dry_run="All" if dry_run else None,
                **self._options,
            )
            return _plain(answer)

    def create(self, manifest: Manifest) -> Manifest:
        """Create; ConflictError when the name is taken."""
        return self._write("create", manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        """Replace; ConflictError when its ``resourceVersion`` is no longer the current one."""
        return self._write("replace", manifest)

    def _write(self, verb: str, manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        with self._translated_of(manifest):
            resource = self._resource(manifest["kind"], manifest["apiVersion"])
            answer = getattr(resource, verb)(
                body=manifest,
                namespace=metadata.get("namespace"),
                field_manager=FIELD_MANAGER,
                **self._options,
            )
            return _plain(answer)

    def find(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """One object, or None when it is not there."""
        try:
            with self._translated(kind, namespace, name):
                answer = self._resource(kind).get(name=name, namespace=namespace, **self._options)
                plain = _object(answer)
        except NotFoundError:
            return None
        return plain

    def list(self, kind: str, namespace: str, selector: str | None = None) -> list[Manifest]:
        """All objects of a kind in a namespace."""
        with self._translated(kind, namespace, ""):
            answer = self._resource(kind).get(namespace=namespace, label_selector=selector, **self._options)
            items = _plain(answer).get("items") or []
        return list(items)

    def delete(self, kind: str, namespace: str | None, name: str, resource_version: str | None = None) -> bool:
        """Delete with all that depends on it, which goes afterwards; False when it was not there.

        Not in the foreground: Kubernetes' garbage collector takes half a minute over that where this takes seconds.

        Raises:
            ConflictError: It is no longer of `resource_version`.
        """
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if resource_version is not None:
            options["preconditions"] = {"resourceVersion": resource_version}
        try:
            with self._translated(kind, namespace, name):
                self._resource(kind).delete(name=name, namespace=namespace, body=options, **self._options)
        except NotFoundError:
            return False
        return True

    def ensure_namespace(self, manifest: Manifest) -> bool:
        """Create the Namespace when absent; whether it was created.

        Who may not read namespaces (403) is taken to have one: the next request will tell.

        Raises:
            ConflictError: It is being deleted.
        """
        name = manifest["metadata"]["name"]
        try:
            found = self.find("Namespace", None, name)
            if found is not None and found["metadata"].get("deletionTimestamp"):
                raise terminating(name)
            if found is not None:
                return False
        except AccessError:
            return False
        try:
            self.create(manifest)
        except ConflictError:
            return False
        except AccessError:
            return False
        return True

    def refuse_foreign(self, manifest: Manifest, identity: Identity) -> Manifest | None:
        """The object in the cluster that `manifest` would change, surely ours; None when there is none.

        Raises:
            ConflictError: An object of that name belongs to someone else, or to another project or Environment.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        found = self.find(kind, identity.namespace, name)
        if found is not None and not owned(found, identity):
            raise ConflictError(
                f"{kind} {name} in namespace {identity.namespace} belongs to {_owner(found)}, not to project "
                f"{identity.project} in Environment {identity.environment}; it was left alone.",
                remedy="Choose another name in the deploy descriptor, or another namespace.",
            )
        if found is not None and found["metadata"].get("deletionTimestamp"):
            raise UnavailableError(
                f"{kind} {name} in namespace {identity.namespace} is still being deleted.",
                remedy="Try again when it is gone.",
            )
        return found

    def log_tail(self, namespace: str, pod: tuple[str, str], *, previous: bool, lines: int = 20) -> tuple[str, ...]:
        """The last lines of a container, named by its pod and itself; nothing when it never ran."""
        name, container = pod
        query = [("tailLines", str(lines)), ("previous", "true" if previous else "false")]
        query += [("container", container)] if container else []  # needed where the pod has several
        try:
            with self._translated("log of Pod", namespace, name):
                response = self._dynamic.request(
                    "get",
                    f"/api/v1/namespaces/{namespace}/pods/{name}/log",
                    query_params=query,
                    header_params={"Accept": "*/*"},
                    serialize=False,
                    _request_timeout=self._timeout,
                )
                text: str = response.data.decode("utf-8", "replace")
                return () if text.startswith("unable to retrieve container logs") else tuple(text.splitlines())
        except (NotFoundError, InputError):  # no such container instance: nothing was logged
            return ()

    def get_json(self, path: str, what: str) -> Manifest:
        """What a GET of any API path answers, e.g. a node's ``/stats/summary`` through the API server's proxy."""
        with self._translated(what, None, ""):
            return _plain(self._dynamic.request("get", path, **self._options))

    def version(self) -> str:
        """The server's version, e.g. ``v1.20.2``."""
        with self._translated("version of the cluster", None, ""):
            answer = self._dynamic.request("get", "/version", **self._options)
            version = _plain(answer).get("gitVersion")
            if not version:
                raise ValueError("no version")
        return str(version)

    def whoami(self) -> str:
        """The identity the cluster sees, or ``unknown`` where it cannot say (Kubernetes before 1.28).

        Raises:
            AccessError: The credentials are refused.
        """
        review: Manifest = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
        try:
            answer = self._write("create", review)
        except NotFoundError:
            self.may("get", "pods", "default")  # the credentials are at least accepted
            return "unknown"
        return str(answer.get("status", {}).get("userInfo", {}).get("username", "unknown"))

    def may(self, verb: str, resource: str, namespace: str, group: str = "") -> bool:
        """Whether this identity may do `verb` on a resource (plural, e.g. ``deployments``) in a namespace."""
        attributes = {"verb": verb, "resource": resource, "namespace": namespace, "group": group}
        answer = self._write(
            "create",
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "metadata": {},
                "spec": {"resourceAttributes": attributes},
            },
        )
        return bool(answer.get("status", {}).get("allowed"))

    def _resource(self, kind: str, api_version: str | None = None) -> Any:
        return self._dynamic.resources.get(api_version=api_version or _API_VERSIONS.get(kind, "v1"), kind=kind)

    def _translated_of(self, manifest: Manifest) -> AbstractContextManager[None]:
        """What writes an object, whose own secrets an answer may repeat."""
        metadata = manifest["metadata"]
        hide = Hider(*_secrets(self._api.configuration), *secrets_in(manifest))
        return self._translated(manifest["kind"], metadata.get("namespace"), metadata.get("name", ""), hide)

    @contextmanager
    def _translated(self, kind: str, namespace: str | None, name: str, hide: Hider | None = None) -> Iterator[None]:
        hide = hide or self._hide
        what = f"{kind} {name}".strip() + (f" in namespace {namespace}" if namespace else "")
        try:
            yield
        except ApiException as error:
            # its own text holds headers and whole answers
            raise refusal(error, what, self.host, hide) from None
        except urllib3.exceptions.HTTPError as error:
            raise _unreached(error, f"The cluster at {self.host}") from hide.cause(error)
        except KeyError as error:
            raise NotFoundError(f"The cluster at {self.host} does not know {error}.") from error
        except (OpenApiException, ValueError) as error:
            raise ProtocolError(
                f"The cluster at {self.host} answered what is not Kubernetes' API ({what}).",
                remedy="Check that the address in the kubeconfig is an API server's.",
            ) from hide.cause(error)


async def in_thread(cluster: Cluster, work: Callable[[ClusterClient], _T]) -> _T:
    """Run `work` on a client of its own, in a thread.

    When the server asks for patience (``Retry-After``), that time is waited before the error is passed on to whoever
    tries again. When cancelled, `work` is waited for: a thread cannot be stopped, and must not go on writing when its
    caller has given the Lease back.
    """

    def run() -> _T:
        client = ClusterClient(cluster)
        try:
            return work(client)
        finally:
            client.close()

    running = asyncio.get_running_loop().run_in_executor(None, run)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # seen: the cancellation is what is told
        raise
    except UnavailableError as error:
        await asyncio.sleep(min(error.retry_after or 0.0, _MOST_PATIENCE_SECONDS))
        raise


def owned(thing: Manifest, identity: Identity) -> bool:
    """Whether an object is of this project and Environment, by its labels and the full project path."""
    metadata = thing["metadata"]
    labels, wanted = metadata.get("labels") or {}, identity.labels
    same = all(labels.get(key) == wanted[key] for key in (MANAGED_BY, ENVIRONMENT, PROJECT))
    return same and (metadata.get("annotations") or {}).get(PROJECT_PATH, identity.project) == identity.project


def _owner(thing: Manifest) -> str:
    metadata = thing["metadata"]
    labels = metadata.get("labels") or {}
    if labels.get(MANAGED_BY) != FIELD_MANAGER:
        return labels.get(MANAGED_BY) or "someone else"
    path = (metadata.get("annotations") or {}).get(PROJECT_PATH) or labels.get(PROJECT)
    return f"project {path} in Environment {labels.get(ENVIRONMENT)}"


def _plain(answer: Any) -> Manifest:
    if not isinstance(answer, dict):
        raise ValueError("not a JSON object")
    return answer


def _object(answer: Any) -> Manifest:
    plain = _plain(answer)
    if not isinstance(plain.get("metadata"), dict):
        raise ValueError("no object of Kubernetes")
    return plain


def _json(_client: Any, plain: Any) -> Any:
    return plain


def _secrets(configuration: Any) -> Iterator[str | None]:
    """What the client logs in with, as far as it is no file."""
    for value in (configuration.api_key or {}).values():
        yield from (value, str(value).rpartition(" ")[2])
    yield from login_secrets((configuration.username or "", configuration.password or ""))


def _unreached(error: Exception, server: str) -> SmartClideError:
    late = isinstance(error, urllib3.exceptions.TimeoutError)
    if late and not isinstance(error, urllib3.exceptions.NewConnectionError):  # which is, oddly, one of them
        return UnavailableError(f"{server} did not answer in time.", remedy="Check the network, and that it is up.")
    return unreached(server, str(error))
