"""What stands above the pipeline for each job: its shell text as a function, and the rules left to the build."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.interpretation.pipeline import Job, Undecided
from tasks.jenkins_build import conditions, containers, job_script
from tasks.jenkins_build.groovy import Block, Call, Code, Comment, Expression, Lines, Source, Statement, Text, literal
from tasks.jenkins_build.plan import Plan, has_rule_variables, place

SETUP = "setup"
VARIABLES = "pipelineVariables"


def functions(plan: Plan) -> list[list[Statement]]:
    """The shell text of all jobs, and the rules that are left to decide."""
    if not plan.pipeline.jobs:
        return []
    setup = [*job_script.START, *job_script.agent_exports(plan.agent_variables)]
    variables = job_script.exports(plan.pipeline.variables, plan.known)
    common: list[Statement] = [Comment("What every job's shell begins with."), _function(f"String {SETUP}()", setup)]
    paragraphs = [common]
    if variables:
        paragraphs.append([_function(f"String {VARIABLES}()", variables)])
    for job in plan.pipeline.jobs:
        paragraphs.extend(_job_functions(plan, job))
    return paragraphs


def _function(head: str, lines: list[str], first: tuple[Expression, ...] = ()) -> Block:
    texts = "\n".join(lines).split("\n")
    return Block(f"@NonCPS\n{head}", (Lines((*first, *(Text(line) for line in texts))),))


def _job_functions(plan: Plan, job: Job) -> Iterator[list[Statement]]:
    names = plan.names[job.name]
    stem, title = names.function, Comment(f"{job.name} ({place(job)})")
    if job.rules:
        yield [title, _rule_function(plan, job)]
    script = job_script.commands((*job.before_script, *job.script))
    yield [title, _script_function(plan, job, f"{stem}Script", script)]
    if job.after_script:
        yield [_script_function(plan, job, f"{stem}AfterScript", job_script.commands(job.after_script))]
    if job.image is None:
        return
    parameters = () if plan.pipeline.decided else plan.parameters
    docker = containers.Docker(job, job.image, names.index, plan.agent_variables, parameters)
    yield [_function(f"String {stem}Run()", docker.start({**plan.pipeline.variables, **job.variables}))]
    if job.after_script:
        yield [_function(f"String {stem}AfterRun()", docker.after())]
    yield [_function(f"String {stem}Cleanup()", docker.clean_up())]


def _script_function(plan: Plan, job: Job, name: str, commands: list[str]) -> Block:
    predefined = job_script.job_variables(job, plan.names[job.name].index)
    parameters = []
    extra: list[Expression] = []
    if has_rule_variables(job):
        parameters.append("String variables")
        extra.append(Code("variables"))
    if plan.informed_by(job):
        parameters.append("String reports")
        extra.append(Code("reports"))
    before, own, after = (
        [Text(line) for text in texts for line in text.split("\n")]
        for texts in (predefined, job_script.exports(job.variables, plan.known), commands)
    )
    shared = [Call(VARIABLES)] if plan.pipeline.variables else []
    items = (Call(SETUP), *before, *shared, *own, *extra, *after)
    return Block(f"@NonCPS\nString {name}({', '.join(parameters)})", (Lines(items),))


def _rule_function(plan: Plan, job: Job) -> Block:
    body: list[Statement] = []
    for rule in job.rules:
        body.append(Block(f"if ({conditions.condition(rule.expression)})", (_rule_result(plan, job, rule),)))  # type: ignore[arg-type]
    body.append(Source("return [when: 'never', allowFailure: false, variables: '']"))
    return Block(f"Map {plan.names[job.name].function}Rule()", tuple(body))


def _rule_result(plan: Plan, job: Job, rule: Undecided) -> Source:
    allowed = rule.allow_failure if rule.allow_failure is not None else job.allow_failure
    variables = "\n".join(job_script.exports(rule.variables, plan.known))
    values = f"allowFailure: {str(allowed.always).lower()}, variables: {literal(variables)}"
    return Source(f"return [when: {literal(rule.when)}, {values}]")
