"""Where included text comes from, and the key it has among the files.

A file of the pipeline's own commit has its path as key; everything else has a key that no such path can be taken for,
and that people read in diagnostics: ``group/ci@v1:/build.yml``, ``https://example.com/ci.yml``,
``template:Jobs/Build.gitlab-ci.yml``. A component's key holds no YAML but a `ComponentAt`: which file it was found as.
"""

from __future__ import annotations

import json
import re

from msgspec import Struct
from msgspec.structs import asdict

# The host of a component of the same GitLab; stays so where nobody said which GitLab it is.
OWN_HOST = re.compile(r"\$\{?CI_SERVER_(?:FQDN|HOST)\}?")
_FOREIGN = re.compile(r"[^/:]+(?:/[^/:]+)+@.+:/|https?://|template:|component:|tree:")


class Local(Struct, frozen=True):
    """A file of the pipeline's own commit."""

    path: str

    @property
    def key(self) -> str:
        """Its path."""
        return self.path


class Project(Struct, frozen=True):
    """A file of another project of the same GitLab.

    Attributes:
        project: Full path.
        ref: Branch, tag or commit SHA; empty = HEAD of the default branch.
        path: Without a leading slash.
        public: Whether the project must be public: it is named by text from outside of GitLab.
    """

    project: str
    ref: str
    path: str
    public: bool = False

    @property
    def key(self) -> str:
        """``group/name@ref:/path``."""
        return f"{self.project}@{self.ref or 'HEAD'}:/{self.path}"


class Remote(Struct, frozen=True):
    """A file by its address."""

    url: str

    @property
    def key(self) -> str:
        """The address; what stands behind ``?`` may be secret, and becomes a short hash."""
        import hashlib

        address, mark, query = self.url.partition("?")
        return f"{address}?{hashlib.sha256(query.encode()).hexdigest()[:8]}" if mark else address


class Template(Struct, frozen=True):
    """One of GitLab's own templates; `name` ends in ``.gitlab-ci.yml``."""

    name: str

    @property
    def key(self) -> str:
        """``template:NAME``."""
        return f"template:{self.name}"


class Component(Struct, frozen=True):
    """A component; `address` is ``host/group/project/name@version``."""

    address: str

    @property
    def key(self) -> str:
        """``component:ADDRESS``."""
        return f"component:{self.address}"

    @property
    def version(self) -> str:
        """What stands behind the ``@``: a SHA, a tag, a branch, ``~latest``, ``1`` or ``1.2``."""
        return self.address.partition("@")[2]

    @property
    def name(self) -> str:
        """The component's name."""
        return self.address.partition("@")[0].rpartition("/")[2]

    @property
    def paths(self) -> tuple[str, str]:
        """Where its file may be in its project; the first that is there counts."""
        return f"templates/{self.name}.yml", f"templates/{self.name}/template.yml"


class Tree(Struct, frozen=True):
    """The list of all files of another project at a ref, for wildcards."""

    project: str
    ref: str
    public: bool = False

    @property
    def key(self) -> str:
        """``tree:group/name@ref``."""
        return f"tree:{self.project}@{self.ref or 'HEAD'}"


Source = Local | Project | Remote | Template | Component | Tree


class ComponentAt(Struct, frozen=True):
    """Where a component was found.

    Attributes:
        project: Full path of its project.
        ref: The version as a ref of the project: the tag, branch or SHA its files are keyed by.
        sha: The commit.
        path: ``templates/NAME.yml`` or ``templates/NAME/template.yml``.
        version: The released version behind ``~latest``, ``1`` or a tag; None for a branch or a SHA.
    """

    project: str
    ref: str
    sha: str
    path: str
    version: str | None = None

    def text(self) -> str:
        """As it is kept among the files."""
        return json.dumps(asdict(self))

    @staticmethod
    def of(text: str) -> ComponentAt:
        """Back from `text`."""
        return ComponentAt(**json.loads(text))


def looks_foreign(path: str) -> bool:
    """Whether a path could be taken for the key of something that is no file of the commit."""
    return _FOREIGN.match(path) is not None
