"""Closes `include:` over the files of one commit: reads, merges in GitLab's order, and tells what is missing.

https://docs.gitlab.com/ci/yaml/#include. Included files come first, in order; the including file overrides them.
Nothing here fetches: `further_files` says which files a caller has to add before `close_includes` is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from tasks.source.diagnostics import Findings, Span
from tasks.source.document import Document, read
from tasks.source.globs import include_matches, is_wildcard
from tasks.source.merge import merge_mappings
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence, is_null

MAX_INCLUDES = 150  # GitLab's limit for one pipeline
_KINDS = ("local", "project", "remote", "template", "component", "artifact")
_OPTIONS = ("rules", "inputs", "file", "ref", "integrity", "cache", "job")


def _as_it_is(text: str) -> str:
    return text


def _always(_rules: Node) -> bool:
    return True


@dataclass(frozen=True)
class IncludeOptions:
    """What includes depend on besides the files.

    Attributes:
        expand: Puts variables into an include's path.
        active: Whether an `include:rules` (its list) lets the include in.
        tree: All paths of the commit, for wildcards; None = only those in the mapping of files.
    """

    expand: Callable[[str], str] = _as_it_is
    active: Callable[[Node], bool] = _always
    tree: Collection[str] | None = None


@dataclass(frozen=True)
class Needed:
    """What has to be added to the mapping of files.

    Attributes:
        paths: Files that are included and not there; some of them may not exist.
        patterns: Wildcard paths, when the commit's tree was not given.
    """

    paths: tuple[str, ...]
    patterns: tuple[str, ...]


def close_includes(
    files: Mapping[str, str], entry: str, findings: Findings, options: IncludeOptions
) -> Mapping_ | None:
    """Return the configuration of `entry` with all its includes merged, or None where it cannot be read.

    Args:
        files: Text by path; paths have no leading slash.
        entry: The path to begin with.
        findings: Collects what is wrong, each with its place.
        options: Variables, rules, and the commit's tree.
    """
    return _Closer(files, findings, options).file(entry, ())


def further_files(files: Mapping[str, str], entry: str, options: IncludeOptions) -> Needed:
    """Return what is included, directly or by a file that is there, and not in `files`.

    A caller adds what it can get and asks again, until the answer holds nothing it has not tried.
    """
    closer = _Closer(files, Findings(), options)
    if entry not in files:
        return Needed((entry,), ())
    closer.file(entry, ())
    return Needed(tuple(dict.fromkeys(closer.missing)), tuple(dict.fromkeys(closer.patterns)))


@dataclass
class _Closer:
    files: Mapping[str, str]
    findings: Findings
    options: IncludeOptions
    count: int = 0
    missing: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    read_before: dict[str, Document | None] = field(default_factory=dict)

    def file(self, path: str, chain: tuple[str, ...]) -> Mapping_ | None:
        if path not in self.read_before:
            self.read_before[path] = read(path, self.files[path], self.findings)
        document = self.read_before[path]
        if document is None:
            return None
        if document.header is not None:
            self.header(document.header)
        merged: Mapping_ | None = None
        for item in self.items(document.root):
            for included in self.included(item, (*chain, path)):
                merged = merge_mappings(merged, included) if merged else included
        own = document.root.without("include")
        return merge_mappings(merged, own) if merged else own

    def header(self, header: Mapping_) -> None:
        spec = header.get("spec")
        if isinstance(spec, Mapping_) and isinstance(inputs := spec.get("inputs"), Mapping_) and inputs.entries:
            message = "`spec:inputs` is not supported yet: write the values where `$[[ inputs... ]]` stands."
            self.findings.add("inputs-unsupported", message, inputs.span)

    def items(self, root: Mapping_) -> list[Node]:
        node = root.get("include")
        if node is None:
            return []
        return list(node.items) if isinstance(node, Sequence) else [node]

    def included(self, item: Node, chain: tuple[str, ...]) -> list[Mapping_]:
        path = self.path_of(item)
        if path is None or self.too_many(item.span):
            return []
        found = []
        for each in self.paths(path, item.span):
            if each in chain:
                circle = " -> ".join((*chain[chain.index(each) :], each))
                self.findings.add("include-cycle", f"Files include each other in a circle: {circle}.", item.span)
            elif (content := self.file(each, chain)) is not None:
                found.append(content)
        return found

    def too_many(self, span: Span) -> bool:
        self.count += 1
        if self.count == MAX_INCLUDES + 1:
            self.findings.add("include-limit", f"More than {MAX_INCLUDES} includes, GitLab's limit.", span)
        return self.count > MAX_INCLUDES

    def path_of(self, item: Node) -> str | None:
        """The path of a local include that is active; None for every other one, with the reason noted."""
        if isinstance(item, Scalar) and item.kind == "string":
            if item.text.startswith(("https://", "http://")):
                self.unsupported("remote", item.text, item.span)
                return None
            return self.local(item.text, item.span)
        if not isinstance(item, Mapping_):
            message = "`include` takes a path, a mapping such as `local: path`, or a list of them."
            self.findings.add("wrong-type", message, item.span)
            return None
        unknown = [entry for entry in item if entry.key not in _KINDS and entry.key not in _OPTIONS]
        for entry in unknown:
            known = f"Known are: {', '.join(_KINDS[:-1])}, rules, inputs."
            self.findings.add("unknown-keyword", f"`{entry.key}` is not a keyword in `include`. {known}", entry.span)
        return None if unknown else self.path_of_mapping(item)

    def path_of_mapping(self, item: Mapping_) -> str | None:
        kinds = [k for k in _KINDS if item.get(k) is not None]
        if len(kinds) != 1:
            message = "`include` needs one of local, project, remote, template or component."
            self.findings.add("include-invalid", message, item.span)
            return None
        rules = item.get("rules")
        if rules is not None and not is_null(rules) and not self.options.active(rules):
            return None
        value = item.get(kinds[0])
        if not isinstance(value, Scalar) or value.kind != "string":
            self.findings.add("wrong-type", f"`include:{kinds[0]}` must be text.", item.place(kinds[0]))
            return None
        if kinds[0] != "local":
            self.unsupported(kinds[0], value.text, value.span)
            return None
        return self.local(value.text, value.span)

    def unsupported(self, kind: str, text: str, span: Span) -> None:
        message = (
            f"`include:{kind}` (`{text[:200]}`) is not supported yet: only files of the same commit are. "
            f"Copy the file into the repository and use `include:local`."
        )
        self.findings.add("include-unsupported", message, span)

    def local(self, text: str, span: Span) -> str | None:
        path = self.options.expand(text).strip().lstrip("/")
        if not path.endswith((".yml", ".yaml")):
            self.findings.add(
                "include-invalid", f"`include:local`: `{path[:200]}` does not end in .yml or .yaml.", span
            )
            return None
        return path

    def paths(self, path: str, span: Span) -> list[str]:
        if is_wildcard(path):
            return self.matching(path, span)
        if path in self.files:
            return [path]
        self.missing.append(path)
        self.findings.add("include-missing", f"`include:local`: there is no file `{path[:200]}` at this commit.", span)
        return []

    def matching(self, pattern: str, span: Span) -> list[str]:
        if self.options.tree is None:
            self.patterns.append(pattern)
        names = [n for n in (self.options.tree or self.files) if n.endswith((".yml", ".yaml"))]
        found = sorted(include_matches(pattern, names))
        self.missing += [n for n in found if n not in self.files]
        if not found:
            self.findings.add("include-missing", f"`include:local`: no file matches `{pattern[:200]}`.", span)
        return [n for n in found if n in self.files]
