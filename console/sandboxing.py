"""``smartclide sandbox up|status``: the stand-ins in the background, and an Environment that points at them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from errors import SmartClideError
from sandbox.launcher import EXAMPLE_PROJECT, SandboxState, read_state, start_background

STAND_INS = "These are stand-ins for GitLab, Jenkins, a registry and Kubernetes on this machine, not the real services."


def up(home: Path, engine: str, as_json: bool) -> None:
    """Start the stand-ins, push the example project, save the Environment ``sandbox``."""
    try:
        state = start_background(home.resolve(), engine="docker" if engine == "docker" else "builtin")
    except RuntimeError as error:
        raise SmartClideError(str(error)) from error
    save_environment("sandbox", state)
    show(home, as_json)
    if not as_json:
        click.echo(f"Try: smartclide deploy {EXAMPLE_PROJECT} main -e sandbox --local")


def show(home: Path, as_json: bool) -> bool:
    """Print where the stand-ins listen; whether they are up."""
    state = read_state(home.resolve())
    if state is None:
        click.echo(
            json.dumps({"running": False}) if as_json else "The sandbox is down. Start it: smartclide sandbox up"
        )
        return False
    shown = {k: v for k, v in asdict(state).items() if k not in ("gitlab_token", "jenkins_token", "kubeconfig")}
    if as_json:
        click.echo(json.dumps({"running": True, **shown}, indent=2))
        return True
    click.echo(STAND_INS)
    for name in ("gitlab_url", "jenkins_url", "registry", "kubernetes_url", "home", "engine"):
        click.echo(f"  {name.removesuffix('_url'):<11} {shown[name]}")
    return True


def save_environment(name: str, state: SandboxState, metrics_url: str | None = None) -> None:
    """Save the blocks of an Environment on the sandbox."""
    from console.setup import build_environment, save

    answers = {
        "gitlab_url": state.gitlab_url, "gitlab_token": state.gitlab_token, "jenkins_url": state.jenkins_url,
        "jenkins_user": state.jenkins_user, "jenkins_token": state.jenkins_token, "registry": state.registry,
        "registry_http": True, "kubeconfig_text": state.kubeconfig, "namespace": name,
        "metrics_store": metrics_url or f"file://{state.home}/metrics",
    }  # fmt: skip
    save(name, build_environment(name, answers))
