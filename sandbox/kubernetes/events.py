"""Events, counted together when they say the same again."""

from __future__ import annotations

from sandbox.kubernetes.decoding import Write
from sandbox.kubernetes.node import NODE
from sandbox.kubernetes.objects import Objects, now
from sandbox.kubernetes.resources import named
from sandbox.kubernetes.status import ApiError, Object


class Recorder:
    """Writes events about objects."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._names: dict[tuple[str, str, str], str] = {}

    def record(self, item: Object, component: str, kind: str, reason: str, message: str) -> None:
        """Write an event (`kind` is ``Normal`` or ``Warning``), or count one up."""
        metadata, store = item["metadata"], self._objects.store
        namespace = metadata.get("namespace", "default")
        same = (metadata["uid"], reason, message)
        with store.lock:
            known = store.get(named("events"), namespace, self._names.get(same, ""))
            if known is not None:
                known["count"] = known.get("count", 1) + 1
                known["lastTimestamp"] = now()
                store.put(named("events"), known)
                return
            try:
                body = self._event(item, component, kind, reason, message)
                created, _ = self._objects.create(named("events"), namespace, body, Write(component))
            except ApiError:
                return  # its namespace is going away
            self._names[same] = created["metadata"]["name"]

    def _event(self, item: Object, component: str, kind: str, reason: str, message: str) -> Object:
        metadata = item["metadata"]
        involved = {
            "kind": item["kind"],
            "namespace": metadata.get("namespace", ""),
            "name": metadata["name"],
            "uid": metadata["uid"],
            "apiVersion": item["apiVersion"],
            "resourceVersion": metadata["resourceVersion"],
        }
        source = {"component": component, "host": NODE} if component == "kubelet" else {"component": component}
        number = f"{abs(hash((metadata['uid'], reason, message))) & (2**60 - 1):x}"
        return {
            "metadata": {"generateName": f"{metadata['name']}.{number[:10]}", "namespace": metadata.get("namespace")},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
            "reportingComponent": component,
            "reportingInstance": NODE if component == "kubelet" else "",
        }
