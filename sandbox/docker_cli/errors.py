"""How the sandbox's docker command refuses."""

from __future__ import annotations

REMEDY = "Start the sandbox with --engine docker to use a real Docker engine."


class DockerError(Exception):
    """A command that fails; the message goes to standard error.

    Args:
        message: As docker would say it, or what the stand-in cannot do.
        code: Exit code: 1 as docker's own failures, 125 for what only a real engine can do.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class DockerfileError(DockerError):
    """A Dockerfile that docker would not accept, or that the built-in builder does not understand.

    Attributes:
        line: Where, counted from 1; 0 = the whole file.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"Dockerfile:{line}: {message}" if line else f"Dockerfile: {message}")
        self.line = line


def not_here(what: str) -> DockerError:
    """Something that needs a real engine."""
    return DockerError(f"docker (sandbox stand-in): {what} {REMEDY}", 125)
