"""``python -m sandbox HOME [builtin|docker]``: serve the stand-ins until SIGTERM."""

import sys
from pathlib import Path

from sandbox.launcher import run_forever

if __name__ == "__main__":
    run_forever(Path(sys.argv[1]), "docker" if sys.argv[2:] == ["docker"] else "builtin")
