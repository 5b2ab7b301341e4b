"""Requests to Jenkins through the stand-in, and what becomes of every kind of fault."""

import json
import time
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import pytest
import requests
from prefect_docker import DockerRegistryCredentials
from prefect_gitlab import GitLabCredentials
from pydantic import SecretStr

from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from blocks.jenkins_server import JenkinsServer
from errors import AccessError, ConflictError, InputError, NotFoundError, ProtocolError, UnavailableError
from tasks.jenkins_build.inputs import PendingInput, pending_inputs, proceed, refuse
from tasks.jenkins_build.job_config import ParameterDefinition, folder_config, job_config
from tasks.jenkins_build.jobs import (
    Credential,
    ensure_folders,
    gitlab_credential,
    registry_credential,
    upsert_credential,
    upsert_job,
)
from tasks.jenkins_build.outcome import KnownBuild
from tasks.jenkins_build.server import Jenkins

from .conftest import KEY, Running

PARAMETERS = [ParameterDefinition("COMMIT_SHA"), ParameterDefinition("BUILD_KEY")]


def test_who_we_are_and_what_it_is(jenkins: Running) -> None:
    assert jenkins.client.whoami() == "robot"
    assert jenkins.client.version() == "2.448"
    assert "workflow-job" in jenkins.client.plugins()


def test_wrong_token(jenkins: Running) -> None:
    block = jenkins.block.model_copy(update={"api_token": SecretStr("wr0ng")})
    with pytest.raises(AccessError) as caught:
        Jenkins(block).whoami()
    assert str(caught.value).startswith(f"Jenkins at {jenkins.server.url} refused the login of user 'robot' (401).")
    assert "wr0ng" not in str(caught.value)
    assert "<html" not in str(caught.value)


def test_folders_are_made_once(jenkins: Running) -> None:
    ensure_folders(jenkins.client, "f1/sub one/x")
    ensure_folders(jenkins.client, "f1/sub one/x")
    assert len(jenkins.requests("createItem")) == 3


def test_a_job_where_a_folder_must_be(jenkins: Running) -> None:
    upsert_job(jenkins.client, "occupied", job_config("[]", PARAMETERS))
    with pytest.raises(ConflictError, match="has occupied, but as a WorkflowJob, not as a folder"):
        ensure_folders(jenkins.client, "occupied/below")


def test_a_job_is_written_only_where_it_differs(jenkins: Running) -> None:
    first = job_config('[["log", "x ]] y"]]', PARAMETERS, "A job")
    assert upsert_job(jenkins.client, "written", first) is True
    assert upsert_job(jenkins.client, "written", first) is False
    assert upsert_job(jenkins.client, "written", job_config("[]", PARAMETERS, "A job")) is True
    assert len(jenkins.requests("POST /job/written/config.xml")) == 1


def test_the_job_of_somebody_else_is_left_alone(jenkins: Running) -> None:
    foreign = ET.fromstring(job_config("[]", []).partition("?>")[2])
    foreign.find("description").text = "Mine!"  # type: ignore[union-attr]
    jenkins.client.connection.send(
        "POST", "createItem?name=foreign", what="job", xml=ET.tostring(foreign, encoding="unicode")
    )
    with pytest.raises(ConflictError, match="has a job foreign that smartclide did not make"):
        upsert_job(jenkins.client, "foreign", job_config("[]", PARAMETERS))
    assert jenkins.requests("POST /job/foreign/config.xml") == []


def test_credentials_are_made_then_replaced(jenkins: Running) -> None:
    ensure_folders(jenkins.client, "store")
    for password in ("first", "second"):
        credential = Credential("registry-example", "robot", SecretStr(password), "Registry")
        upsert_credential(jenkins.client, "store", credential)
    assert len(jenkins.requests("createCredentials")) == 2
    assert len(jenkins.requests("POST /job/store/credentials/store/folder/domain/_/credential/registry-example")) == 1
    assert not any("second" in line for line in jenkins.server.faults.log)
    assert "second" not in repr(Credential("i", "u", SecretStr("second")))


def test_credentials_by_the_blocks() -> None:
    token = GitLabCredentials(token=SecretStr("glpat-1"), url="https://gitlab.example.com:8443/sub")
    found = gitlab_credential(GitLabServer(url="https://gitlab.example.com:8443/sub", credentials=token))
    assert found is not None
    assert (found.id, found.username) == ("gitlab-gitlab-example-com-8443", "oauth2")
    assert found.password.get_secret_value() == "glpat-1"
    assert gitlab_credential(GitLabServer(url="https://gitlab.example.com")) is None
    login = DockerRegistryCredentials(username="robot", password=SecretStr("p"), registry_url="127.0.0.1:5000")
    pushing = registry_credential(ImageRegistry(address="127.0.0.1:5000", credentials=login))
    assert pushing is not None
    assert (pushing.id, pushing.username) == ("registry-127-0-0-1-5000", "robot")
    assert registry_credential(ImageRegistry(address="127.0.0.1:5000")) is None


def test_parameters_travel_in_the_body(jenkins: Running) -> None:
    upsert_job(jenkins.client, "body", job_config("[]", PARAMETERS))
    jenkins.client.trigger("body", {"COMMIT_SHA": "c" * 9000, "BUILD_KEY": f"{KEY}-1"})
    assert jenkins.requests("buildWithParameters") == ["POST /job/body/buildWithParameters?delay=1sec"]


def test_the_same_parameters_while_queued_give_the_same_item(jenkins: Running) -> None:
    upsert_job(jenkins.client, "twice", job_config('[["wait", 5]]', PARAMETERS, concurrent=False))
    jenkins.client.trigger("twice", {"BUILD_KEY": f"{KEY}-1"})
    second = jenkins.client.trigger("twice", {"BUILD_KEY": f"{KEY}-2"})
    assert jenkins.client.trigger("twice", {"BUILD_KEY": f"{KEY}-2"}) == second
    found = {(known.key, known.attempt): known for known in jenkins.client.find_builds("twice")}
    assert found[KEY, 2] == KnownBuild(second, None, KEY, 2)
    jenkins.client.cancel(second)
    assert jenkins.client.queue_item(second).cancelled
    jenkins.client.cancel(999_999)
    while (number := next(iter(jenkins.client.find_builds("twice"))).number) is None:
        pass
    jenkins.client.stop("twice", number)


def test_absent_things(jenkins: Running) -> None:
    with pytest.raises(NotFoundError, match="has no build of job nowhere"):
        jenkins.client.trigger("nowhere", {"BUILD_KEY": "x"})
    with pytest.raises(NotFoundError, match="has no queue item 999999"):
        jenkins.client.queue_item(999_999)
    with pytest.raises(NotFoundError, match="has no build nowhere #1"):
        jenkins.client.build("nowhere", 1)
    assert jenkins.client.find_builds("nowhere") == []
    assert jenkins.client.artifact("nowhere", 1, "image.json") is None


@pytest.mark.parametrize("parameters", [{}, {"ANSWER": "run"}])
def test_an_answer_that_comes_too_late_finds_no_question(jenkins: Running, parameters: dict[str, str]) -> None:
    upsert_job(jenkins.client, "answered", job_config("[]", PARAMETERS))
    jenkins.client.trigger("answered", {"BUILD_KEY": f"{KEY}-1"})
    while next(iter(jenkins.client.find_builds("answered"))).number is None:
        pass
    for answer in (proceed, lambda *others: refuse(*others[:3])):
        with pytest.raises(NotFoundError, match="does not have the waiting input Job-1 of build answered #1"):
            answer(jenkins.client, ("answered", 1), PendingInput("Job-1", "Run it?", parameters), {})
    with pytest.raises(UnavailableError, match="500"):  # Jenkins' other address for answers fails on it
        jenkins.client.connection.send("POST", "job/answered/1/wfapi/inputSubmit?inputId=Job-1", what="it")


def test_a_password_that_a_build_asks_for_stays_hidden_and_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [
        {"type": "PasswordParameterDefinition", "name": "PIN", "definition": {"defaultVal": "s3cret"}},
        {"type": "BooleanParameterDefinition", "name": "DRY", "definition": {"defaultVal": True}},
        {"type": "ChoiceParameterDefinition", "name": "TO", "definition": {"defaultVal": "a", "choices": ["a", "b"]}},
        {"type": "RunParameterDefinition", "name": "RUN", "definition": {}},
    ]
    body = json.dumps([{"id": "Go", "message": "Go?", "inputs": asked}])
    sent = _answers(monkeypatch, (200, {}, body.encode()), (200, {}, b""))
    client = Jenkins(JenkinsServer(url="http://j.example", username="robot", api_token=SecretStr("t")))
    (pending,) = pending_inputs(client, "a", 1)
    assert pending.parameters == {"PIN": "<DEFAULT>", "DRY": "true", "TO": "a", "RUN": ""}
    proceed(client, ("a", 1), pending, {"TO": "b"})
    assert sent[1][:2] == ("POST", "http://j.example/job/a/1/input/Go/proceed")
    assert json.loads(parse_qs(sent[1][2])["json"][0]) == {
        "parameter": [
            {"name": "PIN", "value": "<DEFAULT>"}, {"name": "DRY", "value": "true"}, {"name": "TO", "value": "b"},
            {"name": "RUN", "value": ""},
        ]
    }  # fmt: skip


def test_a_yes_without_values_still_tells_the_step_who_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jenkins' proceedEmpty leaves ``input(submitterParameter: ...)`` without a submitter; its `proceed` does not."""
    sent = _answers(monkeypatch, (200, {}, b""))
    client = Jenkins(JenkinsServer(url="http://j.example", username="robot", api_token=SecretStr("t")))
    proceed(client, ("a", 1), PendingInput("Go", "Go?"), {})
    assert sent == [("POST", "http://j.example/job/a/1/input/Go/proceed", "json=%7B%22parameter%22%3A+%5B%5D%7D")]


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("http://j.example/job/login/job/login-page/1/", False),
        ("/job/relogin/", False),
        (".", False),
        ("http://j.example/login?from=%2Fjob%2Fx", True),
        ("http://j.example/securityRealm/commenceLogin?from=%2F", True),
        ("https://login.company.example/authorize?client_id=1", True),
    ],
)
def test_a_job_may_be_called_login(monkeypatch: pytest.MonkeyPatch, address: str, refused: bool) -> None:
    _answers(monkeypatch, (302, {"Location": address}, b""))
    client = Jenkins(JenkinsServer(url="http://j.example/", username="robot", api_token=SecretStr("t")))
    if refused:
        with pytest.raises(AccessError, match="asks user 'robot' to log in"):
            client.stop("login/login-page", 1)
    else:
        client.stop("login/login-page", 1)


def test_a_build_in_the_queue_is_found_however_jenkins_quotes_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = [{"parameters": [{"name": "BUILD_KEY", "value": f"{KEY}-1"}]}]
    items = [
        {"id": 4, "task": {"url": f"http://j.example/{path}/"}, "actions": waits}
        for path in ("job/R&D%20(a)/job/app", "job/R&D%20(a)/job/other", "job/R%26D%20%28a%29/job/app")
    ]
    _answers(monkeypatch, (200, {}, json.dumps({"items": items}).encode()), (404, {}, b""))
    client = Jenkins(JenkinsServer(url="http://j.example", username="robot", api_token=SecretStr("t")))
    assert client.find_builds("R&D (a)/app") == [KnownBuild(4, None, KEY, 1)] * 2


def _answers(
    monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, dict[str, str], bytes]
) -> list[tuple[str, str, str]]:
    """Jenkins' next answers; the requests that they are for, with their bodies, once they are sent."""
    sent: list[tuple[str, str, str]] = []

    def send(_: object, request: requests.PreparedRequest, **options: object) -> requests.Response:
        sent.append((str(request.method), str(request.url), str(request.body or "")))
        response = requests.Response()
        response.request, response.url = request, str(request.url)
        response.status_code, headers, response._content = answers[len(sent) - 1]
        response.headers.update(headers)
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    return sent


def test_a_disabled_job(jenkins: Running) -> None:
    upsert_job(jenkins.client, "disabled", job_config("[]", PARAMETERS))
    jenkins.client.connection.send("POST", "job/disabled/disable", what="job disabled")
    with pytest.raises(ConflictError, match="409"):
        jenkins.client.trigger("disabled", {"BUILD_KEY": "x"})


def test_broken_xml_is_jenkins_fault_not_ours(jenkins: Running) -> None:
    with pytest.raises(UnavailableError, match="failed on job x \\(500\\)") as caught:
        jenkins.client.connection.send("POST", "createItem?name=x", what="job x", xml="<broken")
    assert "<html" not in str(caught.value)


def test_a_reason_in_the_header_is_told(jenkins: Running) -> None:
    ensure_folders(jenkins.client, "told")
    with pytest.raises(InputError, match="already exists"):
        jenkins.client.connection.send("POST", "createItem?name=told", what="folder told", xml=folder_config())


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_are_transient(jenkins: Running, status: int) -> None:
    jenkins.server.faults.add("status", "whoAmI", status=status, retry_after=4)
    with pytest.raises(UnavailableError, match=f"failed on the user .{status}.") as caught:
        jenkins.client.whoami()
    assert caught.value.retry_after == 4.0


@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_broken_connections_are_transient(jenkins: Running, kind: str) -> None:
    jenkins.server.faults.add(kind, "whoAmI")
    with pytest.raises(UnavailableError, match="dropped the connection"):
        jenkins.client.whoami()


def test_a_slow_answer_is_transient(jenkins: Running) -> None:
    jenkins.server.faults.add("latency", "whoAmI", seconds=1)
    with pytest.raises(UnavailableError, match="did not answer in time"):
        Jenkins(jenkins.block.model_copy(update={"timeout_seconds": 0.2})).whoami()


def test_a_starting_jenkins(jenkins: Running) -> None:
    jenkins.standin.restart(0.3)
    with pytest.raises(UnavailableError, match=r"is starting|dropped the connection"):
        for _ in range(50):
            jenkins.client.whoami()
    _until_up(jenkins)


def test_html_instead_of_json(jenkins: Running) -> None:
    jenkins.server.faults.add("garbage", "whoAmI")
    with pytest.raises(ProtocolError, match="a web page that is not Jenkins' own") as caught:
        jenkins.client.whoami()
    assert "not what you asked for" not in str(caught.value)


def test_nobody_there() -> None:
    block = JenkinsServer(url="http://127.0.0.1:1", username="robot", api_token=SecretStr("t"))
    with pytest.raises(UnavailableError, match="refused the connection"):
        Jenkins(block).whoami()


def _until_up(jenkins: Running) -> None:
    for _ in range(500):
        try:
            jenkins.client.whoami()
        except UnavailableError:
            continue
        return


def test_a_start_beyond_the_end_gives_nothing(jenkins: Running) -> None:
    upsert_job(jenkins.client, "short", job_config('[["log", "hello"]]', PARAMETERS))
    jenkins.client.trigger("short", {"BUILD_KEY": f"{KEY}-1"})
    deadline = time.monotonic() + 10
    while not any(known.result for known in jenkins.client.find_builds("short")) and time.monotonic() < deadline:
        time.sleep(0.05)
    whole = jenkins.client.log("short", 1, 0)
    assert b"hello\r\n" in b"".join(whole.pieces())
    assert not whole.more
    assert list(jenkins.client.log("short", 1, whole.next).pieces()) == []
    assert list(jenkins.client.log("short", 1, whole.next + 1).pieces()) == []  # Jenkins sends it all again
