"""Docker Hub's names: it goes by several hosts, and each client writes it in its own way. Pure; imports nothing."""

from __future__ import annotations

DOCKER_HUB = "docker.io"  # as image references write it; the host itself is a web site
API_HOST = "registry-1.docker.io"
LOGIN_KEY = "https://index.docker.io/v1/"  # as `docker login` and `kubectl create secret docker-registry` file it
_NAMES = (DOCKER_HUB, "index.docker.io", API_HOST, "registry.hub.docker.com", "hub.docker.com")


def registry_name(host: str) -> str:
    """The name of a registry in image references: Docker Hub's one for all of its hosts.

    >>> registry_name("index.docker.io"), registry_name("Hub.Docker.com"), registry_name("ghcr.io")
    ('docker.io', 'docker.io', 'ghcr.io')
    """
    return DOCKER_HUB if host.lower() in _NAMES else host


def api_host(registry: str) -> str:
    """The host that speaks the registry's API.

    >>> api_host("docker.io"), api_host("r:5000")
    ('registry-1.docker.io', 'r:5000')
    """
    return API_HOST if registry == DOCKER_HUB else registry


def login_key(registry: str) -> str:
    """The key of the registry's login in a ``config.json`` of Docker's."""
    return LOGIN_KEY if registry == DOCKER_HUB else registry
