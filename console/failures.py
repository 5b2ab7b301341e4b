"""What a user reads of an exception that is none of ours: by then it is Prefect's server, or a mistake of this program.

The adapters translate what all other servers do, so an error of the HTTP client that comes this far is about Prefect's.
"""

from __future__ import annotations

import sys
from json import JSONDecodeError

from errors import AccessError, ProtocolError, SmartClideError, UnavailableError
from tasks.hiding import Hider, without_login


def explained(error: Exception) -> SmartClideError:
    """One paragraph on an exception that nobody translated."""
    httpx = sys.modules.get("httpx")  # not imported for the commands that need no server
    if httpx is not None and isinstance(error, httpx.HTTPStatusError):
        return _answered(error.response.status_code)
    if isinstance(error, JSONDecodeError):  # the adapters translate those of all other servers
        return ProtocolError(
            f"What answers at {server_address()} is no Prefect server.",
            remedy="Check PREFECT_API_URL, which ends with /api, and for a proxy or login page before it.",
        )
    if httpx is not None and isinstance(error, httpx.TimeoutException):
        what = f"The Prefect server at {server_address()} did not answer in time."
        return UnavailableError(what, remedy="Look at its log, and at a proxy before it; is PREFECT_API_URL right?")
    if _is_unreachable(error, httpx):
        what = Hider()(str(error)).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        return UnavailableError(
            f"The Prefect server at {server_address()} cannot be reached: {what}.",
            remedy="Start one with `prefect server start`, and set PREFECT_API_URL to its address.",
        )
    return SmartClideError(
        f"{type(error).__name__}: {Hider()(str(error))}.", remedy="Set SMARTCLIDE_TRACEBACK=1 for the traceback."
    )


def _is_unreachable(error: Exception, httpx: object) -> bool:
    if isinstance(error, RuntimeError):  # Prefect's own: "Failed to reach API at ..."
        return "reach API" in str(error)
    return httpx is not None and isinstance(error, httpx.HTTPError)  # type: ignore[attr-defined]


def _answered(status: int) -> SmartClideError:
    what = f"The Prefect server at {server_address()} answered {status}."
    if status in (401, 403):
        return AccessError(what, remedy="Set PREFECT_API_AUTH_STRING, or PREFECT_API_KEY for Prefect Cloud.")
    return UnavailableError(what, remedy="Check PREFECT_API_URL, and the server's log.")


def server_address() -> str:
    """Where Prefect's server is looked for, without a login."""
    from prefect.settings import PREFECT_API_URL

    return without_login(str(PREFECT_API_URL.value() or "an address of its own"))
