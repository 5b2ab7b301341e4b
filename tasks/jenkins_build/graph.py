"""The pipeline as data with one fixed runner: every job starts as soon as its needs are met, and any number fits.

The fixed part is `RUNNER`. Jobs are maps in functions of a few dozen each, as a JVM method holds 64 KB of bytecode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from errors import InputError
from tasks.interpretation import expressions as terms
from tasks.interpretation.pipeline import Child, Job, Undecided
from tasks.jenkins_build import caches, checkouts, conditions, dotenv, helpers, job_script
from tasks.jenkins_build.artifacts import (
    ant_patterns,
    exclude_patterns,
    file_patterns,
    has_stash,
    other_reports,
    sources_of,
)
from tasks.jenkins_build.cloning import REFSPEC, SOURCE, refspec
from tasks.jenkins_build.folders import folders_of
from tasks.jenkins_build.graph_data import Listed, listing
from tasks.jenkins_build.groovy import (
    Assign,
    Block,
    Code,
    Expression,
    ListOf,
    MapOf,
    Source,
    Statement,
    Text,
)
from tasks.jenkins_build.job_functions import (
    common,
    docker_of,
    late_lines,
    own_lines,
    rule_values,
    save_lines,
    script_lines,
    service_variables,
)
from tasks.jenkins_build.job_secrets import WITH_JOB_SECRETS, secrets_list, with_variables
from tasks.jenkins_build.job_traits import is_manual, keeps_services, place, question, retries_some, retry_kinds
from tasks.jenkins_build.names import label
from tasks.jenkins_build.plan import Plan, clones, depth_of, manual_wait

_FIXED = (
    helpers.STATES,
    helpers.FAILED_STAGES,
    helpers.STASHES,
    helpers.EXIT_CODES,
    helpers.DOTENV,
    helpers.LIMITED,
    helpers.ATTEMPT,
    helpers.TRIED_AGAIN,
    helpers.run_job(retries=True, some_retries=True, exit_codes=True, stages=True, children=True),
    helpers.IS_MISSING,
    helpers.DECIDED,
    helpers.RUNS_WHEN,
    helpers.APPROVED,
    helpers.FETCH,
    helpers.REPORTED,
    dotenv.READ,
    helpers.UNTRACKED,
    helpers.CACHED,
    helpers.SHELL,
    helpers.CONTAINED,
    helpers.AFTER_SCRIPT,
    WITH_JOB_SECRETS,
    conditions.ANSWERS,
    conditions.PRESENT,
    conditions.MATCHES,
)
RUNNER = "\n".join([*_FIXED, "\n" + Path(__file__).with_name("runner.groovy").read_text(encoding="ascii")])
_KEEP = {
    "on_success": ("success",),
    "on_failure": ("failed", "unstable"),
    "always": ("success", "failed", "unstable"),
}


def functions(plan: Plan) -> list[list[Statement]]:
    """Everything above the pipeline: the runner, what differs, and the jobs.

    Raises:
        InputError: Jobs wait for each other in a circle.
    """
    check_ends(plan)
    login = plan.settings.registry_credentials_id
    own = [
        conditions.value_function(plan.asked_variables, plan.known_variables, plan.usual_values),
        dotenv.stronger(plan.pipeline.stronger),
        *([helpers.logged_in(login)] if login else []),
        *([] if plan.pipeline.decided else [REFSPEC, SOURCE]),
    ]
    own += [with_variables(plan.settings.bound_variables)] if plan.settings.bound_variables else []
    jobs = listing(_listed(plan))
    paragraphs: list[list[Statement]] = [[Source(text)] for text in (RUNNER, *own)]
    paragraphs += common(plan, always=True)
    start: tuple[Statement, ...] = (_project(plan), *jobs.calls, Source("settle(choosing())"))
    return [*paragraphs, *jobs.paragraphs, [Block("void describe()", start)]]


def pipeline_stage() -> Block:
    """The one declarative stage that all jobs run in."""
    script = Block("script", (Source("describe()\nadvance(begin())\nfinish()"),))
    return Block("stage('jobs')", (Block("steps", (script,)),))


def _project(plan: Plan) -> Statement:
    settings, decided = plan.settings, plan.pipeline.decided
    entries: list[tuple[str, Expression]] = [
        ("url", Text(settings.clone_url) if decided else Code("env.REPO_URL")),
        ("commit", Text(settings.commit_sha) if decided else Code("env.COMMIT_SHA")),
        ("refspec", Text(refspec(plan.pipeline, settings)) if decided else Code("refspec()")),
        ("stages", Code(str(len(plan.pipeline.stages)))),
        ("wait", Code(str(manual_wait(plan)))),
    ]
    if not decided:
        entries.append(("own", Code("ownSource")))
    if settings.git_credentials_id:
        entries.append(("credentials", Text(settings.git_credentials_id)))
    if plan.pipeline.fail_fast:
        entries.append(("failFast", Code("true")))
    if settings.bound_variables:
        entries.append(("variables", Code("true")))
    return Assign("project", None, MapOf(tuple(entries)))


def _listed(plan: Plan) -> list[Listed]:
    shared = _Shared(_ranks(plan), _rules(plan))
    return [
        Listed(plan.names[job.name].mark, place(job), MapOf(tuple(_entries(plan, job, shared))))
        for job in plan.pipeline.jobs
    ]


class _Shared(Struct, frozen=True):
    """What is worked out once for all jobs: the number of every stage, and the rules of each job, by its name."""

    ranks: Mapping[str, int]
    rules: Mapping[str, ListOf]


def _ranks(plan: Plan) -> dict[str, int]:
    """The number of every stage. Those of a child pipeline follow each other too, somewhere behind the others."""
    names = [stage for lane in plan.pipeline.lanes.values() for stage in lane]
    return {name: rank for rank, name in enumerate(names)}


Entries = Iterator[tuple[str, Expression]]


def _entries(plan: Plan, job: Job, shared: _Shared) -> Entries:
    names, ranks = plan.names[job.name], shared.ranks
    yield "title", Text(names.stage)
    yield "number", Code(str(names.index))
    yield "stage", Code(str(ranks[job.stage]))
    if job.resource_group is not None:
        yield "group", Text(job.resource_group)
    if job.parent is not None:
        yield "lane", Code(str(ranks[plan.pipeline.lanes[job.parent][0]]))
        yield "inChild", Code("true")
    if job.child is not None:
        yield "child", _child(job.child, ranks)
        yield from _order(plan, job, shared)
        yield from _limits(plan, job)
        return
    if job.tags:
        yield "label", Text(label(job.tags))
    yield from _order(plan, job, shared)
    yield from _limits(plan, job)
    if clones(plan, job):
        yield "depth", Code(str(depth_of(plan, job)))
    yield from _shell(plan, job)
    yield from _kept(plan, job)


def _child(child: Child, ranks: Mapping[str, int]) -> MapOf:
    if child.refused is not None or not child.stages:
        return MapOf((("refused", Code("null") if child.refused is None else Text(child.refused)),))
    first = ranks[child.stages[0]]
    lane = (("first", Code(str(first))), ("end", Code(str(first + len(child.stages)))))
    flags = [(name, Code("true")) for name, holds in (("waits", child.waits), ("failFast", child.fail_fast)) if holds]
    return MapOf((*lane, *flags))


def _order(plan: Plan, job: Job, shared: _Shared) -> Entries:
    yield from _needs(plan, job)
    if job.confirmation and is_manual(job):
        yield "question", Text(question(job))
    if job.rules:
        yield "rules", shared.rules[job.name]
        return
    if job.when != "on_success":
        yield "when", Text(job.when)
    if job.when == "delayed":
        yield "delay", Code(str(job.start_in_seconds or 0))
    if job.allow_failure.always:
        yield "allowFailure", Code("true")


def _needs(plan: Plan, job: Job) -> Entries:
    if job.needs is not None:
        yield "needs", _marks(plan, plan.needed(job))
    if optional := plan.optional(job):
        yield "optional", _marks(plan, optional)
    if job.needs is not None or job.dependencies is not None:
        givers = (other for other in sources_of(job, plan.pipeline) if has_stash(other) or _dotenv(other))
        yield "from", _marks(plan, (other.name for other in givers))


def _rules(plan: Plan) -> dict[str, ListOf]:
    """The rules of each job as data; that of jobs which share theirs, as those of a matrix do, is one and the same."""
    conditions = {id(condition): term(condition) for condition in plan.conditions}
    drawn: dict[object, ListOf] = {}
    found: dict[str, ListOf] = {}
    for job in plan.pipeline.jobs:
        own = job.name if any(rule.needs is not None for rule in job.rules) else None
        key = (id(job.rules), job.allow_failure, job.start_in_seconds, own)
        if key not in drawn:
            drawn[key] = ListOf(tuple(_rule(plan, job, rule, conditions[id(rule.expression)]) for rule in job.rules))
        found[job.name] = drawn[key]
    return found


def _rule(plan: Plan, job: Job, rule: Undecided, condition: ListOf) -> MapOf:
    own = _needs(plan, replace(job, needs=rule.needs)) if rule.needs is not None else ()
    return MapOf((("condition", condition), *rule_values(job, rule).entries, *own))


def _limits(plan: Plan, job: Job) -> Entries:
    yield "timeout", Code(str(plan.timeout(job)))
    if seconds := plan.script_seconds(job, "RUNNER_SCRIPT_TIMEOUT"):
        yield "scriptTimeout", Code(str(seconds))
    if job.allow_failure.exit_codes:
        yield "allowedExitCodes", _numbers(job.allow_failure.exit_codes)
    if job.retry.max:
        yield "retries", Code(str(job.retry.max))
    if retries_some(job):
        yield "retryOn", _texts(retry_kinds(job))
        yield "retryCodes", _numbers(job.retry.exit_codes)


def _shell(plan: Plan, job: Job) -> Entries:
    yield "head", _text(job_script.job_variables(job, plan.names[job.name].index, plan.timeout(job)))
    if job.excluded_variables:
        yield "bare", Code("true")
    if own := own_lines(plan, job):
        yield "own", _text(own)
    if open_lines := late_lines(plan, job):
        yield "open", _text(open_lines)
    for word, jobs in (("passed", dotenv.passed(job, plan.pipeline)), ("lent", dotenv.lent(job, plan.pipeline))):
        if jobs:
            yield word, _marks(plan, (other.name for other in jobs))
    if plan.settings.registry_credentials_id and plan.uses_login(job):
        yield "login", Code("true")
    if job.pre_get_sources:
        yield "hook", _text(checkouts.hook(job))
    if rest := checkouts.rest(plan, job):
        yield "checkout", _text(rest)
    if job.secrets:
        yield "secrets", secrets_list(job)
    yield "script", _text(script_lines(job))
    if job.after_script:
        if seconds := plan.script_seconds(job, "RUNNER_AFTER_SCRIPT_TIMEOUT"):
            yield "afterTimeout", Code(str(seconds))
        yield "afterScript", _text(job_script.commands(job.after_script))
    if job.caches:
        yield "restore", _text(caches.restore(job))
        yield "save", _text(save_lines(job))
    if job.image is not None:
        docker = docker_of(plan, job, job.image)
        yield "run", _text(docker.start(service_variables(plan, job)))
        if docker.open_names:
            yield "late", Code("true")
        yield "cleanup", _text(docker.clean_up(services=not keeps_services(job)))
        if keeps_services(job):
            yield "afterCleanup", _text(docker.clean_up())
        if job.after_script:
            yield "afterRun", _text(docker.after())


def _kept(plan: Plan, job: Job) -> Entries:
    artifacts = job.artifacts
    if has_stash(job):
        yield "stash", Text(plan.names[job.name].stash)
        yield "keep", _texts(_KEEP[artifacts.when])
        yield "includes", Text(ant_patterns(artifacts.paths))
        if artifacts.exclude:
            yield "excludes", Text(exclude_patterns(artifacts.exclude))
        if artifacts.untracked:
            yield "untracked", Code("true")
        if folders := folders_of(job):
            yield "folders", Text(folders)
    if artifacts.reports.get("junit"):
        yield "junit", Text(file_patterns(artifacts.reports["junit"]))
    if others := other_reports(job):
        yield "reports", Text(file_patterns(others))
    if _dotenv(job):
        yield "dotenv", _texts(_dotenv(job))


def _dotenv(job: Job) -> tuple[str, ...]:
    return job.artifacts.reports.get("dotenv", ())


def _text(lines: list[str]) -> Text:
    return Text("\n".join([*lines, ""]))


def _texts(items: Iterable[str]) -> ListOf:
    return ListOf(tuple(map(Text, items)))


def _numbers(items: Iterable[int]) -> ListOf:
    return ListOf(tuple(Code(str(item)) for item in items))


def _marks(plan: Plan, jobs: Iterable[str]) -> ListOf:
    return _texts(plan.names[job].mark for job in dict.fromkeys(jobs))


def term(node: object) -> ListOf:
    """A residual condition as data for the runner's ``holds``."""
    if isinstance(node, terms.Constant):
        return ListOf((Text("constant"), Code("true" if node.value else "false")))
    if isinstance(node, terms.Files):
        return ListOf((Text("files"), Text(conditions.question(node))))
    if isinstance(node, terms.Not):
        return ListOf((Text("not"), term(node.term)))
    if isinstance(node, terms.And | terms.Or):
        word = "all" if isinstance(node, terms.And) else "any"
        return ListOf((Text(word), ListOf(tuple(map(term, node.terms)))))
    if isinstance(node, terms.Truth):
        return ListOf((Text("present"), _operand(node.value)))
    if isinstance(node, terms.Equal):
        return ListOf((Text("equal"), _operand(node.left), _operand(node.right)))
    assert isinstance(node, terms.Match)  # noqa: S101 - there is no other term
    if isinstance(node.pattern, terms.Pattern):
        return ListOf((Text("like"), _operand(node.value), Text(conditions.java_pattern(node.pattern))))
    return ListOf((Text("matches"), _operand(node.value), _operand(node.pattern)))


def _operand(value: terms.Value) -> Expression:
    if isinstance(value, terms.Null):
        return Code("null")
    return Text(value.value) if isinstance(value, terms.Text) else MapOf((("variable", Text(value.name)),))


def check_ends(plan: Plan) -> None:
    """See that no job waits for itself, through needs or stages: it would never start, and nothing would say so.

    Raises:
        InputError: Some do.
    """
    left = Counter(job.stage for job in plan.pipeline.jobs)
    missing = {job.name: len(set(plan.needed(job))) for job in plan.pipeline.jobs if job.needs is not None}
    behind: dict[str, list[Job]] = {}
    for job in plan.pipeline.jobs:
        for need in set(plan.needed(job)):
            behind.setdefault(need, []).append(job)
    ready = [job for job in plan.pipeline.jobs if missing.get(job.name) == 0]
    for stage in (stage for lane in plan.pipeline.lanes.values() for stage in lane):
        ready += [job for job in plan.pipeline.jobs if job.stage == stage and job.needs is None]
        while ready:
            job = ready.pop()
            left[job.stage] -= 1
            for other in behind.get(job.name, ()):
                missing[other.name] -= 1
                if missing[other.name] == 0:
                    ready.append(other)
        if left[stage]:
            names = sorted(name for name, count in missing.items() if count)
            raise InputError(f"The jobs {names} need each other in a circle.", remedy="Cut one of the needs.")
