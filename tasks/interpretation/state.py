"""What the passes hand on to each other: immutable, each pass returns a new one."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from tasks.interpretation.context import Context
from tasks.interpretation.evaluation import Scope
from tasks.interpretation.expressions import Expression
from tasks.interpretation.parallel import Instance
from tasks.interpretation.pipeline import Job, OnNewCommit
from tasks.interpretation.rules import Choice, Decision
from tasks.interpretation.variables import Variables
from tasks.source.diagnostics import Findings, Span
from tasks.source.includes import Memo
from tasks.source.nodes import Mapping_

NOTHING = Mapping_({}, Span(""))
UNDECIDED = Decision(())


class JobDraft(Struct, frozen=True):
    """A job on its way: its text with everything inherited, then its variables, then whether it runs.

    `decisions` are those of the jobs that `parallel:matrix` makes of it, by name, where they are not all the same.
    """

    name: str
    span: Span
    node: Mapping_
    stage: str = "test"
    variables: Variables = field(default_factory=Variables)
    decision: Decision = UNDECIDED
    decisions: Mapping[str, Decision] = field(default_factory=dict)

    def decided(self, name: str) -> JobDraft:
        """The draft with the decision about one of the jobs it becomes."""
        return replace(self, decision=self.decisions[name]) if name in self.decisions else self


class LeftOut(Struct, frozen=True):
    """A job that GitLab would run and this pipeline does not; `node` tells whom it would have waited for."""

    name: str
    stage: str
    node: Mapping_
    reason: str


class Family(Struct):
    """What a pipeline shares with its children: files that were read; how many pipelines, and jobs of children."""

    memo: Memo = field(default_factory=dict)
    pipelines: int = 1
    jobs: int = 0


class State(Struct, frozen=True):
    """A pipeline on its way.

    Attributes:
        files: Text by path.
        entry: Where the pipeline begins.
        context: What is known.
        findings: Collects diagnostics.
        root: The merged configuration, from the first pass on.
        default: What jobs inherit: `default:` and the deprecated global keywords.
        stages: All stages in order, with .pre and .post.
        variables: The global variables, with those of the matching workflow rule.
        scope: What `rules:if` of the workflow sees.
        governed: Whether there are `workflow:rules`.
        workflow: Whether a pipeline is created: True, False or a residual condition.
        workflow_choices: The rules of the workflow that the build chooses among, where they bring variables.
        fail_fast: Whether one failed job stops all others.
        on_new_commit: What of it a newer commit may stop.
        drafts: The jobs.
        judged: All jobs once they are decided, with those that do not run.
        left_out: Jobs that are not translated.
        declared: The stage of every job there is, whether it runs or not.
        jobs: The finished jobs.
        instances: The jobs that each draft became.
        depth: How many pipelines are around it: 0, or for a child pipeline 1 or 2.
        parent_ids: Variables that hold the id of the pipeline around it, for `needs:pipeline`.
        family: Shared by all pipelines of a tree.
    """

    files: Mapping[str, str]
    entry: str
    context: Context
    findings: Findings
    root: Mapping_ = NOTHING
    default: Mapping_ = NOTHING
    stages: tuple[str, ...] = ()
    variables: Variables = field(default_factory=Variables)
    scope: Scope = field(default_factory=Scope)
    governed: bool = False
    workflow: bool | Expression = True
    workflow_choices: tuple[Choice, ...] = ()
    fail_fast: bool = False
    on_new_commit: OnNewCommit = "conservative"
    drafts: tuple[JobDraft, ...] = ()
    judged: tuple[JobDraft, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    jobs: tuple[Job, ...] = ()
    declared: Mapping[str, str] = field(default_factory=dict)
    instances: Mapping[str, tuple[Instance, ...]] = field(default_factory=dict)
    depth: int = 0
    parent_ids: frozenset[str] = frozenset()
    family: Family = field(default_factory=Family)
