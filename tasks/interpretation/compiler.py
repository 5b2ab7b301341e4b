"""GitLab CI -> `Pipeline`: a compiler of named passes over immutable values.

Every pass takes the state and returns a new one; what it finds goes to the state's `findings`. All passes run even
when there are errors, so that all mistakes are reported at once.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from errors import InterpretationError
from tasks.interpretation.checks import check_graph, check_jobs
from tasks.interpretation.children import ABSENT, inline_children
from tasks.interpretation.combinations import check_combinations
from tasks.interpretation.condition_keywords import INCLUDE_RULES
from tasks.interpretation.context import Context
from tasks.interpretation.diagnostics import Diagnostic, Findings, Span, errors_of
from tasks.interpretation.evaluation import Scope
from tasks.interpretation.expansion import expand, expand_all
from tasks.interpretation.extends import resolve_extends
from tasks.interpretation.fields import text_of
from tasks.interpretation.ignored import note_jobs
from tasks.interpretation.input_rules import input_rule_holds
from tasks.interpretation.job_inputs import put_inputs
from tasks.interpretation.jobs import build_jobs, decide_jobs, wide_variables
from tasks.interpretation.leaving_out import leave_out
from tasks.interpretation.lost_text import note_lost
from tasks.interpretation.needs import link_needs
from tasks.interpretation.pipeline import Pipeline
from tasks.interpretation.references import resolve_references
from tasks.interpretation.reported import reopen
from tasks.interpretation.rules import Judge
from tasks.interpretation.setup import (
    check_globals,
    decide_workflow,
    gather_defaults,
    list_jobs,
    refuse_empty_templates,
    settle_stages,
)
from tasks.interpretation.shapes import check, flattened
from tasks.interpretation.state import State
from tasks.interpretation.unset import note_unset
from tasks.source.include_options import IncludeOptions
from tasks.source.includes import close_child, close_includes
from tasks.source.model import CI_FILE
from tasks.source.nodes import Mapping_, Node, Sequence

_SHOWN_ERRORS = 20
_UNDECIDED = " (files that `include:rules` may leave out are all in; say for which branch or tag)"


def close(state: State) -> State:
    """Read the entry and everything it includes."""
    options = include_options(state.context, state.findings)
    root = close_includes(state.files, state.entry, state.findings, options)
    return replace(state, root=root or Mapping_({}, Span(state.entry)))


def extend(state: State) -> State:
    """Apply `extends`."""
    refuse_empty_templates(state)
    return replace(state, root=resolve_extends(state.root, state.findings))


def refer(state: State) -> State:
    """Apply `!reference`."""
    return replace(state, root=resolve_references(state.root, state.findings))


def inline(state: State) -> State:
    """Inline child pipelines, which take the same way."""
    return inline_children(state, _child)


def _child(state: State, trigger: Mapping_) -> State | Diagnostic:
    found = Findings()
    root = close_child(state.files, trigger, found, include_options(state.context, found), state.family.memo)
    absent = [item for item in found.items if item.code in ABSENT]
    state.findings.items += [item for item in found.items if item not in absent]
    if absent or root is None:
        return absent[0] if absent else state
    state = replace(state, root=root)
    for run in PASSES[1:]:
        state = run(state)
    return state


PASSES: tuple[Callable[[State], State], ...] = (
    close,
    extend,
    refer,
    check_globals,
    settle_stages,
    gather_defaults,
    decide_workflow,
    list_jobs,
    check_jobs,
    check_combinations,
    check_graph,
    put_inputs,
    decide_jobs,
    leave_out,
    note_jobs,
    note_unset,
    note_lost,
    build_jobs,
    link_needs,
    reopen,
    inline,
)


def interpret(files: Mapping[str, str], context: Context, *, entry: str = CI_FILE) -> Pipeline:
    """Interpret a pipeline definition.

    Args:
        files: Text by key: the entry and what it includes (see `tasks.source.gathering`).
        context: For whom: variables, files, options.
        entry: Path of the pipeline definition.

    Raises:
        InterpretationError: The text has errors; carries all diagnostics, in the order of the text.
    """
    return examine(files, context, entry=entry).pipeline


class Examined(Struct, frozen=True):
    """A pipeline, and what is known of every job on the way to it."""

    pipeline: Pipeline
    state: State


def examine(files: Mapping[str, str], context: Context, *, entry: str = CI_FILE) -> Examined:
    """`interpret`, with what the passes know: all jobs, those that do not run too, as they are written and decided."""
    state = State(files, entry, context, Findings())
    if entry not in files:
        state.findings.add("include-missing", f"There is no file `{entry}`.", Span(entry))
        return Examined(_finish(state), state)
    with collector_paused():
        for run in PASSES:
            state = run(state)
            if run is close and errors_of(state.findings.items):
                break  # an unreadable or missing file would only make errors that mean nothing
        return Examined(_finish(state), state)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Nodes form no circles: going through them again and again only made large pipelines quadratic (measured).

    Afterwards they are as old as can be: young ones would all be gone through at once (a tenth of the time, measured).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def include_options(context: Context, findings: Findings) -> IncludeOptions:
    """Includes with `rules` and variables in their paths, as this context decides them."""
    now = replace(context, files_later=False)  # an include is read now or never
    own = Judge(now, findings)
    known = {**(context.variables or {}), **context.overrides}
    known = {name: value for name, value in known.items() if name not in context.secrets}
    child = {**known, "CI_PIPELINE_SOURCE": "parent_pipeline"}
    scope = Scope(known, context.variables is not None, context.unknown, context.secrets)

    def active(rules: Node, elsewhere: bool, paths: Collection[str] | None, bare: bool) -> bool:
        if not check(rules, INCLUDE_RULES, "include:rules", findings):
            return False
        listed = flattened(rules) if isinstance(rules, Sequence) else []
        judge = Judge(replace(now, tree=paths), findings) if elsewhere else own
        decision = judge.decide(listed, Scope({}) if bare else scope, "include:rules")
        if decision.choices and decision.certain is None and not decision.never:
            message = "`include:rules` cannot be decided before the build runs: the file is included."
            findings.add("include-undecided", message, rules.span)
        return not decision.never

    return IncludeOptions(
        expand=lambda text: expand(text, known),
        active=active,
        tree=context.tree,
        trees=context.trees,
        absent=context.absent,
        inputs=context.inputs,
        expand_for=lambda variables: partial(expand, values=expand_all({**child, **variables}).values),
        holds=input_rule_holds,
    )


def _finish(state: State) -> Pipeline:
    diagnostics = state.findings.ordered()
    if errors := errors_of(diagnostics):
        shown = "\n".join(str(d) for d in errors[:_SHOWN_ERRORS])
        more = f"\n... and {len(errors) - _SHOWN_ERRORS} more" if len(errors) > _SHOWN_ERRORS else ""
        hint = _UNDECIDED if any(d.code == "include-undecided" for d in diagnostics) else ""
        message = f"{state.entry} has {len(errors)} error(s):{hint}\n{shown}{more}"
        raise InterpretationError(message, diagnostics=diagnostics)
    settled = wide_variables(state).expanded()
    used = {job.stage for job in state.jobs}
    workflow = state.root.get("workflow")
    name = text_of(workflow.get("name")) if isinstance(workflow, Mapping_) else None
    return Pipeline(
        name=(expand(name, settled.values).strip() or None) if name else None,
        stages=tuple(stage for stage in state.stages if stage in used),
        jobs=state.jobs,
        variables=settled.values,
        decided=state.context.variables is not None and not any(job.rules for job in state.jobs),
        diagnostics=diagnostics,
        unresolved_variables=settled.unresolved,
        created=state.workflow is not False,
        fail_fast=state.fail_fast,
        on_new_commit=state.on_new_commit,
        stronger=frozenset(state.context.overrides) | frozenset(state.context.secrets),
    )
