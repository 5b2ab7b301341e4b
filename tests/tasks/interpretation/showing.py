"""Pipelines and conditions in a short form that expectations can be written in."""

from __future__ import annotations

import json
from pathlib import Path

from msgspec import Struct
from msgspec.structs import fields

from errors import InterpretationError
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.expressions import (
    And,
    Constant,
    Equal,
    Files,
    Match,
    Not,
    Null,
    Or,
    Pattern,
    Text,
    Truth,
    Var,
)
from tasks.interpretation.pipeline import Job, Pipeline

MAIN = {
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_REF_NAME": "main",
    "CI_DEFAULT_BRANCH": "main",
    "CI_PIPELINE_SOURCE": "push",
    "CI_PROJECT_PATH": "group/app",
}


def condition(term: object) -> str:
    """An expression as text."""
    match term:
        case Null():
            return "null"
        case Text(value):
            return json.dumps(value)
        case Var(name):
            return f"${name}"
        case Pattern(source, flags):
            return f"/{source}/{flags}"
        case Constant(value):
            return str(value).lower()
        case Truth(value):
            return condition(value)
        case Equal(left, right):
            return f"{condition(left)} == {condition(right)}"
        case Match(value, pattern):
            return f"{condition(value)} =~ {condition(pattern)}"
        case Files(paths, changed, since, regexp):
            compared = f" since {'+'.join(map(condition, since))}" if since else ""
            shown = f"/{paths[0]}/" if regexp else ", ".join(paths)
            return f"{'changed' if changed else 'exist'}({shown}){compared}"
        case Not(inner):
            return f"!({condition(inner)})"
        case And(terms):
            return "(" + " && ".join(map(condition, terms)) + ")"
        case Or(terms):
            return "(" + " || ".join(map(condition, terms)) + ")"
    raise AssertionError(term)


def plain(value: object) -> object:
    """Structs as mappings of what differs from the default, tuples as lists."""
    if isinstance(value, Struct):
        named = {}
        for field in fields(value):
            item = getattr(value, field.name)
            default = field.default_factory() if callable(field.default_factory) else field.default
            if item != default and field.name not in ("span", "expression"):
                named[field.name] = plain(item)
            if field.name == "expression":
                named["if"] = condition(item)
        return named
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, frozenset | set):
        return sorted(value)
    return value


def job(item: Job) -> object:
    shown = plain(item)
    assert isinstance(shown, dict)
    del shown["name"]
    return shown


def result(files: dict[str, str], context: Context) -> dict[str, object]:
    """What the interpreter says about `files`: the pipeline, or the diagnostics of what is wrong with them."""
    try:
        pipeline = interpret(files, context)
    except InterpretationError as error:
        return {"errors": [str(d) for d in error.diagnostics]}
    return shown(pipeline, context)


def shown(pipeline: Pipeline, context: Context) -> dict[str, object]:
    known = context.variables or {}
    out: dict[str, object] = {
        "stages": list(pipeline.stages),
        "variables": {k: v for k, v in pipeline.variables.items() if known.get(k) != v},
        "jobs": {item.name: job(item) for item in pipeline.jobs},
        "diagnostics": [str(d) for d in pipeline.diagnostics],
    }
    if pipeline.unresolved_variables:
        out["unresolved_variables"] = sorted(pipeline.unresolved_variables)
    if not pipeline.created:
        out["created"] = False
    if pipeline.name:
        out["name"] = pipeline.name
    return {k: v for k, v in out.items() if v or k == "jobs"}


def files_of(folder: Path, entry: Path) -> dict[str, str]:
    """The YAML files of a case; `entry` is the pipeline definition.

    Below ``elsewhere/`` are files of other sources, each with its key in the first line (``# key: group/ci@v1:/a.yml``,
    see `tasks.source.sources`); a component's says after it where it was found, as JSON.
    """
    found = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.yml") if p != entry}
    files = {name: text for name, text in found.items() if not name.startswith("elsewhere/")}
    for name, text in found.items():
        if name.startswith("elsewhere/"):
            first, _, rest = text.partition("\n")
            key, _, at = first.removeprefix("# key: ").partition(" at ")
            files[key] = at if at else rest
    return {**files, ".gitlab-ci.yml": entry.read_text()}
