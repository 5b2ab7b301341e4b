"""Docker's credential helpers: programs that know a registry's login, e.g. that of Amazon ECR for the next 12 hours.

Source: github.com/docker/docker-credential-helpers (README, "Development"): ``docker-credential-NAME get`` takes the
registry on its standard input, and prints JSON with ``Username`` and ``Secret``, or what is wrong.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time

from errors import AccessError, InputError, UnavailableError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FRESH_SECONDS = 60.0  # one run asks several times
_given: dict[tuple[str, str], tuple[float, tuple[str, str]]] = {}


def helper_name(text: str) -> str:
    """The helper's name as Docker's configuration has it, without ``docker-credential-``.

    >>> helper_name("docker-credential-ecr-login"), helper_name("gcr")
    ('ecr-login', 'gcr')

    Raises:
        ValueError: It is no name, but a path or a command.
    """
    name = text.strip().removeprefix("docker-credential-")
    if not _NAME.fullmatch(name):
        raise ValueError("give the name of a helper such as ecr-login, for the program docker-credential-ecr-login")
    return name


def login_by(helper: str, registry: str, seconds: float) -> tuple[str, str]:
    """User name and password of a registry, asked for now, or less than a minute ago.

    Args:
        helper: Name of the helper; its program must be on the PATH of this machine.
        registry: As the helper knows it: the host.
        seconds: How long it may take.

    Raises:
        InputError: There is no such program, or it gives a token that is no password.
        AccessError: It has no login for the registry.
        UnavailableError: It took too long.
    """
    asked, login = _given.get((helper, registry), (0.0, None))
    if login is None or time.monotonic() - asked > _FRESH_SECONDS:
        login = _login(f"docker-credential-{helper}", registry, seconds)
        _given[helper, registry] = (time.monotonic(), login)
    return login


def _login(program: str, registry: str, seconds: float) -> tuple[str, str]:
    found = _json_of(_output(program, registry, seconds))
    user, password = found.get("Username"), found.get("Secret")
    if not isinstance(user, str) or not isinstance(password, str) or not (user and password):
        raise AccessError(f"{program} gives no user and password for {registry}.", remedy="Try it at the worker.")
    if user == "<token>":
        message = f"{program} gives an identity token for {registry}, which is no password."
        raise InputError(message, remedy="Use a user and password, e.g. of a token that the registry makes.")
    return user, password


def _json_of(text: str) -> dict[str, object]:
    """The JSON object in a text, or an empty one."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _output(program: str, registry: str, seconds: float) -> str:
    path = shutil.which(program)
    if path is None:
        remedy = "Install it where the worker runs, or put user and password into the ImageRegistry block."
        raise InputError(f"The credential helper {program} is not on the PATH of this machine.", remedy=remedy)
    try:
        done = subprocess.run([path, "get"], input=registry.encode(), capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{program} gave nothing for {seconds:g} s.", remedy="Try it at the worker.") from None
    except OSError as error:
        raise InputError(f"{program} cannot be run: {error.strerror}.", remedy="Install it again.") from None
    if done.returncode != 0:
        raise AccessError(f"{program} has no login for {registry}{_reason(done)}.", remedy="Try it at the worker.")
    return done.stdout.decode("utf-8", "replace")


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """What it prints when it fails: by the protocol a sentence; never shown where it looks like an answer."""
    text = (
        (done.stdout.strip() or done.stderr.strip()).decode("utf-8", "replace").partition("\n")[0].strip().rstrip(".")
    )
    return f": {text[:200]}" if text and '"' not in text else f" (exit code {done.returncode})"
