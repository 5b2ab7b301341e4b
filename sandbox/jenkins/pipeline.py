"""Runs the model of a declarative pipeline."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from typing import Any

from sandbox.jenkins import steps_control, steps_flow
from sandbox.jenkins.context import Build, StageState, result_of, status_of
from sandbox.jenkins.declarative import Agent, Block, Pipeline, Stage, plain_arguments
from sandbox.jenkins.groovy import nodes, operators
from sandbox.jenkins.groovy.interpreter import Interpreter
from sandbox.jenkins.groovy.runtime import Scope
from sandbox.jenkins.groovy.values import GroovyError, UnsupportedError, to_string, truth
from sandbox.jenkins.steps import call_step
from sandbox.jenkins.steps_credentials import Secrets, environment_credentials, with_secrets

# the order in which Jenkins runs them
_POST_ORDER = ("always", "changed", "fixed", "regression", "aborted", "failure", "success", "unstable",
               "unsuccessful", "notBuilt", "cleanup")  # fmt: skip
Body = Callable[[], Any]


class DeclarativeRun:
    """One run of a declarative pipeline."""

    def __init__(self, build: Build, interpreter: Interpreter, model: Pipeline) -> None:
        self.build, self.interpreter, self.model = build, interpreter, model
        self.always_fail_fast = any(call.name == "parallelsAlwaysFailFast" for call in model.options)
        self.stop_when_unstable = any(call.name == "skipStagesAfterUnstable" for call in model.options)

    def run(self) -> None:
        """Run it.

        Raises:
            GroovyError: The first failure.
        """
        model = self.model
        for declared in model.parameters:
            _, named = self._arguments(declared)
            self.build.parameters.setdefault(to_string(named.get("name")), default_value(declared.name, named))
        agent = model.agent or Agent("none")
        self._wrapped(model, lambda: self._on_agent(agent, lambda: self._with_environment(model, self._root)))

    def _root(self) -> None:
        failure = self._sequence(self._restarted(), None)
        failure = self._root_post(failure)
        if failure is not None:
            raise failure

    def _restarted(self) -> list[Stage]:
        """The top-level stages that run; a restarted build passes over those before the one it begins at."""
        stages, first = self.model.stages or [], self.build.host.restart_stage
        if first is None:
            return stages
        self._take_stashes()
        place = next(index for index, stage in enumerate(stages) if stage.name == first)
        for stage in stages[:place]:
            self._skip(stage, f'this build restarting at stage "{first}"', None)
        return stages[place:]

    def _take_stashes(self) -> None:
        """Those of the build before, where the Jenkinsfile preserves them for as many builds."""
        host, before = self.build.host, self.build.host.restarted_folder
        for option in self.model.options:
            if option.name == "preserveStashes" and before is not None and (before / "stashes").is_dir():
                _, named = self._arguments(option)
                if host.number - int(before.name) <= named.get("buildCount", 1):
                    shutil.copytree(before / "stashes", host.folder / "stashes", dirs_exist_ok=True)

    def _root_post(self, failure: GroovyError | None) -> GroovyError | None:
        if not self._matching(self.model.post, failure):
            return failure
        with self._stage_frame():
            found: list[GroovyError | None] = []

            def body(_state: StageState) -> None:
                problem = self._post(self.model.post, failure)
                found.append(problem)

            steps_flow.in_stage(self.build, "Declarative: Post Actions", body)
        return failure or found[0]

    # what surrounds pipelines and stages

    def _evaluate(self, expression: nodes.Expression) -> Any:
        return self.interpreter.evaluate(expression)

    def _closure(self, closure: nodes.Closure) -> Any:
        return self.interpreter.run_body(closure.body, Scope(self.interpreter.main))

    def _arguments(self, call: nodes.Call) -> tuple[list[Any], dict[str, Any]]:
        positional = [self._evaluate(a.value) for a in plain_arguments(call) if a.name is None]
        return positional, {a.name: self._evaluate(a.value) for a in call.arguments if a.name is not None}

    def _wrapped(self, block: Block, body: Body) -> Any:
        for option in reversed(block.options):
            if option.name in ("timeout", "timestamps", "retry"):
                body = self._wrapper(option, body)
        return body()

    def _wrapper(self, option: nodes.Call, body: Body) -> Body:
        def run() -> Any:
            positional, named = self._arguments(option)
            return call_step(self.build, option.name, [*positional, body], named, option.line)

        return run

    def _on_agent(self, agent: Agent | None, body: Body) -> Any:
        if agent is None or agent.kind == "none":
            return body()
        label = None if agent.label is None else to_string(self._evaluate(agent.label))
        self.build.frame("node")
        try:
            return steps_flow.on_node(self.build, label, body)
        finally:
            self._close("node")

    def _close(self, name: str) -> None:
        if not self.build.host.killed.is_set():
            self.build.frame(f"// {name}")

    def _with_environment(self, block: Block, body: Body) -> Any:
        secrets = Secrets()
        try:
            for name, value in block.environment:
                if isinstance(value, nodes.Call) and value.target is None and value.name == "credentials":
                    identity = to_string(self._evaluate(value.arguments[0].value))
                    environment_credentials(self.build, name, identity, secrets)
            if not secrets.env:
                return self._with_values(block, body)
            self.build.frame("withCredentials")
            try:
                return with_secrets(self.build, secrets, lambda: self._with_values(block, body))
            finally:
                self._close("withCredentials")
        finally:
            for folder in secrets.folders:
                shutil.rmtree(folder, ignore_errors=True)

    def _with_values(self, block: Block, body: Body) -> Any:
        pairs: dict[str, str] = {}
        for name, value in block.environment:
            if isinstance(value, nodes.Call) and value.target is None and value.name == "credentials":
                continue
            with self.build.changed(env=self.build.with_env(pairs)):
                pairs[name] = to_string(self._evaluate(value))
        return self._with_pairs(pairs, body)

    def _with_pairs(self, pairs: dict[str, str], body: Body) -> Any:
        if not pairs:
            return body()
        self.build.frame("withEnv")
        try:
            with self.build.block(env=self.build.with_env(pairs)):
                return body()
        finally:
            self._close("withEnv")

    # stages

    def _stage_frame(self) -> Any:
        return _Frame(self.build, "stage")

    def _sequence(self, stages: list[Stage], failure: GroovyError | None) -> GroovyError | None:
        for stage in stages:
            unstable = self.stop_when_unstable and self.build.host.result == "UNSTABLE"
            if failure is not None or unstable:
                self._skip(
                    stage,
                    "earlier failure(s)" if failure else "earlier stage(s) marking the build as unstable",
                    failure,
                )
                continue
            try:
                with self._stage_frame():
                    steps_flow.in_stage(self.build, stage.name, functools.partial(self._stage, stage))
            except GroovyError as error:
                failure = error
        return failure

    def _skip(self, stage: Stage, reason: str, failure: GroovyError | None) -> None:
        def body(state: StageState) -> None:
            self._mark_skipped(stage, state, reason, failure)

        with self._stage_frame():
            steps_flow.in_stage(self.build, stage.name, body)

    def _mark_skipped(self, stage: Stage, state: StageState, reason: str, failure: GroovyError | None) -> None:
        self.build.line(f'Stage "{stage.name}" skipped due to {reason}')
        state.forced = "NOT_EXECUTED" if failure is None else status_of(failure)
        state.error = failure.value.message if failure is not None else None
        for inner in [*(stage.stages or []), *(stage.parallel or [])]:
            self._skip(inner, reason, failure)

    def _stage(self, stage: Stage, state: StageState) -> None:
        self._wrapped(stage, lambda: self._asked(stage, lambda: self._conditional(stage, state)))

    def _asked(self, stage: Stage, body: Body) -> Any:
        if stage.input is None or ("beforeInput" in stage.flags and not self._when(stage)):
            return body()
        fields = self._input_fields(stage.input)
        parameters = fields.get("parameters", [])
        arguments = {name: value for name, value in fields.items() if value}
        given = call_step(self.build, "input", [], {"id": stage.name, **arguments}, stage.call.line)
        if not parameters:
            return body()
        answers = given if isinstance(given, dict) else {to_string(parameters[0]["name"]): given}
        return self._with_pairs({name: to_string(value) for name, value in answers.items()}, body)

    def _input_fields(self, section: nodes.Call) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for statement in _body(section):
            call = statement.expression if isinstance(statement, nodes.ExpressionStatement) else None
            if not isinstance(call, nodes.Call):
                raise UnsupportedError(f"WorkflowScript: {statement.line}: this content of input is not supported")
            if call.name == "parameters":
                fields["parameters"] = [
                    self._evaluate(s.expression) for s in _body(call) if isinstance(s, nodes.ExpressionStatement)
                ]
            else:
                fields[call.name] = self._evaluate(call.arguments[0].value)
        return fields

    def _conditional(self, stage: Stage, state: StageState) -> None:
        early = stage.agent is None or stage.agent.kind == "none" or "beforeAgent" in stage.flags
        if early and not stage.environment and not self._when(stage):
            self._mark_skipped(stage, state, "when conditional", None)
            return

        def inside() -> None:
            if not (early and not stage.environment) and not self._when(stage):
                self._mark_skipped(stage, state, "when conditional", None)
                return
            self._work(stage)

        if early and stage.environment and "beforeAgent" in stage.flags and not self._when(stage):
            self._mark_skipped(stage, state, "when conditional", None)
            return
        self._on_agent(stage.agent, lambda: self._with_environment(stage, inside))

    def _work(self, stage: Stage) -> None:
        failure: GroovyError | None = None
        try:
            if stage.steps is not None:
                self._closure(stage.steps)
            elif stage.parallel is not None:
                self._parallel(stage)
            else:
                failure = self._sequence(stage.stages or [], None)
        except GroovyError as error:
            failure = error
        if failure is not None:
            self.build.set_result(result_of(failure))
        if self._matching(stage.post, failure):
            self.build.line("Post stage")
            failure = self._post(stage.post, failure) or failure
        if failure is not None:
            raise failure

    def _parallel(self, stage: Stage) -> None:
        self.build.frame("parallel")
        try:
            branches = {inner.name: self._branch(inner) for inner in stage.parallel or []}
            steps_flow.run_parallel(self.build, branches, stage.fail_fast or self.always_fail_fast)
        finally:
            self._close("parallel")

    def _branch(self, stage: Stage) -> Body:
        def run() -> None:
            failure = self._sequence([stage], None)
            if failure is not None:
                raise failure

        return run

    # when and post

    def _when(self, stage: Stage) -> bool:
        return all(self._condition(call) for call in stage.when)

    def _condition(self, call: nodes.Call) -> bool:
        inner = call.arguments[-1].value if call.arguments else None
        if call.name == "expression" and isinstance(inner, nodes.Closure):
            return truth(self._closure(inner))
        if call.name in ("not", "allOf", "anyOf") and isinstance(inner, nodes.Closure):
            found = (
                self._condition(s.expression)
                for s in inner.body
                if isinstance(s, nodes.ExpressionStatement) and isinstance(s.expression, nodes.Call)
            )
            return not all(found) if call.name == "not" else all(found) if call.name == "allOf" else any(found)
        _, named = self._arguments(call)
        if call.name == "environment":
            return self.build.environment().get(to_string(named.get("name"))) == to_string(named.get("value"))
        if call.name == "equals":
            return bool(operators.binary("==", named.get("expected"), named.get("actual")))
        # branch, tag, buildingTag, changeRequest, changeset, changelog: no branch or change set outside multibranch
        return False

    def _matching(self, post: dict[str, nodes.Closure], failure: GroovyError | None) -> list[str]:
        result = self.build.host.result or "SUCCESS"
        if failure is not None and result in ("SUCCESS", "UNSTABLE"):
            result = result_of(failure)
        meets = {
            "always": True,
            "cleanup": True,
            # without an earlier build, any result but success counts as a change
            "changed": result != "SUCCESS",
            "fixed": False,
            "regression": False,
            "aborted": result == "ABORTED",
            "failure": result == "FAILURE",
            "success": result == "SUCCESS",
            "unstable": result == "UNSTABLE",
            "unsuccessful": result != "SUCCESS",
            "notBuilt": result == "NOT_BUILT",
        }
        return [name for name in _POST_ORDER if name in post and meets[name]]

    def _post(self, post: dict[str, nodes.Closure], failure: GroovyError | None) -> GroovyError | None:
        """Run the conditions that are met; the first error of theirs, all of them are tried."""
        if failure is not None:
            self.build.set_result(result_of(failure))
        first: GroovyError | None = None
        for name in _POST_ORDER:
            if name not in self._matching(post, failure):
                continue
            try:
                self._closure(post[name])
            except GroovyError as error:
                self.build.line(f"Error when executing {name} post condition:")
                steps_control.show_error(self.build, error)
                self.build.set_result(result_of(error))
                first = first or error
        return first


def default_value(kind: str, named: dict[str, Any]) -> Any:
    """The value of a declared parameter that the build was not given."""
    if kind == "choice":
        choices = named.get("choices") or [""]
        return choices.split("\n")[0] if isinstance(choices, str) else choices[0]
    return named.get("defaultValue", False if kind == "booleanParam" else "")


def _body(call: nodes.Call) -> list[nodes.Statement]:
    last = call.arguments[-1].value if call.arguments else None
    return last.body if isinstance(last, nodes.Closure) else []


class _Frame:
    """``[Pipeline] name`` and ``[Pipeline] // name`` around something."""

    def __init__(self, build: Build, name: str) -> None:
        self.build, self.name = build, name

    def __enter__(self) -> None:
        self.build.frame(self.name)

    def __exit__(self, *_exc: object) -> None:
        if not self.build.host.killed.is_set():
            self.build.frame(f"// {self.name}")
