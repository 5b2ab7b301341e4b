"""What an HTTP status of a cluster means, by Kubernetes' own words in the ``Status`` object. Part of the adapter."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kubernetes.client.exceptions import ApiException

from errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    ProtocolError,
    SmartClideError,
    UnavailableError,
)
from tasks.hiding import Hider
from tasks.transport import retry_after, tls_fault

_POLICY = re.compile(
    r"admission webhook .* denied the request|ValidatingAdmissionPolicy .* denied request|violates PodSecurity"
    r"|exceeded quota|not allowed|(?:maximum|minimum) \S+ usage per"
)


def refusal(error: ApiException, what: str, host: str, hide: Hider) -> SmartClideError:
    """Our error for an HTTP status; Kubernetes' own message is in the ``Status`` object it answers with."""
    status: Mapping[str, Any] = hide.within(_status(error.body))
    message = str(status.get("message") or hide(error.reason or "") or "no reason given").rstrip(".")
    code = int(error.status or 0)
    if code == 0:  # the client's own way to tell of TLS
        where = "the kubeconfig (certificate-authority-data)"
        return tls_fault(f"The cluster at {host}", str(error.reason), where)
    if code == 401:
        return AccessError(f"The cluster at {host} refuses the credentials.", remedy="Renew the kubeconfig's token.")
    if code == 403:
        if _POLICY.search(message):
            remedy = "It is a rule of the cluster: follow it in the deploy descriptor, or ask who set it."
            return InputError(f"{what}: {message}.", remedy=remedy)
        if "because it is being terminated" in message:
            return terminating(message.partition("namespace ")[2].partition(" ")[0])
        return AccessError(f"{what}: {message}.", remedy="Grant the identity of the kubeconfig this permission.")
    if code == 404:
        return NotFoundError(f"{what}: {message}.")
    if code == 409:
        return ConflictError(f"{what}: {_conflict(message, status)}.", remedy=_conflict_remedy(status))
    if code == 429 or (code >= 500 and code != 501):
        return UnavailableError(f"{what}: {message}.", retry_after=retry_after(error.headers or {}))
    if code in {400, 413, 422}:
        return InputError(f"{what}: {message}.", remedy="Correct the deploy descriptor.")
    return ProtocolError(f"{what}: the cluster answered {code}: {message}.")


def terminating(namespace: str) -> ConflictError:
    """A namespace that goes, with all in it."""
    return ConflictError(
        f"Namespace {namespace} is being deleted.", remedy="Wait until it is gone, then deploy again; or use another."
    )


def _status(body: Any) -> Mapping[str, Any]:
    try:
        status = json.loads(body or "{}")
    except (TypeError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}


def _conflicts(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    causes = (status.get("details") or {}).get("causes") or []
    return [cause for cause in causes if cause.get("reason") == "FieldManagerConflict"]


def _conflict(message: str, status: Mapping[str, Any]) -> str:
    causes = [f"{c.get('field')} ({c.get('message')})" for c in _conflicts(status)]
    return f"another manager owns {'; '.join(causes)}" if causes else message


def _conflict_remedy(status: Mapping[str, Any]) -> str | None:
    if not _conflicts(status):
        return None
    return "Take the field out of the other manager's hands (kubectl edit, an operator), or out of the descriptor."
