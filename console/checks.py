"""The checks of ``smartclide init`` and ``smartclide check``: one verdict line for each system of an Environment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

import click

from blocks.background import begun
from blocks.cluster import Cluster
from blocks.environment import Environment
from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from blocks.interpreter_server import InterpreterServer
from blocks.jenkins_server import JenkinsServer
from blocks.metrics_store import MetricsStore
from errors import AccessError, InputError, NotFoundError, SmartClideError, printable
from tasks.hiding import Hider
from tasks.image.registry import Registry
from tasks.jenkins_build.server import Jenkins
from tasks.remote_interpretation.server import Interpreter
from tasks.rollout.cluster import ClusterClient
from tasks.source.repository import GitLab
from tasks.storing import storing

REQUIRED_PLUGINS = ("workflow-aggregator", "git", "credentials-binding", "junit")
_SUGGESTED_BY_PARTS = {"workflow-aggregator": "pipeline-model-definition"}  # the aggregator is only a list of others
_SILENT_SECONDS = 10.0
_REQUESTS = 4  # times the longest of the blocks' timeouts: what all checks may take
_PROBE = "probe:\n  script: [echo ok]\n"
_NEEDED_RIGHTS = (
    ("create", "deployments", "apps"), ("patch", "deployments", "apps"), ("create", "services", ""),
    ("create", "secrets", ""), ("list", "pods", ""), ("create", "leases", "coordination.k8s.io"),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What a check found: which system, whether it will do, and a sentence."""

    system: str
    ok: bool
    message: str

    def __str__(self) -> str:
        return printable(f"{'ok  ' if self.ok else 'FAIL'}  {self.system:<10} {self.message}")


def check_all(environment: Environment) -> list[Verdict]:
    """All checks of an Environment, side by side; they change nothing."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("GitLab", lambda: check_gitlab(environment.gitlab)),
        ("Jenkins", lambda: check_jenkins(environment.jenkins)),
        ("Registry", lambda: check_registry(environment.registry)),
        ("Cluster", lambda: check_cluster(environment.cluster, environment.namespace)),
        ("Metrics", lambda: check_store(environment.metrics)),
    ]
    if (interpreter := environment.interpreter) is not None:
        checks.append(("Interpreter", lambda: check_interpreter(interpreter)))
    end = time.monotonic() + _patience(environment)
    running = [(system, begun(check)) for system, check in checks]
    _tell_late(running, end)
    return [_verdict(system, found, end) for system, found in running]


def check_gitlab(server: GitLabServer) -> str:
    """Version and user of the token; without one only that it answers like a GitLab."""
    client = GitLab(server)
    user = client.user()
    if user is None:
        client.probe()
        return f"{server.url}: reachable, anonymous: only public projects can be deployed"
    return f"{server.url}: version {client.version()}, as user {user}"


def check_jenkins(server: JenkinsServer) -> str:
    """Version, user, and that the plugins our Jenkinsfiles need are active, which only some users may see."""
    client = Jenkins(server)
    user, version = client.whoami(), client.version()
    who = f"{server.url}: version {version}, as user {user}"
    try:
        plugins = client.plugins()
    except AccessError:  # Overall/SystemRead or Administer, which a build does not need
        client.lint("")  # the linter is of a plugin, too: it is absent where that is
        return f"{who}, who may not see which plugins there are (that takes Overall/SystemRead or Administer)"
    missing = [
        name for name in REQUIRED_PLUGINS if name not in plugins and _SUGGESTED_BY_PARTS.get(name) not in plugins
    ]
    if missing:
        raise NotFoundError(
            f"{server.url}: plugins {', '.join(missing)} are missing.",
            remedy="Install Jenkins' suggested plugins (Manage Jenkins > Plugins).",
        )
    return f"{who}, required plugins present"


def check_registry(registry: ImageRegistry) -> str:
    """That it speaks the v2 API and accepts the login."""
    client = Registry(registry)
    client.ping()
    login = registry.login()
    return f"{registry.address}: answers, {'as user ' + login[0] if login else 'anonymous'}"


def check_cluster(cluster: Cluster, namespace: str) -> str:
    """Version, identity, and the rights a rollout needs in the namespace."""
    client = ClusterClient(cluster)
    try:
        version, user = client.version(), client.whoami()
        denied = [
            f"{verb} {what}" for verb, what, group in _NEEDED_RIGHTS if not client.may(verb, what, namespace, group)
        ]
    finally:
        client.close()
    if denied:
        raise SmartClideError(
            f"{client.host}: identity {user} may not {', '.join(denied)} in namespace {namespace}.",
            remedy="Bind a role with these rights to it.",
        )
    return f"{client.host}: {version}, as {user}, may deploy to namespace {namespace}"


def check_store(store: MetricsStore) -> str:
    """That the folder can be written."""
    try:
        filesystem, path = store.get_client()
    except ValueError as error:
        remedy = "Write it as file:///folder, s3://bucket/folder or another URL that fsspec knows."
        raise InputError(f"{store.url}: names no file system that is known.", remedy=remedy) from error
    except ImportError as error:
        raise InputError(f"{store.url}: a package is missing: {error}.", remedy="So on every worker, too.") from error
    probe = f"{path}/.smartclide-check"
    with storing(store):
        filesystem.makedirs(path, exist_ok=True)
        filesystem.pipe_file(probe, b"ok")
        filesystem.rm_file(probe)
    return f"{store.url}: writable"


def check_interpreter(server: InterpreterServer) -> str:
    """That it turns a small pipeline into a Jenkinsfile; and whether it is our own service."""
    interpreter = Interpreter(server)
    ours = interpreter.is_ours()
    interpreter.translate(_PROBE)
    return f"{server.url}: gives Jenkinsfiles, {'SmartCLIDE' if ours else 'another service of the Kairos contract'}"


def _patience(environment: Environment) -> float:
    """Seconds for all checks: a block's timeout is for each piece of an answer, and a server may send many."""
    servers = (environment.gitlab, environment.jenkins, environment.registry, environment.cluster)
    return _REQUESTS * max(server.timeout_seconds for server in servers)


def _tell_late(running: Sequence[tuple[str, Future[str]]], end: float) -> None:
    """After a while name, on standard error, what is waited for."""
    wait([check for _, check in running], timeout=_SILENT_SECONDS)
    late = [system for system, check in running if not check.done()]
    if late:
        longest = end - time.monotonic()
        click.echo(f"No answer yet: {', '.join(late)}. They have {longest:.0f} s more at most ...", err=True)


def _verdict(system: str, check: Future[str], end: float) -> Verdict:
    try:
        return Verdict(system, True, check.result(max(0.0, end - time.monotonic())))
    except SmartClideError as error:
        return Verdict(system, False, str(error))
    except TimeoutError:
        message = "This check comes to no end: the server answers too slowly. Look at it, and at a proxy before it."
        return Verdict(system, False, message)
    except Exception as error:  # noqa: BLE001 - a verdict on whatever a foreign server or file brings up
        return Verdict(system, False, f"{type(error).__name__}: {Hider()(str(error))}")
