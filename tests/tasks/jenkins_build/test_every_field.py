"""Nothing of the model is lost in silence: a field changes the Jenkinsfile, or a diagnostic says that it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from msgspec.structs import fields, replace

from errors import InputError
from tasks.interpretation.diagnostics import Diagnostic, Span
from tasks.interpretation.expressions import Equal, Text, Var
from tasks.interpretation.pipeline import (
    AllowFailure,
    Artifacts,
    Cache,
    Child,
    Image,
    Job,
    JobEnvironment,
    Need,
    Pipeline,
    Retry,
    Secret,
    Service,
    Undecided,
)
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.source.codes import CODES

# Fields the renderer does not read, and the code of the diagnostic that says so (None: there is nothing to say).
NOT_RENDERED: dict[tuple[type, str], str | None] = {
    (Job, "coverage"): "coverage",
    (Job, "interruptible"): "interruptible",
    (Undecided, "interruptible"): "interruptible",
    (Artifacts, "name"): "artifact-option",
    (Artifacts, "expire_in"): "artifact-option",
    (Pipeline, "diagnostics"): None,  # shown to the user beside the Jenkinsfile
    (Pipeline, "created"): "workflow-never",
    (Pipeline, "on_new_commit"): "auto-cancel",  # asked by newer deployments
}
RULE = Undecided(Equal(Var("A"), Text("b")), variables={"V": "$X"})
JOB = Job(
    "job",
    "one",
    ("true",),
    image=Image("image", ("sh",)),
    services=(Service("service"),),
    artifacts=Artifacts(("dist",)),
    caches=(Cache(paths=("deps",)),),
    variables={"V": "$X"},
    needs=(Need("before"),),
    when="delayed",
    retry=Retry(1),
    allow_failure=AllowFailure(exit_codes=(2,)),
    environment=JobEnvironment("place"),
)
OTHER: dict[tuple[type, str], Any] = {
    (Job, "name"): "another",
    (Job, "stage"): "two",
    (Job, "script"): ("false",),
    (Job, "before_script"): ("x",),
    (Job, "after_script"): ("x",),
    (Job, "pre_get_sources"): ("x",),
    (Job, "image"): None,
    (Job, "services"): (),
    (Job, "variables"): {"V": "2"},
    (Job, "tags"): ("linux",),
    (Job, "artifacts"): Artifacts(),
    (Job, "caches"): (),
    (Job, "needs"): (),
    (Job, "dependencies"): (),
    (Job, "when"): "always",
    (Job, "start_in_seconds"): 7,
    (Job, "allow_failure"): AllowFailure(),
    (Job, "retry"): Retry(),
    (Job, "timeout_seconds"): 5,
    (Job, "rules"): (RULE,),
    (Job, "environment"): None,
    (Job, "coverage"): "/x/",
    (Job, "confirmation"): "Sure?",
    (Job, "resource_group"): "x",
    (Job, "interruptible"): True,
    (Job, "span"): Span("other.yml", 3, 1),
    (Job, "unresolved_variables"): frozenset({"V"}),
    (Job, "excluded_variables"): ("WIDE",),
    (Job, "secrets"): (Secret("TOKEN"),),
    (Secret, "name"): "OTHER",
    (Secret, "is_file"): False,
    (Job, "child"): Child(refused="x"),
    (Job, "parent"): "bridge",
    (Job, "own_name"): "x",
    (Job, "own_stage"): "x",
    (Job, "taken"): ("early",),
    (Child, "stages"): (),
    (Child, "waits"): True,
    (Child, "forwards"): True,
    (Child, "refused"): "x",
    (Child, "fail_fast"): True,
    (Image, "name"): "other",
    (Image, "entrypoint"): ("bash",),
    (Image, "user"): "me",
    (Image, "platform"): "linux/arm64",
    (Image, "pull_policy"): ("always",),
    (Service, "name"): "other",
    (Service, "aliases"): ("db",),
    (Service, "entrypoint"): ("sh",),
    (Service, "command"): ("x",),
    (Service, "variables"): {"A": "b"},
    (Service, "user"): "me",
    (Service, "platform"): "linux/arm64",
    (Service, "pull_policy"): ("always",),
    (Artifacts, "paths"): ("other",),
    (Artifacts, "exclude"): ("x",),
    (Artifacts, "name"): "x",
    (Artifacts, "when"): "always",
    (Artifacts, "untracked"): True,
    (Artifacts, "expire_in"): "1 day",
    (Artifacts, "reports"): {"junit": ("x.xml",)},
    (Cache, "key"): "x",
    (Cache, "key_files"): ("x",),
    (Cache, "key_prefix"): "x",
    (Cache, "paths"): ("x",),
    (Cache, "untracked"): True,
    (Cache, "policy"): "pull",
    (Cache, "when"): "always",
    (Cache, "fallback_keys"): ("x",),
    (Cache, "unprotect"): True,
    (Need, "job"): "early",
    (Need, "artifacts"): False,
    (Need, "optional"): True,
    (Retry, "max"): 2,
    (Retry, "when"): ("script_failure",),
    (Retry, "exit_codes"): (3,),
    (AllowFailure, "always"): True,
    (AllowFailure, "exit_codes"): (3,),
    (JobEnvironment, "name"): "other",
    (JobEnvironment, "url"): "http://place.example",
    (JobEnvironment, "action"): "stop",
    (JobEnvironment, "tier"): "staging",
    (Undecided, "expression"): Equal(Var("A"), Text("c")),
    (Undecided, "when"): "always",
    (Undecided, "allow_failure"): AllowFailure(always=True),
    (Undecided, "variables"): {"A": "b"},
    (Undecided, "unresolved_variables"): frozenset({"V"}),
    (Undecided, "start_in_seconds"): 3,
    (Undecided, "interruptible"): True,
    (Undecided, "needs"): (Need("early"),),
    (Pipeline, "name"): "x",
    (Pipeline, "stages"): ("zero", "two", "one"),
    (Pipeline, "jobs"): (replace(JOB, needs=()),),
    (Pipeline, "variables"): {"WIDE": "2"},
    (Pipeline, "decided"): False,
    (Pipeline, "diagnostics"): (Diagnostic("cache", "warning", "x", Span("f")),),
    (Pipeline, "unresolved_variables"): frozenset({"WIDE"}),
    (Pipeline, "created"): False,
    (Pipeline, "fail_fast"): True,
    (Pipeline, "on_new_commit"): "none",
    (Pipeline, "stronger"): frozenset({"V"}),
}
INSIDE: dict[type, Callable[[Any], Job]] = {
    Image: lambda value: replace(JOB, image=value),
    Service: lambda value: replace(JOB, services=(value,)),
    Artifacts: lambda value: replace(JOB, artifacts=value),
    Cache: lambda value: replace(JOB, caches=(value,)),
    Need: lambda value: replace(JOB, needs=(value,)),
    Retry: lambda value: replace(JOB, retry=value),
    AllowFailure: lambda value: replace(JOB, allow_failure=value),
    JobEnvironment: lambda value: replace(JOB, environment=value),
    Undecided: lambda value: replace(JOB, rules=(value,)),
    Secret: lambda value: replace(JOB, secrets=(value,)),
    Child: lambda value: Job("job", "one", (), child=value),
    Job: lambda value: value,
}
PLAIN: dict[type, Any] = {
    Image: JOB.image,
    Service: JOB.services[0],
    Artifacts: JOB.artifacts,
    Cache: Cache("key", ("lock",), paths=("deps",)),  # its `key` is for caches without `key_files`
    Need: Need("before"),
    Retry: JOB.retry,
    AllowFailure: JOB.allow_failure,
    JobEnvironment: JOB.environment,
    Undecided: RULE,
    Secret: Secret("TOKEN"),
    Child: Child(("child",)),
    Job: JOB,
}
FIELDS = [(kind, field.name) for kind in (*PLAIN, Pipeline) for field in fields(kind)]


def whole(job: Job) -> Pipeline:
    made = Artifacts(("made",))
    told = replace(made, reports={"dotenv": ("early.env",)})
    others = (Job("before", "zero", ("true",), artifacts=made), Job("early", "zero", ("true",), artifacts=told))
    wide = {"WIDE": "$X"}
    stages, inner = (("zero", "two"), "one") if job.parent else (("zero", "one", "two"), "inner")
    bridge = Job("bridge", "zero", (), child=Child((inner,)))
    child = Job("in", inner, ("true",), parent="bridge")
    beside = Job("beside", "one", ("true",), resource_group="x", parent=job.parent)
    started = [Job("its", stage, ("true",), parent=job.name) for stage in (job.child.stages if job.child else ())]
    jobs = (*others, bridge, child, beside, job, *started, Job("last", "two", ("true",)))
    return Pipeline(None, stages, jobs, wide)


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_a_field_is_rendered_or_a_diagnostic_covers_it(
    kind: type, name: str, rendering: Literal["stages", "graph"]
) -> None:
    value = OTHER[kind, name]
    if kind is Pipeline:
        before, after = whole(JOB), replace(whole(JOB), **{name: value})
    else:
        plain = PLAIN[kind]
        assert getattr(plain, name) != value
        if (kind, name) == (Cache, "key"):
            plain = replace(plain, key_files=())
        if (kind, name) == (Job, "confirmation"):
            plain = replace(plain, when="manual")
        before, after = whole(INSIDE[kind](plain)), whole(INSIDE[kind](replace(plain, **{name: value})))
    settings = RenderSettings("http://gitlab.example/a.git", "a" * 40, rendering=rendering)
    if (kind, name, rendering) == (Undecided, "needs", "stages"):
        with pytest.raises(InputError, match="graph"):  # stages have one order
            render(after, settings)
        return
    changes = render(before, settings) != render(after, settings)
    assert changes == ((kind, name) not in NOT_RENDERED)


def test_the_diagnostics_that_cover_fields_exist() -> None:
    assert {code for code in NOT_RENDERED.values() if code} <= CODES.keys()
