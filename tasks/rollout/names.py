"""Names and labels of our objects in a cluster. Pure.

DNS labels: RFC 1035 (a Service's name must begin with a letter). Label values: at most 63 characters of
``[A-Za-z0-9._-]``, alphanumeric at both ends.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

FIELD_MANAGER = "smartclide"
NAME = "app.kubernetes.io/name"
MANAGED_BY = "app.kubernetes.io/managed-by"
ENVIRONMENT = "smartclide.eu/environment"
PROJECT = "smartclide.eu/project"
REVISION = "smartclide.eu/revision"
STATE = "smartclide.eu/state"
PART = "smartclide.eu/part"
PROJECT_PATH = "smartclide.eu/project-path"
_MAX = 63
_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Identity:
    """Whose objects these are.

    Attributes:
        service: Name in the cluster, a DNS label.
        namespace: Kubernetes namespace.
        environment: The Environment's name.
        project: GitLab's full project path.
    """

    service: str
    namespace: str
    environment: str
    project: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels that say whose an object is."""
        return {
            NAME: self.service,
            MANAGED_BY: FIELD_MANAGER,
            ENVIRONMENT: label_value(self.environment),
            PROJECT: label_value(self.project),
        }

    @property
    def place(self) -> str:
        """Environment and service, for people and for what is kept outside of the cluster."""
        return f"{self.environment}/{self.service}"

    @property
    def selector(self) -> dict[str, str]:
        """The labels that choose the service's pods; a Deployment's selector can never change."""
        return {NAME: self.service, MANAGED_BY: FIELD_MANAGER}


def is_dns_label(text: str) -> bool:
    """Whether `text` may name a Service.

    >>> is_dns_label("shop-1"), is_dns_label("1shop"), is_dns_label("Shop")
    (True, False, False)
    """
    return _LABEL.fullmatch(text) is not None


def dns_label(project_path: str) -> str:
    """A DNS label made of the path's last segment.

    >>> dns_label("group/My_App.v2"), dns_label("group/2048")
    ('my-app-v2', 'app-2048')
    """
    last = project_path.rstrip("/").rsplit("/", 1)[-1].lower()
    slug = re.sub(r"[^a-z0-9]+", "-", last).strip("-")
    if not slug or not slug[0].isalpha():
        slug = f"app-{slug}".rstrip("-")
    return _shorten(slug, project_path)


def label_value(text: str) -> str:
    """A label value made of any text; equal for equal texts.

    >>> label_value("group/sub/App")
    'group-sub-App'
    """
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "none"
    return _shorten(slug, text)


def selector_text(labels: dict[str, str]) -> str:
    """A label selector as the API takes it."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _shorten(slug: str, source: str) -> str:
    if len(slug) <= _MAX:
        return slug
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    return f"{slug[: _MAX - 9].rstrip('-._')}-{digest}"
