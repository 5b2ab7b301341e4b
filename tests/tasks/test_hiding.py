"""No adapter passes its secrets on: not in its errors, nor in the causes that Prefect logs with them."""

import base64
import json
import traceback
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from prefect_docker import DockerRegistryCredentials
from prefect_gitlab import GitLabCredentials
from pydantic import SecretStr, TypeAdapter, ValidationError
from starlette.responses import Response

from blocks import Cluster, GitLabServer, ImageRegistry, InterpreterServer, JenkinsServer, MetricsStore
from cli import smartclide
from console.checks import check_store
from errors import InputError, SmartClideError
from flows.parameters import Project
from sandbox.http import AppServer
from tasks.hiding import Hider, without_login
from tasks.image.reference import parse
from tasks.image.registry import Registry
from tasks.jenkins_build.server import Jenkins
from tasks.remote_interpretation.server import Interpreter
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.manifest import RegistryLogin, pull_secret
from tasks.rollout.names import Identity
from tasks.source.repository import GitLab

TOKEN = "t0k'en\"$%@:/<&\\x"
PASSWORD = 'pass "w0rd" $%@:/\' äß✓'
STATUSES = [200, 302, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503]


@given(st.text(min_size=3))
def test_a_secret_is_masked_in_every_form(secret):
    data = secret.encode("utf-8", "surrogatepass")
    forms = {secret, json.dumps(secret)[1:-1], base64.b64encode(data).decode(), quote(data, safe="")}
    assert {Hider(secret)(form) for form in forms} == {"***"}


@given(st.text(min_size=4, alphabet=st.characters(min_codepoint=65)), st.text(alphabet="01234"))
def test_the_text_around_a_secret_stays(secret, around):
    assert Hider(secret)(f"{around}{secret}{around}") == f"{around}***{around}"


def test_a_secret_that_is_a_part_of_another_leaves_nothing_of_it():
    assert Hider("abc", "abc-rest")("so abc-rest and abc") == "so *** and ***"


def test_one_that_is_a_word_of_ours_does_not_show_by_being_masked():
    login = DockerRegistryCredentials(username="me", password=SecretStr("registry"), registry_url="r")
    with AppServer(silent) as server, pytest.raises(SmartClideError) as caught:
        address = server.url.removeprefix("http://")
        Registry(ImageRegistry(address=address, plain_http=True, credentials=login)).ping()
    assert str(caught.value) == f"The registry {address} does not have the v2 API."


def test_the_lines_of_a_longer_secret_are_masked_each():
    assert Hider("-----BEGIN\nMIIEvQIBADAN\nx\n")("line 2 is MIIEvQIBADAN, 3 is x") == "line 2 is ***, 3 is x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@proxy:3128/x", "http://***@proxy:3128/x"),
        ("http://me:p/w@proxy", "http://***@proxy"),
        ("https://oauth2@host/a and ssh://git@host", "https://***@host/a and ssh://***@host"),
        ("https://host:8443/a@v1", "https://host:8443/a@v1"),
        ("r.example.com/app@sha256:0123", "r.example.com/app@sha256:0123"),
    ],
)
def test_addresses_lose_their_login_only(text, shown):
    assert without_login(text) == shown


def test_passwords_of_proxies_are_known_from_the_environment(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:12/%40bc@proxy:3128")
    assert Hider()("12/%40bc 12/@bc http://me:12/%40bc@proxy:3128") == "*** *** http://***@proxy:3128"


async def silent(scope, receive, send):
    await Response("nothing here", 404)(scope, receive, send)


@pytest.fixture(scope="module")
def echoing():
    """A server that answers with the credentials of each request."""
    with AppServer(silent) as server:
        yield server


def kubeconfig(url):
    return json.dumps({
        "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "c", "user": {"token": TOKEN}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    })  # fmt: skip


def gitlab(url):
    client = GitLab(GitLabServer(url=url, credentials=GitLabCredentials(token=SecretStr(TOKEN), url=url)))
    yield from (client.version, lambda: client.commit("a/b", "main"), lambda: client.ci_variables("projects/1"))


def jenkins(url):
    client = Jenkins(JenkinsServer(url=url, username="robot", api_token=SecretStr(TOKEN)))
    yield from (client.version, lambda: client.lint("x"), lambda: client.trigger("a", {}))


def registry(url):
    login = DockerRegistryCredentials(username="me", password=SecretStr(PASSWORD), registry_url=url)
    address = url.removeprefix("http://")
    client = Registry(ImageRegistry(address=address, plain_http=True, credentials=login))
    client._authorization["repository:a/b:pull"] = client._authorization[""] = "Basic " + basic("me", PASSWORD)
    yield from (client.ping, lambda: client.digest(parse(f"{address}/a/b:1")), lambda: client.tags("a/b"))


def cluster(url):
    client = ClusterClient(Cluster(kubeconfig=SecretStr(kubeconfig(url))))
    secret = pull_secret(Identity("app", "ns", "e", "a/b"), RegistryLogin("r:1", "me", PASSWORD))
    yield from (client.version, lambda: client.find("Secret", "ns", "x"), lambda: client.apply(secret))


def interpreter(url):
    client = Interpreter(InterpreterServer(url=url, token=SecretStr(TOKEN)))
    yield from (client.is_ours, lambda: client.translate("a: {script: b}"))


def basic(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


KNOWN = [TOKEN, PASSWORD, basic("robot", TOKEN), basic("me", PASSWORD), "t0k'en", "w0rd"]


@pytest.mark.parametrize("adapter", [gitlab, jenkins, registry, cluster, interpreter])
def test_what_a_server_sends_back_is_not_told(echoing, adapter):
    raised = 0
    for status in STATUSES:
        echoing.faults.clear()
        echoing.faults.add("echo", times=-1, status=status)
        for call in adapter(echoing.url):
            try:
                call()
            except SmartClideError as error:
                raised += 1
                shown = "".join(traceback.format_exception(error)) + repr(error.__dict__)
                assert [secret for secret in KNOWN if secret in shown] == [], (status, shown)
    assert raised > len(STATUSES)


PROXIES = ["http://me:pr0xy-pw@127.0.0.1:1", "http://me:pr0xy/pw@127.0.0.1:1", "ftp://me:pr0xy-pw@127.0.0.1:1"]


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("adapter", [gitlab, jenkins, registry, cluster, interpreter])
def test_the_password_of_a_proxy_is_not_told(monkeypatch, adapter, proxy):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SmartClideError) as caught:
        [call() for call in adapter("http://example.test")]
    shown = "".join(traceback.format_exception(caught.value))
    assert [part for part in ("pr0xy", "pw@") if part in shown] == [], shown


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://oauth2:glpat-x@gitlab.example.com/g/p.git", "https://gitlab.example.com/g/p.git"),
        ("http://glpat-x@gitlab.example.com:8080/g/p", "http://gitlab.example.com:8080/g/p"),
        ("git@gitlab.example.com:g/p.git", "git@gitlab.example.com:g/p.git"),
        ("g/p", "g/p"),
    ],
)
def test_a_run_is_not_given_the_login_of_a_clone_address(monkeypatch, given, kept):
    runs = []
    monkeypatch.setattr("console.runs.run", lambda flow, parameters, **_how: runs.append((flow, parameters["project"])))
    done = CliRunner().invoke(smartclide, ["deploy", given, "-e", "staging"])
    assert (done.exit_code, runs) == (0, [("deploy", kept)])
    flow_takes(kept)
    if given != kept:
        with pytest.raises(ValidationError):
            flow_takes(given)


flow_takes = TypeAdapter(Project).validate_python


@pytest.mark.parametrize("project", ["12", "https://h/g/p/-/tree/a@b", "ssh://git@h:22/g/p.git", "https://[::1]:8/g/p"])
def test_addresses_without_a_login_are_taken(project):
    assert flow_takes(project) == project


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"token": "t0ken\nx"}, "has characters that no token has"),
        ({"client-key-data": "k3y!!", "client-certificate-data": "k3y"}, "is not base64"),
    ],
)
def test_a_kubeconfig_with_a_broken_secret_is_told_without_it(user, told):
    document = json.loads(kubeconfig("https://127.0.0.1:1"))
    document["users"][0]["user"] = user
    with pytest.raises(InputError, match=told) as caught:
        Cluster(kubeconfig=SecretStr(json.dumps(document))).get_client()
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(secret in shown for secret in ("t0ken", "k3y"))


def test_a_store_that_fails_is_told_without_its_options(tmp_path):
    (tmp_path / "file").write_text("")
    block = MetricsStore(url=f"file://{tmp_path}/file/x", storage_options={"secret": SecretStr(str(tmp_path))})
    with pytest.raises(SmartClideError, match=r"The store file://.*/file/x failed: ") as caught:
        check_store(block)
    assert f"'{tmp_path}" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["ftp://u:pw@host/x", "s3://key:secret@bucket"])
def test_a_stores_address_holds_no_password(url):
    with pytest.raises(ValidationError):
        MetricsStore(url=url)
    assert MetricsStore(url="abfs://container@account.dfs.core.windows.net/x").url.startswith("abfs://container@")
