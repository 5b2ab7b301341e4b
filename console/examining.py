"""``smartclide jobs``, ``explain`` and ``interpret --expanded``: what GitLab would make of the text, to be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from msgspec import to_builtins

from console.interpret import InterpretOptions, examined_file
from errors import InputError, printable
from tasks.interpretation.compiler import Examined
from tasks.interpretation.shapes import flattened
from tasks.interpretation.suggest import suggestion
from tasks.interpretation.verdicts import Verdict, verdicts
from tasks.source.inputs import plain
from tasks.source.nodes import Entry, Mapping_, Node, Sequence, is_null

_SCRIPTS = ("script", "before_script", "after_script")
_WIDE = 10**9  # no line is folded: a comment is put behind the first one


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a literal block, and shares nothing."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def listed(file: Path, options: InterpretOptions) -> list[Verdict]:
    """Every job of the file with what becomes of it.

    Raises:
        InterpretationError: The text has errors.
        InputError: The file cannot be read, or an option is malformed.
    """
    return verdicts(examined_file(file, options))


def as_data(rows: Iterable[Verdict]) -> list[dict[str, Any]]:
    """For ``--json``."""
    return [to_builtins(row) for row in rows]


def table(rows: list[Verdict]) -> str:
    """Columns for a terminal."""
    cells = [("JOB", "STAGE", "WHEN", "NEEDS", "WHY")]
    for row in rows:
        needs = "stages before" if row.needs is None else ", ".join(need.job for need in row.needs) or "nothing"
        why = f"{row.reason} ({row.place})" if row.place else row.reason
        cells.append((row.name, row.stage, row.when or "undecided", "-" if row.when == "never" else needs, why))
    lines = [list(map(printable, line)) for line in cells]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    return "\n".join("  ".join((*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[4])) for line in lines)


def expanded_file(file: Path, options: InterpretOptions) -> str:
    """`expanded` for a file; raises as `listed` does."""
    return expanded(examined_file(file, options))


def explained_file(file: Path, job: str, options: InterpretOptions) -> str:
    """`explained` for a file; raises as `listed` does, and where there is no such job."""
    return explained(examined_file(file, options), job)


def expanded(examined: Examined) -> str:
    """The whole configuration with includes, `extends`, `!reference`, defaults and inputs put in, as YAML."""
    state = examined.state
    written: dict[str, Any] = {"stages": list(state.stages)}
    for key in ("workflow", "variables"):
        node = state.root.get(key)
        if node is not None:
            written[key] = _plain(node)
    jobs = {
        draft.name: _without_nulls({e.key: _keyword(e) for e in draft.node if e.key != "inputs"})  # put in, once
        for draft in state.judged
    }
    return _dumped({**written, **jobs})


def explained(examined: Examined, job: str) -> str:
    """One job with all it inherits, as YAML; behind each key stands where it was written.

    Raises:
        InputError: There is no such job.
    """
    drafts = {draft.name: draft for draft in examined.state.judged}
    if job not in drafts:
        hint = suggestion(job, drafts) or f" Jobs are: {', '.join(list(drafts)[:20])}."
        raise InputError(f"There is no job {job!r}.{hint}")
    draft = drafts[job]
    rows = [row for row in verdicts(examined) if row.name == job or row.name.startswith((f"{job}: [", f"{job} "))]
    said = [f"# {row.name}: {row.when or 'undecided'}; {row.reason} {row.place}".rstrip() for row in rows]
    node = _with_variables(draft.node, examined.state.root.get("variables"), draft.variables.values)
    return "\n".join([*said, *_lines(Mapping_({job: Entry(job, draft.span, node)}, draft.span), 0)]) + "\n"


def _with_variables(node: Mapping_, wide: Node | None, known: Any) -> Mapping_:
    """The job with the global variables that it inherits."""
    own = node.get("variables")
    entries = {e.key: e for e in (wide if isinstance(wide, Mapping_) else ()) if e.key in known}
    entries |= {entry.key: entry for entry in (own if isinstance(own, Mapping_) else ())}
    if not entries:
        return node
    place = node.place("variables")
    return node.put(Entry("variables", place, Mapping_(entries, place)))


def _lines(node: Mapping_, depth: int) -> Iterator[str]:
    for entry in node:
        place = f"{entry.span.file}:{entry.span.line}"
        if isinstance(entry.value, Mapping_) and entry.value.entries:
            key = _dumped({entry.key: None}).rstrip().removesuffix(": null")
            yield f"{'  ' * depth}{key}:  # {place}"
            yield from _lines(entry.value, depth + 1)
        elif not is_null(entry.value) or depth > 1:
            first, *rest = _dumped({entry.key: _keyword(entry)}).splitlines()
            yield f"{'  ' * depth}{first}  # {place}"
            yield from (f"{'  ' * depth}{line}" for line in rest)


def _keyword(entry: Entry) -> Any:
    """The value of a job's keyword as data; scripts are one list, whatever lists they were put together from."""
    if entry.key in _SCRIPTS and isinstance(entry.value, Sequence):
        return [_plain(item) for item in flattened(entry.value)]
    return _plain(entry.value)


def _plain(node: Node) -> Any:
    """A node as data; what a `!reference` put into a list is a part of that list."""
    if isinstance(node, Mapping_):
        return {entry.key: _plain(entry.value) for entry in node}
    if isinstance(node, Sequence):
        return [_plain(item) for item in _spliced(node)]
    return plain(node)


def _spliced(node: Sequence) -> Iterator[Node]:
    for item in node.items:
        if isinstance(item, Sequence) and item.spliced:
            yield from _spliced(item)
        else:
            yield item


def _without_nulls(value: Any) -> Any:
    """A job without the keywords that have no value: GitLab tells none of them but `rules` from absent ones."""
    return {k: v for k, v in value.items() if v is not None or k == "rules"} if isinstance(value, dict) else value


def _dumped(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDE)
