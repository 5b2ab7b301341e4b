"""What the API server fills in: defaults of the kinds whose behaviour depends on them."""

from __future__ import annotations

import base64
import zlib
from typing import Any

from sandbox.kubernetes.status import Object


def fill(kind: str, item: Object) -> None:
    """Fill an object's defaults in place."""
    filler = _FILLERS.get(kind)
    if filler:
        filler(item)


def _defaults(target: Object, **values: Any) -> None:
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


def _probe(probe: Object) -> None:
    _defaults(probe, failureThreshold=3, periodSeconds=10, successThreshold=1, timeoutSeconds=1)
    if "httpGet" in probe:
        _defaults(probe["httpGet"], path="/", scheme="HTTP")


def _container(container: Object) -> None:
    image = container.get("image") or ""
    tag = image.rpartition("/")[2]
    latest = "@" not in image and (":" not in tag or tag.endswith(":latest"))
    _defaults(
        container,
        imagePullPolicy="Always" if latest else "IfNotPresent",
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
    )
    for port in container.get("ports") or []:
        _defaults(port, protocol="TCP")
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        if container.get(name):
            _probe(container[name])
    resources = container["resources"]
    for key, value in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(key, value)
    for variable in container.get("env") or []:
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if field:
            _defaults(field, apiVersion="v1")


def pod_spec(spec: Object) -> None:
    """Defaults of a pod's spec or a template's."""
    _defaults(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        securityContext={},
        terminationGracePeriodSeconds=30,
    )
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    for container in (spec.get("containers") or []) + (spec.get("initContainers") or []):
        _container(container)
    for volume in spec.get("volumes") or []:
        for kind in ("secret", "configMap", "projected"):
            if kind in volume:
                _defaults(volume[kind], defaultMode=420)


def _template(spec: Object) -> None:
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        if isinstance(template.get("spec"), dict):
            pod_spec(template["spec"])


def _pod(item: Object) -> None:
    spec = item.setdefault("spec", {})
    pod_spec(spec)
    _defaults(
        spec,
        serviceAccountName="default",
        serviceAccount="default",
        enableServiceLinks=True,
        priority=0,
        preemptionPolicy="PreemptLowerPriority",
    )


def _deployment(item: Object) -> None:
    spec = item.setdefault("spec", {})
    _template(spec)
    _defaults(spec, replicas=1, progressDeadlineSeconds=600, revisionHistoryLimit=10, strategy={})
    strategy = spec["strategy"]
    _defaults(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _defaults(strategy, rollingUpdate={})
        _defaults(strategy["rollingUpdate"], maxSurge="25%", maxUnavailable="25%")


def _replica_set(item: Object) -> None:
    spec = item.setdefault("spec", {})
    _template(spec)
    _defaults(spec, replicas=1)


def _stateful_set(item: Object) -> None:
    _replica_set(item)
    spec = item["spec"]
    _defaults(spec, podManagementPolicy="OrderedReady", revisionHistoryLimit=10, updateStrategy={})
    _defaults(spec["updateStrategy"], type="RollingUpdate")


def _daemon_set(item: Object) -> None:
    spec = item.setdefault("spec", {})
    _template(spec)
    _defaults(spec, revisionHistoryLimit=10, updateStrategy={})
    _defaults(spec["updateStrategy"], type="RollingUpdate")


def _job(item: Object) -> None:
    spec = item.setdefault("spec", {})
    _template(spec)
    _defaults(spec, parallelism=1, completions=1, backoffLimit=6, completionMode="NonIndexed", suspend=False)


def finish_job(item: Object) -> None:
    """The selector and labels a Job gets from its uid, when it has one."""
    uid, name = item["metadata"]["uid"], item["metadata"]["name"]
    names = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name}
    spec = item["spec"]
    spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    labels.update({**names, "controller-uid": uid, "job-name": name})


def _cron_job(item: Object) -> None:
    spec = item.setdefault("spec", {})
    _defaults(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)


def _service(item: Object) -> None:
    spec = item.setdefault("spec", {})
    _defaults(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    for port in spec.get("ports") or []:
        _defaults(port, protocol="TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
    if spec["type"] == "ExternalName":
        return
    metadata = item["metadata"]
    if not spec.get("clusterIP"):
        number = zlib.crc32(f"{metadata.get('namespace')}/{metadata.get('name')}".encode())
        spec["clusterIP"] = f"10.96.{number >> 8 & 255}.{number & 255}"
    spec["clusterIPs"] = [spec["clusterIP"]]
    _defaults(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    item.setdefault("status", {"loadBalancer": {}})


def _secret(item: Object) -> None:
    _defaults(item, type="Opaque")
    for key, value in (item.pop("stringData", None) or {}).items():
        item.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()


def _namespace(item: Object) -> None:
    item.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    item.setdefault("status", {"phase": "Active"})
    labels = item["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = item["metadata"]["name"]


def _claim(item: Object) -> None:
    _defaults(item.setdefault("spec", {}), volumeMode="Filesystem")
    item.setdefault("status", {"phase": "Pending"})


_FILLERS = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "CronJob": _cron_job,
    "Service": _service,
    "Secret": _secret,
    "Namespace": _namespace,
    "PersistentVolumeClaim": _claim,
}
