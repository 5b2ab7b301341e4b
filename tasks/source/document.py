"""YAML text -> immutable nodes with file, line and column, within bounds.

Differences between YAML parsers that users notice follow GitLab's (Ruby's Psych): scalars by `scalars.resolve`, a
merge key ``<<`` overrides keys that stand before it, the last of two equal keys wins (and is reported).
Anchors are shared nodes, so an alias costs nothing; what it would cost expanded is counted and bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from msgspec import Struct, field

from tasks.source.diagnostics import Findings, Span
from tasks.source.nodes import Entry, Mapping_, Node, Reference, Scalar, Sequence, is_null
from tasks.source.scalars import is_date, resolve

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 100  # GitLab's own max_yaml_depth
MAX_NODES = 2_000_000
_MAX_DOCUMENTS = 2  # GitLab's limit

_LOADER: Any = getattr(yaml, "CLoader", yaml.Loader)
_YAML_KINDS = {"str": "string", "int": "integer", "float": "float", "bool": "boolean", "null": "null"}


class Document(Struct, frozen=True):
    """One file: its content and, where it has one, the ``spec:`` header before ``---``."""

    path: str
    root: Mapping_
    header: Mapping_ | None = None


class _BoundExceededError(Exception):
    """Ends the reading of one file; never leaves this module."""


def read(path: str, text: str, findings: Findings, *, below_header: bool = False) -> Document | None:
    """Read one file; None, with the reason in `findings`, where it is no YAML mapping.

    Args:
        path: The file's name in the repository, for messages.
        text: Its content.
        findings: Collects errors (`yaml-syntax`, `yaml-too-large`, ...) and warnings (`duplicate-key`).
        below_header: It is what stands below the ``spec:`` header of the file.
    """
    if len(text) > MAX_BYTES:
        findings.add(
            "yaml-too-large",
            f"The file has {len(text)} characters; at most {MAX_BYTES} are read. Split it with include:local.",
            Span(path),
        )
        return None
    reader = _Reader(path, findings)
    try:
        documents = list(reader.documents(iter(_LOADER(text).get_event, None)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Span(path, mark.line + 1, mark.column + 1) if mark else Span(path)
        findings.add("yaml-syntax", f"Not valid YAML: {error.problem or error.context}.", place)
    except yaml.YAMLError as error:
        findings.add("yaml-syntax", f"Not valid YAML: {' '.join(str(error).split())[:200]}.", Span(path))
    except (_BoundExceededError, UnicodeError, RecursionError) as error:
        if not isinstance(error, _BoundExceededError):
            findings.add("yaml-syntax", f"Not readable: {type(error).__name__}.", Span(path))
    else:
        return _document(path, documents, findings, below_header)
    return None


def _document(path: str, documents: list[Node], findings: Findings, below_header: bool) -> Document | None:
    header = None
    if documents and isinstance(documents[0], Mapping_) and "spec" in documents[0].entries and len(documents) > 1:
        header = documents.pop(0)
    contents = [d for d in documents if not is_null(d)]
    if not contents:
        findings.add("yaml-empty", "The file has no content. Write at least one job with a script.", Span(path))
        return None
    if len(contents) > 1:
        _further(contents[1].span, findings, below_header or header is not None or len(contents) > _MAX_DOCUMENTS)
    root = contents[0]
    if not isinstance(root, Mapping_):
        findings.add("yaml-not-a-mapping", "The file must be a mapping of jobs and global keywords.", root.span)
        return None
    return Document(path, root, header if isinstance(header, Mapping_) else None)


def _further(place: Span, findings: Findings, too_many: bool) -> None:
    if too_many:
        message = "More than two YAML documents, of which one may be a `spec:` header. Remove a `---`."
        findings.add("yaml-documents", message, place)
    else:
        message = "A second YAML document: GitLab reads the first one only, and so does this. Remove the `---`."
        findings.add("yaml-second-document", message, place)


class _Reader(Struct):
    """Builds nodes from the parser's events."""

    path: str
    findings: Findings
    depth: int = 0
    anchors: dict[str, tuple[Node, int]] = field(default_factory=dict)

    def documents(self, events: Iterator[Any]) -> Iterator[Node]:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors = {}
            elif not isinstance(event, yaml.StreamStartEvent | yaml.StreamEndEvent | yaml.DocumentEndEvent):
                yield self.node(event, events)[0]

    def node(self, event: Any, events: Iterator[Any]) -> tuple[Node, int]:
        """Return the node that starts with `event`, and how many nodes it is when aliases are expanded."""
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.exceed("yaml-too-deep", f"Nested deeper than {MAX_DEPTH} levels.", event)
        if isinstance(event, yaml.ScalarEvent):
            built: tuple[Node, int] = (self.scalar(event), 1)
        elif isinstance(event, yaml.SequenceStartEvent):
            built = self.sequence(event, events)
        else:
            built = self.mapping(event, events)
        self.depth -= 1
        if built[1] > MAX_NODES:
            self.exceed("yaml-too-large", f"Expands to more than {MAX_NODES} values: too many aliases.", event)
        if event.anchor is not None:
            self.anchors[event.anchor] = built
        return built

    def alias(self, event: Any) -> tuple[Node, int]:
        if event.anchor not in self.anchors:
            self.exceed("yaml-syntax", f"Unknown alias *{event.anchor}: no anchor &{event.anchor} before it.", event)
        return self.anchors[event.anchor]

    def scalar(self, event: Any) -> Scalar:
        span = self.span(event)
        if event.tag == "!reference":
            return self.misused(span)
        if event.tag is not None and event.tag.startswith("tag:yaml.org,2002:"):
            kind = _YAML_KINDS.get(event.tag.rpartition(":")[2], "string")
            if kind == "string":
                return Scalar(event.value, "string", span)
        elif not event.implicit[0]:
            return Scalar(event.value, "string", span)
        if event.tag is None and is_date(event.value):
            message = f"`{event.value}` is a date to YAML, which GitLab refuses: put it in quotes."
            self.findings.add("yaml-date", message, self.span(event))
        text, resolved = resolve(event.value)
        return Scalar(text, resolved, span)

    def sequence(self, event: Any, events: Iterator[Any]) -> tuple[Node, int]:
        items: list[Node] = []
        weight = 1
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            node, size = self.node(item, events)
            items.append(node)
            weight += size
        span = self.span(event)
        if event.tag == "!reference":
            return self.reference(items, span), weight
        return Sequence(tuple(items), span), weight

    def reference(self, items: list[Node], span: Span) -> Node:
        if items and all(isinstance(i, Scalar) and i.kind == "string" for i in items):
            return Reference(tuple(i.text for i in items if isinstance(i, Scalar)), span)
        return self.misused(span)

    def misused(self, span: Span) -> Scalar:
        """What stands for a ``!reference`` of anything but a list of names."""
        self.findings.add(
            "reference-invalid", "`!reference` takes a list of names, numbers in quotes: [job, keyword, ...].", span
        )
        return Scalar("", "null", span)

    def mapping(self, event: Any, events: Iterator[Any]) -> tuple[Node, int]:
        entries: dict[str, Entry] = {}
        own: set[str] = set()
        weight = 1
        while not isinstance(item := next(events), yaml.MappingEndEvent):
            key, _ = self.node(item, events)
            value, size = self.node(next(events), events)
            weight += size + 1
            if not isinstance(key, Scalar):
                self.findings.add("yaml-key", "A key must be a word, not a list or a mapping.", key.span)
            elif key.text == "<<" and item.implicit[0]:
                self.merge(entries, value)
                own -= entries.keys()
            else:
                if key.text in own:
                    self.duplicate(entries[key.text], key)
                own.add(key.text)
                entries[key.text] = Entry(key.text, key.span, value, key.kind)
        if event.tag == "!reference":
            return self.misused(self.span(event)), weight
        return Mapping_(entries, self.span(event)), weight

    def duplicate(self, first: Entry, key: Scalar) -> None:
        message = f"`{key.text}` is here a second time (first in line {first.span.line}); only the last one counts."
        self.findings.add("duplicate-key", message, key.span)

    def merge(self, entries: dict[str, Entry], value: Node) -> None:
        sources = list(value.items) if isinstance(value, Sequence) else [value]
        merged: dict[str, Entry] = {}
        for source in reversed(sources):
            if isinstance(source, Mapping_):
                merged.update(source.entries)
            elif not is_null(source):
                self.findings.add("merge-key", "`<<` merges mappings: give it *alias or [*a, *b].", source.span)
        entries.update(merged)

    def span(self, event: Any) -> Span:
        mark = event.start_mark
        return Span(self.path, mark.line + 1, mark.column + 1)

    def exceed(self, code: str, message: str, event: Any) -> None:
        self.findings.add(code, message, self.span(event))
        raise _BoundExceededError
