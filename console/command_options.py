"""What all commands share: how their help shows an example, exit codes, and options that mean the same everywhere."""

from __future__ import annotations

from typing import TypedDict

import click

EXIT_FAILED, EXIT_BAD_INPUT = 1, 2
JSON = click.option("--json", "as_json", is_flag=True, help="Print data as JSON.")
LOCAL = click.option("--local", is_flag=True, help="Run in this process instead of on a worker.")
NO_WAIT = click.option("--no-wait", is_flag=True, help="Start the flow run and print its link, do not follow it.")
ENVIRONMENT = click.option(
    "-e", "--environment", envvar="SMARTCLIDE_ENVIRONMENT", required=True, help="Name of the Environment, e.g. staging."
)


class Group(click.Group):
    """Shows examples with their line breaks kept."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are."""
        if self.epilog:
            formatter.write(f"\n{self.epilog}\n")


class Command(click.Command):
    """A command with an example."""

    format_epilog = Group.format_epilog


class Example(TypedDict):
    """Arguments of ``click.command``."""

    cls: type[Command]
    epilog: str


def example(text: str) -> Example:
    """The arguments of ``click.command`` that put `text` below a command's help."""
    return {"cls": Command, "epilog": "Example:\n" + "\n".join(f"  {line}" for line in text.splitlines())}
