"""Folders and jobs: a tree kept on disk as Jenkins keeps it (``jobs/NAME/config.xml``)."""

from __future__ import annotations

import copy
import re
import shutil
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sandbox.jenkins import from_scm, parameters

FOLDER_TAG = "com.cloudbees.hudson.plugins.folder.Folder"
JOB_TAG = "flow-definition"
_DISCARDER = "jenkins.model.BuildDiscarderProperty"
_DISABLE_CONCURRENT = "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty"
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>\s*")
_UNSAFE = "?*/\\%!@#$^&|<>[]:;"
EMPTY_FOLDER = (
    f'<{FOLDER_TAG} plugin="cloudbees-folder@6.928.v7c780211d66e">\n  <properties/>\n'
    '  <folderViews class="com.cloudbees.hudson.plugins.folder.views.DefaultFolderViewHolder">\n    <views/>\n'
    "  </folderViews>\n  <healthMetrics/>\n</" + FOLDER_TAG + ">"
)


class BadNameError(ValueError):
    """A name no item can have; the message is Jenkins'."""


class BadXmlError(ValueError):
    """A config.xml Jenkins cannot load."""


def check_name(name: str) -> None:
    """Refuse what Jenkins' ``checkGoodName`` refuses."""
    if not name.strip():
        raise BadNameError("No name is specified")
    if name in (".", ".."):
        raise BadNameError(f"‘{name}’ is not an allowed name")
    for letter in name:
        if letter in _UNSAFE or ord(letter) < 32:
            raise BadNameError(f"‘{letter}’ is an unsafe character")


def parse(xml: bytes) -> tuple[str, ET.Element]:
    """The text without its declaration, and its root element; raises `BadXmlError`.

    The declared XML version is ignored: expat reads 1.0 only. Jenkins' own reader corrupts some texts declared 1.1;
    the stand-in does not imitate that.
    """
    try:
        text = _DECLARATION.sub("", xml.decode("utf-8-sig"))
        root = ET.fromstring(text)  # noqa: S314 - expat of today is not open to entity expansion; input is the tests'
    except (UnicodeDecodeError, ET.ParseError) as error:
        raise BadXmlError(str(error)) from error
    if root.tag not in (FOLDER_TAG, JOB_TAG):
        raise BadXmlError(f"{root.tag} is not a type of item the stand-in knows")
    return text, root


class Item:
    """What has a name, a place and a config.xml."""

    def __init__(self, name: str, parent: Folder | None, path: Path) -> None:
        self.name = name
        self.parent = parent
        self.path = path
        self.lock = threading.RLock()
        self._parsed: ET.Element | None = None

    @property
    def full_name(self) -> str:
        """``folder/job``; the root's is empty."""
        return "/".join(each.name for each in self.lineage() if each.parent is not None)

    @property
    def display_path(self) -> str:
        """``folder » job``."""
        return self.full_name.replace("/", " » ")

    @property
    def url_path(self) -> str:
        """``job/folder/job/name/``, relative to the root."""
        return "".join(f"job/{quote(part, safe='')}/" for part in self.full_name.split("/") if part)

    def lineage(self) -> list[Item]:
        """From the root down to this item."""
        above = self.parent.lineage() if self.parent is not None else []
        return [*above, self]

    def config(self) -> str:
        """The config.xml as GET shows it: as stored, declared as XML 1.1 (which clients must not post back)."""
        return '<?xml version="1.1" encoding="UTF-8"?>' + (self.path / "config.xml").read_text(encoding="utf-8")

    def store(self, text: str) -> None:
        """Keep a config.xml (without declaration)."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self.lock:
            (self.path / "config.xml").write_text(text, encoding="utf-8")
            self._parsed = None

    @property
    def description(self) -> str | None:
        """The configured description."""
        return self.root().findtext("description")

    def root(self) -> ET.Element:
        """The parsed config.xml, not to be changed."""
        with self.lock:
            if self._parsed is None:
                self._parsed = ET.fromstring((self.path / "config.xml").read_text(encoding="utf-8"))  # noqa: S314 - see `parse`
            return self._parsed

    def changeable(self) -> ET.Element:
        """A copy of the parsed config.xml, to be changed and stored."""
        return copy.deepcopy(self.root())


class Folder(Item):
    """A folder; the root of all has no parent and an empty name."""

    def __init__(self, name: str, parent: Folder | None, path: Path) -> None:
        super().__init__(name, parent, path)
        self.children: dict[str, Item] = {}

    def load(self) -> None:
        """Read the tree below from disk."""
        for config in sorted((self.path / "jobs").glob("*/config.xml")):
            kind = Folder if _is_folder(config) else Job
            item = kind(config.parent.name, self, config.parent)
            self.children[item.name] = item
            if isinstance(item, Folder):
                item.load()

    def create(self, name: str, xml: bytes) -> Item:
        """A new child; raises `BadXmlError`. The name must be free and good."""
        text, root = parse(xml)
        kind = Folder if root.tag == FOLDER_TAG else Job
        item = kind(name, self, self.path / "jobs" / name)
        item.store(text)
        self.children[name] = item
        return item

    def walk(self) -> Iterator[Item]:
        """Every item below."""
        for child in list(self.children.values()):
            yield child
            if isinstance(child, Folder):
                yield from child.walk()

    def find(self, full_name: str) -> Item | None:
        """The item of a full name below this folder."""
        item: Item | None = self
        for part in full_name.split("/"):
            item = item.children.get(part) if isinstance(item, Folder) else None
        return item

    def remove(self, item: Item) -> None:
        """Delete a child with all its files."""
        self.children.pop(item.name, None)
        shutil.rmtree(item.path, ignore_errors=True)


def _is_folder(config: Path) -> bool:
    return config.read_text(encoding="utf-8").lstrip().startswith(f"<{FOLDER_TAG}")


class Job(Item):
    """A Pipeline job."""

    def source(self) -> Mapping[str, Any] | None:
        """What its Jenkinsfile is read from; None = it is its own."""
        return from_scm.source_of(self.root())

    def script(self) -> str:
        """The Jenkinsfile, line ends as the XML reader gives them.

        Raises:
            UnreadableError: It cannot be read from where it is.
        """
        if (source := self.source()) is not None:
            return from_scm.script_of(self.root(), source)
        return self.root().findtext("definition/script") or ""

    def definitions(self) -> list[parameters.Definition]:
        """The declared parameters."""
        return parameters.read(self.root())

    def declare(self, definitions: list[parameters.Definition]) -> None:
        """Write parameter definitions into config.xml."""
        root = self.changeable()
        parameters.write(root, definitions)
        self.store(ET.tostring(root, encoding="unicode"))

    @property
    def concurrent(self) -> bool:
        """Whether builds may overlap."""
        return self.root().find(f"properties/{_DISABLE_CONCURRENT}") is None

    @property
    def disabled(self) -> bool:
        """Whether builds are refused."""
        return self.root().findtext("disabled") == "true"

    def set_disabled(self, disabled: bool) -> None:
        """Disable or enable."""
        root = self.changeable()
        element = root.find("disabled")
        if element is None:
            element = ET.SubElement(root, "disabled")
        element.text = "true" if disabled else "false"
        self.store(ET.tostring(root, encoding="unicode"))

    @property
    def keeps(self) -> int | None:
        """How many builds are kept; None = all."""
        number = int(self.root().findtext(f"properties/{_DISCARDER}/strategy/numToKeep") or -1)
        return number if number >= 0 else None

    @property
    def next_number(self) -> int:
        """The number of the next build."""
        file = self.path / "nextBuildNumber"
        return int(file.read_text()) if file.exists() else 1

    def take_number(self) -> int:
        """Use up a build number."""
        with self.lock:
            number = self.next_number
            draft = self.path / "nextBuildNumber.new"
            draft.write_text(str(number + 1))
            draft.replace(self.path / "nextBuildNumber")  # at once: others read it meanwhile
            return number
