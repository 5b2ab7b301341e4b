"""Basic logins and Bearer tokens."""

from pathlib import Path

import httpx

from sandbox.http import AppServer
from sandbox.registry.server import Registry
from tests.sandbox.registry.pushing import USERS

ROBOT = ("robot", "s3cret")


def test_basic(basic_url: str) -> None:
    refused = httpx.get(f"{basic_url}/v2/")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="sandbox-registry"'
    assert refused.json()["errors"][0]["code"] == "UNAUTHORIZED"
    assert httpx.get(f"{basic_url}/v2/", auth=("robot", "wrong")).status_code == 401
    assert httpx.get(f"{basic_url}/v2/", auth=("nobody", "")).status_code == 401
    assert httpx.get(f"{basic_url}/v2/", auth=ROBOT).status_code == 200


def token(url: str, scope: str, auth: tuple[str, str] | None = ROBOT) -> dict[str, str]:
    answer = httpx.get(f"{url}/token", params={"service": "sandbox-registry", "scope": scope}, auth=auth)
    assert answer.status_code == 200
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def test_the_challenge_names_scopes_with_commas(token_url: str) -> None:
    refused = httpx.post(f"{token_url}/v2/team/app/blobs/uploads/")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == (
        f'Bearer realm="{token_url}/token",service="sandbox-registry",scope="repository:team/app:pull,push"'
    )


def test_a_token_opens_what_it_was_asked_for(token_url: str) -> None:
    uploads = f"{token_url}/v2/team/app/blobs/uploads/"
    push = token(token_url, "repository:team/app:pull,push")
    assert httpx.post(uploads, headers=push).status_code == 202
    pull = token(token_url, "repository:team/app:pull")
    weak = httpx.post(uploads, headers=pull)
    assert weak.status_code == 401
    assert weak.headers["www-authenticate"].endswith(',error="insufficient_scope"')
    assert httpx.get(f"{token_url}/v2/team/app/tags/list", headers=pull).status_code == 404
    assert httpx.get(f"{token_url}/v2/team/other/tags/list", headers=pull).status_code == 401
    assert httpx.get(f"{token_url}/v2/_catalog", headers=token(token_url, "registry:catalog:*")).status_code == 200


def test_wrong_and_missing_passwords_at_the_token_server(token_url: str) -> None:
    assert httpx.get(f"{token_url}/token", auth=("robot", "wrong")).status_code == 401
    nobody = token(token_url, "repository:team/app:pull", auth=None)
    assert httpx.get(f"{token_url}/v2/team/app/tags/list", headers=nobody).status_code == 401


def test_tokens_expire_and_answer_their_lifetime(tmp_path: Path) -> None:
    with AppServer(Registry(tmp_path, USERS, token_auth=True, token_lifetime=0).app) as server:
        old = token(server.url, "repository:a:pull")
        refused = httpx.get(f"{server.url}/v2/a/tags/list", headers=old)
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        answer = httpx.get(f"{server.url}/token", auth=ROBOT).json()
        assert (answer["expires_in"], answer["access_token"]) == (0, answer["token"])


def test_public_tokens_without_users_and_the_public_url(tmp_path: Path) -> None:
    registry = Registry(tmp_path, token_auth=True, public_url=lambda: "http://localhost:1/")
    with AppServer(registry.app) as server:
        challenge = httpx.get(f"{server.url}/v2/").headers["www-authenticate"]
        assert challenge == 'Bearer realm="http://localhost:1/token",service="sandbox-registry"'
        anyone = token(server.url, "repository:a:pull", auth=None)
        assert httpx.get(f"{server.url}/v2/a/tags/list", headers=anyone).status_code == 404
