"""The pipeline model: what the interpreter produces and the Jenkinsfile is rendered from. Immutable, pure values.

All text is the user's own, unquoted and unescaped; quoting is the renderer's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from msgspec import Struct, field

from tasks.interpretation.diagnostics import Diagnostic, Span

_WHOLE_FILE = Span(".gitlab-ci.yml")

OnNewCommit = Literal["conservative", "interruptible", "none"]
When = Literal["on_success", "on_failure", "always", "manual", "delayed", "never"]


class Image(Struct, frozen=True):
    """The image a job's script runs in (``image:``)."""

    name: str
    entrypoint: tuple[str, ...] | None = None
    user: str | None = None
    platform: str | None = None
    pull_policy: tuple[str, ...] = ()


class Service(Struct, frozen=True):
    """A container beside the job (``services:``).

    Attributes:
        aliases: The host names the script reaches it by.
        variables: Texts by name, where ``$$`` stands for a dollar.
    """

    name: str
    aliases: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    platform: str | None = None
    pull_policy: tuple[str, ...] = ()


class Artifacts(Struct, frozen=True):
    """Files a job hands on (``artifacts:``). Paths are GitLab's globs, relative to the project folder.

    Attributes:
        reports: Report files by kind, e.g. ``{"junit": ("report.xml",), "dotenv": ("build.env",)}``.
    """

    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    name: str | None = None
    when: Literal["on_success", "on_failure", "always"] = "on_success"
    untracked: bool = False
    expire_in: str | None = None
    reports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Cache(Struct, frozen=True):
    """One of a job's caches (``cache:``): files that the next run of a job with the same key finds again.

    Attributes:
        key: Its name, which may hold references to variables; unused where there are `key_files`.
        key_files: Globs of files of the commit: the name is a hash of what they hold.
        key_prefix: What stands before that hash.
        paths: GitLab's globs, relative to the project folder.
        policy: ``pull``, ``push``, ``pull-push``, or a reference to a variable.
        fallback_keys: Names to look under when there is no cache of this one.
        unprotect: Whether protected and other refs share it.
    """

    key: str = "default"
    key_files: tuple[str, ...] = ()
    key_prefix: str = ""
    paths: tuple[str, ...] = ()
    untracked: bool = False
    policy: str = "pull-push"
    when: Literal["on_success", "on_failure", "always"] = "on_success"
    fallback_keys: tuple[str, ...] = ()
    unprotect: bool = False


class Need(Struct, frozen=True):
    """One edge of the graph (``needs:``): the job waited for, and whether its artifacts are fetched."""

    job: str
    artifacts: bool = True
    optional: bool = False


class Retry(Struct, frozen=True):
    """How often a failed job is tried again (``retry:``); `max` is 0, 1 or 2."""

    max: int = 0
    when: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()


class AllowFailure(Struct, frozen=True):
    """Which failures do not fail the pipeline: all (`always`), or those with one of `exit_codes`."""

    always: bool = False
    exit_codes: tuple[int, ...] = ()


class JobEnvironment(Struct, frozen=True):
    """The job's ``environment:`` keyword."""

    name: str
    url: str | None = None
    action: str = "start"
    tier: str | None = None


class Secret(Struct, frozen=True):
    """One entry of ``secrets:``: the variable, which holds the path of a file with the secret, or the secret itself."""

    name: str
    is_file: bool = True

    @property
    def credentials_id(self) -> str:
        """The credential of Jenkins that it is read from."""
        return f"gitlab-secret-{self.name}"


class Child(Struct, frozen=True):
    """The child pipeline that a job starts (``trigger:include``); its jobs are those whose `parent` is that job.

    Attributes:
        stages: Names of its stages in order, in the form the jobs of the model have them; () = nothing runs.
        waits: Whether the job ends as its child does (``strategy``); else it succeeds at once, and what becomes of the
            child is of no weight for the pipeline around it.
        forwards: Whether variables of dotenv reports that the job gets are passed on as they are
            (``forward:pipeline_variables``).
        refused: Why GitLab would not create it, so that the job fails; None = it is created.
        fail_fast: Its own ``workflow:auto_cancel:on_job_failure: all``: once a job of it failed, no other one starts.
    """

    stages: tuple[str, ...] = ()
    waits: bool = False
    forwards: bool = False
    refused: str | None = None
    fail_fast: bool = False


# A condition that could not be decided without values that are known only when the build runs.
# Terms are built by `tasks.interpretation.expressions`; the renderer turns them into a `when { expression }`.
class Undecided(Struct, frozen=True):
    """A residual condition and what holds if it is true.

    Attributes:
        expression: A residual of `tasks.interpretation.expressions` (its `Expression` type).
        when: The job's `when` if the expression holds.
        allow_failure: Likewise.
        variables: Variables that the matching rule adds, or gives another value by what it adds.
        unresolved_variables: As in `Job`, for `variables`.
        start_in_seconds: The delay of a ``when: delayed``, if the rule sets one.
        interruptible: Whether the rule sets it.
        needs: What the job needs instead of its own needs; None = its own.
    """

    expression: object
    when: When = "on_success"
    allow_failure: AllowFailure | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    unresolved_variables: frozenset[str] = frozenset()
    start_in_seconds: int | None = None
    interruptible: bool | None = None
    needs: tuple[Need, ...] | None = None


class Job(Struct, frozen=True):
    """One job that runs, or may run.

    Attributes:
        name: GitLab's job name, any text.
        stage: Its stage's name.
        script: Commands of ``before_script`` are in `before_script`, not here.
        pre_get_sources: Commands of ``hooks:pre_get_sources_script``.
        variables: Job variables, then those of the matching rule, unexpanded order kept; values are final text
            (references that could be resolved are expanded, others left as shell text). Pipeline-wide variables are
            repeated here only where their value is another one for this job.
        unresolved_variables: Names in `variables` whose text still refers to something only the build knows
            (``$NAME``, ``${NAME}``); in those texts, ``$$`` stands for a dollar. All other texts are literal.
        excluded_variables: Pipeline-wide variables this job must not get (``inherit:variables``).
        secrets: Secrets it gets, from Jenkins' credentials.
        child: The child pipeline it starts; it has no script then.
        parent: Name of the job whose child pipeline it belongs to; None = the pipeline itself.
        own_name: The name its text gives it, where `name` is another one: that of a child's job begins with its parent.
        own_stage: Likewise for `stage`.
        taken: Jobs of the pipeline around its own whose artifacts it takes (``needs:pipeline``); it waits for none.
        needs: None = all jobs of earlier stages; () = none.
        dependencies: None = artifacts of all earlier stages (or of `needs`); () = none.
        rules: Undecided rules in order, first match wins; empty = decided, `when` holds.
        timeout_seconds: None = the renderer's default.
        span: Where the job is defined.
    """

    name: str
    stage: str
    script: tuple[str, ...]
    before_script: tuple[str, ...] = ()
    after_script: tuple[str, ...] = ()
    pre_get_sources: tuple[str, ...] = ()
    image: Image | None = None
    services: tuple[Service, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    artifacts: Artifacts = field(default_factory=Artifacts)
    caches: tuple[Cache, ...] = ()
    needs: tuple[Need, ...] | None = None
    dependencies: tuple[str, ...] | None = None
    when: When = "on_success"
    start_in_seconds: int | None = None
    allow_failure: AllowFailure = field(default_factory=AllowFailure)
    retry: Retry = field(default_factory=Retry)
    timeout_seconds: int | None = None
    rules: tuple[Undecided, ...] = ()
    environment: JobEnvironment | None = None
    coverage: str | None = None
    confirmation: str | None = None
    resource_group: str | None = None
    interruptible: bool = False
    span: Span = _WHOLE_FILE
    unresolved_variables: frozenset[str] = frozenset()
    excluded_variables: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    child: Child | None = None
    parent: str | None = None
    own_name: str | None = None
    own_stage: str | None = None
    taken: tuple[str, ...] = ()


class Pipeline(Struct, frozen=True, dict=True):
    """A whole pipeline, ready to be rendered.

    Attributes:
        name: ``workflow:name``, or None.
        stages: Stage names in order; only stages with jobs. Those of child pipelines are in their `Child`.
        jobs: In the order of the text, those of a child pipeline behind the job that starts it.
        variables: Pipeline-wide variables (global ``variables:`` and the predefined ones that are known), exported
            to every job before its own.
        unresolved_variables: As in `Job`, for `variables`.
        created: False when ``workflow:rules`` say that GitLab would create no pipeline; there are no jobs then.
        decided: True when every rule was decided (a deployment of one commit); False for a Jenkinsfile to keep,
            whose commit comes from the build's parameters.
        diagnostics: Everything there is to say about the text.
        fail_fast: ``workflow:auto_cancel:on_job_failure: all``: one failed job stops all others.
        on_new_commit: ``workflow:auto_cancel:on_new_commit``: what of it a newer commit may stop.
        stronger: Names of variables that no dotenv report gives another value: the project's, a trigger's.
    """

    name: str | None
    stages: tuple[str, ...]
    jobs: tuple[Job, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    decided: bool = True
    diagnostics: tuple[Diagnostic, ...] = ()
    unresolved_variables: frozenset[str] = frozenset()
    created: bool = True
    fail_fast: bool = False
    on_new_commit: OnNewCommit = "conservative"
    stronger: frozenset[str] = frozenset()

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where in `jobs` each job is, by name."""
        return {job.name: place for place, job in enumerate(self.jobs)}

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """Where in `stages` each stage is, by name."""
        return {stage: rank for rank, stage in enumerate(self.stages)}

    @cached_property
    def reporters(self) -> tuple[Job, ...]:
        """The jobs whose dotenv reports others may get."""
        return tuple(job for job in self.jobs if job.artifacts.reports.get("dotenv"))

    @cached_property
    def lanes(self) -> Mapping[str | None, tuple[str, ...]]:
        """The stages of this pipeline (under None) and of its child pipelines (under the job that starts one)."""
        lanes: dict[str | None, tuple[str, ...]] = {None: self.stages}
        for job in self.jobs:
            if job.child is not None:
                lanes[job.name] = job.child.stages
        return lanes

    def earlier(self, job: Job) -> tuple[str, ...]:
        """Stages before the job's own, in its own pipeline."""
        lane = self.lanes[job.parent]
        return lane[: lane.index(job.stage)]
