"""A service small enough to read in a minute: ``/`` greets, ``/health`` says that it is well."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def greet(greeting: str, name: str) -> str:
    """The greeting for a name; the world when there is none."""
    return f"{greeting}, {name.strip() or 'world'}!"


def make_server(port: int, greeting: str) -> ThreadingHTTPServer:
    """A server on all addresses; port 0 picks a free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/health":
                self._answer(200, {"status": "ok"})
            elif path == "/":
                name = query[5:] if query.startswith("name=") else ""
                self._answer(200, {"message": greet(greeting, name)})
            else:
                self._answer(404, {"error": "not found"})

        def _answer(self, status: int, body: dict) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    return ThreadingHTTPServer(("", port), Handler)
