"""The declarative ``pipeline`` block: syntax tree -> model, with the linter's errors in Jenkins' words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.jenkins.groovy import nodes
from sandbox.jenkins.steps import STEPS

POST_CONDITIONS = ("always", "changed", "fixed", "regression", "aborted", "success", "unsuccessful", "unstable",
                   "failure", "notBuilt", "cleanup")  # fmt: skip
WHEN_CONDITIONS = frozenset(
    [
        "expression",
        "branch",
        "tag",
        "buildingTag",
        "changeRequest",
        "changeset",
        "changelog",
        "environment",
        "equals",
        "not",
        "allOf",
        "anyOf",
    ]
)
_WHEN_FLAGS = ("beforeAgent", "beforeInput", "beforeOptions")
PIPELINE_OPTIONS = frozenset(
    [
        "skipDefaultCheckout",
        "timeout",
        "timestamps",
        "retry",
        "disableConcurrentBuilds",
        "buildDiscarder",
        "preserveStashes",
        "parallelsAlwaysFailFast",
        "skipStagesAfterUnstable",
        "quietPeriod",
        "disableResume",
        "durabilityHint",
        "newContainerPerStage",
    ]
)
_STAGE_OPTIONS = frozenset({"skipDefaultCheckout", "timeout", "timestamps", "retry"})
_PARAMETER_TYPES = frozenset({"string", "booleanParam", "choice", "text", "password"})
_UNITS = frozenset(["NANOSECONDS", "MICROSECONDS", "MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS"])


@dataclass(frozen=True)
class Problem:
    """An error of the linter, at a place."""

    message: str
    line: int
    column: int

    def shown(self, source: str) -> str:
        """As Jenkins shows it: the message, the source line, and a caret below the column."""
        head = f"WorkflowScript: {self.line}: {self.message} @ line {self.line}, column {self.column}."
        lines = source.replace("\r\n", "\n").split("\n")
        text = lines[self.line - 1] if self.line <= len(lines) else ""
        if not text:
            return head
        # long lines are cut around the column (Groovy's SourceUnit.getSample)
        start, end = (self.column - 31, self.column + 9) if self.column > 40 else (0, len(text))
        return f"{head}\n   {text[start:end]}\n   {' ' * (self.column - 1 - start)}^\n"


@dataclass
class Agent:
    """Where it runs; `label` for kind ``label``."""

    kind: str
    label: nodes.Expression | None = None


@dataclass
class Block:
    """What a pipeline and a stage have in common."""

    call: nodes.Call
    agent: Agent | None = None
    environment: list[tuple[str, nodes.Expression]] = field(default_factory=list)
    options: list[nodes.Call] = field(default_factory=list)
    stages: list[Stage] | None = None
    post: dict[str, nodes.Closure] = field(default_factory=dict)


@dataclass
class Stage(Block):
    """A stage: exactly one of steps, stages and parallel."""

    name: str = ""
    when: list[nodes.Call] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    steps: nodes.Closure | None = None
    parallel: list[Stage] | None = None
    fail_fast: bool = False
    input: nodes.Call | None = None


@dataclass
class Pipeline(Block):
    """The whole; `statement` is its place among the script's statements."""

    statement: nodes.Statement | None = None
    parameters: list[nodes.Call] = field(default_factory=list)


def find_pipeline(script: nodes.Script) -> nodes.ExpressionStatement | None:
    """The ``pipeline { }`` statement, if there is one."""
    for statement in script.statements:
        if isinstance(statement, nodes.ExpressionStatement):
            call = statement.expression
            if isinstance(call, nodes.Call) and call.target is None and call.name == "pipeline" and _closure(call):
                return statement
    return None


def read_pipeline(statement: nodes.ExpressionStatement) -> tuple[Pipeline, list[Problem]]:
    """The model of a ``pipeline`` statement, and all that is wrong with it."""
    reader = _Reader()
    call = statement.expression
    if not isinstance(call, nodes.Call):
        raise TypeError("not a pipeline statement")
    return reader.pipeline(statement, call), reader.problems


def _closure(call: nodes.Call) -> nodes.Closure | None:
    last = call.arguments[-1].value if call.arguments else None
    return last if isinstance(last, nodes.Closure) else None


def plain_arguments(call: nodes.Call) -> list[nodes.Argument]:
    """A call's arguments without its trailing closure."""
    return call.arguments[:-1] if _closure(call) else call.arguments


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.late: list[Problem] = []
        self.names: list[str] = []

    def problem(self, message: str, place: nodes.Node) -> None:
        self.problems.append(Problem(message, place.line, place.column))

    def calls(self, closure: nodes.Closure | None, what: str) -> Iterator[nodes.Call]:
        for statement in closure.body if closure else []:
            call = statement.expression if isinstance(statement, nodes.ExpressionStatement) else None
            if isinstance(call, nodes.Call) and call.target is None:
                yield call
            else:
                self.problem(f"Not a valid {what} definition", statement)

    def pipeline(self, statement: nodes.Statement, call: nodes.Call) -> Pipeline:
        result = Pipeline(call, statement=statement)
        place: nodes.Call | None = None
        for section in self.calls(_closure(call), "section"):
            if section.name == "stages":
                result.stages, place = self.stages(section), section
            elif section.name == "parameters":
                result.parameters = self.parameters(section)
            elif section.name in ("triggers", "tools", "libraries"):
                self.problem(f'Section "{section.name}" is not supported by the Jenkins stand-in', section)
            elif not self.common(result, section, PIPELINE_OPTIONS):
                self.problem(f'Undefined section "{section.name}"', section)
        if result.agent is None and not any(found.message.startswith("Invalid agent") for found in self.problems):
            self.problem('Missing required section "agent"', call)
        if result.stages is None:
            self.problem('Missing required section "stages"', call)
        if place is not None:
            for name in dict.fromkeys(name for name in self.names if self.names.count(name) > 1):
                self.problem(f'Duplicate stage name: "{name}"', place)
        self.problems += self.late
        return result

    def common(self, block: Block, section: nodes.Call, options: frozenset[str]) -> bool:
        """Read a section that both pipelines and stages have; whether it is one."""
        if section.name == "agent":
            block.agent = self.agent(section)
        elif section.name == "environment":
            block.environment = self.environment(section)
        elif section.name == "options":
            block.options = self.options(section, options)
        elif section.name == "post":
            block.post = self.post(section)
        else:
            return False
        return True

    def agent(self, section: nodes.Call) -> Agent | None:
        closure = _closure(section)
        if closure is None:
            value = section.arguments[0].value if len(section.arguments) == 1 else None
            if isinstance(value, nodes.Name) and value.name in ("any", "none"):
                return Agent(value.name)
            self.problem(
                'Only "agent none", "agent any" or "agent {...}" are allowed.',
                section.arguments[0] if section.arguments else section,
            )
            return Agent("none")
        for call in self.calls(closure, "agent"):
            if call.name == "label" and len(call.arguments) == 1:
                return Agent("label", call.arguments[0].value)
            if call.name != "label":
                message = f'Invalid agent type "{call.name}" specified. Must be one of [any, label, none]'
                self.problem(message, call)
                return None
        self.problem("No agent type specified. Must be one of [any, label, none]", section)
        return None

    def environment(self, section: nodes.Call) -> list[tuple[str, nodes.Expression]]:
        found = []
        closure = _closure(section)
        for statement in closure.body if closure else []:
            value = statement.expression if isinstance(statement, nodes.ExpressionStatement) else None
            if isinstance(value, nodes.Assign) and isinstance(value.target, nodes.Name) and value.operator == "=":
                found.append((value.target.name, value.value))
            else:
                self.problem("Expected name=value pairs", statement)
        if not found:
            self.problem("No variables specified for environment", section)
        return found

    def options(self, section: nodes.Call, known: frozenset[str]) -> list[nodes.Call]:
        found = list(self.calls(_closure(section), "option"))
        for call in found:
            if call.name not in known:
                valid = ", ".join(sorted(known))
                self.late.append(
                    Problem(f'Invalid option type "{call.name}". Valid option types: [{valid}]', call.line, call.column)
                )
            elif call.name == "timeout":
                self._timeout(call)
        return found

    def _timeout(self, call: nodes.Call) -> None:
        for argument in call.arguments:
            value = argument.value.value if isinstance(argument.value, nodes.Literal) else None
            if not isinstance(value, str):
                continue
            place = argument.value
            but = f'but got "{value}" of type class java.lang.String instead'
            if argument.name == "time":
                message = f'Expecting "int" for parameter "time" {but}'
                self.late.append(Problem(message, place.line, place.column))
            elif argument.name == "unit" and value not in _UNITS:
                message = f'Expecting "class java.util.concurrent.TimeUnit" for parameter "unit" {but}'
                self.late.append(Problem(message, place.line, place.column))

    def post(self, section: nodes.Call) -> dict[str, nodes.Closure]:
        found: dict[str, nodes.Closure] = {}
        for call in self.calls(_closure(section), "condition"):
            closure = _closure(call)
            if call.name not in POST_CONDITIONS or closure is None:
                valid = ", ".join(POST_CONDITIONS)
                self.problem(f'Invalid condition "{call.name}" - valid conditions are [{valid}]', call)
                continue
            self.steps(closure)
            found[call.name] = closure
        if not found and not self.problems:
            self.problem("post can not be empty", section)
        return found

    def parameters(self, section: nodes.Call) -> list[nodes.Call]:
        found = list(self.calls(_closure(section), "parameter"))
        for call in found:
            if call.name not in _PARAMETER_TYPES:
                valid = ", ".join(sorted(_PARAMETER_TYPES))
                self.problem(f'Invalid parameter type "{call.name}". Valid parameter types: [{valid}]', call)
        return found

    def stages(self, section: nodes.Call, *, parallel: bool = False) -> list[Stage]:
        found = []
        for call in self.calls(_closure(section), "stage"):
            if call.name == "stage":
                found.append(self.stage(call, parallel=parallel))
            else:
                self.problem("Expected a stage", call)
        if not found:
            self.problem("No stages specified", section)
        return found

    def stage(self, call: nodes.Call, *, parallel: bool) -> Stage:
        named = plain_arguments(call)
        value = named[0].value.value if len(named) == 1 and isinstance(named[0].value, nodes.Literal) else None
        result = Stage(call, name=value if isinstance(value, str) else "")
        if not isinstance(value, str):
            self.problem("Expected a stage name but did not find any", call)
        elif not value:
            self.problem("Stage does not have a name", call)
        self.names.append(result.name)
        bodies = 0
        for section in self.stage_sections(call, result):
            bodies += section.name in ("steps", "stages", "parallel")
            self.stage_body(result, section, in_parallel=parallel)
        kinds = '"steps", "stages", or "parallel"'
        if bodies == 0:
            self.problem(f'Expected one of {kinds} for stage "{result.name}"', call)
        elif bodies > 1:
            self.problem(f'Only one of {kinds} allowed for stage "{result.name}"', call)
        return result

    def stage_sections(self, call: nodes.Call, result: Stage) -> Iterator[nodes.Call]:
        closure = _closure(call)
        for statement in closure.body if closure else []:
            value = statement.expression if isinstance(statement, nodes.ExpressionStatement) else None
            if isinstance(value, nodes.Call) and value.target is None and value.name == "failFast":
                result.fail_fast = any(
                    isinstance(a.value, nodes.Literal) and a.value.value is True for a in value.arguments
                )
            elif isinstance(value, nodes.Call) and value.target is None:
                yield value
            else:
                self.problem("Not a valid stage section definition", statement)

    def stage_body(self, stage: Stage, section: nodes.Call, *, in_parallel: bool) -> None:
        closure = _closure(section)
        if section.name == "steps" and closure is not None:
            stage.steps = closure
            if not closure.body:
                self.problem("No steps specified for branch", section)
            self.steps(closure)
        elif section.name == "stages":
            stage.stages = self.stages(section, parallel=in_parallel)
        elif section.name == "parallel":
            if in_parallel:
                self.problem("Parallel stages or branches can only be included in a top-level stage.", section)
            stage.parallel = self.stages(section, parallel=True)
        elif section.name == "when":
            self.when(stage, section)
        elif section.name == "input":
            stage.input = section
        elif section.name in ("matrix", "tools"):
            self.problem(f'Section "{section.name}" is not supported by the Jenkins stand-in', section)
        elif not self.common(stage, section, _STAGE_OPTIONS):
            hint = "Starting with version 0.5, steps in a stage must be in a ‘steps’ block."
            message = f'Unknown stage section "{section.name}". {hint}'
            self.problem(message, section)

    def when(self, stage: Stage, section: nodes.Call) -> None:
        for call in self.calls(_closure(section), "when"):
            if call.name in _WHEN_FLAGS:
                if any(isinstance(a.value, nodes.Literal) and a.value.value is True for a in call.arguments):
                    stage.flags.add(call.name)
            else:
                self.condition(call)
                stage.when.append(call)
        if not stage.when and not self.problems:
            self.problem("Empty when closure, remove the property or add some content.", section)

    def condition(self, call: nodes.Call) -> None:
        if call.name not in WHEN_CONDITIONS:
            valid = ", ".join(sorted(WHEN_CONDITIONS))
            self.problem(f"Unknown conditional {call.name}. Valid conditionals are: {valid}", call)
        elif call.name in ("not", "allOf", "anyOf"):
            for inner in self.calls(_closure(call), "condition"):
                self.condition(inner)

    def steps(self, closure: nodes.Closure) -> None:
        """Outside ``script`` only steps are allowed, and their parameters must exist."""
        for statement in closure.body:
            call = statement.expression if isinstance(statement, nodes.ExpressionStatement) else None
            if not isinstance(call, nodes.Call):
                self.problem("Expected a step", statement)
            elif call.target is not None:
                self.problem('Method calls on objects not allowed outside "script" blocks.', statement)
            else:
                self.step(call)

    def step(self, call: nodes.Call) -> None:
        kind = STEPS.get(call.name)
        if kind is None or call.name == "parallel":
            return
        for argument in call.arguments:
            if argument.name is not None and argument.name not in kind.parameters:
                # no cut-off: Jenkins proposes the nearest name however far it is
                near = difflib.get_close_matches(argument.name, kind.parameters, 1, 0.0)
                hint = f', did you mean "{near[0]}"?' if near else ""
                self.problem(f'Invalid parameter "{argument.name}"{hint}', argument)
        inner = _closure(call)
        if inner is not None and kind.block and call.name != "script":
            self.steps(inner)
