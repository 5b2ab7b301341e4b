"""What one entry of `include:` asks for: its kind, checked, with variables put in, as typed sources."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from msgspec import Struct, field

from tasks.hiding import without_login
from tasks.source.diagnostics import Findings, Span
from tasks.source.durations import MINUTE, seconds
from tasks.source.globs import is_wildcard
from tasks.source.header import Reading
from tasks.source.inputs import Given, too_large
from tasks.source.interpolation import Value
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence, describe, is_null
from tasks.source.sources import OWN_HOST, Component, Local, Project, Remote, Source, Template, looks_foreign

KINDS = ("local", "project", "remote", "template", "component", "artifact")
_OPTIONS = ("rules", "inputs", "file", "ref", "integrity", "cache", "job")
INCLUDE_KEYS = KINDS + _OPTIONS
_ONLY_WITH = {"file": "project", "ref": "project", "integrity": "remote", "cache": "remote", "job": "artifact"}
_INTEGRITY = re.compile(r"sha256-[A-Za-z0-9+/]{43}=")
# whoever fetches components knows its own server
_OWN_SERVER = re.compile(rf"^{OWN_HOST.pattern}(?=/)")
SHARED_KEYS = ("local", "project", "file", "ref", "remote", "integrity")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MAX_PATH = 2000
_VARIABLE = re.compile(r"\$(?:\w{1,255}|\{\w{1,255}\})")


class Home(Struct, frozen=True):
    """Where a file is that includes others: what its own `local` means.

    Attributes:
        project: Path of its project; None = the pipeline's own.
        ref: Its ref there.
        outside: It came from an address or is GitLab's template: it has no local files.
        public: What it includes from projects must be public: text from outside led here.
        component: What is known of the component it belongs to.
    """

    project: str | None = None
    ref: str = ""
    outside: bool = False
    public: bool = False
    component: dict[str, Value] = field(default_factory=dict)


class Wanted(Struct, frozen=True):
    """One source an include asks for, with how it is to be read."""

    source: Source
    reading: Reading
    span: Span
    integrity: str = ""


class Items(Struct, frozen=True):
    """Reads the entries of one file's `include:`."""

    home: Home
    expand: Callable[[str], str]
    active: Callable[[Node], bool]
    findings: Findings

    def wanted(self, root: Mapping_) -> list[Wanted]:
        """All sources that are included, in order; what is wrong is noted."""
        node = root.get("include")
        items = [] if node is None else list(node.items) if isinstance(node, Sequence) else [node]
        for blank in filter(is_null, items):
            self.error("odd-value", "An item of `include` has no value: it is as if it were not there.", blank.span)
        return [wanted for item in items if not is_null(item) for wanted in self.of(item)]

    def shared(self, root: Mapping_) -> list[Wanted]:
        """The same of a header's `include`, which leads to inputs only."""
        node = root.get("include")
        for item in node.items if isinstance(node, Sequence) else (node,):
            for entry in item if isinstance(item, Mapping_) else ():
                if entry.key not in SHARED_KEYS:
                    message = f"`{entry.key}` is not for `spec:include`, which takes: {', '.join(SHARED_KEYS)}."
                    self.error("input-spec", message, entry.span)
                    return []
        return self.wanted(root)

    def of(self, item: Node) -> list[Wanted]:
        """The sources of one entry."""
        if isinstance(item, Scalar) and item.kind == "string":
            kind = "remote" if item.text.startswith(("https://", "http://")) else "local"
            return self.made(kind, item, Mapping_({}, item.span))
        if not isinstance(item, Mapping_):
            message = "`include` takes a path, a mapping such as `local: path`, or a list of them."
            self.error("wrong-type", message, item.span)
            return []
        return self.of_mapping(item) if self.known(item) else []

    def known(self, item: Mapping_) -> bool:
        """Whether all keywords are known."""
        unknown = [entry for entry in item if entry.key not in INCLUDE_KEYS]
        for entry in unknown:
            known = f"Known are: {', '.join(KINDS[:-1])}, file, ref, integrity, cache, rules, inputs."
            self.error("unknown-keyword", f"`{entry.key}` is not a keyword in `include`. {known}", entry.span)
        return not unknown

    def of_mapping(self, item: Mapping_) -> list[Wanted]:
        """The sources of ``kind: ...`` with its options."""
        kinds = [k for k in KINDS if item.get(k) is not None]
        if len(kinds) != 1:
            message = "`include` needs one of local, project, remote, template or component."
            self.error("include-invalid", message, item.span)
            return []
        kind = kinds[0]
        for option, owner in _ONLY_WITH.items():
            if item.get(option) is not None and owner != kind:
                self.error("include-invalid", f"`{option}` goes with `include:{owner}` only.", item.place(option))
                return []
        self.cached(item.get("cache"))
        rules = item.get("rules")
        if rules is not None and not self.active(rules):
            return []
        value = item.get(kind)
        if not isinstance(value, Scalar) or value.kind != "string":
            self.error("wrong-type", f"`include:{kind}` must be text.", item.place(kind))
            return []
        return self.made(kind, value, item)

    def cached(self, node: Node | None) -> None:
        """Nothing is kept here, so that nothing can be out of date."""
        if node is None or (isinstance(node, Scalar) and node.kind == "boolean" and node.text == "false"):
            return
        if isinstance(node, Scalar) and (node.kind == "boolean" or _long_enough(node)):
            self.error("include-cache", "`include:cache` has no effect: the file is fetched anew.", node.span)
        else:
            message = "`include:cache` is true, false, or a time of at least a minute, such as `2 hours`."
            self.error("include-invalid", message, node.span)

    def made(self, kind: str, value: Scalar, item: Mapping_) -> list[Wanted]:
        """The sources, with the inputs that are given to them."""
        inputs = item.get("inputs")
        if inputs is not None and not isinstance(inputs, Mapping_):
            self.error("wrong-type", f"`include:inputs` is a mapping, not {describe(inputs)}.", inputs.span)
            return []
        if isinstance(inputs, Mapping_) and too_large(inputs):
            self.error("input-value", "`include:inputs` is larger than 1 MB.", inputs.span)
            return []
        reading = Reading(Given(inputs if isinstance(inputs, Mapping_) else None, value.span), self.expand)
        text = self.expand(value.text).strip()
        if unknown := _VARIABLE.search(_OWN_SERVER.sub("", text) if kind == "component" else text):
            why = "give it one, for example by --var"
            if self.home.public:
                why = "what comes from an address, or is GitLab's template, includes without variables"
            message = f"`include:{kind}`: `{unknown[0][:80]}` has no value here: {why}."
            self.error("include-invalid", message, value.span)
            return []
        sources = _MAKERS[kind](self, text, value.span, item)
        integrity = self.integrity(item)
        return [Wanted(source, reading, span, integrity) for source, span in sources]

    def integrity(self, item: Mapping_) -> str:
        """The hash a remote file must have; empty = any."""
        node = item.get("integrity")
        if node is None:
            return ""
        if isinstance(node, Scalar) and _INTEGRITY.fullmatch(node.text):
            return node.text
        message = "`include:integrity` is `sha256-` and the Base64 of a SHA-256 hash (44 characters)."
        self.error("include-invalid", message, node.span)
        return ""

    def local(self, text: str, span: Span, _item: Mapping_) -> list[tuple[Source, Span]]:
        """A file of where this one is."""
        path = text.lstrip("/")
        if not self.is_yaml("local", path, span):
            return []
        if self.home.outside:
            message = f"`include:local` (`{path[:200]}`): a file from outside of GitLab's projects has no local files."
            self.error("include-invalid", message, span)
            return []
        if self.home.project is not None:
            return [(Project(self.home.project, self.home.ref, path, self.home.public), span)]
        if looks_foreign(path):
            self.error("include-invalid", f"`include:local`: `{path[:200]}` is no path of a file.", span)
            return []
        return [(Local(path), span)]

    def project(self, text: str, span: Span, item: Mapping_) -> list[tuple[Source, Span]]:
        """One or several files of another project."""
        ref, files = item.get("ref"), item.get("file")
        if ref is not None and not isinstance(ref, Scalar):
            self.error("wrong-type", "`include:ref` must be text.", ref.span)
            return []
        paths = list(files.items) if isinstance(files, Sequence) else [files]
        if not all(isinstance(path, Scalar) and path.kind == "string" for path in paths):
            self.error("include-invalid", "`include:project` needs `file`: a path, or a list of paths.", span)
            return []
        name = text.strip("/")
        if not re.fullmatch(r"[^/\s@:]+(?:/[^/\s@:]+)+", name):
            self.error("include-invalid", f"`include:project`: `{name[:200]}` is no project; write group/name.", span)
            return []
        at = self.expand(ref.text).strip() if isinstance(ref, Scalar) else ""
        return [found for path in paths if isinstance(path, Scalar) for found in self.file(name, at, path)]

    def file(self, project: str, ref: str, path: Scalar) -> list[tuple[Source, Span]]:
        """One file of a project."""
        name = self.expand(path.text).strip().lstrip("/")
        if not self.is_yaml("file", name, path.span):
            return []
        if is_wildcard(name):
            message = f"`include:file`: `{name[:200]}`: wildcards work in `include:local` only."
            self.error("include-invalid", message, path.span)
            return []
        return [(Project(project.lower(), ref, name, self.home.public), path.span)]

    def remote(self, text: str, span: Span, _item: Mapping_) -> list[tuple[Source, Span]]:
        """A file by its address: https, or http on this machine. Nothing of it that may be secret is shown."""
        shown = without_login(text.partition("?")[0])[:200]
        try:
            parts = urlsplit(text)
            good = bool(parts.hostname) and parts.username is None and not re.search(r"\s", text)
        except ValueError:
            good = False
        if not good or len(text) > _MAX_PATH:
            self.error("include-invalid", f"`include:remote`: `{shown}` is no address, or names a user.", span)
            return []
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            message = f"`include:remote`: `{shown}` must begin with https://: anyone on the way could change it."
            self.error("include-invalid", message, span)
            return []
        if not text.lower().endswith((".yml", ".yaml")):
            self.error("include-invalid", f"`include:remote`: `{shown}` does not end in .yml or .yaml.", span)
            return []
        return [(Remote(text), span)]

    def template(self, text: str, span: Span, _item: Mapping_) -> list[tuple[Source, Span]]:
        """One of GitLab's own."""
        if not text.endswith(".gitlab-ci.yml") or ".." in text.split("/") or len(text) > _MAX_PATH:
            message = f"`include:template`: `{text[:200]}` must be a name that ends in .gitlab-ci.yml."
            self.error("include-invalid", message, span)
            return []
        return [(Template(text.lstrip("/")), span)]

    def component(self, text: str, span: Span, _item: Mapping_) -> list[tuple[Source, Span]]:
        """A component of this GitLab."""
        where, _, version = text.partition("@")
        if not version or len([part for part in where.split("/") if part]) < 4 or len(text) > _MAX_PATH:
            message = f"`include:component`: `{text[:200]}` must be host/group/project/name@version."
        elif "//" in where or where.startswith("/") or re.search(r"\s", text):
            message = f"`include:component`: `{text[:200]}` is no address of a component; write it without https://."
        elif self.home.public:
            message = (
                f"`include:component` (`{text[:200]}`): not from a file that is from outside of GitLab's projects."
            )
        else:
            return [(Component(text), span)]
        self.error("include-invalid", message, span)
        return []

    def artifact(self, text: str, span: Span, _item: Mapping_) -> list[tuple[Source, Span]]:
        """Not for pipelines: GitLab allows these in `trigger:include` only."""
        message = f"`include:artifact` (`{text[:200]}`) is for `trigger:include` only."
        self.error("include-unsupported", message, span)
        return []

    def is_yaml(self, kind: str, path: str, span: Span) -> bool:
        """Whether the name ends as GitLab wants it."""
        if path.lower().endswith((".yml", ".yaml")) and len(path) <= _MAX_PATH:
            return True
        message = f"`include:{kind}`: `{path[:200]}` does not end in .yml or .yaml."
        self.error("include-invalid", message, span)
        return False

    def error(self, code: str, message: str, span: Span) -> None:
        """Note one finding."""
        self.findings.add(code, message, span)


def _long_enough(node: Scalar) -> bool:
    return node.kind == "string" and (seconds(node.text) or 0) >= MINUTE


_MAKERS: dict[str, Callable[[Items, str, Span, Mapping_], list[tuple[Source, Span]]]] = {
    "local": Items.local,
    "project": Items.project,
    "remote": Items.remote,
    "template": Items.template,
    "component": Items.component,
    "artifact": Items.artifact,
}
