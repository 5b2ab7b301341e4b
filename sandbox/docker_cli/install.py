"""Puts the sandbox's ``docker`` command on the agents' PATH."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

_CODE = (
    "import sys; from pathlib import Path; sys.path.append({root!r}); "
    "from sandbox.docker_cli.main import Setting, main; "
    "sys.exit(main(sys.argv[1:], Setting(Path({state!r}), frozenset({registries!r}))))"
)


def install(bin_dir: Path, state_dir: Path, python: str = sys.executable, registries: Iterable[str] = ()) -> Path:
    """Write an executable ``docker`` into a folder that comes first on the agents' PATH.

    The interpreter starts isolated (``-I -S``): quick, and deaf to the environment and the folder of a build.

    Args:
        bin_dir: The folder; made if need be.
        state_dir: Where images and logins are kept.
        python: The interpreter.
        registries: ``host:port`` of registries beyond loopback that may be spoken to in plain HTTP.

    Returns:
        The command's path.
    """
    bin_dir.mkdir(parents=True, exist_ok=True)
    state_dir.mkdir(parents=True, exist_ok=True)
    root = Path(__file__).resolve().parents[2]
    code = _CODE.format(root=str(root), state=str(state_dir.resolve()), registries=sorted(registries))
    script = bin_dir / "docker"
    command = f'exec {shlex.quote(python)} -I -S -c {shlex.quote(code)} "$@"'
    script.write_text(f"#!/bin/sh\n# The sandbox's docker command, a stand-in without an engine.\n{command}\n")
    script.chmod(0o755)
    return script
