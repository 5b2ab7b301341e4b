"""A registry's login from a Docker credential helper: asked when it is needed, and told without when it fails."""

import pytest
from prefect_docker import DockerRegistryCredentials
from pydantic import SecretStr, ValidationError

from blocks import ImageRegistry, credential_helper
from errors import AccessError, InputError, SmartClideError, UnavailableError


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Writes the program ``docker-credential-test``, which notes what it is asked for."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(credential_helper, "_given", {})

    def write(script):
        program = tmp_path / "docker-credential-test"
        program.write_text(f'#!/bin/sh\nread registry\necho "$1 $registry" >>{tmp_path}/asked\n{script}\n')
        program.chmod(0o755)
        return tmp_path / "asked"

    return write


def registry(address="r.example.com", **more):
    return ImageRegistry(address=address, credential_helper="docker-credential-test", timeout_seconds=2, **more)


def test_the_login_is_what_the_helper_says_and_asked_for_once_in_a_while(helper, monkeypatch):
    asked = helper("""echo '{"ServerURL": "x", "Username": "AWS", "Secret": "s3cr\\"et"}'""")
    block = registry()
    assert (block.has_login, block.credential_helper) == (True, "test")
    assert not asked.exists()
    assert [block.login(), block.login()] == [("AWS", 's3cr"et')] * 2
    assert asked.read_text() == "get r.example.com\n"
    monkeypatch.setattr(credential_helper, "_FRESH_SECONDS", -1.0)
    block.login()
    registry("hub.docker.com").login()
    assert asked.read_text().splitlines()[1:] == ["get r.example.com", "get https://index.docker.io/v1/"]


@pytest.mark.parametrize(
    ("script", "error", "told"),
    [
        (
            "echo 'credentials not found in native keychain'; exit 1",
            AccessError,
            "docker-credential-test has no login for r.example.com: credentials not found in native keychain. Try it",
        ),
        ("""echo '{"Secret": "s3cret"}'; exit 3""", AccessError, "no login for r.example.com (exit code 3)."),
        ("""echo '{"Secret": "s3cret"}'""", AccessError, "gives no user and password"),
        ("echo s3cret", AccessError, "gives no user and password"),
        ("""echo '{"Username": "<token>", "Secret": "s3cret"}'""", InputError, "identity token"),
        ("exec sleep 20", UnavailableError, "gave nothing for 2 s"),
    ],
)
def test_a_helper_without_a_login_is_told_and_its_secret_is_not(helper, script, error, told):
    helper(script)
    with pytest.raises(SmartClideError) as caught:
        registry().login()
    assert type(caught.value) is error
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_helper_that_is_not_there_is_named(helper):
    with pytest.raises(InputError, match="helper docker-credential-test is not on the PATH of this machine"):
        registry().login()


@pytest.mark.parametrize("name", ["/bin/sh", "a b", "../x", "-x", "docker-credential-"])
def test_it_is_a_name_and_no_command(name):
    with pytest.raises(ValidationError, match="give the name of a helper"):
        ImageRegistry(address="r", credential_helper=name)


def test_there_is_one_login(helper):
    login = DockerRegistryCredentials(username="me", password=SecretStr("s3cret"), registry_url="r")
    with pytest.raises(ValidationError, match="not both"):
        registry(credentials=login)
