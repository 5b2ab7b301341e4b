"""Run the service: ``python3 -m hello``; the port comes from the environment variable PORT."""

import os

from hello.server import make_server

if __name__ == "__main__":
    server = make_server(int(os.environ.get("PORT", "8080")), os.environ.get("GREETING", "Hello"))
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()
