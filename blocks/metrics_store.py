"""`MetricsStore`: where samples are kept, as an fsspec URL."""

from __future__ import annotations

from typing import Any

import fsspec
from pydantic import Field, SecretStr, field_validator

from blocks.schema_once import SchemaOnce


class MetricsStore(SchemaOnce):
    """A folder of Parquet files: ``file:///var/lib/smartclide/metrics``, ``s3://bucket/metrics``, ..."""

    _block_type_name = "Metrics Store"
    _block_type_slug = "metrics-store"
    _description = "Where samples of CPU, RAM, network and status are kept."

    url: str = Field(title="URL", description="fsspec URL of a folder.")
    storage_options: dict[str, SecretStr] = Field(
        default_factory=dict, title="Storage options", description="fsspec options such as key and secret."
    )

    @field_validator("url")
    @classmethod
    def _without_password(cls, url: str) -> str:
        authority = url.partition("://")[2].partition("?")[0]
        if ":" in authority.rpartition("@")[0]:  # a user alone may be there: abfs://container@account
            raise ValueError("put user name and password, or key and secret, into the storage options")
        return url

    def secrets(self) -> tuple[str, ...]:
        """Values of the options that no message may repeat."""
        return tuple(value.get_secret_value() for value in self.storage_options.values())

    def get_client(self) -> tuple[Any, str]:
        """The fsspec file system and the folder's path in it."""
        options = {name: value.get_secret_value() for name, value in self.storage_options.items()}
        filesystem, path = fsspec.core.url_to_fs(self.url, **options)
        return filesystem, str(path)
