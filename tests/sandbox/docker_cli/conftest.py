"""The command, freshly installed."""

from pathlib import Path

import pytest

from tests.sandbox.docker_cli.commanding import Docker


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)
