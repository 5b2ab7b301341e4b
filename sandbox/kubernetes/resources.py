"""The kinds this stand-in serves, and what discovery says about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Resource:
    """One resource of one API group and version.

    Attributes:
        subresources: Its subresources, of which ``status`` and ``scale`` are generic.
        spec_generation: Whether ``metadata.generation`` counts changes of the spec.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL_VERBS
    spec_generation: bool = False

    @property
    def api_version(self) -> str:
        """``v1`` or ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> str:
        """``deployments.apps``: the name in messages and in the store."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _core() -> Iterator[Resource]:
    def core(plural: str, kind: str, **options: object) -> Resource:
        return Resource("", "v1", plural, kind, **options)  # type: ignore[arg-type]  # typed above

    yield core("namespaces", "Namespace", namespaced=False, short_names=("ns",), subresources=("status", "finalize"))
    yield core("nodes", "Node", namespaced=False, short_names=("no",), subresources=("status", "proxy"))
    yield core(
        "pods",
        "Pod",
        short_names=("po",),
        categories=("all",),
        subresources=("status", "log", "eviction"),
        spec_generation=False,
    )
    yield core("services", "Service", short_names=("svc",), categories=("all",), subresources=("status", "proxy"))
    yield core("secrets", "Secret")
    yield core("configmaps", "ConfigMap", short_names=("cm",))
    yield core("serviceaccounts", "ServiceAccount", short_names=("sa",))
    yield core("events", "Event", short_names=("ev",))
    yield core("endpoints", "Endpoints", short_names=("ep",))
    yield core("persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",), subresources=("status",))
    yield core("persistentvolumes", "PersistentVolume", namespaced=False, short_names=("pv",))
    yield core("resourcequotas", "ResourceQuota", short_names=("quota",), subresources=("status",))
    yield core("limitranges", "LimitRange", short_names=("limits",))


def _apps() -> Iterator[Resource]:
    def app(plural: str, kind: str, short: str, *subresources: str) -> Resource:
        return Resource(
            "apps",
            "v1",
            plural,
            kind,
            short_names=(short,),
            categories=("all",),
            subresources=subresources,
            spec_generation=True,
        )

    yield app("deployments", "Deployment", "deploy", "status", "scale")
    yield app("replicasets", "ReplicaSet", "rs", "status", "scale")
    yield app("statefulsets", "StatefulSet", "sts", "status", "scale")
    yield app("daemonsets", "DaemonSet", "ds", "status")


def _batch_and_network() -> Iterator[Resource]:
    status = ("status",)
    yield Resource("batch", "v1", "jobs", "Job", categories=("all",), subresources=status, spec_generation=True)
    yield Resource(
        "batch",
        "v1",
        "cronjobs",
        "CronJob",
        short_names=("cj",),
        categories=("all",),
        subresources=status,
        spec_generation=True,
    )
    networking = "networking.k8s.io"
    yield Resource(
        networking, "v1", "ingresses", "Ingress", short_names=("ing",), subresources=status, spec_generation=True
    )
    yield Resource(networking, "v1", "ingressclasses", "IngressClass", namespaced=False, spec_generation=True)
    yield Resource(networking, "v1", "networkpolicies", "NetworkPolicy", short_names=("netpol",), spec_generation=True)
    yield Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")


def _others() -> Iterator[Resource]:
    rbac = "rbac.authorization.k8s.io"
    yield Resource("coordination.k8s.io", "v1", "leases", "Lease")
    for version in ("v1", "v2"):  # one store for both, not converted: their `scaleTargetRef` is the same
        yield Resource(
            "autoscaling",
            version,
            "horizontalpodautoscalers",
            "HorizontalPodAutoscaler",
            short_names=("hpa",),
            categories=("all",),
            subresources=("status",),
        )
    yield Resource(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        short_names=("pdb",),
        subresources=("status",),
        spec_generation=True,
    )
    yield Resource(rbac, "v1", "roles", "Role")
    yield Resource(rbac, "v1", "rolebindings", "RoleBinding")
    yield Resource(rbac, "v1", "clusterroles", "ClusterRole", namespaced=False)
    yield Resource(rbac, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
    yield Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False, short_names=("sc",))
    yield Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False, short_names=("pc",))


def _virtual() -> Iterator[Resource]:
    create = ("create",)
    read = ("get", "list")
    yield Resource(
        "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False, verbs=create
    )
    yield Resource(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=create,
    )
    yield Resource(
        "authorization.k8s.io",
        "v1",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        namespaced=False,
        verbs=create,
    )
    yield Resource("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", namespaced=False, verbs=read)
    yield Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", verbs=read)


STORED = (*_core(), *_apps(), *_batch_and_network(), *_others())
VIRTUAL = tuple(_virtual())
RESOURCES = (*STORED, *VIRTUAL)
BY_PLURAL = {(resource.group, resource.version, resource.plural): resource for resource in RESOURCES}
BY_KIND = {(resource.api_version, resource.kind): resource for resource in STORED}
BY_KEY = {resource.key: resource for resource in STORED}


def named(key: str) -> Resource:
    """The stored resource of a key such as ``pods`` or ``deployments.apps``."""
    return BY_KEY[key]
