"""Registry stand-ins: open, with Basic logins, with Bearer tokens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.http import AppServer
from sandbox.registry.server import Registry
from tests.sandbox.registry.pushing import USERS


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with AppServer(Registry(tmp_path).app, name="registry") as server:
        yield server.url


@pytest.fixture
def basic_url(tmp_path: Path) -> Iterator[str]:
    with AppServer(Registry(tmp_path, USERS).app, name="registry") as server:
        yield server.url


@pytest.fixture
def token_url(tmp_path: Path) -> Iterator[str]:
    with AppServer(Registry(tmp_path, USERS, token_auth=True, token_lifetime=60).app, name="registry") as server:
        yield server.url
