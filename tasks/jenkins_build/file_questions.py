"""What rules that are left to the build ask about files: collected, so that one step answers all of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tasks.interpretation import expressions as terms
from tasks.jenkins_build.conditions import question, walk
from tasks.jenkins_build.groovy import (
    Assign,
    Block,
    Code,
    Expression,
    MapOf,
    Source,
    Statement,
    Text,
    literal,
    optional,
    returned,
)
from tasks.source.globs import costly, java_pattern, top_level
from tasks.source.ruby_regex import java_regex

# What the build must know, or find out, to compare as GitLab does.
BASE_VARIABLES = (
    "CI_COMMIT_BEFORE_SHA",
    "CI_COMMIT_BRANCH",
    "CI_COMMIT_TAG",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "CI_PIPELINE_SOURCE",
)
_IN_FUNCTION = 50
# Line ends in a path become `?`: the list has one path a line.
_LIST = r"""#!/bin/sh
set -eu
list=.git/smartclide-paths
if [ -z "${BASE-}" ]; then
  git ls-tree -r -z --name-only HEAD > "$list"
else
  found=
  for ref in "refs/tags/$BASE" "refs/remotes/origin/${BASE#refs/heads/}" "$BASE"; do
    found=$(git rev-parse -q --verify "$ref^{commit}") && break
  done
  if [ -z "$found" ]; then
    echo "rules:changes: $BASE is not a valid ref" >&2
    exit 1
  fi
  if [ -n "${PARTED-}" ]; then
    found=$(git merge-base "$found" HEAD) || found=$(git hash-object -t tree /dev/null)
  fi
  git diff --name-only --no-renames -z "$found" HEAD > "$list"
fi
LC_ALL=C tr '\n\000' '?\n' < "$list"
"""


FUNCTIONS = Path(__file__).with_name("files.groovy").read_text(encoding="ascii").replace("@LIST@", returned(_LIST))


def questions_of(conditions: Iterable[object]) -> list[terms.Files]:
    """What the conditions of jobs ask, each once, in the order of the text."""
    return list(dict.fromkeys(node for node in walk(conditions) if isinstance(node, terms.Files)))


def functions(questions: list[terms.Files]) -> list[list[Statement]]:
    """The functions that ask, and the questions, a few in a function: a JVM method holds 64 KB."""
    parts = [questions[at : at + _IN_FUNCTION] for at in range(0, len(questions), _IN_FUNCTION)]
    listed: list[list[Statement]] = [
        [Block(f"void questions{number}()", tuple(Assign("questions", Text(question(q)), _data(q)) for q in part))]
        for number, part in enumerate(parts, start=1)
    ]
    return [[Source(FUNCTIONS)], *listed] if questions else []


def ask(questions: list[terms.Files], credentials: str | None) -> list[Statement]:
    """The statements that have all questions answered."""
    parts = range(1, 1 + -(-len(questions) // _IN_FUNCTION))
    asked = Source(f"askFiles({optional(credentials)})")
    return [*(Source(f"questions{number}()") for number in parts), asked] if questions else []


def _data(asked: terms.Files) -> MapOf:
    since = (("since", _since(asked)),) if asked.changed else ()
    if asked.regexp:
        return MapOf((("regexp", Text(java_regex(asked.paths[0]))), ("compared", Code("1")), *since))
    pattern = ("pattern", Text(java_pattern(asked.paths, folders=not asked.changed)))
    if asked.changed:
        return MapOf((pattern, ("compared", Code(str(len(set(asked.paths))))), *since))
    top = ("topLevel", Code(str(top_level(asked.paths)).lower()))
    return MapOf((pattern, ("compared", Code(str(costly(asked.paths)))), top))


def _since(asked: terms.Files) -> Expression:
    parts = [
        literal(part.value) if isinstance(part, terms.Text) else f"(value({literal(part.name)}) ?: '')"
        for part in asked.since or ()
    ]
    return Code(" + ".join(parts) or "''")
