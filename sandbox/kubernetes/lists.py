"""Which lists are maps in disguise, and by which keys (``x-kubernetes-list-map-keys``); which maps are one value."""

from __future__ import annotations

from typing import Any

Path = tuple[str, ...]
_BY_NAME = frozenset(
    {
        "containers",
        "initContainers",
        "ephemeralContainers",
        "volumes",
        "env",
        "imagePullSecrets",
        "resourceClaims",
        "secrets",
    }
)
_KEYS = {
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "addresses": ("type",),
}
_ATOMIC_MAPS = frozenset(
    {
        "nodeSelector",
        "secretKeyRef",
        "configMapKeyRef",
        "fieldRef",
        "resourceFieldRef",
        "matchLabels",
        "involvedObject",
        "scaleTargetRef",
        "roleRef",
        "labelSelector",
        "podSelector",
        "namespaceSelector",
    }
)


def merge_keys(path: Path) -> tuple[str, ...]:
    """Keys of the items of the list at a path of field names; () = an atomic list or a set."""
    name = path[-1]
    if name == "ports":
        if "containers" in path or "initContainers" in path:
            return ("containerPort", "protocol")
        return ("port", "protocol") if path == ("spec", "ports") else ()
    if name in _BY_NAME:
        return ("name",) if "subjects" not in path else ()
    if name == "addresses" and path != ("status", "addresses"):
        return ()
    return _KEYS.get(name, ())


def is_set(path: Path) -> bool:
    """Whether the list at a path is a set of scalars."""
    return path[-1] in ("finalizers", "clusterIPs", "loadBalancerSourceRanges")


def is_atomic(path: Path) -> bool:
    """Whether the map at a path is owned as one value."""
    return path[-1] in _ATOMIC_MAPS or path[-1] == "selector"


def item_key(item: Any, keys: tuple[str, ...]) -> tuple[tuple[str, Any], ...]:
    """The identity of a list item; ``protocol`` defaults to TCP."""
    defaults = {"protocol": "TCP"}
    return tuple((key, item.get(key, defaults.get(key))) for key in keys)
