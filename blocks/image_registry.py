"""`ImageRegistry`: where images are pushed to and pulled from. Nests prefect-docker's credentials block."""

from __future__ import annotations

import httpx
from prefect_docker import DockerRegistryCredentials
from pydantic import Field, field_validator, model_validator

from blocks.addresses import trusted, unusable_proxy
from blocks.credential_helper import helper_name, login_by
from blocks.schema_once import SchemaOnce
from docker_hub import DOCKER_HUB, api_host, login_key, registry_name


class ImageRegistry(SchemaOnce):
    """A Docker registry (v2 API). Images are named ``<address>/<namespace>/<project path>``."""

    _block_type_name = "Image Registry"
    _block_type_slug = "image-registry"
    _description = "A Docker registry that images are pushed to and pulled from."

    address: str = Field(title="Address", description="Host and port, e.g. registry.example.com or 127.0.0.1:5000.")
    namespace: str = Field(default="", title="Namespace", description="Path before the project's own, may be empty.")
    credentials: DockerRegistryCredentials | None = Field(
        default=None, title="Credentials", description="None for a registry without a login."
    )
    credential_helper: str | None = Field(
        default=None,
        title="Credential helper",
        description="Instead of credentials: a Docker credential helper on the workers, e.g. ecr-login.",
    )
    plain_http: bool = Field(
        default=False, title="Plain HTTP", description="Only for registries on a loopback or test network."
    )
    timeout_seconds: float = Field(default=20.0, gt=0, title="Timeout", description="Seconds a request may take.")
    verify_tls: bool = Field(default=True, title="Verify TLS")
    ca_file: str | None = Field(
        default=None, title="CA file", description="PEM file of a private certificate authority."
    )

    @field_validator("address")
    @classmethod
    def _host_only(cls, address: str) -> str:
        if "://" in address or "/" in address or "@" in address:
            raise ValueError("give host and port only, without scheme, path or credentials")
        return registry_name(address)

    @field_validator("credential_helper")
    @classmethod
    def _is_helper(cls, name: str | None) -> str | None:
        return helper_name(name) if name else None

    @model_validator(mode="after")
    def _has_one_login(self) -> ImageRegistry:
        if self.credentials is not None and self.credential_helper:
            raise ValueError("give credentials or a credential helper, not both")
        return self

    def repository(self, project_path: str) -> str:
        """Repository of a project in this registry, in lower case as registries demand.

        Docker Hub takes an account and one name only: there what follows the account is joined by hyphens.

        >>> ImageRegistry(address="r:5000", namespace="apps").repository("Group/App")
        'apps/group/app'
        >>> ImageRegistry(address="docker.io", namespace="acme").repository("Group/App")
        'acme/group-app'
        """
        parts = [part for part in f"{self.namespace}/{project_path.lower()}".split("/") if part]
        if self.address == DOCKER_HUB:
            parts = [parts[0], "-".join(parts[1:])] if len(parts) > 1 else parts
        return "/".join(parts)

    def image_name(self, project_path: str) -> str:
        """``address/repository`` of a project's image.

        >>> ImageRegistry(address="r:5000", namespace="apps").image_name("Group/App")
        'r:5000/apps/group/app'
        """
        return f"{self.address}/{self.repository(project_path)}"

    @property
    def has_login(self) -> bool:
        """Whether there is a login; a helper is not asked for it."""
        return self.credentials is not None or self.credential_helper is not None

    def login(self) -> tuple[str, str] | None:
        """User name and password, or None. The caller must not log it.

        Raises:
            SmartClideError: The credential helper does not give it; see `credential_helper.login_by`.
        """
        if self.credential_helper is not None:
            return login_by(self.credential_helper, login_key(self.address), self.timeout_seconds)
        if self.credentials is None:
            return None
        return self.credentials.username, self.credentials.password.get_secret_value()

    def get_client(self) -> httpx.Client:
        """An HTTP client for the registry's API, without authentication: see `tasks.image.registry`."""
        scheme = "http" if self.plain_http else "https"
        verify = trusted(self.ca_file, self.verify_tls)
        try:
            return httpx.Client(
                base_url=f"{scheme}://{api_host(self.address)}", timeout=self.timeout_seconds, verify=verify
            )
        except (ValueError, ImportError, httpx.InvalidURL):  # ImportError: what SOCKS needs
            raise unusable_proxy() from None
