"""The logger of a task run; the standard library's where there is no run (tests, plain function calls)."""

from __future__ import annotations

import logging

from prefect import get_run_logger
from prefect.exceptions import MissingContextError

Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


def task_logger() -> Logger:
    """Prefect's run logger inside a run, else the logger ``smartclide``."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("smartclide")
