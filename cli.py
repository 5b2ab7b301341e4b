"""The command line, ``smartclide``. Only click is imported here: each command imports what it needs when it runs.

Exit codes: 0 ok, 1 failed, 2 bad usage or bad input. Errors are one paragraph on standard error, never a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from console import commands_interpret, commands_release, commands_setup, commands_watch
from console.command_options import EXIT_BAD_INPUT, EXIT_FAILED, Group
from errors import InputError, InterpretationError, SmartClideError


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="smartclide-deployment")
def smartclide() -> None:
    """Take a GitLab project with a .gitlab-ci.yml and a Dockerfile to a running, watched service on Kubernetes."""


for _module in (commands_interpret, commands_release, commands_watch, commands_setup):
    for _command in _module.COMMANDS:
        smartclide.add_command(_command)


def _fail(error: BaseException | str, code: int) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs a command and turns errors into one paragraph and an exit code."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    try:
        smartclide.main(args=arguments, prog_name="smartclide", standalone_mode=False)
    except InterpretationError as error:
        for diagnostic in error.diagnostics:
            click.echo(str(diagnostic), err=True)
        headline = str(error).partition("\n")[0]  # the rest of it is the errors that were just told
        _fail(f"{headline.rstrip(':.')}.", EXIT_BAD_INPUT)
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
        from console.failures import explained

        _fail(explained(error), EXIT_FAILED)


if __name__ == "__main__":
    main()
