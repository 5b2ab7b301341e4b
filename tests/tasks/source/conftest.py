"""A GitLab stand-in, and blocks that point at it."""

import subprocess
from collections.abc import Callable, Iterator

import pytest
from prefect_gitlab import GitLabCredentials
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from blocks.gitlab_server import GitLabServer
from sandbox.gitlab.server import GitLab
from sandbox.http import AppServer

CI = "build:\n  script: make\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    made = AppServer(None, name="gitlab")  # type: ignore[arg-type]
    gitlab = GitLab(tmp_path_factory.mktemp("gitlab"), lambda: made.url)
    made._app.app = _with_archives(gitlab)
    made.gitlab = gitlab  # type: ignore[attr-defined]
    gitlab.create_project("team/shop", {".gitlab-ci.yml": CI, "Dockerfile": "FROM scratch\n", "a.txt": "a"})
    gitlab.create_project("open/site", {"README.md": "site\n"}, visibility="public")
    with made:
        yield made
    gitlab.close()


def _with_archives(gitlab: GitLab) -> ASGIApp:
    """The stand-in, and GitLab's archive of the project team/archived in front of it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if not scope["path"].endswith("/repository/archive.tar.gz"):
            await gitlab.app(scope, receive, send)
            return
        command = ["git", "archive", "--format=tar.gz", "--prefix=archived-x/", request.query_params["sha"]]
        made = subprocess.run(command, cwd=gitlab._repository("team/archived").path, capture_output=True, check=True)
        await Response(made.stdout, media_type="application/octet-stream")(scope, receive, send)

    return app


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
