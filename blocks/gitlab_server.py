"""`GitLabServer`: which GitLab, and with what token. Nests prefect-gitlab's credentials block."""

from __future__ import annotations

import gitlab
from prefect_gitlab import GitLabCredentials
from pydantic import Field, SecretStr, field_validator

from blocks.addresses import token, trusted, web_address
from blocks.schema_once import SchemaOnce


class GitLabServer(SchemaOnce):
    """A GitLab instance. Without credentials only public projects can be read."""

    _block_type_name = "GitLab Server"
    _block_type_slug = "gitlab-server"
    _logo_url = None
    _description = "A GitLab instance to read projects from."

    url: str = Field(default="https://gitlab.com", title="URL", description="Address of the GitLab instance.")
    credentials: GitLabCredentials | None = Field(
        default=None,
        title="Credentials",
        description="A token with read_api and read_repository; none for public projects.",
    )
    timeout_seconds: float = Field(default=20.0, gt=0, title="Timeout", description="Seconds a request may take.")
    verify_tls: bool = Field(default=True, title="Verify TLS")
    ca_file: str | None = Field(
        default=None, title="CA file", description="PEM file of a private certificate authority."
    )

    _is_address = field_validator("url")(web_address)

    @field_validator("credentials")
    @classmethod
    def _has_token(cls, credentials: GitLabCredentials | None) -> GitLabCredentials | None:
        if credentials is not None and credentials.token is not None:
            credentials.token = token(credentials.token)
        return credentials

    def token(self) -> SecretStr | None:
        """The token, or None for anonymous access."""
        return self.credentials.token if self.credentials is not None else None

    def get_client(self) -> gitlab.Gitlab:
        """A python-gitlab client. One per thread: it keeps a `requests.Session`."""
        token = self.token()
        return gitlab.Gitlab(
            url=self.url,
            private_token=token.get_secret_value() if token else None,
            timeout=self.timeout_seconds,
            ssl_verify=trusted(self.ca_file, self.verify_tls),
            retry_transient_errors=False,
        )
