"""What stands above the pipeline for each job: its shell text as a function, and the rules left to the build."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.interpretation.pipeline import Image, Job, Undecided
from tasks.interpretation.pipeline import Secret as JobSecret
from tasks.jenkins_build import caches, checkouts, conditions, containers, dotenv, folders, helpers, job_script
from tasks.jenkins_build.cloning import FOUND
from tasks.jenkins_build.groovy import (
    Block,
    Call,
    Code,
    Comment,
    Expression,
    Lines,
    ListOf,
    MapOf,
    Source,
    Statement,
    Text,
    expression,
)
from tasks.jenkins_build.job_script import word
from tasks.jenkins_build.job_traits import has_rule_variables, keeps_services, place
from tasks.jenkins_build.plan import Plan
from tasks.jenkins_build.settings import BoundVariable

SETUP = "setup"
VARIABLES = "pipelineVariables"
CACHE, CONTAINER, CHECKOUT = Call("cacheFunctions"), Call("containerFunctions"), Call("checkoutFunctions")


def functions(plan: Plan) -> list[list[Statement]]:
    """The shell text of all jobs, and the rules that are left to decide."""
    if not plan.pipeline.jobs:
        return []
    paragraphs = common(plan)
    for job in plan.pipeline.jobs:
        paragraphs.extend(_job_functions(plan, job))
    return paragraphs


def common(plan: Plan, *, always: bool = False) -> list[list[Statement]]:
    """What the shell text of all jobs begins with; `always`: also a function of no variables."""
    setup = [*job_script.START, *job_script.agent_exports(plan.agent_variables)]
    setup += job_script.exports({"CI_PIPELINE_NAME": plan.pipeline.name}) if plan.pipeline.name else []
    setup += folders.FUNCTION if any(map(folders.folders_of, plan.pipeline.jobs)) else ()
    variables = job_script.exports(plan.pipeline.variables, plan.pipeline.unresolved_variables)
    begin: list[Statement] = [Comment("What every job's shell begins with."), _function(f"String {SETUP}()", setup)]
    paragraphs = [begin]
    if variables or always:
        paragraphs.append([_function(f"String {VARIABLES}()", variables)])
    jobs = plan.pipeline.jobs
    if any(job.caches for job in jobs):
        paragraphs.append([_function(f"String {CACHE.name}()", caches.FUNCTIONS)])
    if any(job.image for job in jobs):
        paragraphs.append([_function(f"String {CONTAINER.name}()", containers.FUNCTIONS)])
    if any(checkouts.rest(plan, job) for job in jobs):
        paragraphs.append([_function(f"String {CHECKOUT.name}()", checkouts.FUNCTIONS)])
        paragraphs.append([Source(helpers.with_git(plan.settings.git_credentials_id))])
    return paragraphs


def _function(head: str, lines: list[str], first: tuple[Expression, ...] = ()) -> Block:
    texts = "\n".join(lines).split("\n")
    return Block(f"@NonCPS\n{head}", (Lines((*first, *(Text(line) for line in texts))),))


def _job_functions(plan: Plan, job: Job) -> Iterator[list[Statement]]:
    names = plan.names[job.name]
    stem, title = names.function, Comment(f"{job.name} ({place(job)})")
    if job.rules:
        yield [title, _rule_function(plan, job)]
    if job.child is not None:
        return
    clean = folders.unmarked(plan.fetched(job))
    yield [title, _script_function(plan, job, f"{stem}Script", [*([] if job.image else clean), *script_lines(job)])]
    if job.after_script:
        yield [_script_function(plan, job, f"{stem}AfterScript", job_script.commands(job.after_script))]
    if job.pre_get_sources:
        yield [_script_function(plan, job, f"{stem}Hook", checkouts.hook(job))]
    if rest := checkouts.rest(plan, job):
        yield [_script_function(plan, job, f"{stem}Checkout", rest, CHECKOUT)]
    if job.caches:
        yield [_script_function(plan, job, f"{stem}Restore", caches.restore(job), CACHE)]
        yield [_script_function(plan, job, f"{stem}Save", save_lines(job), CACHE)]
    if job.image is None:
        return
    docker = docker_of(plan, job, job.image)
    start = [*clean, *docker.start(service_variables(plan, job))]
    yield [_given_run(plan, job, start) if docker.open_names else _function(f"String {stem}Run()", start, (CONTAINER,))]
    if job.after_script:
        yield [_function(f"String {stem}AfterRun()", docker.after())]
    yield [_function(f"String {stem}Cleanup()", docker.clean_up(services=not keeps_services(job)))]
    if keeps_services(job):
        yield [_function(f"String {stem}AfterCleanup()", docker.clean_up())]


def script_lines(job: Job) -> list[str]:
    """The commands of the job's script, and what keeps the empty folders among its artifacts."""
    commands = job_script.commands((*job.before_script, *job.script))
    return commands if job.caches else [*commands, *folders.marked(job)]


def save_lines(job: Job) -> list[str]:
    """The commands that save the job's caches, of which the marks of empty folders are no part."""
    return [*caches.save(job), *folders.marked(job)]


def docker_of(plan: Plan, job: Job, image: Image) -> containers.Docker:
    """The docker commands of a job with an image."""
    passed = () if plan.pipeline.decided else tuple(dict.fromkeys((*plan.parameters, *FOUND)))
    if plan.settings.registry_credentials_id and plan.uses_login(job):
        passed = (*passed, *job_script.LOGIN_VARIABLES)
    index = plan.names[job.name].index
    bound: tuple[BoundVariable | JobSecret, ...] = (*plan.settings.bound_variables, *job.secrets)
    secret = containers.Secret(tuple(b.name for b in bound), tuple(b.name for b in bound if b.is_file))
    return containers.Docker(job, image, index, plan.agent_variables, passed, secret)


def service_variables(plan: Plan, job: Job) -> dict[str, str]:
    """The job's variables as words of shell, for its services."""
    if not job.services:
        return {}
    wide, known = plan.pipeline.unresolved_variables, plan.agent_variables
    shared = [(name, value, name in wide) for name, value in plan.shared_variables(job).items()]
    own = [(name, value, name in job.unresolved_variables) for name, value in job.variables.items()]
    return {
        name: containers.agent_word(job_script.own_put_in(name, value), known) if left else word(value)
        for name, value, left in (*shared, *own)
    }


def _given_run(plan: Plan, job: Job, start: list[str]) -> Block:
    """What starts the job's container, with the variables of its script, which the names of images refer to."""
    before: tuple[Expression, ...] = (CONTAINER, *_texts([f"{containers.GIVEN}() {{", ":"]))
    return _with_variables(plan, job, f"{plan.names[job.name].function}Run", before, _texts(["}", *start]))


def _script_function(plan: Plan, job: Job, name: str, commands: list[str], *first: Expression) -> Block:
    return _with_variables(plan, job, name, (Call(SETUP),), (*first, *_texts(commands)))


def _with_variables(
    plan: Plan, job: Job, name: str, before: Iterable[Expression], after: Iterable[Expression]
) -> Block:
    """A function of shell text that sets the job's variables in its middle."""
    head, own = job_script.job_variables(job, plan.names[job.name].index, plan.timeout(job)), own_lines(plan, job)
    shared = [Call(VARIABLES)] if plan.pipeline.variables and not job.excluded_variables else []
    told, lent = (
        _parameter(word, jobs)
        for word, jobs in (("reports", dotenv.told(job, plan.pipeline)), ("lent", dotenv.lent(job, plan.pipeline)))
    )
    chosen = [Code("variables")] if has_rule_variables(job) else []
    referring = any(rule.unresolved_variables for rule in job.rules)
    referred = told if job.unresolved_variables or plan.pipeline.unresolved_variables or referring else []
    function: list[Expression] = [*_texts(["lent() {", ":"]), *lent, *_texts(["}"])] if lent else []
    late: list[Expression] = [*told, *_texts(lines)] if (lines := late_lines(plan, job)) else []
    first: tuple[Expression, ...] = (*_texts(head), *function, *referred, *shared)
    variables = (*first, *_texts(own), *late, *chosen, *told)
    parameters = ", ".join(f"String {code.text}" for code in (*chosen, *told, *lent))
    return Block(f"@NonCPS\nString {name}({parameters})", (Lines((*before, *variables, *after)),))


def _parameter(name: str, jobs: tuple[Job, ...]) -> list[Code]:
    return [Code(name)] if jobs else []


def _texts(texts: list[str]) -> list[Text]:
    return [Text(line) for text in texts for line in text.split("\n")]


def own_lines(plan: Plan, job: Job) -> list[str]:
    """What the job exports itself: its own variables, after those of the pipeline where it does not get them all."""
    told, lent = bool(dotenv.told(job, plan.pipeline)), bool(dotenv.lent(job, plan.pipeline))
    own = job_script.own_variables(job, lent=lent, told=told)
    if not job.excluded_variables:
        return own
    return [*job_script.exports(plan.shared_variables(job), plan.pipeline.unresolved_variables), *own]


def late_lines(plan: Plan, job: Job) -> list[str]:
    """What the job exports behind the variables of the reports it gets, as it refers to others."""
    if not dotenv.told(job, plan.pipeline):
        return []
    return job_script.late_variables(job, lent=bool(dotenv.lent(job, plan.pipeline)))


def _rule_function(plan: Plan, job: Job) -> Block:
    body: list[Statement] = []
    for rule in job.rules:
        body.append(Block(f"if ({conditions.condition(rule.expression)})", (_rule_result(job, rule),)))  # type: ignore[arg-type]
    body.append(Source("return [when: 'never', allowFailure: false, variables: '', delay: 0]"))
    return Block(f"Map {plan.names[job.name].function}Rule()", tuple(body))


def _rule_result(job: Job, rule: Undecided) -> Source:
    return Source(f"return {expression(rule_values(job, rule))}")


def rule_values(job: Job, rule: Undecided) -> MapOf:
    """What holds for the job when this rule is the first that matches."""
    allowed = rule.allow_failure if rule.allow_failure is not None else job.allow_failure
    delay = rule.start_in_seconds if rule.start_in_seconds is not None else job.start_in_seconds
    codes = ListOf(tuple(Code(str(code)) for code in allowed.exit_codes))
    return MapOf(
        (
            ("when", Text(rule.when)),
            ("allowFailure", Code(str(allowed.always).lower())),
            *((("allowedExitCodes", codes),) if job.allow_failure.exit_codes else ()),
            ("variables", Text("\n".join(job_script.exports(rule.variables, rule.unresolved_variables)))),
            ("delay", Code(str(delay or 0))),
        )
    )
