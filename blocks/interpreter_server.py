"""`InterpreterServer`: an interpreter that runs elsewhere, by the Kairos contract."""

from __future__ import annotations

import requests
from pydantic import Field, SecretStr, field_validator
from requests.auth import AuthBase

from blocks.addresses import token as clean
from blocks.addresses import trusted, web_address
from blocks.schema_once import SchemaOnce


class InterpreterServer(SchemaOnce):
    """An interpreter service: ``POST /api/v1/pipeline/jenkins`` turns a .gitlab-ci.yml into a Jenkinsfile."""

    _block_type_name = "Interpreter Server"
    _block_type_slug = "interpreter-server"
    _description = "A service that turns GitLab CI into Jenkinsfiles, instead of the embedded interpreter."

    url: str = Field(title="URL", description="Address of the service, e.g. https://interpreter.example.com.")
    token: SecretStr | None = Field(
        default=None, title="Token", description="Sent as a bearer token, for the proxy in front of it; may be empty."
    )
    timeout_seconds: float = Field(default=60.0, gt=0, title="Timeout", description="Seconds a request may take.")
    verify_tls: bool = Field(default=True, title="Verify TLS")
    ca_file: str | None = Field(
        default=None, title="CA file", description="PEM file of a private certificate authority."
    )

    _is_address = field_validator("url")(web_address)

    @field_validator("token")
    @classmethod
    def _is_token(cls, given: SecretStr | None) -> SecretStr | None:
        return clean(given) if given is not None else None

    def get_client(self) -> requests.Session:
        """A session with the token. One per thread."""
        session = requests.Session()
        session.verify = trusted(self.ca_file, self.verify_tls)
        session.auth = _Bearer(self.token)  # also where there is none: else `requests` takes one from ~/.netrc
        return session


class _Bearer(AuthBase):
    def __init__(self, token: SecretStr | None) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token is not None and self.token.get_secret_value():
            request.headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        return request
