"""The command line, ``smartclide``. Only click is imported here: each command imports what it needs when it runs.

Exit codes: 0 ok, 1 failed, 2 bad usage or bad input. Errors are one paragraph on standard error, never a traceback.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from console.source_options import source_options
from errors import InputError, InterpretationError, SmartClideError

EXIT_FAILED, EXIT_BAD_INPUT = 1, 2
_JSON = click.option("--json", "as_json", is_flag=True, help="Print data as JSON.")
_LOCAL = click.option("--local", is_flag=True, help="Run in this process instead of on a worker.")
_NO_WAIT = click.option("--no-wait", is_flag=True, help="Start the flow run and print its link, do not follow it.")
_ENVIRONMENT = click.option(
    "-e", "--environment", envvar="SMARTCLIDE_ENVIRONMENT", required=True, help="Name of the Environment, e.g. staging."
)


class _Group(click.Group):
    """Shows examples with their line breaks kept."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.epilog:
            formatter.write(f"\n{self.epilog}\n")


class _Command(click.Command):
    format_epilog = _Group.format_epilog


def _example(text: str) -> dict[str, Any]:
    return {"cls": _Command, "epilog": "Example:\n" + "\n".join(f"  {line}" for line in text.splitlines())}


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="smartclide-deployment")
def smartclide() -> None:
    """Take a GitLab project with a .gitlab-ci.yml and a Dockerfile to a running, watched service on Kubernetes."""


@smartclide.command(**_example("smartclide interpret .gitlab-ci.yml -o Jenkinsfile --branch main"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the Jenkinsfile here.")
@source_options
@click.option("--image", metavar="REGISTRY/REPOSITORY", help="End with a stage that builds and pushes the Dockerfile.")
@click.option("--image-credentials", metavar="ID", help="Id of the registry's login in Jenkins' credentials store.")
@click.option("--git-credentials", metavar="ID", help="Id of GitLab's token in Jenkins' credentials store.")
@click.option(
    "--rendering",
    type=click.Choice(["auto", "stages", "graph"]),
    default="auto",
    show_default=True,
    help="Declarative stages, or jobs as data that start as soon as their needs are met (auto: where there are any).",
)
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--expanded", is_flag=True, help="Print the whole configuration as YAML instead, with all put in.")
@click.option(
    "--diagnostics",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How diagnostics are written to standard error.",
)
@_JSON
def interpret(file: Path, output: Path | None, as_json: bool, **options: Any) -> None:
    """Turn FILE, a .gitlab-ci.yml, into a Jenkinsfile. Local includes are read from FILE's folder."""
    from console.interpret import InterpretOptions, interpret_file
    from tasks.source.diagnostics import told

    strict, form = options.pop("strict"), options.pop("diagnostics")
    if options.pop("expanded"):
        from console.examining import expanded_file

        click.echo(expanded_file(file, InterpretOptions(**options)), nl=False)
        return
    result = interpret_file(file, InterpretOptions(**options))
    failed = bool(result.errors) or (strict and bool(result.warnings))
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        as_data = [json.dumps(result.to_dict()["diagnostics"], indent=2)]
        for line in as_data if form == "json" else told(result.diagnostics):
            click.echo(line, err=True)
        if result.jenkinsfile and not failed and output is None:
            click.echo(result.jenkinsfile, nl=False)
    if failed:
        sys.exit(EXIT_BAD_INPUT)
    if output is not None and result.jenkinsfile:
        try:
            output.write_text(result.jenkinsfile, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{output} cannot be written: {error.strerror}.") from error


@smartclide.command(**_example("smartclide jobs .gitlab-ci.yml --branch main"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@source_options
@_JSON
def jobs(file: Path, as_json: bool, **options: Any) -> None:
    """List the jobs of FILE: which run, which do not, and the rule that decided."""
    from console import examining
    from console.interpret import InterpretOptions

    rows = examining.listed(file, InterpretOptions(**options))
    click.echo(json.dumps(examining.as_data(rows), indent=2) if as_json else examining.table(rows))


@smartclide.command(**_example("smartclide explain .gitlab-ci.yml deploy --branch main"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("job")
@source_options
def explain(file: Path, job: str, **options: Any) -> None:
    """Show the JOB of FILE with all it inherits, as YAML; behind each key stands where it was written."""
    from console.examining import explained_file
    from console.interpret import InterpretOptions

    click.echo(explained_file(file, job, InterpretOptions(**options)), nl=False)


@smartclide.group(cls=_Group)
def interpreter() -> None:
    """The interpreter as a service: GitLab CI in, a Jenkinsfile out, over HTTP."""


@interpreter.command("serve", **_example("smartclide interpreter serve --port 8765"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option(
    "--files",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder local includes are read from.",
)
@click.option("--gitlab-url", help="Where included projects, components and templates are.")
@click.option(
    "--gitlab-token",
    envvar="SMARTCLIDE_GITLAB_TOKEN",
    help="Its token; every caller includes with it. Best by SMARTCLIDE_GITLAB_TOKEN.",
)
@click.option("--templates", type=click.Path(path_type=Path, file_okay=False), help="A folder of GitLab's templates.")
@click.option("--allow-remote", is_flag=True, help="Fetch `include:remote`.")
@click.option("--max-bytes", default=2**20, show_default=True, type=click.IntRange(1), help="Largest request.")
@click.option(
    "--max-seconds",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Longest time to send, and to interpret.",
)
@click.option(
    "--at-once", default=4, show_default=True, type=click.IntRange(1), help="How many are interpreted side by side."
)
def interpreter_serve(host: str, port: int, **options: Any) -> None:
    """Serve POST /api/v1/pipeline/jenkins: a .gitlab-ci.yml in, a Jenkinsfile out; /docs describes it.

    Includes are read from nowhere, unless an option here allows it. There is no login: keep it on loopback or behind a
    proxy that has one.
    """
    from console.interpreter_service import ServiceOptions, serve

    serve(host, port, ServiceOptions(**options))


@smartclide.command(
    **_example(
        "smartclide deploy group/app main -e staging\nsmartclide deploy group/app v1.2 -e production --set replicas=3"
    )
)
@click.argument("project")
@click.argument("ref", default="")
@_ENVIRONMENT
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a descriptor key; dots nest.")
@click.option("--rebuild", is_flag=True, help="Build again although this commit was built.")
@click.option(
    "--retry-failed", "from_failed_stage", is_flag=True, help="Take a build that failed up again where it failed."
)
@click.option("--redeploy", is_flag=True, help="Deploy although just this release was rolled back by hand.")
@click.option(
    "--dry-run", is_flag=True, help="Show the Jenkinsfile's diagnostics and what would change; change nothing."
)
@click.option("--run-deploy-jobs", is_flag=True, help="Keep jobs that deploy by themselves.")
@click.option("--generate-pipeline", is_flag=True, help="Build the image only, where there is no .gitlab-ci.yml.")
@click.option("--strict", is_flag=True, help="Treat the interpreter's warnings as errors.")
@click.option(
    "--manual-jobs", type=click.Choice(["skip", "ask"]), help="Optional manual jobs; default: as the Environment says."
)
@_LOCAL
@_NO_WAIT
@_JSON
def deploy(project: str, ref: str, environment: str, settings: Sequence[str], **options: Any) -> None:
    """Take PROJECT at REF (default: its default branch) to a running service in an Environment."""
    from console.runs import run
    from console.settings import parse_settings

    how = {name: options.pop(name) for name in ("local", "no_wait", "as_json")}
    options = {name: value for name, value in options.items() if value is not None}
    parameters = {
        "project": project, "ref": ref, "environment": environment, "descriptor": parse_settings(settings),
        "options": options,
    }  # fmt: skip
    run("deploy", parameters, **how)


@smartclide.command(**_example("smartclide rollback hello -e staging --revision 3"))
@click.argument("service")
@_ENVIRONMENT
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    help="Revision to go back to; default: the last good one before the current.",
)
@_LOCAL
@_NO_WAIT
@_JSON
def rollback(service: str, environment: str, revision: int | None, **how: bool) -> None:
    """Bring SERVICE back to an earlier revision."""
    from console.runs import run

    parameters = {"service": service, "environment": environment, "revision": revision}
    run("rollback", parameters, **how)


@smartclide.command(**_example("smartclide undeploy hello -e staging"))
@click.argument("service")
@_ENVIRONMENT
@click.option("--purge", is_flag=True, help="Remove the release history too.")
@_LOCAL
@_NO_WAIT
@_JSON
def undeploy(service: str, environment: str, purge: bool, **how: bool) -> None:
    """Remove SERVICE from an Environment; its history is kept unless --purge."""
    from console.runs import run

    parameters = {"service": service, "environment": environment, "purge": purge}
    run("undeploy", parameters, **how)


_COMMENT = click.option("--comment", default="", help="Why; kept with the release.")
_SUBMITTER = click.option("--submitter", help="Who decides; default: your login name.")
_VALUES = click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="What the build asks for beside yes or no."
)


@smartclide.command(**_example("smartclide approve\nsmartclide approve 6f1c... --comment 'tested on staging'"))
@click.argument("run", required=False)
@_COMMENT
@_SUBMITTER
@_VALUES
@_JSON
def approve(run: str | None, comment: str, submitter: str | None, settings: Sequence[str], as_json: bool) -> None:
    """Say yes to what a running build asks; without RUN, list what waits.

    RUN is the id of the paused run, or of the deployment that waits for it.
    """
    from console.approvals import show_waiting

    if run is None:
        show_waiting(as_json)
    else:
        _answer(run, "approve", (comment, submitter, settings), as_json)


@smartclide.command(**_example("smartclide reject 6f1c... --comment 'not before Monday'"))
@click.argument("run")
@_COMMENT
@_SUBMITTER
@_JSON
def reject(run: str, comment: str, submitter: str | None, as_json: bool) -> None:
    """Say no to what a running build asks: an optional manual job is skipped, any other ends the build."""
    _answer(run, "reject", (comment, submitter, ()), as_json)


def _answer(run: str, decision: str, by: tuple[str, str | None, Sequence[str]], as_json: bool) -> None:
    from console.approvals import answer
    from console.settings import parse_pairs

    comment, submitter, settings = by
    one = answer(run, decision, comment, submitter, parse_pairs(settings))
    if as_json:
        click.echo(json.dumps({"flow_run_id": one.id, "question": one.question, "decision": decision}))
    else:
        click.echo(f"{one.question} ({one.build}): {decision}")


@smartclide.command(**_example("smartclide monitor -e staging --samples 3 --interval 10"))
@click.option("-e", "--environment", envvar="SMARTCLIDE_ENVIRONMENT", help="Only this Environment; default: all.")
@click.option("--samples", default=5, show_default=True, type=click.IntRange(min=1), help="How many samples to take.")
@click.option("--interval", default=60.0, show_default=True, type=click.FloatRange(min=0), help="Seconds between them.")
@_LOCAL
@_NO_WAIT
@_JSON
def monitor(environment: str | None, samples: int, interval: float, **how: bool) -> None:
    """Sample CPU, RAM, network and status of the deployed services."""
    from console.runs import run

    parameters = {"environment": environment, "samples": samples, "interval": interval}
    run("monitor", parameters, **how)


@smartclide.command(**_example("smartclide report -e staging --hours 24 -o reports/"))
@click.option("-e", "--environment", envvar="SMARTCLIDE_ENVIRONMENT", help="Only this Environment; default: all.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Period.")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files.")
@_LOCAL
@_NO_WAIT
@_JSON
def report(environment: str | None, hours: float, output: Path | None, **how: bool) -> None:
    """Write the report: HTML with plots, Markdown, CSV and JSON."""
    from console.runs import run

    folder = str(output.resolve()) if output else None
    parameters = {"environment": environment, "hours": hours, "output": folder}
    run("report", parameters, **how)


@smartclide.command(**_example("smartclide status hello -e staging --json"))
@click.argument("service", required=False)
@_ENVIRONMENT
@_JSON
def status(service: str | None, environment: str, as_json: bool) -> None:
    """Show how SERVICE (or every service) in an Environment is doing now; exit code 1 if one is not healthy."""
    from console.views import show_status

    sys.exit(0 if show_status(environment, service, as_json) else EXIT_FAILED)


@smartclide.command(**_example("smartclide history hello -e staging"))
@click.argument("service")
@_ENVIRONMENT
@_JSON
def history(service: str, environment: str, as_json: bool) -> None:
    """List the releases of SERVICE, newest first."""
    from console.views import show_history

    show_history(environment, service, as_json)


@smartclide.command(**_example("smartclide init staging --gitlab-url https://gitlab.example.com --jenkins-url ..."))
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
@_JSON
def init(environment: str, **options: Any) -> None:
    """Connect an ENVIRONMENT to your GitLab, Jenkins, registry and cluster: ask, check, save as Prefect blocks."""
    from console.setup import initialise

    sys.exit(0 if initialise(environment, options) else EXIT_FAILED)


@smartclide.command(**_example("smartclide check staging"))
@click.argument("environment")
@_JSON
def check(environment: str, as_json: bool) -> None:
    """Check every system of an ENVIRONMENT, one verdict line each; exit code 1 if one fails."""
    from console.setup import check_environment

    sys.exit(0 if check_environment(environment, as_json) else EXIT_FAILED)


@smartclide.command(**_example("smartclide serve"))
@click.option("--limit", default=10, show_default=True, type=click.IntRange(min=1), help="Flow runs at a time.")
@click.option("--no-worker", is_flag=True, help="Only register; start no worker.")
def serve(limit: int, no_worker: bool) -> None:
    """Register the work pool and all Prefect deployments (prefect.yaml), then run a worker."""
    from console.serve import serve_forever

    sys.exit(serve_forever(limit, with_worker=not no_worker))


@smartclide.group(cls=_Group)
def sandbox() -> None:
    """Stand-ins for GitLab, Jenkins, a registry and Kubernetes on this machine."""


_HOME = click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), default=Path(".smartclide/sandbox"), show_default=True,
    envvar="SMARTCLIDE_SANDBOX_HOME", help="Folder of the sandbox's state.",
)  # fmt: skip


@sandbox.command("up", **_example("smartclide sandbox up"))
@_HOME
@click.option("--engine", type=click.Choice(["builtin", "docker"]), default="builtin", show_default=True,
              help="The agents' docker command: the sandbox's own, or the real one.")  # fmt: skip
@_JSON
def sandbox_up(home: Path, engine: str, as_json: bool) -> None:
    """Start the stand-ins in the background (or find them running), and save an Environment `sandbox`."""
    from console.sandboxing import up

    up(home, engine, as_json)


@sandbox.command("status", **_example("smartclide sandbox status"))
@_HOME
@_JSON
def sandbox_status(home: Path, as_json: bool) -> None:
    """Show where the stand-ins listen; exit code 1 when they are down."""
    from console.sandboxing import show

    sys.exit(0 if show(home, as_json) else EXIT_FAILED)


@sandbox.command("down", **_example("smartclide sandbox down --purge"))
@_HOME
@click.option("--purge", is_flag=True, help="Remove their state too.")
def sandbox_down(home: Path, purge: bool) -> None:
    """Stop the stand-ins."""
    from sandbox.launcher import stop_background

    click.echo(
        "The sandbox is down." if stop_background(home.resolve(), purge=purge) else "The sandbox was not running."
    )


@smartclide.command(**_example("smartclide demo --keep"))
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


def _fail(error: BaseException, code: int) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs a command and turns errors into one paragraph and an exit code."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    logging.getLogger("EventsWorker").setLevel(logging.ERROR)  # "still processing" on leaving is no news for a user
    try:
        smartclide.main(args=arguments, prog_name="smartclide", standalone_mode=False)
    except InterpretationError as error:
        for diagnostic in error.diagnostics:
            click.echo(str(diagnostic), err=True)
        _fail(error, EXIT_BAD_INPUT)
    except InputError as error:
        _fail(error, EXIT_BAD_INPUT)
    except SmartClideError as error:
        _fail(error, EXIT_FAILED)
    except click.exceptions.Abort:
        _fail(SmartClideError("Interrupted."), 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _fail(SmartClideError("Interrupted."), 130)
    except Exception as error:
        if os.environ.get("SMARTCLIDE_TRACEBACK"):
            raise
        _fail(
            SmartClideError(f"{type(error).__name__}: {error}", remedy="Set SMARTCLIDE_TRACEBACK=1 for the traceback."),
            1,
        )


if __name__ == "__main__":
    main()
