"""A GitLab stand-in, and blocks that point at it."""

from collections.abc import Callable, Iterator

import pytest
from prefect_gitlab import GitLabCredentials
from pydantic import SecretStr

from blocks.gitlab_server import GitLabServer
from sandbox.gitlab.server import GitLab
from sandbox.http import AppServer

CI = "build:\n  script: make\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    made = AppServer(None, name="gitlab")  # type: ignore[arg-type]
    gitlab = GitLab(tmp_path_factory.mktemp("gitlab"), lambda: made.url)
    made._app.app = gitlab.app
    made.gitlab = gitlab  # type: ignore[attr-defined]
    gitlab.create_project("team/shop", {".gitlab-ci.yml": CI, "Dockerfile": "FROM scratch\n", "a.txt": "a"})
    gitlab.create_project("open/site", {"README.md": "site\n"}, visibility="public")
    with made:
        yield made
    gitlab.close()


@pytest.fixture(autouse=True)
def _no_faults(server: AppServer) -> Iterator[None]:
    yield
    server.faults.clear()


@pytest.fixture(scope="module")
def gitlab(server: AppServer) -> GitLab:
    return server.gitlab  # type: ignore[attr-defined,no-any-return]


@pytest.fixture(scope="module")
def block(server: AppServer, gitlab: GitLab) -> Callable[..., GitLabServer]:
    token = gitlab.add_token("robot", ["read_api", "read_repository"])

    def make(value: str | None = token, timeout: float = 5.0) -> GitLabServer:
        credentials = GitLabCredentials(token=SecretStr(value), url=server.url) if value else None
        return GitLabServer(url=server.url, credentials=credentials, timeout_seconds=timeout)

    return make
