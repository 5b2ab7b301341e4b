"""A GitLab stand-in with one private and one public project."""

from collections.abc import Iterator

import pytest

from tests.sandbox.gitlab.running import FILES, Running, start


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = start(tmp_path_factory.mktemp("gitlab"))
    made.gitlab.create_project("team/shop", FILES)
    made.gitlab.create_project("open/site", {"README.md": "site\n"}, visibility="public")
    made.token = made.gitlab.add_token("robot", ["api", "write_repository"])
    yield made
    made.server.stop()
    made.gitlab.close()
