"""Every call of python-jenkins 1.8.3 that works against a real Jenkins works against the stand-in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jenkins
import pytest
import requests

from sandbox.http import AppServer
from sandbox.jenkins.server import Jenkins
from tests.sandbox.jenkins.pipelines import archiving, one_stage, with_tests
from tests.sandbox.jenkins.scenarios import STRING, job

TOKEN = "11223344556677889900aabbccddeeff"
FOLDER_CREDENTIAL = (
    "<com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl><scope>GLOBAL</scope><id>{id}</id>"
    "<username>robot</username><password>{password}</password>"
    "</com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl>"
)
LINTED = "pipeline {\n  stages { stage('a') { steps { echo 'x' } } }\n}"
PARAMETERIZED = job(STRING.format("WHO", "world"), STRING.format("KEY", ""))


def pipeline(host: Any) -> str:
    if host.script == "archive":
        return archiving(host)
    if host.script == "junit":
        return with_tests(host)
    seconds = 30 if host.script == "long" else 0
    one_stage(host, "s", "Print Message", f"hello {host.parameters.get('WHO')}\n", seconds=seconds)
    return "SUCCESS"


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[tuple[Jenkins, AppServer]]:
    server: AppServer
    stand_in = Jenkins(
        tmp_path,
        lambda: server.url,
        {"admin": TOKEN},
        "/usr/bin:/bin",
        run=pipeline,
        quiet_period=0.05,
        passwords={"admin": "secret"},
    )
    server = AppServer(stand_in.app, name="jenkins").start()
    yield stand_in, server
    stand_in.close()
    server.stop()


@pytest.fixture(params=[TOKEN, "secret"], ids=["token", "password"])
def client(request: pytest.FixtureRequest, stand_in: tuple[Jenkins, AppServer]) -> jenkins.Jenkins:
    return jenkins.Jenkins(stand_in[1].url, "admin", request.param, timeout=5)


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 5
    while not (found := condition()):
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)
    return found


def finished(client: jenkins.Jenkins, name: str, **parameters: str) -> dict[str, Any]:
    item = client.build_job(name, parameters or None)
    number = until(lambda: client.get_queue_item(item).get("executable"))["number"]
    until(lambda: not client.get_build_info(name, number)["building"])
    return dict(client.get_build_info(name, number))


def test_identity_and_version(client: jenkins.Jenkins) -> None:
    assert client.get_whoami()["fullName"] == "admin"
    assert client.get_version() == "2.448"
    assert client.wait_for_normal_op(5) is True
    assert client.get_plugins()["git"]["version"] == "5.2.1"
    assert [node["name"] for node in client.get_nodes()] == ["Built-In Node"]


def test_jobs_in_folders(client: jenkins.Jenkins) -> None:
    client.create_folder("a")
    client.create_folder("a/b")
    client.create_job("a/b/c", PARAMETERIZED)
    client.upsert_job("a/b/c", PARAMETERIZED.replace("world", "you"))
    assert client.job_exists("a/b/c") is True
    assert client.job_exists("a/b/d") is None
    assert client.get_job_name("a/b/c") == "c"
    assert "<defaultValue>you</defaultValue>" in client.get_job_config("a/b/c")
    assert client.get_job_info("a/b/c")["fullName"] == "a/b/c"
    with pytest.raises(jenkins.JenkinsException, match="folder for the job does not exist"):
        client.upsert_job("no/such", PARAMETERIZED)
    client.disable_job("a/b/c")
    assert client.get_job_info("a/b/c")["buildable"] is False
    client.enable_job("a/b/c")
    client.delete_job("a")
    assert client.job_exists("a/b/c") is None


def test_build_and_its_log(client: jenkins.Jenkins) -> None:
    client.create_job("app", PARAMETERIZED)
    info = finished(client, "app", WHO="you")
    assert (info["number"], info["result"], info["inProgress"]) == (1, "SUCCESS", False)
    assert client.get_build_console_output("app", 1) == "Started by user admin\nhello you\nFinished: SUCCESS\n"
    assert client.get_build_stages("app", 1)["stages"][0]["name"] == "s"
    assert client.get_job_info("app")["lastSuccessfulBuild"]["number"] == 1
    assert [build["number"] for build in client.get_job_info("app", fetch_all_builds=True)["builds"]] == [1]


def test_artifacts_and_tests(client: jenkins.Jenkins) -> None:
    client.create_job("art", job(script="archive"))
    client.create_job("tst", job(script="junit"))
    assert [each["relativePath"] for each in finished(client, "art")["artifacts"]] == [
        "out/a.txt", "out/sp ace é.txt", "out/sub/b.bin",
    ]  # fmt: skip
    assert client.get_build_artifact_as_bytes("art", 1, "out/sub/b.bin") == b"\x01\x02"
    assert finished(client, "tst")["result"] == "UNSTABLE"
    assert client.get_build_test_report("tst", 1)["failCount"] == 1
    assert client.get_build_test_report("art", 1) is None


def test_stop_and_cancel(client: jenkins.Jenkins) -> None:
    client.create_job("long", job(STRING.format("WHO", ""), script="long"))
    item = client.build_job("long", {"WHO": "x"})
    number = until(lambda: client.get_queue_item(item).get("executable"))["number"]
    assert [build["number"] for build in client.get_running_builds()] in ([], [number])
    client.stop_build("long", number)
    until(lambda: not client.get_build_info("long", number)["building"])
    assert client.get_build_info("long", number)["result"] == "ABORTED"
    client.quiet_down()
    item = client.build_job("long", {"WHO": "y"})
    until(lambda: client.get_queue_item(item)["why"] == "Jenkins is about to shut down")
    assert [each["id"] for each in client.get_queue_info()] == [item]
    client.cancel_queue(item)
    assert client.get_queue_item(item)["cancelled"] is True
    client.cancel_queue(999)


def test_folder_credentials(client: jenkins.Jenkins) -> None:
    client.create_folder("f")
    client.create_credential("f", FOLDER_CREDENTIAL.format(id="reg", password="one"))
    assert client.credential_exists("reg", "f") is True
    assert "one" not in client.get_credential_config("reg", "f")
    client.reconfig_credential("f", FOLDER_CREDENTIAL.format(id="reg", password="two"))
    assert [each["id"] for each in client.list_credentials("f")] == ["reg"]
    client.delete_credential("reg", "f")
    assert client.credential_exists("reg", "f") is False


def test_what_fails_on_a_real_server_fails_here(client: jenkins.Jenkins) -> None:
    with pytest.raises(jenkins.BadHTTPException):
        client.get_version()  # anonymous: 403
    client.get_whoami()
    client.create_job("app", PARAMETERIZED)
    with pytest.raises(requests.HTTPError, match="400"):
        client.build_job("app")
    with pytest.raises(requests.HTTPError, match="414"):
        client.build_job("app", {"WHO": "x" * 9000})
    client.quiet_down()
    client.build_job("app", {"WHO": "x"})
    with pytest.raises(jenkins.NotFoundException):
        client.build_job("app", {"WHO": "x"})  # follows the 303 of an item that is queued already


def test_stale_crumb_after_a_restart(stand_in: tuple[Jenkins, AppServer]) -> None:
    client = jenkins.Jenkins(stand_in[1].url, "admin", "secret", timeout=5)
    client.create_folder("one")
    stand_in[0].restart(0.05)
    time.sleep(0.1)
    with pytest.raises(jenkins.JenkinsException, match="403"):
        client.create_folder("two")
    client.crumb = None
    client.create_folder("two")
    assert client.job_exists("two") is True


def test_linter(client: jenkins.Jenkins) -> None:
    assert (
        client.check_jenkinsfile_syntax("pipeline {\n  agent any\n  stages { stage('a') { steps { echo 'x' } } }\n}")
        == []
    )
    assert client.check_jenkinsfile_syntax(LINTED) == [
        {"error": 'Missing required section "agent" @ line 1, column 1.'}
    ]
