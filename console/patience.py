"""Prefect's server that hangs, or a proxy that answers for it: its client tries again in silence, for minutes.

Commands say so after a while, and those that only ask or start something give up earlier.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from blocks.environment import Environment, load_environment
from console.failures import server_address

logging.getLogger("EventsWorker").setLevel(logging.ERROR)  # "still processing" on leaving is no news for a user
_SILENT_SECONDS = 10.0
_REQUEST_SECONDS, _RETRIES = 20.0, 3  # half a minute where it answers 502, a minute and a half where it hangs


@contextmanager
def told(seconds: float = _SILENT_SECONDS) -> Iterator[None]:
    """Say on standard error, once, when what Prefect's server is asked within takes longer than `seconds`."""
    line = f"The Prefect server at {server_address()} gives no answer; it is asked again ..."
    timer = threading.Timer(seconds, click.echo, [line], {"err": True})
    timer.daemon = True
    if PREFECT_API_URL.value():  # else Prefect starts a server of its own, and says so
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def impatient(seconds: float = _SILENT_SECONDS) -> Iterator[None]:
    """`told`, and Prefect's clients made within give up earlier. Not for what runs a flow in this process."""
    limits = {PREFECT_API_REQUEST_TIMEOUT: _REQUEST_SECONDS, PREFECT_CLIENT_MAX_RETRIES: _RETRIES}
    with temporary_settings(limits), told(seconds):
        yield


def saved_environment(name: str) -> Environment:
    """`load_environment` for a command."""
    with impatient():
        return asyncio.run(load_environment(name))
