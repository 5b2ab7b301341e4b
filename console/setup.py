"""``smartclide init`` and ``smartclide check``: ask for the systems of an Environment, check them, save the blocks."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from prefect_docker import DockerRegistryCredentials
from prefect_gitlab import GitLabCredentials
from pydantic import SecretStr, ValidationError

from blocks import Cluster, Environment, GitLabServer, ImageRegistry, InterpreterServer, JenkinsServer, MetricsStore
from console.checks import check_all
from console.patience import impatient, saved_environment
from errors import InputError

_PROMPTS = (
    ("gitlab_url", "GitLab URL", "https://gitlab.com", False),
    ("gitlab_token", "GitLab token (read_api, read_repository; empty for public projects)", "", True),
    ("jenkins_url", "Jenkins URL", None, False),
    ("jenkins_user", "Jenkins user", None, False),
    ("jenkins_token", "Jenkins API token", None, True),
    ("registry", "Registry (host and port)", None, False),
    ("registry_user", "Registry user (empty for none)", "", False),
    ("registry_password", "Registry password", "", True),
    ("kubeconfig", "Kubeconfig of the cluster (file)", "~/.kube/config", False),
)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # of a Prefect block document
_OPTIONAL = {"gitlab_url", "gitlab_token", "registry_user", "registry_password", "kubeconfig"}


def initialise(name: str, options: Mapping[str, Any]) -> bool:
    """Ask for what is missing, check, save. False when a check failed: then nothing is saved.

    Raises:
        InputError: A value is missing (with ``--non-interactive``) or malformed.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name an Environment.", remedy="Use lower-case letters, digits and hyphens, e.g. staging."
        )
    answers = _ask(dict(options))
    environment = build_environment(name, answers)
    if not answers.get("skip_checks"):
        verdicts = check_all(environment)
        show(name, verdicts, bool(answers.get("as_json")))
        if not all(v.ok for v in verdicts):
            click.echo("Nothing was saved. Mend what failed, or add --skip-checks.", err=True)
            return False
    with impatient():
        save(name, environment)
    click.echo(f"Environment {name} is saved. Deploy with: smartclide deploy GROUP/PROJECT -e {name}", err=True)
    return True


def check_environment(name: str, as_json: bool) -> bool:
    """Check a saved Environment; whether all is well."""
    verdicts = check_all(saved_environment(name))
    show(name, verdicts, as_json)
    return all(v.ok for v in verdicts)


def show(name: str, verdicts: list[Any], as_json: bool) -> None:
    """Print the verdicts."""
    if as_json:
        click.echo(json.dumps({"environment": name, "checks": [vars(v) for v in verdicts]}, indent=2))
    else:
        for verdict in verdicts:
            click.echo(str(verdict))


def build_environment(name: str, answers: Mapping[str, Any]) -> Environment:
    """The Environment block, with all blocks it nests, unsaved.

    Raises:
        InputError: A value does not fit.
    """
    try:
        return Environment(
            gitlab=GitLabServer(
                url=answers.get("gitlab_url") or "https://gitlab.com",
                credentials=_gitlab_credentials(answers),
                ca_file=answers.get("ca_file"),
            ),
            jenkins=JenkinsServer(
                url=answers["jenkins_url"], username=answers["jenkins_user"],
                api_token=SecretStr(answers["jenkins_token"]), ca_file=answers.get("ca_file"),
            ),
            registry=ImageRegistry(
                address=answers["registry"], namespace=answers.get("registry_namespace") or "",
                credentials=_registry_credentials(answers), plain_http=bool(answers.get("registry_http")),
                ca_file=answers.get("ca_file"), credential_helper=answers.get("registry_helper"),
            ),
            cluster=Cluster(kubeconfig=_kubeconfig(answers), context=answers.get("context")),
            metrics=MetricsStore(url=answers.get("metrics_store") or _default_store()),
            interpreter=_interpreter(answers),
            namespace=answers.get("namespace") or name,
        )  # fmt: skip
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise InputError(f"These settings do not fit: {problems}.") from None


def save(name: str, environment: Environment) -> None:
    """Save every nested block under the Environment's name, then the Environment itself; existing ones are replaced.

    The blocks are saved one by one so that the UI shows each, and several Environments can share them.
    """
    if environment.gitlab.credentials is not None:
        environment.gitlab.credentials.save(name, overwrite=True)
    if environment.registry.credentials is not None:
        environment.registry.credentials.save(name, overwrite=True)
    for block in (
        environment.gitlab,
        environment.jenkins,
        environment.registry,
        environment.cluster,
        environment.metrics,
        environment.interpreter,
    ):
        if block is not None:
            block.save(name, overwrite=True)
    environment.save(name, overwrite=True)


def _gitlab_credentials(answers: Mapping[str, Any]) -> GitLabCredentials | None:
    token = answers.get("gitlab_token")
    url = answers.get("gitlab_url") or "https://gitlab.com"
    return GitLabCredentials(token=SecretStr(token), url=url) if token else None


def _registry_credentials(answers: Mapping[str, Any]) -> DockerRegistryCredentials | None:
    if not answers.get("registry_user"):
        return None
    return DockerRegistryCredentials(
        username=answers["registry_user"], password=SecretStr(answers.get("registry_password") or ""),
        registry_url=answers["registry"],
    )  # fmt: skip


def _interpreter(answers: Mapping[str, Any]) -> InterpreterServer | None:
    url, token = answers.get("interpreter_url"), answers.get("interpreter_token")
    if not url:
        return None
    return InterpreterServer(url=url, token=SecretStr(token) if token else None, ca_file=answers.get("ca_file"))


def _kubeconfig(answers: Mapping[str, Any]) -> SecretStr | None:
    if answers.get("in_cluster"):
        return None
    if answers.get("kubeconfig_text"):
        return SecretStr(answers["kubeconfig_text"])
    path = Path(answers.get("kubeconfig") or Path.home() / ".kube" / "config").expanduser()
    try:
        return SecretStr(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The kubeconfig {path} cannot be read: {getattr(error, 'strerror', error)}.",
            remedy="Name one with --kubeconfig, or use --in-cluster.",
        ) from error


def _default_store() -> str:
    from prefect.settings import PREFECT_HOME

    return f"file://{PREFECT_HOME.value()}/smartclide/metrics"


def _ask(answers: dict[str, Any]) -> dict[str, Any]:
    missing = []
    interactive = not answers.get("non_interactive") and sys.stdin.isatty()
    for key, title, default, secret in _PROMPTS:
        if answers.get(key) or (key == "registry_password" and not answers.get("registry_user")):
            continue
        if key == "registry_user" and answers.get("registry_helper"):
            continue
        if key == "kubeconfig" and (answers.get("in_cluster") or answers.get("kubeconfig_text")):
            continue
        if interactive:
            answers[key] = click.prompt(title, default=default, hide_input=secret, show_default=bool(default), err=True)
        elif key not in _OPTIONAL:
            missing.append(f"{title} (--{key.replace('_', '-')} or SMARTCLIDE_{key.upper()})")
    if missing:
        remedy = "Give it." if len(missing) == 1 else "Give all of them."
        raise InputError(f"Missing: {', '.join(missing)}.", remedy=remedy)
    return answers
