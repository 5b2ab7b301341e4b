"""The installed ``docker`` command, started as a pipeline starts it."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from sandbox.docker_cli.install import install


@dataclass
class Docker:
    """The command in a folder of its own."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.script = install(self.home / "bin dir", self.home / "state dir")

    def __call__(self, *arguments: str, text: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER", "PYTHON"))}
        return subprocess.run(
            [str(self.script), *arguments],
            input=text,
            text=True,
            capture_output=True,
            check=False,
            cwd=cwd or self.home,
            env={**kept, **self.environment},
            timeout=60,
        )

    def ok(self, *arguments: str, text: str = "", cwd: Path | None = None) -> str:
        """Standard output of a command that succeeds."""
        done = self(*arguments, text=text, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout


def write(folder: Path, files: dict[str, str]) -> Path:
    """Make a build context."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def remove_from_registry(image: str, digest: str) -> None:
    """Leave a shared registry as it was; one that does not delete is left with the image."""
    registry, _, name = image.partition("/")
    httpx.delete(f"http://{registry}/v2/{name.partition(':')[0]}/manifests/{digest}")
