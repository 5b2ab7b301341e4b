"""Logins in Docker's ``config.json``: ``auths.HOST.auth`` is base64 of ``user:password``.

Read and written in ``$DOCKER_CONFIG``; without it in the sandbox's own folder, so that the sandbox never touches the
logins in a user's home.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from sandbox.docker_cli.errors import DockerError


class Logins:
    """The logins of one configuration folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "config.json"

    def _read(self) -> dict[str, Any]:
        if not self._file.exists():
            return {}
        try:
            config = json.loads(self._file.read_text())
        except ValueError as error:
            raise DockerError(f"{self._file.name} in $DOCKER_CONFIG is not JSON: {error}") from None
        return config if isinstance(config, dict) else {}

    def get(self, registry: str) -> tuple[str, str] | None:
        """User and password for a registry."""
        entries = self._read().get("auths") or {}
        entry = entries.get(registry) or entries.get(f"http://{registry}") or entries.get(f"https://{registry}") or {}
        if "username" in entry and "password" in entry:
            return str(entry["username"]), str(entry["password"])
        try:
            user, colon, password = base64.b64decode(entry.get("auth", ""), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise DockerError(f"the login for {registry} in $DOCKER_CONFIG/config.json is malformed") from None
        return (user, password) if colon else None

    def put(self, registry: str, user: str, password: str) -> None:
        """Keep a login."""
        config = self._read()
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        config["auths"] = {**(config.get("auths") or {}), registry: {"auth": auth}}
        self._write(config)

    def remove(self, registry: str) -> bool:
        """Forget a login; whether there was one."""
        config = self._read()
        if (config.get("auths") or {}).pop(registry, None) is None:
            return False
        self._write(config)
        return True

    def _write(self, config: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(config, indent="\t"))
        draft.replace(self._file)
