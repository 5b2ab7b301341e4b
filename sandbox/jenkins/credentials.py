"""Credentials stores: one of the system, one of each folder, kept as JSON beside the folder's config.xml."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sandbox.jenkins.export import Bean
from sandbox.jenkins.model import Credential

Kind = Literal["usernamePassword", "string", "file", "sshUserPrivateKey", "other"]
_KINDS: dict[str, tuple[Kind, str, str]] = {
    "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl": (
        "usernamePassword",
        "Username with password",
        "credentials@1337.v60b_d7b_c7b_c9f",
    ),
    "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl": (
        "string",
        "Secret text",
        "plain-credentials@179.vc5cb_98f6db_38",
    ),
    "org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl": (
        "file",
        "Secret file",
        "plain-credentials@179.vc5cb_98f6db_38",
    ),
    "com.cloudbees.jenkins.plugins.sshcredentials.impl.BasicSSHUserPrivateKey": (
        "sshUserPrivateKey",
        "SSH Username with private key",
        "ssh-credentials@322.v124df57ed808",
    ),
}
_SECRET = ("password", "secret", "secretBytes", "privateKey", "passphrase", "privateKeySource")
SECRET_REDACTED = "<secret-redacted/>"


class UnknownTypeError(ValueError):
    """XML that is no credential."""


@dataclass(frozen=True)
class Entry:
    """A stored credential: its XML element's name and its fields."""

    tag: str
    fields: dict[str, str]

    @property
    def id(self) -> str:
        """The id pipelines name it by."""
        return self.fields.get("id", "")

    def credential(self) -> Credential:
        """As the executor takes it."""
        return Credential(self.id, _KINDS[self.tag][0], self.fields)

    def xml(self) -> str:
        """config.xml with the secrets redacted."""
        lines = [f'<{self.tag} plugin="{_KINDS[self.tag][2]}">']
        for name, value in self.fields.items():
            element = ET.Element(name)
            element.text = value
            plain = ET.tostring(element, encoding="unicode")
            hidden = f"<{name}>\n    {SECRET_REDACTED}\n  </{name}>"
            lines.append("  " + (hidden if name in _SECRET else plain))
        return "\n".join([*lines, f"</{self.tag}>"])

    def bean(self, store: str) -> Bean:
        """As the store's API shows it."""
        description = self.fields.get("description") or None
        shown = description or _KINDS[self.tag][1]
        if _KINDS[self.tag][0] == "file":
            shown = f"{self.fields.get('fileName')} ({description})" if description else self.fields.get("fileName", "")
        fields: dict[str, Any] = {
            "description": description,
            "displayName": shown,
            "fingerprint": None,
            "fullName": f"{store}/_/{self.id}",
            "id": self.id,
            "typeName": _KINDS[self.tag][1],
        }
        return Bean(
            "com.cloudbees.plugins.credentials.CredentialsStoreAction$CredentialsWrapper",
            fields,
            {"id": 2, "displayName": 2, "typeName": 2, "description": 2, "fullName": 2},
        )


def read_entry(xml: bytes) -> Entry:
    """A credential from its XML; raises `UnknownTypeError`."""
    try:
        root = ET.fromstring(xml)  # noqa: S314 - the sandbox's own clients send it
    except ET.ParseError as error:
        raise UnknownTypeError(str(error)) from error
    if root.tag not in _KINDS:
        raise UnknownTypeError(root.tag)
    fields = {child.tag: _text(child) for child in root}
    return Entry(root.tag, fields)


def _text(element: ET.Element) -> str:
    nested = element.find("privateKey")
    return (nested.text if nested is not None else element.text) or ""


class Store:
    """One store with its default domain; thread-safe."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._file = path / "credentials.json"
        self._lock = threading.Lock()

    def all(self) -> dict[str, Entry]:
        """Entries by id."""
        if not self._file.exists():
            return {}
        return {each["fields"]["id"]: Entry(**each) for each in json.loads(self._file.read_text())}

    def get(self, credentials_id: str) -> Entry | None:
        """One entry."""
        return self.all().get(credentials_id)

    def put(self, entry: Entry, *, replace: str | None = None) -> bool:
        """Add an entry, or replace one; False when the id is taken (or absent, for a replacement)."""
        with self._lock:
            entries = self.all()
            if replace is None and entry.id in entries:
                return False
            if replace is not None:
                if replace not in entries:
                    return False
                entry = _keep_redacted(entry, entries.pop(replace))
            entries[entry.id] = entry
            self._save(entries)
            return True

    def delete(self, credentials_id: str) -> bool:
        """Remove an entry; False when it is absent."""
        with self._lock:
            entries = self.all()
            if entries.pop(credentials_id, None) is None:
                return False
            self._save(entries)
            return True

    def _save(self, entries: dict[str, Entry]) -> None:
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps([{"tag": each.tag, "fields": each.fields} for each in entries.values()]))


def _keep_redacted(new: Entry, old: Entry) -> Entry:
    """What comes back redacted keeps its secret: the text of ``<secret-redacted/>`` is white space."""
    kept = {
        name: old.fields.get(name, value) if name in _SECRET and not value.strip() else value
        for name, value in new.fields.items()
    }
    return Entry(new.tag, kept)
