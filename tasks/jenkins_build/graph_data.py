"""The jobs of a graph as data: maps that a person can read, or JSON in a few long texts where there are very many.

A class file holds 65,535 constants, and Jenkins saves the fields of a script with every step of a build. So what
decides when a job starts is read once, and the rest when the job starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from msgspec import Struct, field

from tasks.jenkins_build.groovy import (
    Assign,
    Block,
    Code,
    Comment,
    Expression,
    ListOf,
    MapOf,
    Source,
    Statement,
    Text,
    expression,
    literal,
)

JOBS_PER_FUNCTION = 50
# Nodes of jobs in one function: each costs about 10 bytes of the 65,535 that a method holds.
NODES_PER_FUNCTION = 2_000
# A class file holds 65,535 constants; a text takes two. Groovy 2.4.21 compiled 27,000 texts and refused 30,000.
MAX_TEXTS = 25_000
MAX_READABLE = 1_000
CHARACTERS_PER_TEXT = 60_000
# Jenkins makes about 100 bytes of a method of every case, and its methods hold 65,535.
CASES_PER_SWITCH = 50
# What is large of a job, and not asked for before it runs.
_LATE = (
    *("head", "own", "open", "hook", "checkout", "restore", "script", "run", "cleanup", "afterScript", "afterRun"),
    *("afterCleanup", "save", "includes", "excludes", "secrets"),
)
_WHOLE = Source(f"""// Jenkins saves the fields of a script with every step: they hold what is asked before a job runs.
@NonCPS
void listPart(int part) {{
  Map listed = jobsOf(part)
  for (name in listed.keySet()) {{
    Map job = [part: part]
    for (key in listed[name].keySet()) {{
      if (!(key in {expression(ListOf(tuple(map(Text, _LATE))))})) {{
        job[key] = listed[name][key]
      }}
    }}
    jobs[name] = job
  }}
}}

// Everything there is about a job.
@NonCPS
Map whole(String name) {{
  Map all = jobsOf(jobs[name].part)[name]
  all.putAll(jobs[name])
  return all
}}""")
_READ = Source("""// So many jobs are kept as JSON, copied when read: Jenkins cannot save JsonSlurper's maps.
@NonCPS
Object copied(Object value) {
  if (value instanceof Map) {
    Map made = [:]
    for (key in value.keySet()) {
      made[key] = copied(value.get(key))
    }
    return made
  }
  if (value instanceof List) {
    List made = []
    for (item in value) {
      made.add(copied(item))
    }
    return made
  }
  return value
}

// Many jobs have the same rules: they are kept once.
@Field List sharedRules = []

@NonCPS
void listRules(String text) {
  for (list in new groovy.json.JsonSlurper().parseText(text)) {
    sharedRules.add(copied(list))
  }
}

@NonCPS
void listJobs(String text) {
  for (pair in new groovy.json.JsonSlurper().parseText(text)) {
    Map job = copied(pair[1])
    if (job.rules != null) {
      job.rules = sharedRules[job.rules]
    }
    jobs[pair[0]] = job
  }
}

// Everything there is about a job.
@NonCPS
Map whole(String name) {
  Map job = jobs[name]
  List place = job.place
  Map all = copied(new groovy.json.JsonSlurper().parseText(details(place[0]))[place[1]])
  all.putAll(job)
  return all
}""")


class Listed(Struct, frozen=True):
    """A job: its marker name, ``file:line``, and what the runner knows of it."""

    mark: str
    place: str
    value: MapOf


class Listing(Struct):
    """Functions that list the jobs, and the calls of them."""

    paragraphs: list[list[Statement]] = field(default_factory=list)
    calls: list[Statement] = field(default_factory=list)

    def add(self, name: str, kind: str, body: Iterable[Statement]) -> None:
        """A function of its own."""
        self.paragraphs.append([Block(f"@NonCPS\n{kind} {name}()", tuple(body))])


def listing(jobs: list[Listed]) -> Listing:
    """The jobs, readable as far as a class file can hold that."""
    parts = list(_parts(jobs)) if len(jobs) <= MAX_READABLE else None
    return _packed(jobs) if parts is None or _texts(jobs) > MAX_TEXTS else _readable(parts)


def _readable(parts: list[list[Listed]]) -> Listing:
    found = Listing([[_WHOLE]])
    numbers = range(len(parts))
    for number, part in zip(numbers, parts, strict=True):
        listed = chain.from_iterable(map(_assigned, part))
        found.add(f"jobs{number}", "Map", (Source("Map found = [:]"), *listed, Source("return found")))
    found.paragraphs += _switches("Map jobsOf", [f"case {number}: return jobs{number}()" for number in numbers])
    found.add("listJobs", "void", (Source(f"listPart({number})") for number in numbers))
    found.calls.append(Source("listJobs()"))
    return found


def _assigned(job: Listed) -> tuple[Statement, Statement]:
    return Comment(job.place), Assign("found", Text(job.mark), job.value)


def _parts(jobs: list[Listed]) -> Iterator[list[Listed]]:
    part: list[Listed] = []
    nodes = 0
    for job in jobs:
        weight = _weight(job.value)
        if part and (len(part) == JOBS_PER_FUNCTION or nodes + weight > NODES_PER_FUNCTION):
            yield part
            part, nodes = [], 0
        part.append(job)
        nodes += weight
    yield part


def _weight(node: Expression) -> int:
    if isinstance(node, MapOf):
        return sum(1 + _weight(value) for _, value in node.entries)
    return 1 + sum(map(_weight, node.items)) if isinstance(node, ListOf) else 1


def _texts(jobs: list[Listed]) -> int:
    return len({text for job in jobs for text in (job.mark, *_texts_in(job.value))})


def _texts_in(node: Expression) -> Iterator[str]:
    if isinstance(node, Text):
        yield node.value
    elif isinstance(node, MapOf):
        for _, value in node.entries:
            yield from _texts_in(value)
    elif isinstance(node, ListOf):
        for item in node.items:
            yield from _texts_in(item)


def _packed(jobs: list[Listed]) -> Listing:
    found = Listing([[_READ]])
    early: list[str] = []
    shared: dict[str, int] = {}
    rules = _numbered(jobs, shared)
    cases: list[str] = []
    for number, part in enumerate(_chunks([_late(job) for job in jobs])):
        here = jobs[len(early) : len(early) + len(part)]
        early += [_early(job, rules, [number, place]) for place, job in enumerate(here)]
        comment = Comment(f"{here[0].place} to {here[-1].place}")
        found.paragraphs.append([comment, _text(f"details{number}", part)])
        cases.append(f"case {number}: return details{number}()")
    found.paragraphs += _switches("String details", cases)
    for number, part in enumerate(_chunks(list(shared))):
        found.paragraphs.append([_text(f"rules{number}", part)])
        found.calls.append(Source(f"listRules(rules{number}())"))
    for number, part in enumerate(_chunks(early)):
        found.paragraphs.append([_text(f"jobs{number}", part)])
        found.calls.append(Source(f"listJobs(jobs{number}())"))
    return found


def _switches(head: str, cases: Sequence[str]) -> Iterator[list[Statement]]:
    """The function that gives a part by its number, and those that it asks for a row of parts where there are many."""
    if len(cases) <= CASES_PER_SWITCH:
        yield [_switch(head, "part", cases)]
        return
    rows = range(0, len(cases), CASES_PER_SWITCH)
    for row, first in enumerate(rows):
        yield [_switch(f"{head}In{row}", "part", cases[first : first + CASES_PER_SWITCH])]
    name = head.rsplit(maxsplit=1)[-1]
    asked = [f"case {first}: return {name}In{row}(part)" for row, first in enumerate(rows)]
    yield [_switch(head, f"part - part % {CASES_PER_SWITCH}", asked)]


def _switch(head: str, of: str, cases: Sequence[str]) -> Block:
    return Block(f"@NonCPS\n{head}(int part)", (Block(f"switch ({of})", tuple(map(Source, cases))),))


def _text(name: str, items: list[str]) -> Block:
    return Block(f"@NonCPS\nString {name}()", (Source(f"return {literal('[' + ','.join(items) + ']')}"),))


def _chunks(items: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for item in items:
        if part and size + len(item) > CHARACTERS_PER_TEXT:
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item) + 1
    yield part


def _numbered(jobs: list[Listed], shared: dict[str, int]) -> dict[int, int]:
    """The number in `shared`, which gets all of them, of the rules of each job, by their identity."""
    numbers: dict[int, int] = {}
    known: dict[int, str] = {}
    for job in jobs:
        for key, value in job.value.entries:
            if key == "rules" and id(value) not in numbers:
                numbers[id(value)] = shared.setdefault(_json(value, known), len(shared))
    return numbers


def _early(job: Listed, rules: dict[int, int], place: list[int]) -> str:
    """What decides when the job starts, behind its name; its rules by their number."""
    found = [f'"{k}": {rules[id(v)] if k == "rules" else _json(v)}' for k, v in job.value.entries if k not in _LATE]
    started = _object([*found, f'"place": {place}'])
    return f"[{json.dumps(job.mark)}, {started}]"


def _late(job: Listed) -> str:
    found = [f'"{key}": {_json(value)}' for key, value in job.value.entries if key in _LATE]
    return _object([f'"at": {json.dumps(job.place)}', *found])


def _object(entries: list[str]) -> str:
    return "{" + ", ".join(entries) + "}"


def _json(node: Expression, known: dict[int, str] | None = None) -> str:
    """Data as JSON; `known` keeps that of lists by their identity, for those that many hold."""
    if isinstance(node, Text):
        return json.dumps(node.value)
    if isinstance(node, Code):
        return node.text
    if isinstance(node, MapOf):
        return _object([f'"{name}": {_json(value, known)}' for name, value in node.entries])
    assert isinstance(node, ListOf)  # noqa: S101 - data has no calls
    found = known.get(id(node)) if known is not None else None
    if found is None:
        found = "[" + ", ".join([_json(item, known) for item in node.items]) + "]"
        if known is not None:
            known[id(node)] = found
    return found
