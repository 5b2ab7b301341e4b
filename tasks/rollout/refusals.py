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
from tasks.transport import retry_after, sent_on, tls_fault, whose_fault

_POLICY = re.compile(
    r"admission webhook .* denied the request|ValidatingAdmissionPolicy .* denied request|violates PodSecurity"
    r"|exceeded quota|not allowed|(?:maximum|minimum) \S+ usage per"
)


_STRANGER = "That is no answer of Kubernetes: check the server's address in the kubeconfig, and for a proxy before it."


def refusal(error: ApiException, what: str, host: str, hide: Hider) -> SmartClideError:
    """Our error for an HTTP status; Kubernetes' own message is in the ``Status`` object it answers with."""
    status: Mapping[str, Any] = hide.within(_status(error.body))
    code, server = int(error.status or 0), f"The cluster at {host}"
    message = str(status.get("message") or f"{server} answered {code}").rstrip(".")
    stranger = None if "message" in status else _STRANGER
    if code == 0:  # the client's own way to tell of TLS
        where = "the kubeconfig (certificate-authority-data)"
        return tls_fault(server, str(error.reason), where)
    if code == 401:
        return AccessError(f"{server} refuses the credentials.", remedy="Renew the kubeconfig's token.")
    if code == 403:
        if _POLICY.search(message):
            remedy = "It is a rule of the cluster: follow it in the deploy descriptor, or ask who set it."
            return InputError(f"{what}: {message}.", remedy=remedy)
        if "because it is being terminated" in message:
            return terminating(message.partition("namespace ")[2].partition(" ")[0])
        remedy = stranger or "Grant the identity of the kubeconfig this permission."
        return AccessError(f"{what}: {message}.", remedy=remedy)
    if code == 404:
        return NotFoundError(f"{what}: {message}.", remedy=stranger)
    if code == 409:
        return ConflictError(f"{what}: {_conflict(message, status)}.", remedy=_conflict_remedy(status))
    if code == 429 or (code >= 500 and code != 501):
        remedy = whose_fault(code) if stranger else f"{server} says so ({code}): see its API server's log."
        return UnavailableError(f"{what}: {message}.", remedy=remedy, retry_after=retry_after(error.headers or {}))
    if code in {400, 413, 422}:
        return InputError(f"{what}: {message}.", remedy="Correct the deploy descriptor.")
    if 300 <= code < 400:
        return sent_on(server, (error.headers or {}).get("Location", ""), "the kubeconfig")
    told = f"{server} answered {code}" + (f": {message}" if "message" in status else "")
    return ProtocolError(f"{what}: {told}.", remedy=stranger)


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
