"""The Jenkins stand-in: an ASGI application that answers as Jenkins 2.448 does, and runs the Jenkinsfiles it is given.

It is a stand-in and says so (header ``X-Sandbox: stand-in``). What it keeps under its home survives a restart of the
process: items, builds with their logs and artifacts, credentials, generated API tokens, workspaces. The queue does
not, and a build that ran when the process ended is ABORTED (a real Jenkins would resume it); `Jenkins.restart`
imitates a restart in which builds go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.jenkins.calls import Site, read_call
from sandbox.jenkins.controller import Controller, Run, Settings
from sandbox.jenkins.routes import dispatch

_LOGGER = logging.getLogger("sandbox.jenkins")


class Jenkins:
    """A Jenkins of one built-in node, to be served by `sandbox.http.AppServer`.

    Args:
        home: Where everything is kept; made if absent.
        public_url: The address clients reach it at, asked when an answer needs it.
        users: API tokens by user name; a token needs no crumb.
        agent_path: PATH of the steps.
        executors: How many ``node`` blocks run at once.
        quiet_period: Seconds a build waits in the queue unless the request gives a ``delay``.
        labels: Labels of the built-in node beside ``built-in``.
        run: Runs a build to its end; by default `sandbox.jenkins.executor.run`.
        passwords: Passwords by user name; a POST by password needs a crumb of its session.
        still_waiting: Seconds until a console says ``Still waiting to schedule task``.
    """

    def __init__(  # noqa: PLR0917 - the options of one server, named by every caller
        self,
        home: Path,
        public_url: Callable[[], str],
        users: Mapping[str, str],
        agent_path: str,
        executors: int = 4,
        quiet_period: float = 0.2,
        labels: Collection[str] = (),
        run: Run | None = None,
        *,
        passwords: Mapping[str, str] | None = None,
        still_waiting: float = 15.0,
    ) -> None:
        self.controller = Controller(
            Settings(
                Path(home),
                public_url,
                agent_path,
                users,
                passwords or {},
                executors,
                quiet_period,
                labels,
                still_waiting,
                run,
            )
        )
        self._site = Site(self.controller)
        methods = ["GET", "POST", "PUT", "DELETE", "HEAD"]
        self.app = Starlette(routes=[Route("/{path:path}", self._serve, methods=methods)])
        _LOGGER.info("a stand-in for Jenkins 2.448 keeps its home in %s", home)

    async def _serve(self, request: Request) -> Response:
        call = await read_call(request)
        answer = await run_in_threadpool(dispatch, self._site, call)
        answer.headers["X-Sandbox"] = "stand-in"
        return answer

    def restart(self, seconds: float = 0.5) -> None:
        """As if Jenkins restarted: ``503 Starting Jenkins`` for `seconds`, crumbs and old queue ids forgotten."""
        self.controller.restart(seconds)

    def lose_next_queue_item(self) -> None:
        """Fault: the next build asked for is answered with a queue item that no longer exists, and never runs."""
        self.controller.queue.lose_next()

    def close(self) -> None:
        """Abort what runs and end all threads."""
        self.controller.close()
