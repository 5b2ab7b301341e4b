"""Closes `include:`: reads, merges in GitLab's order, and tells what is missing.

https://docs.gitlab.com/ci/yaml/#include. Included files come first, in order; the including file overrides them.
Nothing here fetches: `further_files` says which sources a caller has to add to the mapping of files, by their keys
(see `sources`), before `close_includes` is complete. `gathering` is such a caller.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from tasks.source.diagnostics import Findings, Span
from tasks.source.globs import include_matches, is_wildcard
from tasks.source.header import Reading, read_content
from tasks.source.include_items import Home, Items, Wanted
from tasks.source.inputs import Given, strings
from tasks.source.merge import merge_mappings
from tasks.source.nodes import Mapping_, Node
from tasks.source.sources import Component, ComponentAt, Local, Project, Remote, Source, Template, Tree, looks_foreign

MAX_INCLUDES = 150  # GitLab's limit for one pipeline
MAX_TOTAL = 64 * 1024 * 1024
_ALLOW = {
    Project: "give --gitlab-url (and a token, for projects that are not public)",
    Component: "give --gitlab-url (and a token, for projects that are not public)",
    Template: "give --gitlab-url and a token, or --templates with a folder of GitLab's templates",
    Remote: "give --allow-remote",
}
_NAMES: dict[type, str] = {Project: "project", Component: "component", Template: "template", Remote: "remote"}


Memo = dict[tuple[str, str, str], Mapping_ | None]  # what was read: by key, inputs and component


def _as_it_is(text: str) -> str:
    return text


def _always(_rules: Node, _elsewhere: bool) -> bool:
    return True


@dataclass(frozen=True)
class IncludeOptions:
    """What includes depend on besides the files.

    Attributes:
        expand: Puts variables into an include's path, and is ``expand_vars`` of inputs.
        active: Whether an `include:rules` (its list) lets the include in; the second argument says that the
            including file is not of the pipeline's own commit.
        tree: All paths of the commit, for wildcards; None = only those in the mapping of files.
        trees: The same of other projects, by the key of their `Tree`.
        absent: Why a source is not among the files although it was asked for, by its key.
        inputs: Values for the entry's own ``spec:inputs``.
    """

    expand: Callable[[str], str] = _as_it_is
    active: Callable[[Node, bool], bool] = _always
    tree: Collection[str] | None = None
    trees: Mapping[str, Collection[str]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Needed:
    """What has to be added to the mapping of files.

    Attributes:
        sources: What is included and not there; some of it may not exist.
        patterns: Wildcard paths, when the commit's tree was not given.
    """

    sources: tuple[Source, ...]
    patterns: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The files of the commit among the sources."""
        return tuple(source.path for source in self.sources if isinstance(source, Local))


def close_includes(
    files: Mapping[str, str], entry: str, findings: Findings, options: IncludeOptions
) -> Mapping_ | None:
    """Return the configuration of `entry` with all its includes merged, or None where it cannot be read.

    Args:
        files: Text by key; those of the commit by path without leading slash.
        entry: The path to begin with.
        findings: Collects what is wrong, each with its place.
        options: Variables, rules, inputs, and the trees.
    """
    return _Closer(files, findings, options).entry(entry)


def further_files(files: Mapping[str, str], entry: str, options: IncludeOptions, memo: Memo | None = None) -> Needed:
    """Return what is included, directly or by a file that is there, and not in `files`.

    A caller adds what it can get and asks again, until the answer holds nothing it has not tried, with the
    same `memo` (an empty mapping at first) so that no file is read twice.
    """
    if entry not in files:
        return Needed((Local(entry),))
    closer = _Closer(files, Findings(), options, read_before={} if memo is None else memo)
    closer.entry(entry)
    return Needed(tuple(dict.fromkeys(closer.missing)), tuple(dict.fromkeys(closer.patterns)))


@dataclass(frozen=True)
class _File:
    """One file to be read."""

    key: str
    home: Home
    reading: Reading

    @property
    def identity(self) -> tuple[str, str, str]:
        """The same for the same content: a file may well include itself with other inputs."""
        return (self.key, self.reading.given.identity, str(self.home.component))


@dataclass
class _Closer:
    files: Mapping[str, str]
    findings: Findings
    options: IncludeOptions
    count: int = 0
    total: int = 0
    missing: list[Source] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    read_before: Memo = field(default_factory=dict)

    def entry(self, path: str) -> Mapping_ | None:
        given = Given(strings(self.options.inputs), Span(path))
        return self.merged(_File(path, Home(), Reading(given, self.options.expand)), ())

    def merged(self, file: _File, chain: tuple[_File, ...]) -> Mapping_ | None:
        root = self.read(file)
        if root is None:
            return None
        merged: Mapping_ | None = None
        for wanted in Items(file.home, self.options.expand, self.options.active, self.findings).wanted(root):
            for each in self.found(wanted, (*chain, file)):
                included = self.merged(each, (*chain, file))
                if included is not None:
                    merged = merge_mappings(merged, included) if merged else included
        own = root.without("include")
        return merge_mappings(merged, own) if merged else own

    def read(self, file: _File) -> Mapping_ | None:
        if file.identity not in self.read_before:
            reading = replace(file.reading, component=file.home.component)
            self.read_before[file.identity] = read_content(file.key, self.files[file.key], reading, self.findings)
        return self.read_before[file.identity]

    def found(self, wanted: Wanted, chain: tuple[_File, ...]) -> list[_File]:
        """The files an include leads to, as far as they are there and the limits allow."""
        files: list[_File] = []
        for source in self.sources(wanted):
            if self.too_many(wanted.span):
                return files
            file = self.file(source, wanted, chain[-1].home)
            if file is None or not self.intact(file, wanted):
                continue
            keys = [each.identity for each in chain]
            if file.identity in keys:
                circle = [each.key for each in chain[keys.index(file.identity) :]] + [file.key]
                message = f"Files include each other in a circle: {' -> '.join(circle)}."
                self.findings.add("include-cycle", message, wanted.span)
            elif not self.too_large(file, wanted.span):
                files.append(file)
        return files

    def too_many(self, span: Span) -> bool:
        self.count += 1
        if self.count == MAX_INCLUDES + 1:
            self.findings.add("include-limit", f"More than {MAX_INCLUDES} includes, GitLab's limit.", span)
        return self.count > MAX_INCLUDES

    def too_large(self, file: _File, span: Span) -> bool:
        self.total += len(self.files[file.key])
        if self.total > MAX_TOTAL:
            self.findings.add("include-limit", f"All included files are larger than {MAX_TOTAL} characters.", span)
        return self.total > MAX_TOTAL

    def sources(self, wanted: Wanted) -> list[Source]:
        """The source itself, or all files its wildcard means."""
        source = wanted.source
        if not isinstance(source, Local | Project) or not is_wildcard(source.path):
            return [source]
        paths = sorted(include_matches(source.path, self.names(source)))
        if not paths:
            message = f"`include:local`: no file matches `{source.path[:200]}`."
            self.findings.add("include-missing", message, wanted.span)
        return [replace(source, path=path) for path in paths]

    def names(self, source: Local | Project) -> list[str]:
        """The paths a wildcard may mean."""
        if isinstance(source, Local):
            if self.options.tree is None:
                self.patterns.append(source.path)
            names = list(self.options.tree or [key for key in self.files if not looks_foreign(key)])
        else:
            tree = Tree(source.project, source.ref, source.public)
            if tree.key not in self.options.trees:
                self.missing.append(tree)
            prefix = replace(source, path="").key
            there = [key.removeprefix(prefix) for key in self.files if key.startswith(prefix)]
            names = list(self.options.trees.get(tree.key, there))
        return [name for name in names if name.lower().endswith((".yml", ".yaml"))]

    def file(self, source: Source, wanted: Wanted, home: Home) -> _File | None:
        """The file of one source; None, with the reason noted, where it is not there."""
        if source.key not in self.files:
            self.missing.append(source)
            self.report(source, wanted.span)
            return None
        if isinstance(source, Component):
            at = ComponentAt.of(self.files[source.key])
            inside = Project(at.project, at.ref, at.path)
            facts = {"name": source.name, "sha": at.sha, "version": at.version, "reference": source.version}
            return _File(inside.key, Home(at.project, at.ref, component=dict(facts)), wanted.reading)
        if isinstance(source, Project):
            same = (home.project, home.ref) == (source.project, source.ref)
            component = home.component if same else {}
            return _File(source.key, Home(source.project, source.ref, False, source.public, component), wanted.reading)
        outside = not isinstance(source, Local)
        return _File(source.key, Home(outside=outside, public=outside), wanted.reading)

    def report(self, source: Source, span: Span) -> None:
        if source.key in self.options.absent:
            self.findings.add("include-missing", self.options.absent[source.key], span)
        elif isinstance(source, Local):
            message = f"`include:local`: there is no file `{source.path[:200]}` at this commit."
            self.findings.add("include-missing", message, span)
        else:
            kind = type(source)
            shown = source.key.removeprefix(f"{_NAMES[kind]}:")[:200]
            message = f"`include:{_NAMES[kind]}` (`{shown}`) is not fetched: {_ALLOW[kind]}."
            self.findings.add("include-not-fetched", message, span)

    def intact(self, file: _File, wanted: Wanted) -> bool:
        if not wanted.integrity:
            return True
        digest = hashlib.sha256(self.files[file.key].encode()).digest()
        actual = f"sha256-{base64.b64encode(digest).decode()}"
        if actual != wanted.integrity:
            message = f"`{file.key[:200]}` is not the file of `integrity`: its hash is {actual}."
            self.findings.add("include-integrity", message, wanted.span)
        return actual == wanted.integrity
