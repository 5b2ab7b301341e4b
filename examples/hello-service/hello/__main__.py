"""Run the service: ``python3 -m hello``; the port comes from the environment variable PORT."""

import os
import signal
import sys

from hello.server import make_server

if __name__ == "__main__":
    # The first process of a container ignores SIGTERM unless it asks for it: every pod would take 30 s to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = make_server(int(os.environ.get("PORT", "8080")), os.environ.get("GREETING", "Hello"))
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()
