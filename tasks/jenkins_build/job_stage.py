"""One GitLab job as a declarative stage, and its shell text as functions above the pipeline."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.interpretation.pipeline import Child, Job
from tasks.jenkins_build import checkouts, image_stage
from tasks.jenkins_build.artifacts import ant_patterns, exclude_patterns, file_patterns, has_stash, other_reports
from tasks.jenkins_build.dotenv import lent, told
from tasks.jenkins_build.folders import IN_ARCHIVE, folders_of
from tasks.jenkins_build.groovy import (
    Block,
    Call,
    Code,
    Comment,
    Expression,
    ListOf,
    MapOf,
    Source,
    Statement,
    Step,
    Text,
    expression,
    literal,
)
from tasks.jenkins_build.job_functions import docker_of
from tasks.jenkins_build.job_secrets import secrets_list
from tasks.jenkins_build.job_traits import (
    has_rule_variables,
    is_delayed,
    is_manual,
    keeps_exit_code,
    keeps_services,
    place,
    question,
    retries_some,
    retry_kinds,
)
from tasks.jenkins_build.names import label
from tasks.jenkins_build.plan import Group, Plan, clones, depth_of, has_condition, manual_wait, sources_name

# What a script writes; an agent without a locale would take it for something else.
_UTF_8 = ("encoding", Text("UTF-8"))
_AFTER_SECONDS = 300  # GitLab Runner's own


def pipeline_stages(plan: Plan) -> list[Statement]:
    """All stages of the pipeline: groups in order, a group of one without its frame."""
    return [node for group in plan.groups for node in _group(plan, group)]


def _group(plan: Plan, group: Group) -> list[Statement]:
    if group.ends is not None:
        return _child_end(plan, group, group.ends)
    stages = [node for job in group.jobs for node in _job_stage(plan, job)]
    if len(group.jobs) == 1:
        return stages
    return [Block(f"stage({literal(group.title)})", (Block("parallel", tuple(stages)),))]


def _job_stage(plan: Plan, job: Job) -> list[Statement]:
    names = plan.names[job.name]
    if job.child is not None:
        steps = Block("steps", (Block("script", (*_start_child(plan, job, job.child), *_halt(plan, job))),))
        return [Comment(place(job)), Block(f"stage({literal(names.stage)})", (*_when(plan, job), steps))]
    script = Block("script", (_run_job(plan, job), *_halt(plan, job)))
    body = [*_when(plan, job), agent(label(job.tags) or None), Block("steps", (script,)), *_post(plan, job)]
    return [Comment(place(job)), Block(f"stage({literal(names.stage)})", tuple(body))]


def _start_child(plan: Plan, job: Job, child: Child) -> Iterator[Statement]:
    mark = plan.names[job.name].mark
    if child.refused is not None:
        yield _bridge(plan, job, (Step("error", (Text(child.refused),)),))
        return
    if child.stages:
        yield Step("begun.add", (Text(mark),))
    if child.waits and child.stages:
        yield Step("echo", (Text(f"gl-job name={mark} state=running"),))
    else:
        yield _bridge(plan, job, (Step("echo", (Text("Nothing waits for the child pipeline."),)),))


def _child_end(plan: Plan, group: Group, job: Job) -> list[Statement]:
    began = Source(f"{literal(plan.names[job.name].mark)} in begun")
    when = Block("when", (Block("expression", (began,)),))
    stages = ListOf(tuple(Text(stage) for stage in plan.pipeline.lanes[job.name]))
    script = Block("script", (_bridge(plan, job, (Step("childEnded", (stages,)),)), *_halt(plan, job)))
    return [Comment(place(job)), Block(f"stage({literal(group.title)})", (when, Block("steps", (script,))))]


def _halt(plan: Plan, job: Job) -> list[Statement]:
    """What stops all others where the job failed; the jobs of a child pipeline are no concern of the parent's."""
    if not plan.pipeline.fail_fast or job.parent is not None:
        return []
    return [Step("halt", (Text(plan.names[job.name].mark),))]


def _bridge(plan: Plan, job: Job, body: tuple[Statement, ...]) -> Step:
    options = MapOf(tuple(_options(plan, job)))
    return Step("runJob", (Text(plan.names[job.name].mark), options), body=body)


def agent(wanted: str | None) -> Statement:
    """The stage's agent section."""
    if wanted is None:
        return Source("agent any")
    return Block("agent", (Step("label", (Text(wanted),)),))


def fetch(plan: Plan, jobs: tuple[Job, ...]) -> list[Statement]:
    """Takes the artifacts of those jobs, as far as they ran."""
    names = tuple(Text(plan.names[job.name].stash) for job in jobs)
    return [Step("fetch", (ListOf(names),))] if names else []


def _marks(plan: Plan, jobs: tuple[str, ...]) -> ListOf:
    return ListOf(tuple(Text(plan.names[job].mark) for job in jobs))


# --- when


def _when(plan: Plan, job: Job) -> list[Statement]:
    if not has_condition(plan, job):
        return []
    condition = " && ".join(_conditions(plan, job))
    return [Block("when", (Source("beforeAgent true"), Block("expression", (Source(condition),))))]


def _conditions(plan: Plan, job: Job) -> Iterator[str]:
    names = plan.names[job.name]
    when: Expression = Code(f"{names.function}Rule().when") if job.rules else Text(job.when)
    mark = Text(names.mark)
    if job.parent is not None:
        yield _call("inside", Text(plan.names[job.parent].mark), mark, _stopping(plan, job.parent))
    if job.needs is None:
        yield _call("afterStages", mark, when, ListOf(tuple(Text(stage) for stage in plan.earlier(job))))
    else:
        waited, spared = _marks(plan, plan.needed(job)), _marks(plan, plan.optional(job))
        yield _call("afterNeeds", mark, when, waited, spared)
    guard = f"{names.function}Rule().when != '{{}}' || " if job.rules else ""
    if is_manual(job):
        optional = f"{names.function}Rule().allowFailure" if guard else str(job.allow_failure.always).lower()
        seconds = Code(str(manual_wait(plan)))
        call = _call("approved", mark, Text(f"Job-{names.index}"), Text(question(job)), Code(optional), seconds)
        yield f"({guard.format('manual')}{call})" if guard else call
    if is_delayed(job):
        delay = f"{names.function}Rule().delay" if guard else str(job.start_in_seconds or 0)
        call = f"waited({delay})"
        yield f"({guard.format('delayed')}{call})" if guard else call


def _stopping(plan: Plan, parent: str) -> ListOf:
    """The stages of a child pipeline in which a failed job keeps all others from starting."""
    stages = plan.pipeline.lanes[parent] if parent in plan.fragile else ()
    return ListOf(tuple(map(Text, stages)))


def _call(name: str, *arguments: Expression) -> str:
    return expression(Call(name, arguments))


# --- steps


def _run_job(plan: Plan, job: Job) -> Statement:
    options = MapOf(tuple(_options(plan, job)))
    body = [*_prepare(plan, job), *_execute(plan, job)]
    after = [*_after_script(plan, job), *_cached(plan, job, "Save")]
    return Step("runJob", (Text(plan.names[job.name].mark), options), body=tuple(body), then=tuple(after))


def _options(plan: Plan, job: Job) -> Iterator[tuple[str, Expression]]:
    yield "stage", Text(job.stage)
    if job.parent is not None:
        yield "inChild", Code("true")
    yield "timeout", Code(str(plan.timeout(job)))
    if job.retry.max:
        yield "retries", Code(str(job.retry.max))
    if retries_some(job):
        yield "retryOn", ListOf(tuple(map(Text, retry_kinds(job))))
        yield "retryCodes", ListOf(tuple(Code(str(code)) for code in job.retry.exit_codes))
    if job.rules:
        yield "allowFailure", Code(f"{plan.names[job.name].function}Rule().allowFailure")
    elif job.allow_failure.always:
        yield "allowFailure", Code("true")
    if job.allow_failure.exit_codes and job.rules:
        yield "allowedExitCodes", Code(f"{plan.names[job.name].function}Rule().allowedExitCodes")
    elif job.allow_failure.exit_codes:
        yield "allowedExitCodes", ListOf(tuple(Code(str(code)) for code in job.allow_failure.exit_codes))


def _prepare(plan: Plan, job: Job) -> list[Statement]:
    name = sources_name(plan, depth_of(plan, job)) if clones(plan, job) else "deleteDir"
    return [
        *_hook(plan, job),
        Step(name),
        *_rest(plan, job),
        *_cached(plan, job, "Restore"),
        *fetch(plan, plan.fetched(job)),
    ]


def _hook(plan: Plan, job: Job) -> list[Statement]:
    """Runs what the job wants to be run before its sources are fetched."""
    if not job.pre_get_sources:
        return []
    named = (("label", Text("pre_get_sources_script")), _UTF_8, ("script", _script_call(plan, job, "Hook")))
    return [Step("deleteDir"), *_with_secrets(plan, job, [Step("sh", (), named)])]


def _rest(plan: Plan, job: Job) -> list[Statement]:
    if not checkouts.rest(plan, job):
        return []
    named = (("label", Text("checkout")), ("script", _script_call(plan, job, "Checkout")))
    return [Step("withGit", body=(Step("sh", (), named),))]


def _cached(plan: Plan, job: Job, what: str) -> list[Statement]:
    """Restores or saves the job's caches."""
    if not job.caches:
        return []
    label = Text(f"{what.lower()} caches")
    step = Step("cached", (Text(plan.names[job.name].mark), label, _script_call(plan, job, what)))
    return _with_secrets(plan, job, [step])


def _execute(plan: Plan, job: Job) -> list[Statement]:
    names = plan.names[job.name]
    if job.image is None:
        return _with_secrets(plan, job, [_shell(plan, job, _script_call(plan, job, "Script"))])
    late = docker_of(plan, job, job.image).open_names
    run = _script_call(plan, job, "Run") if late else Call(f"{names.function}Run")
    body = (_shell(plan, job, run),)
    step = Step("contained", (_script_call(plan, job, "Script"), Code(f"{names.function}Cleanup()")), body=body)
    return _with_secrets(plan, job, [step])


def _with_secrets(plan: Plan, job: Job, body: list[Statement]) -> list[Statement]:
    """The steps with what the job gets from Jenkins' credentials store."""
    body = _logged_in(plan, job, body)
    if plan.settings.bound_variables:
        body = [Step("withVariables", body=tuple(body))]
    return [Step("withJobSecrets", (secrets_list(job),), body=tuple(body))] if job.secrets else body


def _logged_in(plan: Plan, job: Job, body: list[Statement]) -> list[Statement]:
    if not plan.uses_login(job):
        return body
    if plan.settings.registry_credentials_id is None:
        return [
            Comment("CI_REGISTRY_USER and CI_REGISTRY_PASSWORD are not set: the registry has no login here."),
            *body,
        ]
    return [Step("loggedIn", body=tuple(body))]


def _shell(plan: Plan, job: Job, script: Expression) -> Statement:
    if keeps_exit_code(job):
        step = Step("shell", (Text(plan.names[job.name].mark), script))
    else:
        step = Step("sh", (), (("label", Text("script")), _UTF_8, ("script", script)))
    seconds = plan.script_seconds(job, "RUNNER_SCRIPT_TIMEOUT")
    return Step("limited", (Code(str(seconds)),), body=(step,)) if seconds else step


def _script_call(plan: Plan, job: Job, suffix: str) -> Call:
    name = f"{plan.names[job.name].function}{suffix}"
    arguments: list[Expression] = []
    if has_rule_variables(job):
        arguments.append(Code(f"{plan.names[job.name].function}Rule().variables"))
    for others in (told(job, plan.pipeline), lent(job, plan.pipeline)):
        if others:
            arguments.append(Call("reported", (_marks(plan, tuple(other.name for other in others)),)))
    return Call(name, tuple(arguments))


# --- post


def _post(plan: Plan, job: Job) -> list[Statement]:
    steps = [*_artifacts(plan, job), *_reports(plan, job)]
    if plan.settings.registry_credentials_id is not None and plan.uses_login(job):
        steps.append(image_stage.forget_login())
    return [Block("post", (Block("always", (Block("script", tuple(steps)),)),))] if steps else []


def _after_script(plan: Plan, job: Job) -> list[Statement]:
    if not job.after_script:
        return []
    names = plan.names[job.name]
    script = _script_call(plan, job, "AfterScript")
    body: Statement = Step("afterShell", (Text(names.mark), script))
    if job.image is not None:
        run = Step("afterShell", (Text(names.mark), Code(f"{names.function}AfterRun()")))
        cleanup = Code(f"{names.function}{'After' if keeps_services(job) else ''}Cleanup()")
        body = Step("contained", (script, cleanup), body=(run,))
    seconds = plan.script_seconds(job, "RUNNER_AFTER_SCRIPT_TIMEOUT", _AFTER_SECONDS)
    return [Step("afterScript", (Text(names.mark), Code(str(seconds))), body=tuple(_with_secrets(plan, job, [body])))]


_ARTIFACTS_WHEN = {
    "on_success": "states[{}] == 'success'",
    "on_failure": "states[{0}] in ['failed', 'unstable'] && !overdue[{0}]",
    "always": "states[{0}] in ['success', 'failed', 'unstable'] && !overdue[{0}]",
}


def _artifacts(plan: Plan, job: Job) -> list[Statement]:
    if not has_stash(job):
        return []
    names, artifacts = plan.names[job.name], job.artifacts
    includes: Expression = Text(ant_patterns(artifacts.paths))
    if artifacts.untracked:
        known = Text(ant_patterns(artifacts.paths))
        includes = Call("untracked", (known,))
    excludes = [("excludes", Text(exclude_patterns(artifacts.exclude)))] if artifacts.exclude else []
    stash = (("name", Text(names.stash)), ("includes", includes), *excludes)
    hidden = (*artifacts.exclude, IN_ARCHIVE) if folders_of(job) else artifacts.exclude
    excluded = [("excludes", Text(exclude_patterns(hidden)))] if hidden else []
    archive = (("artifacts", includes), *excluded)
    steps = (
        Step("stash", (), (*stash, ("allowEmpty", Code("true")), ("useDefaultExcludes", Code("false")))),
        Step("stashes.add", (Text(names.stash),)),
        Step(
            "archiveArtifacts", (), (*archive, ("allowEmptyArchive", Code("true")), ("defaultExcludes", Code("false")))
        ),
    )
    condition = _ARTIFACTS_WHEN[artifacts.when].format(literal(names.mark))
    return [Block(f"if ({condition})", tuple(steps))]


# What no report is: a reason for a job to fail.
_OF_NO_WEIGHT = (
    ("buildResult", Text("SUCCESS")),
    ("stageResult", Text("SUCCESS")),
    ("catchInterruptions", Code("false")),
)


def _reports(plan: Plan, job: Job) -> Iterator[Statement]:
    reports, mark = job.artifacts.reports, literal(plan.names[job.name].mark)
    if reports.get("junit"):
        results = ("testResults", Text(file_patterns(reports["junit"])))
        flags = ("allowEmptyResults", "skipPublishingChecks", "skipMarkingBuildUnstable")
        shown = Step("junit", (), (results, *((flag, Code("true")) for flag in flags)))
        yield Step("catchError", (), _OF_NO_WEIGHT, body=(shown,))
    if others := other_reports(job):
        named = (("artifacts", Text(file_patterns(others))), ("allowEmptyArchive", Code("true")))
        yield Step("archiveArtifacts", (), (*named, ("defaultExcludes", Code("false"))))
    for path in reports.get("dotenv", ()):
        text = f"readFile(file: {literal(path)}, encoding: 'UTF-8')"
        read = Source(f"dotenv[{mark}] = (dotenv[{mark}] ?: '') + exportsOf({text})")
        yield Block(f"if (fileExists({literal(path)}))", (read,))
