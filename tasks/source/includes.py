"""Closes `include:`: reads, merges in GitLab's order, and tells what is missing.

https://docs.gitlab.com/ci/yaml/#include. Included files come first, in order; the including file overrides them.
Nothing here fetches: `further_files` says which sources a caller has to add to the mapping of files, by their keys
(see `sources`), before `close_includes` is complete. `gathering` is such a caller.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial

from msgspec import Struct, field
from msgspec.structs import replace

from tasks.source.child_variables import candidates, rows
from tasks.source.diagnostics import Findings, Span
from tasks.source.globs import include_matches, is_wildcard
from tasks.source.header import Reading, read_content, read_inputs
from tasks.source.include_items import Home, Items, Wanted
from tasks.source.include_options import IncludeOptions, always, as_it_is
from tasks.source.inputs import Given, strings
from tasks.source.merge import merge_mappings
from tasks.source.nodes import Entry, Mapping_, Node, Scalar, Sequence
from tasks.source.sources import Component, ComponentAt, Local, Project, Remote, Source, Template, Tree, looks_foreign

MAX_INCLUDES = 150  # GitLab's limit for one pipeline
MAX_TOTAL = 64 * 1024 * 1024
MAX_DEPTH = 2  # of child pipelines in child pipelines, GitLab's limit
MAX_PIPELINES = 1000  # in one tree, likewise
_ALLOW = {
    Project: "give --gitlab-url (and a token, for projects that are not public)",
    Component: "give --gitlab-url (and a token, for projects that are not public)",
    Template: "give --gitlab-url and a token, or --templates with a folder of GitLab's templates",
    Remote: "give --allow-remote",
}
_NAMES: dict[type, str] = {Project: "project", Component: "component", Template: "template", Remote: "remote"}


Memo = dict[tuple[str, str, str], Mapping_ | None]  # what was read: by key, inputs and component


class Needed(Struct, frozen=True):
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


def close_child(
    files: Mapping[str, str], trigger: Mapping_, findings: Findings, options: IncludeOptions, memo: Memo
) -> Mapping_ | None:
    """Return the configuration of the child pipeline of a `trigger` with `include`, or None where it cannot be read.

    Its files are those of the pipeline's own commit, wherever the job that starts it was included from. With the same
    `memo` (an empty mapping at first) no file is read twice for several children.
    """
    return _Closer(files, findings, options, read_before=memo).included(child_includes(trigger), Home(), ())


def child_includes(trigger: Mapping_) -> Mapping_:
    """What a child pipeline consists of, as a configuration that only includes; `trigger:inputs` go to its files."""
    include, inputs = trigger.get("include"), trigger.entries.get("inputs")
    if include is None:
        return Mapping_({}, trigger.span)
    items = include.items if isinstance(include, Sequence) else (include,)
    if inputs is not None:
        items = tuple(_with_inputs(item, inputs) for item in items)
    return Mapping_({"include": Entry("include", include.span, Sequence(items, include.span))}, include.span)


def _with_inputs(item: Node, inputs: Entry) -> Node:
    if isinstance(item, Scalar):
        kind = "remote" if item.text.startswith(("https://", "http://")) else "local"
        item = Mapping_({kind: Entry(kind, item.span, item)}, item.span)
    return item.put(inputs) if isinstance(item, Mapping_) and item.get("inputs") is None else item


def is_static(trigger: Node | None) -> bool:
    """Whether a job's `trigger` starts a child pipeline whose files are there before anything runs."""
    include = trigger.get("include") if isinstance(trigger, Mapping_) else None
    items = include.items if isinstance(include, Sequence) else (include,)
    return include is not None and not any(isinstance(i, Mapping_) and i.get("artifact") is not None for i in items)


def further_files(files: Mapping[str, str], entry: str, options: IncludeOptions, memo: Memo | None = None) -> Needed:
    """Return what is included, directly or by a file that is there, and not in `files`.

    A caller adds what it can get and asks again, until the answer holds nothing it has not tried, with the
    same `memo` (an empty mapping at first) so that no file is read twice.
    """
    if entry not in files:
        return Needed((Local(entry),))
    closer = _Closer(files, Findings(), options, read_before={} if memo is None else memo)
    root = closer.entry(entry)
    if root is not None:
        _Children(closer).look(root, MAX_DEPTH)
    return Needed(tuple(dict.fromkeys(closer.missing)), tuple(dict.fromkeys(closer.patterns)))


class _File(Struct, frozen=True):
    """One file to be read."""

    key: str
    home: Home
    reading: Reading

    @property
    def identity(self) -> tuple[str, str, str]:
        """The same for the same content: a file may well include itself with other inputs."""
        return (self.key, self.reading.given.identity, str(self.home.component))


class _Closer(Struct):
    files: Mapping[str, str]
    findings: Findings
    options: IncludeOptions
    count: int = 0
    total: int = 0
    missing: list[Source] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    read_before: Memo = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def entry(self, path: str) -> Mapping_ | None:
        self.seen.add(path)
        given = Given(strings(self.options.inputs), Span(path))
        return self.merged(_File(path, Home(), Reading(given, self.options.expand)), ())

    def merged(self, file: _File, chain: tuple[_File, ...]) -> Mapping_ | None:
        root = self.read(file)
        if root is None:
            return None
        merged = self.included(root, file.home, (*chain, file))
        own = root.without("include")
        return merge_mappings(merged, own) if merged else own

    def included(self, root: Mapping_, home: Home, chain: tuple[_File, ...]) -> Mapping_ | None:
        """All that `root`, a file of `home`, includes."""
        merged: Mapping_ | None = None
        for wanted, sources in self.listed(root, home):
            for each in self.found((wanted, sources), home, chain):
                included = self.merged(each, chain)
                if included is not None:
                    merged = merge_mappings(merged, included) if merged else included
        return merged

    def listed(self, root: Mapping_, home: Home) -> list[tuple[Wanted, list[Source]]]:
        """All sources that one file includes, before any of them is read: wildcards leave out what was listed before.

        Source: GitLab's ``External::Mapper::LocationExpander``.
        """
        listed = [(wanted, self.sources(wanted)) for wanted in self.items(home).wanted(root)]
        self.seen.update(source.key for _, sources in listed for source in sources)
        return listed

    def items(self, home: Home) -> Items:
        """Reads the includes of a file of `home`; text from outside of GitLab's projects sees no variables."""
        expand = as_it_is if home.public else self.options.expand
        return Items(home, expand, partial(self.lets_in, home), self.findings)

    def lets_in(self, home: Home, rules: Node) -> bool:
        """Whether the rules of an include let it in: `exists` asks for files of where the including file is."""
        if home.project is None:
            return self.options.active(rules, home.outside, (), home.public)
        tree = Tree(home.project, home.ref, home.public)
        if tree.key not in self.options.trees and _asks_for_files(rules):
            self.missing.append(tree)
        return self.options.active(rules, True, self.options.trees.get(tree.key), home.public)

    def read(self, file: _File) -> Mapping_ | None:
        text = self.files[file.key]
        if file.identity in self.read_before and "expand_vars" not in text:
            return self.read_before[file.identity]
        asked: list[Entry] = []

        def shared(include: Entry) -> Mapping_ | None:
            asked.append(include)
            return self.shared_inputs(include, file.home)

        facts, holds = file.home.component, self.options.holds
        reading = replace(file.reading, component=facts, holds=holds, shared=shared)
        content = read_content(file.key, text, reading, self.findings)
        if not asked:  # else what it shares may be there the next time
            self.read_before[file.identity] = content
        return content

    def shared_inputs(self, include: Entry, home: Home) -> Mapping_ | None:
        """The inputs that the files of a ``spec:include`` declare; a later file overrides."""
        if home.component:
            message = "A component cannot use `spec:include`: write the inputs into it."
            self.findings.add("input-spec", message, include.span)
            return None
        before, found = len(self.findings.items), dict[str, Entry]()
        root = Mapping_({"include": include}, include.span)
        for wanted in self.items(home).shared(root):
            for source in self.sources(wanted):
                file = None if self.too_many(wanted.span) else self.file(source, wanted, home)
                if file is not None and self.intact(file, wanted) and not self.too_large(file, wanted.span):
                    inputs = read_inputs(file.key, self.files[file.key], self.findings)
                    found.update(inputs.entries if inputs else {})
        return Mapping_(found, include.span) if len(self.findings.items) == before else None

    def found(self, listed: tuple[Wanted, list[Source]], home: Home, chain: tuple[_File, ...]) -> list[_File]:
        """The files an include leads to, as far as they are there and the limits allow."""
        files: list[_File] = []
        wanted, sources = listed
        for source in sources:
            if self.too_many(wanted.span):
                return files
            file = self.file(source, wanted, home)
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
            self.report_none(source, wanted.span)
        found = [replace(source, path=path) for path in paths]
        return [each for each in found if each.key not in self.seen]

    def report_none(self, source: Local | Project, span: Span) -> None:
        """GitLab includes nothing then, and says nothing."""
        if isinstance(source, Local):
            known = self.options.tree
        else:
            known = self.options.trees.get(Tree(source.project, source.ref).key)
        code, rest = ("include-missing", "") if known is None else ("include-nothing", ", so nothing is included")
        self.findings.add(code, f"`include:local`: no file matches `{source.path[:200]}`{rest}.", span)

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
        import hashlib

        digest = hashlib.sha256(self.files[file.key].encode()).digest()
        actual = f"sha256-{base64.b64encode(digest).decode()}"
        if actual != wanted.integrity:
            message = f"`{file.key[:200]}` is not the file of `integrity`: its hash is {actual}."
            self.findings.add("include-integrity", message, wanted.span)
        return actual == wanted.integrity


class _Children(Struct):
    """Looks for what the child pipelines of a pipeline include.

    Which of them start is not known here, nor what `extends` and `!reference` will make of a job: rather too many files
    than too few, as only those that are missing in the end are reported.
    """

    closer: _Closer
    count: int = 0

    def look(self, root: Mapping_, depth: int) -> None:
        """Note what is missing of the children of the jobs of `root`, and of their own children."""
        bases = _extended(root)  # jobs that extend them may give their variables other values
        everywhere = candidates((entry.key, entry.value) for entry in root)
        for entry in root:
            trigger = entry.value.get("trigger") if isinstance(entry.value, Mapping_) else None
            if not isinstance(trigger, Mapping_) or not is_static(trigger):
                continue
            own = {} if entry.key in bases else candidates([(entry.key, entry.value)])
            for variables in rows(trigger, own, everywhere):
                if self.count == MAX_PIPELINES:
                    return
                self.count += 1
                child = self.child(trigger, variables)
                if child is not None and depth > 1:
                    self.look(child, depth - 1)

    def child(self, trigger: Mapping_, variables: Mapping[str, str]) -> Mapping_ | None:
        closer = self.closer
        options = replace(closer.options, active=always, expand=closer.options.expand_for(variables))
        own = replace(
            closer, findings=Findings(), options=options, count=0, total=0, seen=set()
        )  # the lists of what is missing
        return own.included(child_includes(trigger), Home(), ())  # are the same


def _asks_for_files(rules: Node) -> bool:
    listed = rules.items if isinstance(rules, Sequence) else ()
    return any(isinstance(rule, Mapping_) and rule.get("exists") is not None for rule in listed)


def _extended(root: Mapping_) -> set[str]:
    """Names that a job `extends`."""
    found = [entry.value.get("extends") for entry in root if isinstance(entry.value, Mapping_)]
    nodes = [item for node in found for item in (node.items if isinstance(node, Sequence) else (node,))]
    return {node.text for node in nodes if isinstance(node, Scalar)}
