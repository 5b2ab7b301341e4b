"""`JenkinsServer`: which Jenkins, as whom, and where in it our jobs live."""

from __future__ import annotations

import jenkins
from pydantic import Field, SecretStr, field_validator

from blocks.addresses import token, trusted, web_address
from blocks.schema_once import SchemaOnce


class JenkinsServer(SchemaOnce):
    """A Jenkins controller. An API token is required: passwords need crumbs, which die with the session."""

    _block_type_name = "Jenkins Server"
    _block_type_slug = "jenkins-server"
    _description = "A Jenkins controller that builds, tests and packages."

    url: str = Field(title="URL", description="Address of the controller, e.g. https://jenkins.example.com.")
    username: str = Field(title="User")
    api_token: SecretStr = Field(title="API token", description="User > Security > API Token in Jenkins.")
    folder: str = Field(
        default="smartclide", title="Folder", description="Folder that holds our jobs; created when absent."
    )
    timeout_seconds: float = Field(default=20.0, gt=0, title="Timeout", description="Seconds a request may take.")
    verify_tls: bool = Field(default=True, title="Verify TLS")
    ca_file: str | None = Field(
        default=None, title="CA file", description="PEM file of a private certificate authority."
    )

    _is_address = field_validator("url")(web_address)
    _is_token = field_validator("api_token")(token)

    def get_client(self) -> jenkins.Jenkins:
        """A python-jenkins client. One per thread: it keeps a `requests.Session`."""
        client = jenkins.Jenkins(
            self.url,
            username=self.username,
            password=self.api_token.get_secret_value(),
            timeout=self.timeout_seconds,
        )
        client._session.verify = trusted(self.ca_file, self.verify_tls)
        return client
