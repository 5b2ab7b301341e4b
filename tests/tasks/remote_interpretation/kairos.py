"""An interpreter of the Kairos contract at the transport: it answers what a test says, and keeps what it was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.parser import BytesParser

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.http import AppServer


@dataclass
class Kairos:
    """What it answers to a file, and the requests it had: the texts of `file`, the headers, whole bodies."""

    body: bytes = b"pipeline { agent any; stages { stage('x') { steps { sh 'true' } } } }\n"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def served(self) -> AppServer:
        """A server for it. It has no ``/healthz``."""
        return AppServer(Starlette(routes=[Route("/api/v1/pipeline/jenkins", self._post, methods=["POST"])]))

    async def _post(self, request: Request) -> Response:
        body = await request.body()
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        for part in BytesParser().parsebytes(head + body).get_payload():  # type: ignore[union-attr]
            if part.get_param("name", header="content-disposition") == "file":  # type: ignore[union-attr]
                self.texts.append(part.get_payload(decode=True).decode())  # type: ignore[union-attr]
        self.seen.append(dict(request.headers))
        self.bodies.append(body)
        return Response(self.body, self.status, self.headers)
