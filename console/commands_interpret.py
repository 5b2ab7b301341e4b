"""The commands that read a .gitlab-ci.yml and need no server: interpret, jobs, explain, interpreter."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from console.command_options import EXIT_BAD_INPUT, JSON, Group, example
from console.source_options import source_options
from errors import InputError


@click.command(**example("smartclide interpret .gitlab-ci.yml -o Jenkinsfile --branch main"))
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
@click.option(
    "--manual-jobs",
    type=click.Choice(["ask", "skip"]),
    default="ask",
    show_default=True,
    help="Optional manual jobs: ask about them for an hour while the rest goes on, or skip them.",
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
@JSON
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


@click.command(**example("smartclide jobs .gitlab-ci.yml --branch main"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@source_options
@JSON
def jobs(file: Path, as_json: bool, **options: Any) -> None:
    """List the jobs of FILE: which run, which do not, and the rule that decided."""
    from console import examining
    from console.interpret import InterpretOptions

    rows = examining.listed(file, InterpretOptions(**options))
    click.echo(json.dumps(examining.as_data(rows), indent=2) if as_json else examining.table(rows))


@click.command(**example("smartclide explain .gitlab-ci.yml deploy --branch main"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("job")
@source_options
def explain(file: Path, job: str, **options: Any) -> None:
    """Show the JOB of FILE with all it inherits, as YAML; behind each key stands where it was written."""
    from console.examining import explained_file
    from console.interpret import InterpretOptions

    click.echo(explained_file(file, job, InterpretOptions(**options)), nl=False)


@click.group(cls=Group)
def interpreter() -> None:
    """The interpreter as a service: GitLab CI in, a Jenkinsfile out, over HTTP."""


@interpreter.command("serve", **example("smartclide interpreter serve --port 8765"))
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
@click.option(
    "--templates", type=click.Path(path_type=Path, exists=True, file_okay=False), help="A folder of GitLab's templates."
)
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


COMMANDS: tuple[click.Command, ...] = (interpret, jobs, explain, interpreter)
