"""Every call x every fault: which error it becomes, what it names; and that the documented table says the same."""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from errors import (
    AccessError,
    ConflictError,
    InputError,
    NotFoundError,
    ProtocolError,
    SmartClideError,
    UnavailableError,
)
from tasks.jenkins_build.job_config import job_config
from tasks.jenkins_build.jobs import Credential, ensure_folders, upsert_credential, upsert_job
from tasks.jenkins_build.refusals import Refusal
from tasks.jenkins_build.retaining import retain
from tasks.jenkins_build.server import Jenkins

from .conftest import Running

DOCS = Path(__file__).parents[3] / "docs" / "operations.md"
PIPELINE = (
    "pipeline {\n  agent any\n  stages {\n    stage('a') {\n      steps {\n        echo 'x'\n      }\n    }\n  }\n}\n"
)


@dataclass(frozen=True)
class Call:
    """One call: how it is made, the request that fails, what its refusals name, and what it does with the answer."""

    make: Callable[[Jenkins], Any]
    path: str
    permission: str
    plugin: str | None = None
    absent: Any = NotFoundError  # or what it returns where the thing is not there
    body: str = "json"  # json, text or none: what it reads of the answer


CALLS = {
    "whoami": Call(lambda j: j.whoami(), "whoAmI", "Overall/Read"),
    "version": Call(lambda j: j.version(), "GET /api/json", "Job/Read", body="header"),
    "plugins": Call(lambda j: j.plugins(), "pluginManager", "Overall/SystemRead or Administer"),
    "lint": Call(lambda j: j.lint(PIPELINE), "validateJenkinsfile", "Overall/Read", "pipeline-model-definition"),
    "look in the queue": Call(lambda j: j.find_builds("matrix"), "GET /queue/api", "Job/Read"),
    "look at the builds": Call(lambda j: j.find_builds("matrix"), "GET /job/matrix/api", "Job/Read", absent=[]),
    "recent builds": Call(lambda j: j.recent_builds("matrix"), "GET /job/matrix/api", "Job/Read"),
    "queue": Call(lambda j: j.queue(), "GET /queue/api", "Job/Read"),
    "queue item": Call(lambda j: j.queue_item(1), "GET /queue/item/1/", "Job/Read"),
    "build": Call(lambda j: j.build("matrix", 1), "GET /job/matrix/1/api", "Job/Read"),
    "console": Call(lambda j: j.log("matrix", 1, 0), "progressiveHtml", "Job/Read", body="header"),
    "stages": Call(lambda j: j.stages("matrix", 1), "wfapi", "Job/Read", "pipeline-rest-api", absent=[]),
    "flow graph": Call(lambda j: j.node_colors("matrix", 1), "GET /job/matrix/1/api", "Job/Read"),
    "kept builds": Call(lambda j: retain(j, "matrix", None, "p/app"), "GET /job/matrix/api", "Job/Read"),
    "keep": Call(lambda j: retain(j, "matrix", 1, "p/app"), "submitDescription", "Run/Update", body="none"),
    "artifact": Call(lambda j: j.artifact("matrix", 1, "a.txt"), "artifact", "Job/Read", absent=None, body="text"),
    "artifact sizes": Call(
        lambda j: j.artifact_sizes("matrix", 1), "wfapi/artifacts", "Job/Read", absent={}, body="text"
    ),
    "trigger": Call(
        lambda j: j.trigger("matrix", {"BUILD_KEY": "x"}), "buildWithParameters", "Job/Build", body="header"
    ),
    "stop": Call(lambda j: j.stop("matrix", 1), "/stop", "Job/Cancel", body="none"),
    "cancel": Call(lambda j: j.cancel(1), "cancelItem", "Job/Cancel", absent=None, body="none"),
    "folder": Call(lambda j: ensure_folders(j, "matrices"), "GET /job/matrices/api", "Job/Read", absent=None),
    "job there?": Call(
        lambda j: upsert_job(j, "matrix", job_config("[1]", [])), "GET .*config.xml", "Job/ExtendedRead", absent=False,
        body="text",
    ),
    "create": Call(lambda j: upsert_job(j, "new", job_config("[]", [])), "createItem", "Job/Create", body="none"),
    "configure": Call(
        lambda j: upsert_job(j, "matrix", job_config("[2]", [])), "POST .*config.xml", "Job/Configure", body="none"
    ),
    "credential": Call(
        lambda j: upsert_credential(j, "matrices", Credential("c", "u", SecretStr("hush"))),
        "createCredentials", "Credentials/Create", "credentials and cloudbees-folder", body="none",
    ),
}  # fmt: skip
# fault: how it is injected, the error, and what its message says; {permission} and {plugin} are the call's.
FAULTS: dict[str, tuple[dict[str, Any], type[SmartClideError], str]] = {
    "dropped": ({"kind": "drop"}, UnavailableError, "dropped the connection"),
    "cut": ({"kind": "cut"}, UnavailableError, "dropped the connection"),
    "timeout": ({"kind": "latency", "seconds": 0.5}, UnavailableError, "did not answer in time"),
    "400": ({"kind": "status", "status": 400}, InputError, r"refused .* \(400\)"),
    "401": ({"kind": "status", "status": 401}, AccessError, r"refused the login of user 'robot' \(401\)"),
    "403": ({"kind": "status", "status": 403}, AccessError, "Give the user the permission .*{permission}"),
    "404": ({"kind": "status", "status": 404}, NotFoundError, "{plugin}"),
    "409": ({"kind": "status", "status": 409}, ConflictError, r"refused .* \(409\)"),
    "429": ({"kind": "status", "status": 429, "retry_after": 7}, UnavailableError, "wants fewer requests"),
    "500": ({"kind": "status", "status": 500}, UnavailableError, r"failed on .* \(500\)"),
    "502": ({"kind": "status", "status": 502}, UnavailableError, r"failed on .* \(502\)"),
    "503": ({"kind": "status", "status": 503}, UnavailableError, r"failed on .* \(503\)"),
    "504": ({"kind": "status", "status": 504}, UnavailableError, r"failed on .* \(504\)"),
    "HTML instead of JSON": ({"kind": "garbage"}, ProtocolError, "not Jenkins' own"),
    "half an answer": ({"kind": "halve"}, UnavailableError, "sent half an answer"),
}


def _reached(call: Call, fault: str) -> bool:
    """Whether a fault can be told at this call: what reads no body meets none that is broken."""
    return {"half an answer": call.body == "json", "cut": call.body in ("json", "text")}.get(fault, True)


@pytest.fixture(scope="module", autouse=True)
def _made(_jenkins: Running) -> None:
    client = _jenkins.client
    ensure_folders(client, "matrices")
    upsert_credential(client, "matrices", Credential("c", "u", SecretStr("hush")))
    upsert_job(client, "matrix", job_config("[]", _jenkins.parameters))
    _until_ended(client, client.trigger("matrix", {"BUILD_KEY": f"{'a' * 32}-1"}))


def _until_ended(client: Jenkins, item: int) -> None:
    while client.queue_item(item).number is None:
        pass
    while client.build("matrix", 1).building:
        pass


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CALLS)
def test_a_fault_at_a_call(jenkins: Running, name: str, fault: str) -> None:
    call = CALLS[name]
    if not _reached(call, fault):
        return
    options, error, words = FAULTS[fault]
    if name == "artifact" and fault != "cut":  # there is none: what is missing answers nothing else
        words = words.replace("not Jenkins' own", "web page")
    if name == "console":  # a page itself: known by its size
        words = words.replace("not Jenkins' own", "without its size")
    jenkins.server.faults.add(path=call.path, **options)
    client = Jenkins(jenkins.block.model_copy(update={"timeout_seconds": 0.25 if fault == "timeout" else 10.0}))
    if fault == "404" and not isinstance(call.absent, type):
        if name not in ("folder", "job there?"):  # those go on to make it
            assert call.make(client) == call.absent
        return
    if name == "credential" and fault == "409":  # it exists: replaced
        call.make(client)
        return
    with pytest.raises(error) as caught:
        call.make(client)
    told = words.format(permission=call.permission, plugin=call.plugin or "has no |does not have ")
    assert re.search(told, str(caught.value)), str(caught.value)
    assert "<html" not in str(caught.value)
    assert "t0ken" not in str(caught.value) and "hush" not in str(caught.value)
    if fault == "429":
        assert isinstance(caught.value, UnavailableError) and caught.value.retry_after == 7.0


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("fault", "url", "error", "words"),
    [
        ("DNS", "http://nobody.invalid", UnavailableError, "host name does not resolve"),
        ("refused", "http://127.0.0.1:1", UnavailableError, "refused the connection"),
        ("TLS", "https://127.0.0.1:{port}", InputError, "no TLS that both speak"),
    ],
)
def test_a_server_that_is_not_reached(
    jenkins: Running, name: str, fault: str, url: str, error: type[SmartClideError], words: str
) -> None:
    block = jenkins.block.model_copy(update={"url": url.format(port=jenkins.server.port)})
    with pytest.raises(error, match=words):
        CALLS[name].make(Jenkins(block))


def test_a_refused_connection_is_not_held_for_a_name() -> None:
    with pytest.raises(OSError):
        socket.getaddrinfo("nobody.invalid", 80)


def test_the_permission_that_jenkins_names_is_told(jenkins: Running) -> None:
    page = b"<p>robot is missing the Agent/Build permission</p>"
    header = {"X-Required-Permission": "com.cloudbees.plugins.credentials.CredentialsProvider.Create"}
    for headers, needed in ((header, "Credentials/Create"), ({}, "Agent/Build")):
        refusal = Refusal("Jenkins", "robot", "GET x", "x", 403, headers, page)
        assert refusal.error().remedy == f"Give the user the permission {needed}."


def test_the_documented_table_is_what_happens() -> None:
    rows = re.findall(r"^\| (.+?) \| (yes|no) \| .+ \|$", DOCS.read_text(), re.MULTILINE)
    documented = {name: again == "yes" for names, again in rows for name in names.split(", ")}
    happens = {name: error is UnavailableError for name, (_, error, _) in FAULTS.items()}
    assert documented == happens | {"DNS": True, "refused": True, "TLS": False, "redirect": False}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_by_no_one_and_its_place_told(status: int) -> None:
    headers = {"Location": "https://me:pw@ci.example.com:8443/jenkins/api/json?token=x"}
    refusal = Refusal("Jenkins", "robot", "GET whoAmI", "the user", status, headers, b"")
    assert str(refusal.error()).startswith("Jenkins sends requests on to https://ci.example.com:8443: the login does")
