"""``withCredentials`` and the bindings it takes, also for ``credentials('id')`` in ``environment``."""

from __future__ import annotations

import base64
import binascii
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.jenkins.context import Build
from sandbox.jenkins.groovy.values import GroovyError, Throwable, UnsupportedError, throw, to_string
from sandbox.jenkins.model import Credential
from sandbox.jenkins.steps import Arguments, step

# functions that only describe something: their result is a map with the name under "$symbol"
SYMBOLS = frozenset(
    [
        "usernamePassword",
        "string",
        "usernameColonPassword",
        "file",
        "booleanParam",
        "choice",
        "text",
        "password",
        "scmGit",
        "agent",
        "nonresumable",
        "pollSCM",
        "cron",
        "buildDiscarder",
        "logRotator",
        "disableConcurrentBuilds",
        "parameters",
        "pipelineTriggers",
    ]
)
_CLASSES = {
    "UsernamePasswordMultiBinding": "usernamePassword",
    "UsernamePasswordBinding": "usernameColonPassword",
    "StringBinding": "string",
    "FileBinding": "file",
}


class Secrets:
    """Environment variables with secret values, and the values to mask."""

    def __init__(self) -> None:
        self.env: dict[str, str] = {}
        self.masked: dict[str, str] = {}
        self.folders: list[Path] = []

    def add(self, name: str, value: str, *, mask: bool = True) -> None:
        """A variable."""
        self.env[name] = value
        if mask and value:
            self.masked[name] = value


def find(build: Build, identity: str, kinds: tuple[str, ...]) -> Credential:
    """A credential of one of these kinds.

    Raises:
        GroovyError: CredentialNotFoundException.
    """
    found = build.host.credential(identity)
    if found is None:
        message = f"Could not find credentials entry with ID '{identity}'"
        raise GroovyError(Throwable("CredentialNotFoundException", message))
    if found.kind not in kinds:
        message = f"Credentials '{identity}' is of type '{found.kind}' where '{kinds[0]}' was expected"
        raise GroovyError(Throwable("CredentialNotFoundException", message))
    return found


def _name_is_secret(credential: Credential) -> bool:
    return credential.fields.get("usernameSecret", "true") != "false"


def _username_password(build: Build, binding: Mapping[str, Any], secrets: Secrets) -> None:
    found = find(build, to_string(binding.get("credentialsId")), ("usernamePassword",))
    name = to_string(binding.get("usernameVariable"))
    secrets.add(name, found.fields["username"], mask=_name_is_secret(found))
    secrets.add(to_string(binding.get("passwordVariable")), found.fields["password"])


def _username_colon_password(build: Build, binding: Mapping[str, Any], secrets: Secrets) -> None:
    found = find(build, to_string(binding.get("credentialsId")), ("usernamePassword",))
    joined = f"{found.fields['username']}:{found.fields['password']}"
    secrets.add(to_string(binding.get("variable")), joined)
    secrets.masked[f"{binding.get('variable')}#password"] = found.fields["password"]


def _string(build: Build, binding: Mapping[str, Any], secrets: Secrets) -> None:
    found = find(build, to_string(binding.get("credentialsId")), ("string",))
    secrets.add(to_string(binding.get("variable")), found.fields["secret"])


def _file(build: Build, binding: Mapping[str, Any], secrets: Secrets) -> None:
    found = find(build, to_string(binding.get("credentialsId")), ("file",))
    folder = Path(f"{build.lease.workspace}@tmp") / "secretFiles" / uuid.uuid4().hex
    folder.mkdir(parents=True, mode=0o700)
    secrets.folders.append(folder)
    path = folder / Path(found.fields.get("fileName", "secret")).name
    try:
        content = base64.b64decode(found.fields.get("secretBytes", ""), validate=True)
    except binascii.Error:
        raise throw("AbortException", f"the secret file {found.id} is not base64") from None
    path.write_bytes(content)
    path.chmod(0o400)
    secrets.add(to_string(binding.get("variable")), str(path))


_BINDINGS: dict[str, Callable[[Build, Mapping[str, Any], Secrets], None]] = {
    "usernamePassword": _username_password,
    "usernameColonPassword": _username_colon_password,
    "string": _string,
    "file": _file,
}


@step("withCredentials", "Bind credentials to variables", "bindings", block=True, needs_workspace=True)
def with_credentials(build: Build, arguments: Arguments) -> Any:
    """Credentials as masked environment variables."""
    secrets = Secrets()
    try:
        for binding in arguments.get("bindings", []):
            name = binding.get("$symbol") or _CLASSES.get(to_string(binding.get("$class")).rsplit(".", 1)[-1], "")
            if name not in _BINDINGS:
                shown = binding.get("$symbol") or binding.get("$class")
                raise UnsupportedError(f"the credentials binding {shown} is not supported by the Jenkins stand-in")
            _BINDINGS[name](build, binding, secrets)
        return with_secrets(build, secrets, arguments.run)
    finally:
        for folder in secrets.folders:
            shutil.rmtree(folder, ignore_errors=True)


def with_secrets(build: Build, secrets: Secrets, body: Callable[[], Any]) -> Any:
    """Run something with secret variables."""
    context = build.context
    shown = " or ".join(f"${name}" for name in secrets.masked if "#" not in name)
    build.line(f"Masking supported pattern matches of {shown}")
    with build.block(
        env=build.with_env(secrets.env),
        secrets=(*secrets.masked.values(), *context.secrets),
        secret_names=(*secrets.masked, *context.secret_names),
    ):
        return body()


def environment_credentials(build: Build, name: str, identity: str, secrets: Secrets) -> None:
    """``NAME = credentials('id')``: also NAME_USR and NAME_PSW for a name and password.

    Raises:
        GroovyError: There is no such credential.
    """
    found = find(build, identity, ("usernamePassword", "string", "file"))
    if found.kind == "usernamePassword":
        secrets.add(name, f"{found.fields['username']}:{found.fields['password']}")
        secrets.add(f"{name}_USR", found.fields["username"], mask=_name_is_secret(found))
        secrets.add(f"{name}_PSW", found.fields["password"])
    else:
        _BINDINGS[found.kind](build, {"credentialsId": identity, "variable": name}, secrets)
