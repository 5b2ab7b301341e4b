"""The commands that set things up: init, check, serve, sandbox, demo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from console.command_options import EXIT_FAILED, JSON, Group, example


@click.command(**example("smartclide init staging --gitlab-url https://gitlab.example.com --jenkins-url ..."))
@click.argument("environment")
@click.option("--gitlab-url", envvar="SMARTCLIDE_GITLAB_URL", help="[SMARTCLIDE_GITLAB_URL]")
@click.option("--gitlab-token", envvar="SMARTCLIDE_GITLAB_TOKEN", help="Better by [SMARTCLIDE_GITLAB_TOKEN] or prompt.")
@click.option("--jenkins-url", envvar="SMARTCLIDE_JENKINS_URL", help="[SMARTCLIDE_JENKINS_URL]")
@click.option("--jenkins-user", envvar="SMARTCLIDE_JENKINS_USER", help="[SMARTCLIDE_JENKINS_USER]")
@click.option(
    "--jenkins-token", envvar="SMARTCLIDE_JENKINS_TOKEN", help="Better by [SMARTCLIDE_JENKINS_TOKEN] or prompt."
)
@click.option("--registry", envvar="SMARTCLIDE_REGISTRY", help="Host and port. [SMARTCLIDE_REGISTRY]")
@click.option(
    "--registry-namespace", envvar="SMARTCLIDE_REGISTRY_NAMESPACE", default="", help="Path before the project's."
)
@click.option("--registry-user", envvar="SMARTCLIDE_REGISTRY_USER", help="[SMARTCLIDE_REGISTRY_USER]")
@click.option(
    "--registry-password",
    envvar="SMARTCLIDE_REGISTRY_PASSWORD",
    help="Better by [SMARTCLIDE_REGISTRY_PASSWORD] or prompt.",
)
@click.option(
    "--registry-helper",
    envvar="SMARTCLIDE_REGISTRY_HELPER",
    help="Instead of user and password: a Docker credential helper on the workers, e.g. ecr-login.",
)
@click.option(
    "--registry-http", is_flag=True, envvar="SMARTCLIDE_REGISTRY_HTTP", help="The registry speaks plain HTTP."
)
@click.option("--kubeconfig", envvar="KUBECONFIG", type=click.Path(path_type=Path, dir_okay=False), help="[KUBECONFIG]")
@click.option("--context", help="Context of the kubeconfig.")
@click.option("--in-cluster", is_flag=True, help="Use the service account of the pod the worker runs in.")
@click.option(
    "--namespace", envvar="SMARTCLIDE_NAMESPACE", help="Kubernetes namespace; default: the Environment's name."
)
@click.option(
    "--metrics-store", envvar="SMARTCLIDE_METRICS_STORE", help="fsspec URL for samples; default: a local folder."
)
@click.option(
    "--interpreter-url",
    envvar="SMARTCLIDE_INTERPRETER_URL",
    help="A remote interpreter of the Kairos contract; default: the embedded one.",
)
@click.option(
    "--interpreter-token",
    envvar="SMARTCLIDE_INTERPRETER_TOKEN",
    help="Its bearer token, if any; best by SMARTCLIDE_INTERPRETER_TOKEN.",
)
@click.option("--ca-file", envvar="SMARTCLIDE_CA_FILE", help="PEM file of a private certificate authority.")
@click.option("--skip-checks", is_flag=True, help="Save without asking the servers.")
@click.option("--non-interactive", is_flag=True, help="Never prompt; missing values are errors.")
@JSON
def init(environment: str, **options: Any) -> None:
    """Connect an ENVIRONMENT to your GitLab, Jenkins, registry and cluster: ask, check, save as Prefect blocks."""
    from console.setup import initialise

    sys.exit(0 if initialise(environment, options) else EXIT_FAILED)


@click.command(**example("smartclide check staging"))
@click.argument("environment")
@JSON
def check(environment: str, as_json: bool) -> None:
    """Check every system of an ENVIRONMENT, one verdict line each; exit code 1 if one fails."""
    from console.setup import check_environment

    sys.exit(0 if check_environment(environment, as_json) else EXIT_FAILED)


@click.command(**example("smartclide serve"))
@click.option("--limit", default=10, show_default=True, type=click.IntRange(min=1), help="Flow runs at a time.")
@click.option("--no-worker", is_flag=True, help="Only register; start no worker.")
def serve(limit: int, no_worker: bool) -> None:
    """Register the work pool and all Prefect deployments (prefect.yaml), then run a worker."""
    from console.serve import serve_forever

    sys.exit(serve_forever(limit, with_worker=not no_worker))


@click.group(cls=Group)
def sandbox() -> None:
    """Stand-ins for GitLab, Jenkins, a registry and Kubernetes on this machine."""


_HOME = click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), default=Path(".smartclide/sandbox"), show_default=True,
    envvar="SMARTCLIDE_SANDBOX_HOME", help="Folder of the sandbox's state.",
)  # fmt: skip


@sandbox.command("up", **example("smartclide sandbox up"))
@_HOME
@click.option("--engine", type=click.Choice(["builtin", "docker"]), default="builtin", show_default=True,
              help="The agents' docker command: the sandbox's own, or the real one.")  # fmt: skip
@JSON
def sandbox_up(home: Path, engine: str, as_json: bool) -> None:
    """Start the stand-ins in the background (or find them running), and save an Environment `sandbox`."""
    from console.sandboxing import up

    up(home, engine, as_json)


@sandbox.command("status", **example("smartclide sandbox status"))
@_HOME
@JSON
def sandbox_status(home: Path, as_json: bool) -> None:
    """Show where the stand-ins listen; exit code 1 when they are down."""
    from console.sandboxing import show

    sys.exit(0 if show(home, as_json) else EXIT_FAILED)


@sandbox.command("down", **example("smartclide sandbox down --purge"))
@_HOME
@click.option("--purge", is_flag=True, help="Remove their state too.")
def sandbox_down(home: Path, purge: bool) -> None:
    """Stop the stand-ins."""
    from sandbox.launcher import stop_background

    click.echo(
        "The sandbox is down." if stop_background(home.resolve(), purge=purge) else "The sandbox was not running."
    )


@click.command(**example("smartclide demo --keep"))
@click.option("--keep", is_flag=True, help="Leave everything up to click through, until Ctrl-C.")
@click.option("--engine", type=click.Choice(["builtin", "docker"]), default="builtin", show_default=True,
              help="The agents' docker command.")  # fmt: skip
@click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), default=Path(".smartclide/demo"), show_default=True
)
def demo(keep: bool, engine: str, home: Path) -> None:
    """Run the main job end to end on the sandbox: deploy, monitor, report."""
    from console.demo import run_demo

    sys.exit(run_demo(home, engine=engine, keep=keep))


COMMANDS: tuple[click.Command, ...] = (init, check, serve, sandbox, demo)
