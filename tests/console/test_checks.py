"""`smartclide init` and `check` against the stand-ins: verdicts, and what is refused."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from pydantic import SecretStr
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse

from blocks import Environment
from console import checks
from console.checks import check_all
from console.setup import build_environment, initialise
from errors import AccessError, InputError
from sandbox.http import AppServer
from tasks.jenkins_build.server import Jenkins


@pytest.fixture
def answers(sandbox, tmp_path):
    state = sandbox.state()
    return {
        "gitlab_url": state.gitlab_url, "gitlab_token": state.gitlab_token, "jenkins_url": state.jenkins_url,
        "jenkins_user": state.jenkins_user, "jenkins_token": state.jenkins_token, "registry": state.registry,
        "registry_http": True, "kubeconfig_text": state.kubeconfig, "namespace": "staging",
        "metrics_store": f"file://{tmp_path}/metrics", "non_interactive": True,
    }  # fmt: skip


def verdicts(answers, **changes):
    return {v.system: v for v in check_all(build_environment("staging", answers | changes))}


def test_all_is_well(answers, sandbox):
    state = sandbox.state()
    assert [str(v) for v in verdicts(answers).values()] == [
        f"ok    GitLab     {state.gitlab_url}: version 17.11.0, as user smartclide",
        f"ok    Jenkins    {state.jenkins_url}: version 2.448, as user smartclide, required plugins present",
        f"ok    Registry   {state.registry}: answers, anonymous",
        f"ok    Cluster    {state.kubernetes_url}: v1.34.0+smartclide.stand-in, as smartclide-sandbox, "
        "may deploy to namespace staging",
        f"ok    Metrics    {answers['metrics_store']}: writable",
    ]


def test_a_user_of_jenkins_need_not_see_its_plugins(answers, sandbox, monkeypatch):
    def refuse(_):
        raise AccessError("403")

    monkeypatch.setattr(Jenkins, "plugins", refuse)
    verdict = verdicts(answers)["Jenkins"]
    assert verdict.ok
    assert verdict.message == (
        f"{sandbox.state().jenkins_url}: version 2.448, as user smartclide, who may not see which plugins there are "
        "(that takes Overall/SystemRead or Administer)"
    )


def test_anonymous_access_to_gitlab_is_enough_for_public_projects(answers):
    verdict = verdicts(answers, gitlab_token=None)["GitLab"]
    assert verdict.ok
    assert "only public projects" in verdict.message


@pytest.mark.parametrize(
    ("system", "changes"),
    [
        ("GitLab", {"gitlab_token": "wrong-secret"}),
        ("Jenkins", {"jenkins_token": "wrong-secret"}),
        ("GitLab", {"gitlab_url": "http://127.0.0.1:9"}),
        ("Jenkins", {"jenkins_url": "http://127.0.0.1:9"}),
        ("Registry", {"registry": "127.0.0.1:9"}),
        ("Registry", {"registry_http": False}),
        ("Metrics", {"metrics_store": "file:///proc/nowhere"}),
        ("Metrics", {"metrics_store": "nothing://bucket"}),
    ],
)
def test_one_failing_system_is_named_and_the_others_are_still_checked(answers, system, changes):
    found = verdicts(answers, **changes)
    assert [name for name, v in found.items() if not v.ok] == [system]
    assert "wrong-secret" not in found[system].message
    assert "Traceback" not in found[system].message
    assert "\n" not in found[system].message
    assert not re.match(r"[A-Za-z]+Error", found[system].message)


def test_a_certificate_authority_that_cannot_be_read_is_named(answers, tmp_path):
    found = verdicts(answers, ca_file=str(tmp_path / "none.pem"))
    assert [name for name, v in found.items() if not v.ok] == ["GitLab", "Jenkins", "Registry"]
    assert {v.message for v in found.values() if not v.ok} == {
        f"The CA file {tmp_path}/none.pem cannot be read: No such file or directory. "
        "It must be there on every machine that runs a worker, too."
    }
    (tmp_path / "empty.pem").write_text("")
    assert "holds no certificate in PEM" in verdicts(answers, ca_file=str(tmp_path / "empty.pem"))["Jenkins"].message


def test_white_space_around_a_token_does_no_harm(answers):
    found = verdicts(answers, gitlab_token=f"{answers['gitlab_token']}\n", jenkins_token=f" {answers['jenkins_token']}")
    assert all(v.ok for v in found.values())


def test_a_wrong_address_is_recognised_as_another_service(answers, sandbox):
    swapped = verdicts(answers, gitlab_url=sandbox.state().jenkins_url)
    assert not swapped["GitLab"].ok


def test_a_wrong_cluster_token_is_refused(answers, sandbox):
    kubeconfig = sandbox.state().kubeconfig
    token = kubeconfig.split("token: ")[1].split()[0]
    found = verdicts(answers, kubeconfig_text=kubeconfig.replace(token, "wrong-secret"))["Cluster"]
    assert not found.ok
    assert "wrong-secret" not in found.message


def test_missing_values_are_named_with_their_flag(answers):
    with pytest.raises(InputError, match="--jenkins-url or SMARTCLIDE_JENKINS_URL"):
        initialise("staging", answers | {"jenkins_url": None})


def test_all_missing_values_are_named_at_once(answers):
    with pytest.raises(InputError) as caught:
        initialise("staging", answers | {"jenkins_url": None, "jenkins_token": "", "registry": None})
    assert str(caught.value) == (
        "Missing: Jenkins URL (--jenkins-url or SMARTCLIDE_JENKINS_URL), Jenkins API token (--jenkins-token or "
        "SMARTCLIDE_JENKINS_TOKEN), Registry (host and port) (--registry or SMARTCLIDE_REGISTRY). Give all of them."
    )


@pytest.mark.parametrize(
    "changes",
    [{"namespace": "Not_A_Name"}, {"registry": "https://r/x"}, {"kubeconfig_text": "a: ["}, {"kubeconfig_text": "x: 1"},
     {"gitlab_token": "secret\nsecret"}, {"jenkins_token": "sécret"},
     {"jenkins_url": "http://user:secret@host"}, {"jenkins_url": "foo"}, {"gitlab_url": "gitlab.example.com"}],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused_without_showing_secrets(answers, changes):
    with pytest.raises(InputError) as caught:
        build_environment("staging", answers | changes)
    assert "secret" not in str(caught.value)


def test_init_saves_what_check_finds_well(answers, prefect_server, capsys):
    assert initialise("saved", answers)
    assert "Environment saved is saved" in capsys.readouterr().err
    found = Environment.load("saved")
    assert found.namespace == "staging"
    assert isinstance(found.jenkins.api_token, SecretStr)
    assert found.jenkins.api_token.get_secret_value() == answers["jenkins_token"]


def test_what_is_not_given_is_asked(answers, prefect_server, tmp_path, monkeypatch):
    (tmp_path / "kubeconfig").write_text(answers.pop("kubeconfig_text"))
    given = {"registry_http": True, "metrics_store": answers["metrics_store"], "namespace": "staging"}
    said = {
        "GitLab URL": answers["gitlab_url"],
        "GitLab token (read_api, read_repository; empty for public projects)": answers["gitlab_token"],
        "Jenkins URL": answers["jenkins_url"],
        "Jenkins user": answers["jenkins_user"],
        "Jenkins API token": answers["jenkins_token"],
        "Registry (host and port)": answers["registry"],
        "Registry user (empty for none)": "",
        "Kubeconfig of the cluster (file)": str(tmp_path / "kubeconfig"),
    }
    left = dict(said)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("click.prompt", lambda title, **_: left.pop(title))
    assert initialise("asked", given)
    assert left == {}
    kubeconfig = Environment.load("asked").cluster.kubeconfig.get_secret_value()
    assert kubeconfig == (tmp_path / "kubeconfig").read_text()


def test_init_saves_nothing_when_a_check_fails(answers, prefect_server, capsys):
    assert not initialise("unsaved", answers | {"jenkins_token": "wrong-secret"})
    assert "Nothing was saved" in capsys.readouterr().err
    with pytest.raises(ValueError, match="unsaved"):
        Environment.load("unsaved")


def test_the_api_shows_no_secret_of_the_blocks(answers, prefect_server):
    import httpx

    initialise("shown", answers)
    body = {"include_secrets": False}
    text = httpx.post(f"{prefect_server.api_url}/block_documents/filter", json=body).text
    for secret in (answers["gitlab_token"], answers["jenkins_token"]):
        assert secret not in text
    assert answers["kubeconfig_text"].split("token: ")[1].split()[0] not in text


@pytest.mark.parametrize("name", ["Prod Env", "prod_env", "a/b", "", "ünï"])
def test_a_name_that_prefect_would_refuse_is_refused_first(answers, name):
    with pytest.raises(InputError, match="cannot name an Environment"):
        initialise(name, answers)


async def elsewhere(scope, receive, send):
    await RedirectResponse("https://me:pw@sso.example.com/login?for=t0ken", 302)(scope, receive, send)


async def stranger(scope, receive, send):
    await HTMLResponse("<h1>Bad Gateway</h1>", 502)(scope, receive, send)


async def dripping(scope, receive, send):
    async def pieces():
        while True:
            yield b" "
            await asyncio.sleep(0.1)

    await StreamingResponse(pieces(), media_type="application/json")(scope, receive, send)


def verdicts_of(app, answers):
    with AppServer(app) as server:
        config = answers["kubeconfig_text"]
        known = server.url.removeprefix("http://")
        changes = {
            "gitlab_url": server.url, "jenkins_url": server.url, "registry": known,
            "kubeconfig_text": re.sub(r"server: .*", f"server: {server.url}", config),
        }  # fmt: skip
        environment = build_environment("staging", answers | changes)
        for block in (environment.gitlab, environment.jenkins, environment.registry, environment.cluster):
            block.timeout_seconds = 0.5
        found = {verdict.system: verdict.message for verdict in check_all(environment)}
        assert found.pop("Metrics").endswith("writable")
        return {system: message.replace(known, "HOST") for system, message in found.items()}


def test_a_server_that_sends_requests_on_is_named_with_where_to(answers):
    to, proxy = (
        "sends requests on to https://sso.example.com: the login does not go there. Put its own address into",
        "; a proxy that wants people to sign in must let its API through.",
    )
    assert verdicts_of(elsewhere, answers) == {
        "GitLab": f"GitLab at http://HOST {to} the GitLabServer block{proxy}",
        "Jenkins": "Jenkins at http://HOST asks user 'smartclide' to log in. Check the API token.",
        "Registry": f"The registry HOST {to} the ImageRegistry block{proxy}",
        "Cluster": f"The cluster at http://HOST {to} the kubeconfig{proxy}",
    }


def test_a_page_of_a_proxy_is_no_word_of_the_server(answers):
    remedy = "Check that it is up; a proxy before it may say so in its place."
    assert verdicts_of(stranger, answers) == {
        "GitLab": f"GitLab at http://HOST failed on the token's user (502). {remedy}",
        "Jenkins": f"Jenkins at http://HOST failed on the user (502). {remedy}",
        "Registry": f"The registry HOST failed on the v2 API (502). {remedy}",
        "Cluster": f"version of the cluster: The cluster at http://HOST answered 502. {remedy}",
    }


async def another_api(scope, receive, send):
    await JSONResponse({"status": "up"})(scope, receive, send)


def test_another_service_that_answers_json_is_no_cluster(answers):
    assert verdicts_of(another_api, answers)["Cluster"] == (
        "The cluster at http://HOST answered what is not Kubernetes' API (version of the cluster)."
        " Check that the address in the kubeconfig is an API server's."
    )


def test_what_is_waited_for_is_named_after_a_while(answers, monkeypatch, capsys):
    monkeypatch.setattr(checks, "_SILENT_SECONDS", 0.5)
    verdicts_of(dripping, answers)
    assert re.fullmatch(
        r"No answer yet: GitLab, Jenkins, Registry, Cluster\. They have \d s more at most \.\.\.",
        next(line for line in capsys.readouterr().err.splitlines() if "yet" in line),
    )


def test_a_server_that_never_comes_to_an_end_holds_up_no_check(answers):
    told = "This check comes to no end: the server answers too slowly. Look at it, and at a proxy before it."
    assert set(verdicts_of(dripping, answers).values()) == {told}
