"""The options of every command that reads a .gitlab-ci.yml: for which commit, and where its includes are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_Command = Callable[..., Any]
_OPTIONS = (
    click.option(
        "--branch", "--ref", help="Decide rules for this branch; without it undecided rules become `when` conditions."
    ),
    click.option("--tag", help="Decide rules for this tag."),
    click.option("--merge-request", metavar="BRANCH", help="Decide rules for a merge request of this branch."),
    click.option("--default-branch", default="main", show_default=True, help="CI_DEFAULT_BRANCH."),
    click.option("--var", "variables", multiple=True, metavar="KEY=VALUE", help="A variable's value; repeatable."),
    click.option(
        "--changed",
        multiple=True,
        metavar="PATH",
        help="A file that changed, for `rules:changes`; repeatable. Without it: not known.",
    ),
    click.option(
        "--run-deploy-jobs/--no-deploy-jobs",
        default=True,
        show_default=True,
        help="Jobs that deploy by themselves (`environment:`): keep them, or leave them out as a deployment does.",
    ),
    click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="A value of FILE's own `spec:inputs`."),
    click.option("--gitlab-url", envvar="SMARTCLIDE_GITLAB_URL", help="Where included projects and components are."),
    click.option("--gitlab-token", envvar="SMARTCLIDE_GITLAB_TOKEN", help="Its token; best by that variable."),
    click.option(
        "--templates",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="A folder of GitLab's templates.",
    ),
    click.option("--allow-remote", is_flag=True, help="Fetch `include:remote`."),
)


def source_options(command: _Command) -> _Command:
    """Give a command these options, which are the fields of `console.interpret.InterpretOptions`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
