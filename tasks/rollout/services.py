"""Which services an Environment has: found by their labels, so that no database is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errors import NotFoundError
from tasks.rollout import history
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.history import ReleaseRecord
from tasks.rollout.names import (
    ENVIRONMENT,
    FIELD_MANAGER,
    MANAGED_BY,
    NAME,
    PART,
    PROJECT_PATH,
    Identity,
    label_value,
    selector_text,
)


def identities(client: ClusterClient, namespace: str, environment: str) -> list[Identity]:
    """The services that run, or ran and have a history, by name."""
    selector = selector_text({MANAGED_BY: FIELD_MANAGER, ENVIRONMENT: label_value(environment)})
    found: dict[str, Identity] = {}
    for one in [*client.list("Deployment", namespace, selector), *_release_secrets(client, namespace, selector)]:
        identity = _identity(one, namespace, environment)
        if identity is not None:
            found.setdefault(identity.service, identity)
    return [found[name] for name in sorted(found)]


def identity_of(client: ClusterClient, namespace: str, environment: str, service: str) -> Identity:
    """The identity of one service.

    Raises:
        NotFoundError: The Environment has none of that name; the message lists those it has.
    """
    known = identities(client, namespace, environment)
    for identity in known:
        if identity.service == service:
            return identity
    names = ", ".join(identity.service for identity in known) or "none"
    raise NotFoundError(f"Environment {environment} has no service {service!r}; it has: {names}.")


def releases(client: ClusterClient, namespace: str, environment: str) -> list[tuple[str, ReleaseRecord]]:
    """Every recorded release of every service, with the service's name, by service and revision."""
    selector = selector_text({MANAGED_BY: FIELD_MANAGER, ENVIRONMENT: label_value(environment)})
    found = [
        (secret["metadata"]["labels"][NAME], history.decode(secret))
        for secret in _release_secrets(client, namespace, selector)
    ]
    return sorted(found, key=lambda one: (one[0], one[1].revision))


def _release_secrets(client: ClusterClient, namespace: str, selector: str) -> list[dict[str, Any]]:
    return client.list("Secret", namespace, f"{selector},{PART}=release")


def _identity(thing: Mapping[str, Any], namespace: str, environment: str) -> Identity | None:
    metadata = thing["metadata"]
    name = (metadata.get("labels") or {}).get(NAME)
    project = (metadata.get("annotations") or {}).get(PROJECT_PATH)
    return Identity(name, namespace, environment, project) if name and project else None
