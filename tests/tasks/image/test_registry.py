"""Asking a registry: through stand-ins with every login, through made-up answers, and through a real one."""

import base64
import hashlib
import json
import os
from collections.abc import Callable

import httpx
import pytest

from blocks.image_registry import ImageRegistry
from errors import AccessError, InputError, NotFoundError, ProtocolError, UnavailableError
from tasks.image.reference import ImageReference, parse
from tasks.image.registry import MANIFEST_TYPES, Registry
from tasks.image.task import confirm_image

from .conftest import USERS, Serve, block, put_image

DIGEST = "sha256:" + "a" * 64
LOGIN = ("robot", "s3cret")
Handler = Callable[[httpx.Request], httpx.Response]


def image(registry: ImageRegistry, tag: str = "1", name: str = "group/app") -> ImageReference:
    return parse(f"{registry.address}/{name}:{tag}")


def made_up(
    monkeypatch: pytest.MonkeyPatch, handler: Handler, login: tuple[str, str] | None = LOGIN, plain: bool = False
) -> Registry:
    """A registry whose answers `handler` makes up."""
    registry = block("registry.example.com", login).model_copy(update={"plain_http": plain})
    scheme = "http" if plain else "https"
    client = httpx.Client(base_url=f"{scheme}://registry.example.com", transport=httpx.MockTransport(handler))
    monkeypatch.setattr(ImageRegistry, "get_client", lambda _self: client)
    return Registry(registry)


def test_the_digest_of_a_tag(serve: Serve) -> None:
    server = serve()
    digest = put_image(server, "group/app", "1", {"a": "b"})
    with Registry(block(server)) as registry:
        registry.ping()
        assert registry.digest(image(block(server))) == digest
        assert registry.digest(ImageReference("r", "group/app", digest=digest)) == digest
        assert registry.labels(image(block(server))) == {"a": "b"}
        assert registry.tags("group/app") == ["1"]
        for absent in (image(block(server), "2"), image(block(server), name="group/none")):
            with pytest.raises(NotFoundError, match="has no image"):
                registry.digest(absent)
        with pytest.raises(NotFoundError, match=r"has no tags of group/none \(NAME_UNKNOWN\)"):
            registry.tags("group/none")


@pytest.mark.parametrize("token_auth", [False, True])
def test_logins(serve: Serve, token_auth: bool) -> None:
    server = serve(users=USERS, token_auth=token_auth)
    with Registry(block(server, LOGIN)) as registry:
        registry.ping()
        with pytest.raises(NotFoundError):
            registry.digest(image(block(server)))
    with pytest.raises(AccessError) as caught:
        Registry(block(server, ("robot", "wr0ng"))).ping()
    assert "refused the login of user 'robot'" in str(caught.value)
    assert "wr0ng" not in str(caught.value)
    with pytest.raises(AccessError, match=r"wants a login|refused anonymous access|forbids"):
        Registry(block(server)).digest(image(block(server)))


def test_an_expired_token_is_replaced(serve: Serve) -> None:
    server = serve(users=USERS, token_auth=True, token_lifetime=-1)
    with pytest.raises(AccessError):  # every token is born expired: one new one is tried, not endlessly many
        Registry(block(server, LOGIN)).ping()
    assert len([line for line in server.faults.log if "/token" in line]) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_errors_are_transient(serve: Serve, status: int) -> None:
    server = serve()
    server.faults.add("status", "/v2/", status=status, retry_after=3)
    with pytest.raises(UnavailableError, match=rf"failed on the v2 API \({status}\)") as caught:
        Registry(block(server)).ping()
    assert caught.value.retry_after == 3.0


def test_too_many_requests(serve: Serve) -> None:
    server = serve()
    server.faults.add("status", "/v2/", status=429, retry_after=11)
    with pytest.raises(UnavailableError) as caught:
        Registry(block(server)).ping()
    assert caught.value.retry_after == 11.0


@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_broken_connections_are_transient(serve: Serve, kind: str) -> None:
    server = serve()
    put_image(server, "group/app", "1")
    server.faults.add(kind, "/v2/group")
    with pytest.raises(UnavailableError, match="dropped the connection"):
        Registry(block(server)).tags("group/app")


def test_a_slow_answer_is_transient(serve: Serve) -> None:
    server = serve()
    server.faults.add("latency", "/v2/", seconds=1)
    with pytest.raises(UnavailableError, match="did not answer in time"):
        Registry(block(server, timeout_seconds=0.2)).ping()


def test_html_instead_of_json(serve: Serve) -> None:
    server = serve()
    server.faults.add("garbage", "tags/list")
    with pytest.raises(ProtocolError, match="answers with a web page"):
        Registry(block(server)).tags("group/app")


def test_tls_spoken_to_plain_http_says_so(serve: Serve) -> None:
    registry = block(serve()).model_copy(update={"plain_http": False})
    with pytest.raises(InputError, match=r"find no TLS that both speak\. If it speaks plain HTTP, say so"):
        Registry(registry).ping()


def test_a_web_page_is_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    page = httpx.Response(200, html="<title>Welcome</title>")
    with pytest.raises(ProtocolError, match="does not look like a registry"):
        made_up(monkeypatch, lambda _request: page).ping()


def test_all_four_manifest_types_are_accepted_and_head_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"Docker-Content-Digest": DIGEST})

    assert made_up(monkeypatch, answer).digest(parse("registry.example.com/a/b:1")) == DIGEST
    assert [(request.method, request.url.path) for request in seen] == [("HEAD", "/v2/a/b/manifests/1")]
    assert seen[0].headers["Accept"] == MANIFEST_TYPES
    assert MANIFEST_TYPES.count(", ") == 3
    assert "Authorization" not in seen[0].headers


def test_without_the_header_the_bytes_are_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"schemaVersion": 2}\n'
    registry = made_up(
        monkeypatch, lambda request: httpx.Response(200, content=b"" if request.method == "HEAD" else body)
    )
    assert registry.digest(parse("registry.example.com/a/b:1")) == "sha256:" + hashlib.sha256(body).hexdigest()


def test_another_digest_than_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = made_up(monkeypatch, lambda _: httpx.Response(200, headers={"Docker-Content-Digest": DIGEST}))
    with pytest.raises(ProtocolError):
        registry.digest(parse("registry.example.com/a/b@sha256:" + "b" * 64))


def token_server(realm: str, seen: list[httpx.Request]) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "abc"})
        if request.headers.get("Authorization") == "Bearer abc":
            return httpx.Response(200, headers={"Docker-Content-Digest": DIGEST})
        challenge = f'Bearer realm="{realm}",service="the registry",scope="repository:a/b:pull,push"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    return answer


def test_a_token_from_the_realm(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []
    registry = made_up(monkeypatch, token_server("https://auth.example.com/token", seen))
    assert registry.digest(parse("registry.example.com/a/b:1")) == DIGEST
    asked = seen[1]
    assert asked.url.host == "auth.example.com"
    assert dict(asked.url.params) == {"service": "the registry", "scope": "repository:a/b:pull"}
    assert asked.headers["Authorization"] == "Basic " + base64.b64encode(b"robot:s3cret").decode()
    assert "s3cret" not in str(asked.url)
    assert registry.digest(parse("registry.example.com/a/b:1")) == DIGEST
    assert [request.url.path for request in seen].count("/token") == 1


def test_docker_hub_is_asked_where_its_api_is() -> None:
    named = ["docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com"]
    blocks = [ImageRegistry(address=name, namespace="Acme".lower()) for name in named]
    assert {one.address for one in blocks} == {"docker.io"}
    assert {str(one.get_client().base_url) for one in blocks} == {"https://registry-1.docker.io"}
    assert blocks[0].image_name("Group/Sub/App") == "docker.io/acme/group-sub-app"
    assert ImageRegistry(address="docker.io").image_name("acme/app") == "docker.io/acme/app"
    assert ImageRegistry(address="docker.io").image_name("acme/sub/app") == "docker.io/acme/sub-app"


def test_the_example_scope_of_ghcr_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            asked.append(request)
            example = "user/image" in str(request.url)
            return httpx.Response(403 if example else 200, json={"token": "abc"})
        if request.headers.get("Authorization") == "Bearer abc":
            return httpx.Response(200, json={})
        challenge = 'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:user/image:pull"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    made_up(monkeypatch, answer).ping()
    assert [dict(request.url.params) for request in asked] == [{"service": "ghcr.io"}]


@pytest.mark.parametrize(
    "headers",
    [
        [("WWW-Authenticate", 'Basic realm="Registry"'), ("WWW-Authenticate", "%s")],
        [("WWW-Authenticate", '%s,Basic realm="https://other.example/"')],
        [("www-authenticate", "%s")],
    ],
)
def test_a_token_rather_than_basic_where_both_are_offered(
    monkeypatch: pytest.MonkeyPatch, headers: list[tuple[str, str]]
) -> None:
    bearer = 'bearer Realm="https://auth.example.com/token"'

    def answer(request: httpx.Request) -> httpx.Response:
        if str(request.url) == "https://auth.example.com/token?scope=repository%3Aa%2Fb%3Apull":
            return httpx.Response(200, json={"token": "abc"})
        if request.headers.get("Authorization") == "Bearer abc":
            return httpx.Response(200, headers={"docker-content-digest": DIGEST})
        return httpx.Response(401, headers=[(name, text.replace("%s", bearer)) for name, text in headers])

    assert made_up(monkeypatch, answer).digest(parse("registry.example.com/a/b:1")) == DIGEST


def test_a_registry_that_knows_no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"schemaVersion": 2}'

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(405) if request.method == "HEAD" else httpx.Response(200, content=body)

    found = made_up(monkeypatch, answer).digest(parse("registry.example.com/a/b:1"))
    assert found == "sha256:" + hashlib.sha256(body).hexdigest()


def test_a_web_page_is_no_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    page = httpx.Response(200, html="<title>Sign in</title>")
    with pytest.raises(ProtocolError, match="answers with a web page"):
        made_up(monkeypatch, lambda _request: page).digest(parse("registry.example.com/a/b:1"))


def hiding(status: int, accepted: bool) -> Handler:
    """As Docker Hub (401 with a token) and GHCR (403 instead of one) answer for a repository that is not there."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            scoped = "scope" in request.url.params
            return httpx.Response((403 if scoped and status == 403 else 200) if accepted else 401, json={"token": "t"})
        if "Authorization" in request.headers and request.url.path == "/v2/":
            return httpx.Response(200, json={})
        return httpx.Response(401, headers={"WWW-Authenticate": 'Bearer realm="https://auth.example.com/token"'})

    return answer


@pytest.mark.parametrize("status", [401, 403])
def test_a_repository_that_is_not_there_yet_may_be_refused(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    image = parse("registry.example.com/a/b:1")
    assert made_up(monkeypatch, hiding(status, accepted=True)).find(image) is None
    with pytest.raises(AccessError, match=r"image registry\.example\.com/a/b:1"):
        made_up(monkeypatch, hiding(status, accepted=True)).digest(image)
    with pytest.raises(AccessError, match="'robot'"):
        made_up(monkeypatch, hiding(status, accepted=False)).find(image)


def test_an_anonymous_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []
    registry = made_up(monkeypatch, token_server("https://auth.example.com/token", seen), login=None)
    assert registry.digest(parse("registry.example.com/a/b:1")) == DIGEST
    assert "Authorization" not in seen[1].headers


@pytest.mark.parametrize(
    "realm", ["http://auth.example.com/token", "ftp://x/token", "https://u:p@auth.example.com/token", "/token", ""]
)
def test_the_login_is_not_sent_to_a_doubtful_realm(monkeypatch: pytest.MonkeyPatch, realm: str) -> None:
    seen: list[httpx.Request] = []
    with pytest.raises(ProtocolError):
        made_up(monkeypatch, token_server(realm, seen)).digest(parse("registry.example.com/a/b:1"))
    assert len(seen) == 1


def test_a_redirect_of_the_realm_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []
    inner = token_server("https://auth.example.com/token", seen)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(302, headers={"Location": "https://evil.example.com/token2"})
        assert request.url.host != "evil.example.com"
        return inner(request)

    with pytest.raises(ProtocolError):
        made_up(monkeypatch, answer).digest(parse("registry.example.com/a/b:1"))


def test_a_blob_elsewhere_is_fetched_without_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"config": {"Labels": {"x": "y"}}}
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "blobs.example.net":
            asked.append(request)
            return httpx.Response(200, json=config)
        if "Authorization" not in request.headers:
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="r"'})
        if "/blobs/" in request.url.path:
            return httpx.Response(307, headers={"Location": "https://blobs.example.net/1"})
        return httpx.Response(200, json={"config": {"digest": DIGEST}})

    assert made_up(monkeypatch, answer).labels(parse("registry.example.com/a/b:1")) == {"x": "y"}
    assert "Authorization" not in asked[0].headers


def test_the_first_platform_of_an_index_and_no_attestation(monkeypatch: pytest.MonkeyPatch) -> None:
    attestation = {"digest": DIGEST, "platform": {"architecture": "unknown", "os": "unknown"}}
    platform = {"digest": "sha256:" + "b" * 64, "platform": {"architecture": "amd64", "os": "linux"}}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("b" * 64):
            return httpx.Response(200, json={"config": {"digest": "sha256:" + "c" * 64}})
        if "/blobs/" in request.url.path:
            return httpx.Response(200, json={"config": {"Labels": None}, "os": "linux"})
        return httpx.Response(200, json={"manifests": [attestation, platform]})

    registry = made_up(monkeypatch, answer)
    assert registry.config(parse("registry.example.com/a/b:1"))["os"] == "linux"
    assert registry.labels(parse("registry.example.com/a/b:1")) == {}


def test_tags_over_pages_never_leave_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "registry.example.com"
        if request.url.params.get("last"):
            return httpx.Response(200, json={"tags": ["b"]})
        link = {"Link": '<https://evil.example.com/v2/a/tags/list?last=a&n=1>; rel="next"'}
        return httpx.Response(200, json={"tags": ["a"]}, headers=link)

    assert made_up(monkeypatch, answer).tags("a") == ["a", "b"]


def test_a_forbidden_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AccessError, match=r"forbids image registry.example.com/a/b:1 \(403\)"):
        made_up(monkeypatch, lambda _: httpx.Response(403)).digest(parse("registry.example.com/a/b:1"))


def test_an_unheard_of_login(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = httpx.Response(401, headers={"WWW-Authenticate": "Negotiate"})
    with pytest.raises(ProtocolError, match="login of unknown kind 'Negotiate'"):
        made_up(monkeypatch, lambda _: answer).ping()


async def test_confirming(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.image.task._LAG_SECONDS", (0.0,))
    server = serve()
    digest = put_image(server, "group/app", "1")
    registry = block(server)
    confirmed = await confirm_image.fn(registry, f"{registry.address}/group/app:1")
    assert str(confirmed) == f"{registry.address}/group/app:1@{digest}"
    put_image(server, "group/app", "1", {"newer": "yes"})
    assert (await confirm_image.fn(registry, confirmed)).digest == digest  # what was built, not what the tag says now
    with pytest.raises(InputError, match="is not on the Environment's registry"):
        await confirm_image.fn(registry, "elsewhere.example.com/group/app:1")
    with pytest.raises(NotFoundError, match="Deploy with rebuild to build it again"):
        await confirm_image.fn(registry, f"{registry.address}/group/app:none")


async def test_an_image_that_is_shown_some_seconds_after_it_was_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([404, 404, 200])

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(next(answers), headers={"Docker-Content-Digest": DIGEST})

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(
        ImageRegistry, "get_client", lambda _self: httpx.Client(base_url="https://ghcr.io", transport=transport)
    )
    confirmed = await confirm_image.fn(block("ghcr.io"), f"ghcr.io/acme/app:1@{DIGEST}")
    assert str(confirmed) == f"ghcr.io/acme/app:1@{DIGEST}"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_password_that_ended_while_the_build_ran(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """As Amazon ECR answers 12 hours after the login: a bare 403 to Basic, or 401 again."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked = "Authorization" not in request.headers
        return httpx.Response(401 if asked else status, headers={"WWW-Authenticate": 'Basic realm="ecr"'})

    host, transport = "1234.dkr.ecr.eu-west-1.amazonaws.com", httpx.MockTransport(answer)
    monkeypatch.setattr(
        ImageRegistry, "get_client", lambda _self: httpx.Client(base_url=f"https://{host}", transport=transport)
    )
    with pytest.raises(AccessError) as caught:
        await confirm_image.fn(block(host, login=("AWS", "ended-p4ssword")), f"{host}/acme/app:1@{DIGEST}")
    assert str(caught.value).endswith(
        " Its passwords are valid for 12 hours: renew it, or name the credential helper ecr-login in the block."
        " Then deploy again: what was built is not built again."
    )
    assert "ended-p4ssword" not in str(caught.value)


def _environment(name: str) -> str:
    if not (value := os.environ.get(name)):
        pytest.skip(f"{name} names no registry")
    return value


@pytest.mark.integration
def test_a_real_registry() -> None:
    registry = block(_environment("SMARTCLIDE_TEST_REGISTRY"))
    base = parse(_environment("SMARTCLIDE_TEST_BASE_IMAGE"))
    with Registry(registry) as client:
        client.ping()
        digest = client.digest(base)
        assert client.digest(base.with_digest(digest)) == digest
        assert base.tag in client.tags(base.repository)
        assert client.config(base)["os"] == "linux"
        with pytest.raises(NotFoundError, match="has no image"):
            client.digest(parse(f"{registry.address}/part7/none:1"))


@pytest.mark.integration
def test_a_real_registry_with_a_login() -> None:
    address = _environment("SMARTCLIDE_TEST_REGISTRY_LOGIN")
    user, password = (_environment(f"SMARTCLIDE_TEST_REGISTRY_LOGIN_{what}") for what in ("USER", "PASSWORD"))
    Registry(block(address, (user, password))).ping()
    for wrong in (None, (user, "wrong")):
        with pytest.raises(AccessError):
            Registry(block(address, wrong)).ping()


def test_json_is_not_echoed(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"errors": [{"code": "<script>", "message": "s3cret"}]}).encode()
    with pytest.raises(NotFoundError) as caught:
        made_up(monkeypatch, lambda _: httpx.Response(404, content=body)).digest(parse("registry.example.com/a/b:1"))
    assert "script" not in str(caught.value) and "s3cret" not in str(caught.value)
