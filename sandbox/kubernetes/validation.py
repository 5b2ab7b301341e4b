"""Validation of objects, with the API server's messages (``k8s.io/apimachinery/.../validation``)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from sandbox.kubernetes import quantities
from sandbox.kubernetes.selectors import matches
from sandbox.kubernetes.status import Cause, Object

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_ENV = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
Causes = Iterator[Cause]


def go(value: Any) -> str:
    """A value as Go's ``%#v`` prints it in messages."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        inner = ", ".join(f'"{key}":"{item}"' for key, item in sorted(value.items()))
        return f"map[string]string{{{inner}}}"
    return json.dumps(value)


def wrong(field: str, value: Any, text: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {go(value)}: {text}", field)


def required(field: str, text: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {text}" if text else "Required value", field)


def validate(kind: str, item: Object, old: Object | None) -> list[Cause]:
    """Everything wrong with an object; `old` is what it replaces, for what may not change."""
    causes = list(_metadata(kind, item["metadata"]))
    check = _CHECKS.get(kind)
    if check:
        causes += check(item)
    if old is not None:
        causes += _immutable(kind, item, old)
    return causes


def _name(value: str, field: str, form: re.Pattern[str], text: str, limit: int) -> Causes:
    if len(value) > limit:
        yield wrong(field, value, f"must be no more than {limit} characters")
    if not form.fullmatch(value):
        yield wrong(field, value, text)


def _metadata(kind: str, metadata: Object) -> Causes:
    name = metadata.get("name") or ""
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif kind == "Service":
        yield from _name(name, "metadata.name", _LABEL_1035, _LABEL_1035_TEXT, 63)
    elif kind == "Namespace":
        yield from _name(name, "metadata.name", _LABEL, _LABEL_TEXT, 63)
    elif kind not in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"):
        yield from _name(name, "metadata.name", _SUBDOMAIN, _SUBDOMAIN_TEXT, 253)
    yield from _labels(metadata.get("labels") or {}, "metadata.labels")
    for key in metadata.get("annotations") or {}:
        yield from _qualified(key.lower(), "metadata.annotations")
    size = sum(len(key) + len(value) for key, value in (metadata.get("annotations") or {}).items())
    if size > 262144:
        yield Cause("FieldValueTooLong", "Too long: must have at most 262144 bytes", "metadata.annotations")


def _labels(labels: Object, field: str) -> Causes:
    for key, value in labels.items():
        yield from _qualified(key, field)
        if len(value) > 63:
            yield wrong(field, value, "must be no more than 63 characters")
        if not _VALUE.fullmatch(value):
            yield wrong(field, value, _VALUE_TEXT)


def _qualified(key: str, field: str) -> Causes:
    prefix, slash, name = key.rpartition("/")
    if slash and not _SUBDOMAIN.fullmatch(prefix):
        yield wrong(field, key, f"prefix part {_SUBDOMAIN_TEXT}")
    if len(name) > 63:
        yield wrong(field, key, "name part must be no more than 63 characters")
    if not _QUALIFIED.fullmatch(name):
        yield wrong(field, key, _QUALIFIED_TEXT)


def _port(value: Any, field: str) -> Causes:
    if isinstance(value, str):
        if not _LABEL.fullmatch(value) or len(value) > 15:
            yield wrong(field, value, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    elif not isinstance(value, int) or not 1 <= value <= 65535:
        yield wrong(field, value, "must be between 1 and 65535, inclusive")


def _replicas(spec: Object) -> Causes:
    for name in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds", "backoffLimit"):
        value = spec.get(name)
        if isinstance(value, int) and value < 0:
            yield wrong(f"spec.{name}", value, "must be greater than or equal to 0")


def _workload(item: Object) -> Causes:
    spec = item.get("spec") or {}
    yield from _replicas(spec)
    selector = spec.get("selector")
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    if selector is None:
        yield required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield wrong("spec.selector", {}, "empty selector is invalid for deployment")
    if selector is None or not matches(selector, labels or {}):
        shown = go(labels) if labels else "map[string]string(nil)"
        text = f"Invalid value: {shown}: `selector` does not match template `labels`"
        yield Cause("FieldValueInvalid", text, "spec.template.metadata.labels")
    yield from _labels(labels or {}, "spec.template.labels")
    yield from _strategy(spec)
    yield from _pod_spec(template.get("spec") or {}, "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy", "Always")
    if policy != "Always":
        text = f'Unsupported value: "{policy}": supported values: "Always"'
        yield Cause("FieldValueNotSupported", text, "spec.template.spec.restartPolicy")


def _strategy(spec: Object) -> Causes:
    strategy = spec.get("strategy") or {}
    kind = strategy.get("type", "RollingUpdate")
    if kind not in ("Recreate", "RollingUpdate"):
        text = f'Unsupported value: "{kind}": supported values: "Recreate", "RollingUpdate"'
        yield Cause("FieldValueNotSupported", text, "spec.strategy.type")
    if kind == "Recreate" and strategy.get("rollingUpdate"):
        text = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        yield Cause("FieldValueForbidden", text, "spec.strategy.rollingUpdate")
    rolling = strategy.get("rollingUpdate") or {}
    if {str(rolling.get(name)) for name in ("maxSurge", "maxUnavailable")} <= {"0", "0%"}:
        text = "may not be 0 when `maxSurge` is 0"
        yield wrong("spec.strategy.rollingUpdate.maxUnavailable", rolling.get("maxUnavailable"), text)


def _pod_spec(spec: Object, at: str) -> Causes:
    containers = spec.get("containers") or []
    if not containers:
        yield required(f"{at}.containers")
    seen: set[str] = set()
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or []):
            yield from _container(container, f"{at}.{kind}[{index}]")
            name = container.get("name", "")
            if name in seen:
                yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"{at}.{kind}[{index}].name")
            seen.add(name)
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    for index, container in enumerate(containers):
        for number, mount in enumerate(container.get("volumeMounts") or []):
            if mount.get("name") not in volumes:
                field = f"{at}.containers[{index}].volumeMounts[{number}].name"
                yield Cause("FieldValueNotFound", f'Not found: "{mount.get("name")}"', field)


def _container(container: Object, at: str) -> Causes:
    name = container.get("name") or ""
    if not name:
        yield required(f"{at}.name")
    else:
        yield from _name(name, f"{at}.name", _LABEL, _LABEL_TEXT, 63)
    image = container.get("image") or ""
    if not image:
        yield required(f"{at}.image")
    elif image != image.strip():
        yield wrong(f"{at}.image", image, "must not have leading or trailing whitespace")
    for index, port in enumerate(container.get("ports") or []):
        yield from _port(port.get("containerPort", 0), f"{at}.ports[{index}].containerPort")
    for index, variable in enumerate(container.get("env") or []):
        yield from _variable(variable, f"{at}.env[{index}]")
    yield from _resources(container.get("resources") or {}, f"{at}.resources")
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(kind)
        if probe is not None:
            yield from _probe(probe, f"{at}.{kind}")


def _variable(variable: Object, at: str) -> Causes:
    name = variable.get("name") or ""
    if not name:
        yield required(f"{at}.name")
    elif not _ENV.fullmatch(name):
        text = (
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and "
            "must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for "
            "validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')"
        )
        yield wrong(f"{at}.name", name, text)
    if variable.get("value") and variable.get("valueFrom"):
        yield wrong(f"{at}.valueFrom", "", "may not be specified when `value` is not empty")


def _resources(resources: Object, at: str) -> Causes:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for key, value in requests.items():
        if key in limits and quantities.parse(value) > quantities.parse(limits[key]):
            yield wrong(f"{at}.requests", str(value), f"must be less than or equal to {key} limit")
    for kind, values in (("requests", requests), ("limits", limits)):
        for key, value in values.items():
            if quantities.parse(value) < 0:
                yield wrong(f"{at}.{kind}[{key}]", str(value), "must be greater than or equal to 0")


def _probe(probe: Object, at: str) -> Causes:
    handlers = [name for name in ("httpGet", "exec", "tcpSocket", "grpc") if name in probe]
    if not handlers:
        yield required(at, "must specify a handler type")
    for name in ("httpGet", "tcpSocket"):
        if name in probe:
            yield from _port(probe[name].get("port", 0), f"{at}.{name}.port")
    for name in ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold", "successThreshold"):
        if isinstance(probe.get(name), int) and probe[name] < 0:
            yield wrong(f"{at}.{name}", probe[name], "must be greater than or equal to 0")


def _pod(item: Object) -> Causes:
    yield from _pod_spec(item.get("spec") or {}, "spec")


def _job(item: Object) -> Causes:
    spec = item.get("spec") or {}
    yield from _replicas(spec)
    template = (spec.get("template") or {}).get("spec") or {}
    yield from _pod_spec(template, "spec.template.spec")
    policy = template.get("restartPolicy", "Always")
    if policy not in ("OnFailure", "Never"):
        text = f'Required value: valid values: "OnFailure", "Never"'  # noqa: F541  # braces may come with the value
        yield Cause("FieldValueRequired", text, "spec.template.spec.restartPolicy")


def _service(item: Object) -> Causes:
    spec = item.get("spec") or {}
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        if len(ports) > 1 and not port.get("name"):
            yield required(f"{at}.name")
        yield from _port(port.get("port", 0), f"{at}.port")
        yield from _port(port.get("targetPort", 0), f"{at}.targetPort")
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            text = f'Unsupported value: "{port.get("protocol")}": supported values: "SCTP", "TCP", "UDP"'
            yield Cause("FieldValueNotSupported", text, f"{at}.protocol")


def _data(item: Object) -> Causes:
    for key in item.get("data") or {}:
        if not _DATA_KEY.fullmatch(key):
            text = (
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
                "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
            )
            yield wrong(f"data[{key}]", key, text)


def _secret(item: Object) -> Causes:
    yield from _data(item)
    kind, data = item.get("type"), item.get("data") or {}
    if kind == "kubernetes.io/dockerconfigjson":
        text = data.get(".dockerconfigjson")
        if text is None:
            yield required("data[.dockerconfigjson]")
            return
        try:
            json.loads(base64.b64decode(text))
        except (binascii.Error, ValueError):
            shown = "invalid character: the value is not JSON"
            yield wrong("data[.dockerconfigjson]", "<secret contents redacted>", shown)
    if kind == "kubernetes.io/tls":
        yield from (required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data)


def _ingress(item: Object) -> Causes:
    spec = item.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        yield wrong("spec", {}, "either `defaultBackend` or `rules` must be specified")
    for index, rule in enumerate(spec.get("rules") or []):
        host = rule.get("host")
        if host and not _SUBDOMAIN.fullmatch(host.removeprefix("*.")):
            yield wrong(f"spec.rules[{index}].host", host, _SUBDOMAIN_TEXT)
        for number, path in enumerate((rule.get("http") or {}).get("paths") or []):
            if not path.get("pathType"):
                yield required(f"spec.rules[{index}].http.paths[{number}].pathType", "pathType must be specified")


def _immutable(kind: str, item: Object, old: Object) -> Causes:
    new_spec, old_spec = item.get("spec") or {}, old.get("spec") or {}
    fields = {
        "Deployment": ("selector",),
        "ReplicaSet": ("selector",),
        "DaemonSet": ("selector",),
        "Job": ("selector", "template", "completions"),
        "StatefulSet": ("selector", "serviceName"),
    }.get(kind, ())
    for name in fields:
        if new_spec.get(name) != old_spec.get(name):
            value = new_spec.get(name)
            labels = value.get("matchLabels") if isinstance(value, dict) else None
            shown = _selector(value or {}) if labels is not None else go(value if value is None else str(value))
            yield Cause("FieldValueInvalid", f"Invalid value: {shown}: field is immutable", f"spec.{name}")
    if kind in ("Secret", "ConfigMap") and old.get("immutable") and item.get("data") != old.get("data"):
        yield Cause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", "data")
    if kind == "Secret" and item.get("type") != old.get("type"):
        yield wrong("type", item.get("type"), "field is immutable")
    if kind == "RoleBinding" and item.get("roleRef") != old.get("roleRef"):
        yield Cause("FieldValueInvalid", "Invalid value: cannot change roleRef", "roleRef")


def _selector(value: Object) -> str:
    labels = go(value.get("matchLabels") or {})
    return f"v1.LabelSelector{{MatchLabels:{labels}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}}"


_CHECKS = {
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "StatefulSet": _workload,
    "DaemonSet": _workload,
    "Pod": _pod,
    "Job": _job,
    "Service": _service,
    "Secret": _secret,
    "ConfigMap": _data,
    "Ingress": _ingress,
}


def bad_quantity(item: Any) -> str | None:
    """The first resource quantity in an object that cannot be read, or None."""
    if isinstance(item, list):
        return next((found for entry in item if (found := bad_quantity(entry)) is not None), None)
    if not isinstance(item, dict):
        return None
    for key, value in item.items():
        if key in ("requests", "limits", "hard") and isinstance(value, dict):
            for quantity in value.values():
                try:
                    quantities.parse(quantity)
                except ValueError:
                    return str(quantity)
        elif (found := bad_quantity(value)) is not None:
            return found
    return None
