"""Builds and pushes an image through the Docker SDK: where Jenkins' agents have no Docker. An adapter of this step.

The engine is named by ``DOCKER_HOST`` and its companions, as for the `docker` command.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import urllib3
from docker.api.client import APIClient
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from errors import (
    AccessError,
    BuildFailedError,
    DeadlineError,
    InputError,
    NotFoundError,
    ProtocolError,
    SmartClideError,
    UnavailableError,
)
from tasks.hiding import Hider, login_secrets
from tasks.image.reference import ImageReference

_STEP = re.compile(r"Step \d+/\d+ : .*")
_REFUSED = re.compile(r"unauthorized|denied|no basic auth|authentication required", re.IGNORECASE)
_OUTAGE = re.compile(
    r"connection re|EOF|timeout|Temporary failure|no such host|\b50[0234]\b|\b429\b|toomanyrequests", re.IGNORECASE
)
_PUSHED = ("Pushed", "Layer already exists")
_TAIL = 20
_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class EngineBuild:
    """What to build.

    Attributes:
        image: ``registry/repository:tag`` it is pushed as.
        labels: Labels of the image.
        build_args: Values of the Dockerfile's ``ARG``. They end up in the image's history: never secrets.
        dockerfile: Path in the repository.
        timeout: Seconds that building and pushing may take together.
    """

    image: ImageReference
    labels: Mapping[str, str] = field(default_factory=dict)
    build_args: Mapping[str, str] = field(default_factory=dict)
    dockerfile: str = "Dockerfile"
    timeout: float = 1800.0


class Engine:
    """One Docker engine. A context manager. `cancel` makes a running build or push end at its next line of progress."""

    def __init__(self, show: Callable[[str], None], timeout: float = 1800.0) -> None:
        self._show = show
        self._end = time.monotonic() + timeout
        self._cancelled = threading.Event()
        with _translated(Hider()):
            self._api = APIClient(**kwargs_from_env(), timeout=_CONNECT_SECONDS, version="auto")
        self._answer: requests.Response | None = None
        self._api.hooks["response"].append(self._remember)
        self._api.timeout = int(timeout) + 1  # a step may be silent for long

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._answer is not None:
            self._answer.close()  # a build or push that was not read to its end stops with its connection
        self._api.close()

    def _remember(self, answer: requests.Response, *_args: object, **_options: object) -> None:
        self._answer = answer

    def cancel(self) -> None:
        """End what runs. Called from another thread."""
        self._cancelled.set()

    def build(self, folder: Path, build: EngineBuild, login: tuple[str, str] | None) -> None:
        """Build the image from a folder.

        Args:
            folder: The build context.
            build: What to build.
            login: For base images on the registry the image goes to; given to the engine for this build only.

        Raises:
            NotFoundError: The folder has no such Dockerfile.
            BuildFailedError: A step of the Dockerfile failed; the message names it and shows the last lines.
        """
        if not (folder / build.dockerfile).is_file():
            raise NotFoundError(f"The repository has no {build.dockerfile} at this commit.", remedy="Add one.")
        if login is not None:
            account = {"username": login[0], "password": login[1]}
            self._api._auth_configs.add_auth(build.image.registry, account)  # type: ignore[attr-defined]  # in memory
        options: dict[str, Any] = {"path": str(folder), "dockerfile": build.dockerfile, "tag": _tagged(build.image)}
        options |= {"labels": dict(build.labels), "buildargs": dict(build.build_args)}
        step, lines = "", deque[str](maxlen=_TAIL)
        hide = Hider(*login_secrets(login))
        with _translated(hide):
            for event in self._api.build(**options, rm=True, forcerm=True, decode=True):
                self._check(f"Building image {build.image}")
                if "error" in event:
                    raise _build_failure(build.image, hide(str(event["error"])).strip(), step, lines)
                for line in map(hide, _lines(event)):
                    step = line if _STEP.fullmatch(line) else step
                    lines.append(line)
                    self._show(line)

    def push(self, image: ImageReference, login: tuple[str, str] | None) -> str | None:
        """Push the image.

        Returns:
            The digest the engine names, or None. To be confirmed on the registry.

        Raises:
            AccessError: The registry refused the login.
            UnavailableError: The registry failed or is out of the engine's reach.
        """
        auth = {"username": login[0], "password": login[1]} if login else None
        digest: str | None = None
        hide = Hider(*login_secrets(login))
        with _translated(hide):
            events = self._api.push(image.name, tag=image.tag, stream=True, decode=True, auth_config=auth)
            for event in events:
                self._check(f"Pushing image {image}")
                if "error" in event:
                    raise _push_failure(image, hide(str(event["error"])))
                digest = (event.get("aux") or {}).get("Digest", digest)
                if event.get("status") and ("id" not in event or event["status"] in _PUSHED):
                    self._show(" ".join(str(event[key]) for key in ("id", "status") if key in event))
        return digest

    def _check(self, doing: str) -> None:
        if self._cancelled.is_set():
            raise DeadlineError(f"{doing} was cancelled.")
        if time.monotonic() > self._end:
            raise DeadlineError(f"{doing} took too long.", remedy="Raise the Environment's build timeout.")


def _tagged(image: ImageReference) -> str:
    return f"{image.name}:{image.tag or 'latest'}"


def _lines(event: Mapping[str, Any]) -> list[str]:
    if "stream" in event:
        return [line for line in str(event["stream"]).splitlines() if line.strip()]
    if "status" in event and "progress" not in event and "id" not in event:
        return [str(event["status"])]
    return []


def _build_failure(image: ImageReference, error: str, step: str, lines: deque[str]) -> SmartClideError:
    where = f" at {step!r}" if step else ""
    if _REFUSED.search(error) and (not step or " FROM " in step):
        return AccessError(f"Building image {image} failed{where}: {error}", remedy="The base image needs a login.")
    shown = "".join(f"\n    {line}" for line in lines)
    return BuildFailedError(f"Building image {image} failed{where}: {error}{shown}\n", remedy="Correct the Dockerfile.")


def _push_failure(image: ImageReference, error: str) -> SmartClideError:
    message = f"Pushing image {image} failed: {error}"
    if _REFUSED.search(error):
        return AccessError(message, remedy="Check the credentials in the ImageRegistry block.")
    if _OUTAGE.search(error):
        return UnavailableError(message, remedy="Check that the engine reaches the registry.")
    if "server gave HTTP response to HTTPS client" in error:
        return InputError(message, remedy="Add the registry to the engine's insecure-registries.")
    return ProtocolError(message)


@contextmanager
def _translated(hide: Hider) -> Iterator[None]:
    try:
        yield
    except APIError as error:
        status = error.status_code or 0
        reason = f"The Docker engine refused ({status}): {hide(str(error.explanation or 'without a reason'))}"
        raise (UnavailableError(reason) if status >= 500 else InputError(reason)) from hide.cause(error)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise UnavailableError("The Docker engine dropped the connection or did not answer in time.") from hide.cause(
            error
        )
    except (DockerException, OSError, ValueError) as error:
        raise UnavailableError(
            f"No Docker engine answers ({type(error).__name__}).", remedy="Start it, or set DOCKER_HOST to its address."
        ) from hide.cause(error)
