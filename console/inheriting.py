"""The environment of processes that the command starts: they get no secret that only `init` takes."""

from __future__ import annotations

import os
import re

_OF_INIT = re.compile(r"SMARTCLIDE_\w+_(TOKEN|PASSWORD)")  # they are in blocks, where runs read them


def inherited() -> dict[str, str]:
    """This process' environment without tokens and passwords of ours."""
    return {name: value for name, value in os.environ.items() if not _OF_INIT.fullmatch(name)}
