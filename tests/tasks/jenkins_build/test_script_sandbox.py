"""What the Groovy of ours calls is allowed in Jenkins' script sandbox, with nothing approved, and can be suspended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from msgspec.structs import replace

from sandbox.jenkins.groovy import nodes
from sandbox.jenkins.groovy.method_size import parts_of, too_long
from sandbox.jenkins.groovy.parser import parse
from tasks.interpretation.expressions import Equal, Text, Var
from tasks.interpretation.pipeline import Job, Pipeline, Undecided
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.jenkins_build.settings import BoundVariable
from tests.tasks.jenkins_build.groovy.cases import CASES

# Methods of Java's and Groovy's own classes that script-security 1326 lists (generic-whitelist), by name, as far as we
# call them on texts, lists, maps, matchers, exceptions and System.
ALLOWED = {
    *("contains", "endsWith", "indexOf", "lastIndexOf", "replace", "replaceAll", "split", "startsWith"),
    *("length", "replaceFirst", "substring", "toLowerCase", "trim"),
    *("add", "addAll", "containsKey", "get", "join", "keySet", "put", "putAll", "remove", "size", "values"),
    *("any", "collect", "findAll", "sort"),  # with closures; workflow-cps has them in a form that can be suspended
    *("currentTimeMillis", "find", "parseText"),
}
CLASSES = {"groovy.json.JsonSlurper"}
# What `env`, `params` and `currentBuild` are asked for by property; each is @Whitelisted or a map's key.
CURRENT_BUILD = {"currentResult", "description", "previousBuild"}
HERE = Path(__file__).parent
RENDERINGS = ("stages", "graph")


def _rendered(name: str, rendering: str) -> str:
    case = CASES[name]
    stages = tuple(dict.fromkeys(job.stage for job in case.jobs if job.parent is None))
    settings = RenderSettings("http://gitlab.example/a.git", "0" * 40, **case.settings)
    return render(Pipeline(None, stages, case.jobs, **case.pipeline), replace(settings, rendering=rendering))  # type: ignore[arg-type]


def _texts() -> list[tuple[str, str]]:
    many = Pipeline(None, ("a",), tuple(Job(f"job {n}", "a", ("true",)) for n in range(1_001)))
    found = [(f"{name}, {rendering}", _rendered(name, rendering)) for name, rendering in product(CASES, RENDERINGS)]
    found += [(path.stem, path.read_text(encoding="ascii")) for path in sorted((HERE / "golden").iterdir())]
    bound = tuple(BoundVariable(f"V{n}", f"v{n}", n % 2 > 0) for n in range(260))
    asks = tuple(Undecided(Equal(Var(f"V{n}"), Text("x"))) for n in range(130))
    asking = Pipeline(None, ("a",), (Job("one", "a", ("true",), rules=asks),), decided=False)
    found.append(("many variables", render(asking, RenderSettings(bound_variables=bound))))
    return [*found, ("as JSON", render(many, RenderSettings("http://gitlab.example/a.git", "0" * 40)))]


TEXTS = dict(_texts())


@cache
def _script(name: str) -> tuple[nodes.Script, tuple[nodes.Node, ...]]:
    script = parse(TEXTS[name])
    return script, tuple(parts_of(script.statements))


def _methods_called(found: Iterable[nodes.Node]) -> set[str]:
    return {node.name for node in found if isinstance(node, nodes.Call) and node.target is not None}


@pytest.mark.parametrize("name", TEXTS)
def test_only_what_is_allowed_is_called_and_asked_for(name: str) -> None:
    _, found = _script(name)
    assert _methods_called(found) - ALLOWED == set()
    assert {node.type for node in found if isinstance(node, nodes.New)} <= CLASSES
    asked = [node for node in found if isinstance(node, nodes.Property) and isinstance(node.target, nodes.Name)]
    assert {node.name for node in asked if getattr(node.target, "name", "") == "currentBuild"} <= CURRENT_BUILD


@pytest.mark.parametrize("name", TEXTS)
def test_no_literal_is_too_long_for_jenkins(name: str) -> None:
    assert too_long(_script(name)[0]) is None


@pytest.mark.parametrize("name", TEXTS)
def test_no_step_is_called_where_nothing_can_be_suspended(name: str) -> None:
    """A @NonCPS method that calls a step, or a method of ours that may, ends in the middle, with no error."""
    methods = [node for node in _script(name)[0].statements if isinstance(node, nodes.Method)]
    plain = {method.name for method in methods if method.non_cps}
    for method in methods:
        if method.non_cps:
            calls = {n.name for n in parts_of(method.body) if isinstance(n, nodes.Call) and n.target is None}
            assert calls - plain == set(), method.name


def _unsaved(script: nodes.Script) -> list[str]:
    """Variables that Jenkins cannot save where it suspends: matchers, and entries of maps that a loop goes through."""
    fields = _types(node for node in script.statements if isinstance(node, nodes.Declare))
    suspended = [node for node in script.statements if not (isinstance(node, nodes.Method) and node.non_cps)]
    return [place for node in suspended for place in _unsaved_in(node, fields)]


def _unsaved_in(statement: nodes.Statement, fields: Mapping[str, str | None]) -> list[str]:
    found = list(parts_of([statement]))
    types = {**fields, **_types(found)}
    if isinstance(statement, nodes.Method):
        types |= {parameter.name: parameter.type for parameter in statement.parameters}
    kept = [node for node in found if isinstance(node, nodes.Declare | nodes.Assign | nodes.Return | nodes.Argument)]
    loops = [node for node in found if isinstance(node, nodes.ForIn) and isinstance(node.iterable, nodes.Name)]
    matchers = [f"{node.line}: matcher" for node in kept if getattr(node.value, "operator", "") == "=~"]
    return matchers + [f"{node.line}: map" for node in loops if types.get(getattr(node.iterable, "name", "")) == "Map"]


def _types(found: Iterable[nodes.Node]) -> dict[str, str | None]:
    return {name: node.type for node in found if isinstance(node, nodes.Declare) for name in node.names}


@pytest.mark.parametrize("name", TEXTS)
def test_no_variable_is_there_that_jenkins_cannot_save(name: str) -> None:
    assert _unsaved(_script(name)[0]) == []


def test_what_jenkins_cannot_save_is_found() -> None:
    text = """
@Field Map all = [:]
void one(Map given, String text) {
  def found = text =~ 'a'
  for (each in given) {
    if (text =~ 'b') {
      echo each.key
    }
  }
  for (each in all) {
    echo each.key
  }
}
@NonCPS
boolean two(Map plain) {
  def found = 'a' =~ 'a'
  return found.find()
}
"""
    assert _unsaved(parse(text)) == ["4: matcher", "5: map", "10: map"]


def test_many_variables_are_asked_for_in_parts() -> None:
    text, methods = TEXTS["many variables"], {n.name for n in _script("many variables")[1] if isinstance(n, nodes.Call)}
    assert {"given1", "given2", "variables1", "variables2", "variables3"} <= methods
    assert "withCredentials(variables1() + variables2() + variables3()) {" in text
    assert [text.count(f"V{n}: params.V{n} ?: env.V{n}") for n in range(130)] == [1] * 130
    assert [text.count(f"(credentialsId: 'v{n}', variable: 'V{n}')") for n in range(260)] == [1] * 260


def test_what_is_not_allowed_is_found() -> None:
    text = "def x() {\n  return ['a'].max { it } + 'b'.execute()\n}\n"
    assert _methods_called(parts_of(parse(text).statements)) == {"max", "execute"}
