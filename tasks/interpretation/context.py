"""For whom a pipeline is interpreted: what is known about the commit, the variables and the files."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct, field

from tasks.hiding import shown


class Context(Struct, frozen=True, forbid_unknown_fields=True):
    """What the rules of a pipeline are decided by.

    Attributes:
        variables: Predefined variables (see `predefined`), weaker than those of the YAML text. None: not known, the
            pipeline is one to keep, and what its rules depend on is left undecided.
        overrides: Variables stronger than those of the YAML text: the project's, a trigger's, a schedule's.
        raw_overrides: Names in `overrides` whose text is not expanded.
        pipeline_variables: Names in `overrides` that were given to this very pipeline, not to the project: child
            pipelines get them only by `trigger:forward`.
        late: Texts of those that refer to variables which a dotenv report may say otherwise where the pipeline around
            this one runs: jobs have them so, while everything else goes by the text in `overrides`.
        secrets: Variables as strong as `overrides` that decide rules, and do nothing else: no text is ever made of
            them. References to them stay as they are, for the shell that runs the job.
        unknown: Names that are not known although `variables` are.
        run_deploy_jobs: Keep jobs that deploy by themselves (`environment:` with action start or stop).
        tree: All paths of the commit, for `exists` and wildcard includes; None = not known.
        trees: The same of other projects, by the key of their `Tree`, for what their files include.
        files_later: What `changes` and `exists` ask about files that are not known is left to the build, as a part of
            the residual condition; else it is assumed.
        changed_paths: Files changed since the base GitLab would compare with; None = not known.
        absent: Why an included source is not among the files, by its key (see `tasks.source.sources`).
        inputs: Values for the `spec:inputs` of the pipeline definition itself.
    """

    variables: Mapping[str, str] | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    raw_overrides: frozenset[str] = frozenset()
    pipeline_variables: frozenset[str] = frozenset()
    late: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    run_deploy_jobs: bool = False
    tree: Collection[str] | None = None
    changed_paths: Collection[str] | None = None
    files_later: bool = False
    trees: Mapping[str, Collection[str]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return shown(self, "secrets")

    def given(self, name: str) -> bool:
        """Whether the YAML text cannot set this variable, as a stronger one is there."""
        return name in self.overrides or name in self.secrets
