"""The executor's two entries: run a build's script to its end, and lint a declarative script."""

from __future__ import annotations

from typing import Any

from sandbox.jenkins import (
    shell,
    steps_control,
    steps_credentials,
    steps_files,
    steps_flow,
    steps_outside,
    steps_scm,
)
from sandbox.jenkins.context import Build, KilledError, StageState, result_of
from sandbox.jenkins.declarative import Problem, find_pipeline, read_pipeline
from sandbox.jenkins.groovy import nodes
from sandbox.jenkins.groovy.interpreter import Interpreter
from sandbox.jenkins.groovy.method_size import fits_a_method, too_long
from sandbox.jenkins.groovy.parser import GroovySyntaxError, parse
from sandbox.jenkins.groovy.values import GroovyError, UnsupportedError, throw, to_string
from sandbox.jenkins.model import BuildHost, Result
from sandbox.jenkins.objects import CurrentBuild, Env, Params
from sandbox.jenkins.pipeline import DeclarativeRun
from sandbox.jenkins.steps import STEPS, call_step

# importing these modules declares their steps
_MODULES = (shell, steps_control, steps_credentials, steps_files, steps_flow, steps_outside, steps_scm)

# What the linter does not find, and the build ends by.
_TOO_LARGE = """General error during class generation: Method too large: WorkflowScript.___cps___1 \
()Lcom/cloudbees/groovy/cps/impl/CpsFunction;

groovyjarjarasm.asm.MethodTooLargeException: Method too large: WorkflowScript.___cps___1 \
()Lcom/cloudbees/groovy/cps/impl/CpsFunction;"""


def validate(script: str) -> list[str]:
    """The declarative linter's errors, [] for a valid script.

    Each one is in Jenkins' words, with the source line and a caret below it where Jenkins shows them; the page of
    ``pipeline-model-converter/validate`` is ``Errors encountered validating Jenkinsfile:``, then each error and an
    empty line. A script without a ``pipeline`` block yields one error that says so (Jenkins shows no heading then).
    """
    try:
        parsed = parse(script)
    except GroovySyntaxError as error:
        return [Problem(error.message, error.line, error.column).shown(script)]
    block = find_pipeline(parsed)
    if block is None:
        return [f"Jenkinsfile content '{script}' did not contain the 'pipeline' step"]
    _, problems = read_pipeline(block)
    return [problem.shown(parsed.source) for problem in problems]


def run(host: BuildHost) -> Result:
    """Run the build's script; the console gets everything from ``[Pipeline] Start of Pipeline`` to the last error.

    The caller prints ``Started by ...`` before, ``Finished: ...`` after, and who stopped or approved what. The result
    is also left in `host.result` when it is worse than SUCCESS.
    """
    build = Build(host)
    try:
        _run(build)
    except KilledError:
        build.set_result("ABORTED")
    finally:
        shell.end_leftovers(build)
    if host.aborted.is_set():
        build.set_result("ABORTED")
    return host.result or "SUCCESS"


def _run(build: Build) -> None:
    try:
        parsed = parse(build.host.script)
    except GroovySyntaxError as error:
        _refuse(build, [Problem(error.message, error.line, error.column).shown(build.host.script)])
        return
    block = find_pipeline(parsed)
    model, problems = read_pipeline(block) if block is not None else (None, [])
    if problems:
        _refuse(build, [problem.shown(parsed.source) for problem in problems])
        return
    if (found := too_long(parsed)) is not None:
        _refuse(build, [Problem(found[1], found[0].line, found[0].column).shown(parsed.source)])
        return
    if block is not None and not fits_a_method(block):
        _refuse(build, [_TOO_LARGE])
        return
    build.frame("Start of Pipeline")
    failure: GroovyError | UnsupportedError | None = None
    try:
        _Script(build, parsed, model).run()
    except (GroovyError, UnsupportedError) as error:
        failure = error
    build.frame("End of Pipeline")
    if failure is not None:
        _report(build, failure)


def _refuse(build: Build, errors: list[str]) -> None:
    build.set_result("FAILURE")
    build.line("org.codehaus.groovy.control.MultipleCompilationErrorsException: startup failed:")
    for error in errors:
        build.line(error)
    build.line(f"{len(errors)} error{'s' if len(errors) > 1 else ''}\n")


def _report(build: Build, failure: GroovyError | UnsupportedError) -> None:
    if isinstance(failure, UnsupportedError):
        build.set_result("FAILURE")
        build.line(f"ERROR: {failure}")
        return
    build.set_result(result_of(failure))
    steps_control.show_error(build, failure)


_NO_SCM = "‘checkout scm’ is only available when using “Multibranch Pipeline” or “Pipeline script from SCM”"


class _Script:
    """The world of the interpreter: steps, global variables, and the ``pipeline`` block."""

    def __init__(self, build: Build, script: nodes.Script, model: Any) -> None:
        self.build, self.model = build, model
        self.interpreter = Interpreter(script, self)
        self.globals = {"env": Env(build), "params": Params(build), "currentBuild": CurrentBuild(build)}

    def run(self) -> None:
        """Run the top-level statements in order."""
        for statement in self.interpreter.script.statements:
            if self.model is not None and statement is self.model.statement:
                DeclarativeRun(self.build, self.interpreter, self.model).run()
            else:
                self.interpreter.run_statement(statement)

    def call_step(self, name: str, positional: list[Any], named: dict[str, Any], line: int) -> Any:
        """A step, or a symbol such as ``usernamePassword(...)``."""
        if name in steps_credentials.SYMBOLS:
            return {"$symbol": name, **named}
        return call_step(self.build, name, positional, named, line)

    def has_step(self, name: str) -> bool:
        """Whether there is such a step."""
        return name in STEPS

    def variable(self, name: str) -> Any:
        """A global variable, or an environment variable by its plain name."""
        if name in self.globals:
            return self.globals[name]
        if name == "scm":
            return self._source_control()
        value = self.build.environment().get(name)
        if value is None and name in self.build.parameters:
            value = self.build.parameters[name]
        if value is None:
            raise throw("MissingPropertyException", f"No such property: {name} for class: WorkflowScript")
        return value

    def _source_control(self) -> Any:
        if self.build.host.scm is None:
            raise throw("AbortException", _NO_SCM)
        return self.build.host.scm

    def check(self) -> None:
        """Give up when the build was killed."""
        self.build.check()

    def static_call(self, class_name: str, name: str, arguments: list[Any]) -> Any:
        """``Utils.markStageSkippedForConditional(name)``."""
        if class_name.rsplit(".", 1)[-1] == "Utils" and name == "markStageSkippedForConditional":
            _mark_skipped(self.build.context.stage, to_string(arguments[0]))
            return None
        return NotImplemented


def _mark_skipped(stage: StageState | None, name: str) -> None:
    while stage is not None:
        if stage.name == name:
            stage.skipped = True
            return
        stage = stage.outer
