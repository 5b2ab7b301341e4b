"""What is worked out about a pipeline before any Groovy is written: names, layers, which helper functions it needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from msgspec import Struct, json

from errors import InputError
from tasks.interpretation import expressions as terms
from tasks.interpretation.pipeline import Job, Pipeline
from tasks.jenkins_build import conditions, helpers, job_script, resumable
from tasks.jenkins_build.artifacts import givers_of, has_stash, sources_of
from tasks.jenkins_build.cancelling import HALT
from tasks.jenkins_build.children import CHILDREN
from tasks.jenkins_build.cloning import DESCRIBED, FOUND, PLAIN_NAME, REFSPEC, SOURCE, checkout
from tasks.jenkins_build.dotenv import READ, lent, stronger, told
from tasks.jenkins_build.file_questions import BASE_VARIABLES, questions_of
from tasks.jenkins_build.job_script import word
from tasks.jenkins_build.job_secrets import WITH_JOB_SECRETS, with_variables
from tasks.jenkins_build.job_traits import is_delayed, is_manual, keeps_exit_code, retries_some
from tasks.jenkins_build.names import JobNames, Unique, job_names
from tasks.jenkins_build.settings import IMAGE_STAGE, RenderSettings
from tasks.source.durations import go_seconds

COMMIT_PARAMETER = "COMMIT_SHA"
BUILD_KEY_PARAMETER = "BUILD_KEY"
URL_PARAMETER = "REPO_URL"
USUAL = ("CI_COMMIT_BRANCH", "CI_COMMIT_TAG", "CI_PIPELINE_SOURCE")  # what most rules ask for
_IMAGE = "CI_REGISTRY_IMAGE"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FAIL_FAST = "failFast"  # an option among the branches of `parallel`, which no branch may be called
DEFAULT_DEPTH = 20  # GitLab's own GIT_DEPTH


class Group(Struct, frozen=True):
    """Jobs that run side by side: a GitLab stage, or a part of one whose jobs need each other.

    Attributes:
        ends: The job whose child pipeline ends here, which is then all of it.
    """

    stage: str
    title: str
    jobs: tuple[Job, ...]
    ends: Job | None = None


class Plan(Struct, frozen=True, dict=True):
    """A pipeline, the settings, and what follows from both."""

    pipeline: Pipeline
    settings: RenderSettings
    names: dict[str, JobNames]
    groups: tuple[Group, ...]

    @property
    def is_graph(self) -> bool:
        """Whether it is rendered as a graph; there are no groups then."""
        return bool(self.pipeline.jobs) and not self.groups

    @property
    def parameters(self) -> tuple[str, ...]:
        """String parameters of the build, by name."""
        if self.pipeline.decided:
            return (COMMIT_PARAMETER, BUILD_KEY_PARAMETER)
        names = (COMMIT_PARAMETER, BUILD_KEY_PARAMETER, URL_PARAMETER, *USUAL, *self.asked_variables)
        return tuple(dict.fromkeys(names))

    @cached_property
    def conditions(self) -> tuple[object, ...]:
        """The conditions left to the build; what many jobs share is there once."""
        rules = {id(job.rules): job.rules for job in self.pipeline.jobs}.values()
        return tuple({id(rule.expression): rule.expression for listed in rules for rule in listed}.values())

    @cached_property
    def questions(self) -> list[terms.Files]:
        """What rules ask about files."""
        return questions_of(self.conditions)

    @cached_property
    def asked_variables(self) -> list[str]:
        """Variables that conditions left to the build ask for, sorted."""
        names = conditions.variables_of(self.conditions)
        compares = any(question.changed and question.since is None for question in self.questions)
        return sorted(names.union(BASE_VARIABLES if compares else ()))

    @property
    def known_variables(self) -> Mapping[str, str]:
        """Those among them that need no asking."""
        given = self.pipeline.variables
        return {name: given[name] for name in self.asked_variables if name in given and name in BASE_VARIABLES}

    @cached_property
    def usual_values(self) -> dict[str, str]:
        """What a build has that is told nothing else: on GitLab no pipeline is without these."""
        values = {"CI_PIPELINE_SOURCE": "push"}
        if PLAIN_NAME.fullmatch(self.settings.default_branch):
            values["CI_DEFAULT_BRANCH"] = self.settings.default_branch
        known = self.pipeline.variables
        return {} if self.pipeline.decided else {name: text for name, text in values.items() if name not in known}

    @cached_property
    def agent_variables(self) -> dict[str, str]:
        """Shell text, for use in double quotes, of the variables that only the build knows, by name."""
        variables = {n: v for n, v in job_script.AGENT_VARIABLES.items() if n not in self.pipeline.variables}
        variables |= {bound.name: f"${{{bound.name}-}}" for bound in self.settings.bound_variables}
        if self.pipeline.decided:
            return variables
        address = {n: v for n, v in job_script.ADDRESS_VARIABLES.items() if n not in self.pipeline.variables}
        made = {**job_script.COMMIT_VARIABLES, **address}
        given = {name: f"${{{name}-}}" for name in (*self.parameters[3:], *FOUND)}
        usual = {name: f"${{{name}:-{text}}}" for name, text in self.usual_values.items()}
        asked = {name: f"${{{name}:-{made[name]}}}" for name in given.keys() & made.keys()}
        return {**variables, **made, **given, **usual, **asked}

    @property
    def is_described(self) -> bool:
        """Whether a job, a rule or a variable asks for what git knows of the commit."""
        texts = json.encode((self.pipeline.jobs, self.pipeline.variables), enc_hook=str)
        return any(name.encode() in texts for name in DESCRIBED if name not in self.pipeline.variables)

    @property
    def commit_word(self) -> str:
        """The commit as a word of shell."""
        return word(self.settings.commit_sha) if self.pipeline.decided else '"$COMMIT_SHA"'

    @cached_property
    def fragile(self) -> frozenset[str]:
        """Jobs whose child pipeline starts no other job once one of its jobs failed."""
        return frozenset(job.name for job in self.pipeline.jobs if job.child is not None and job.child.fail_fast)

    def timeout(self, job: Job) -> int:
        """Seconds a job may take."""
        return job.timeout_seconds or self.settings.default_timeout_seconds

    def earlier(self, job: Job) -> tuple[str, ...]:
        """Stages before the job's own."""
        return self.pipeline.earlier(job)

    def needed(self, job: Job) -> tuple[str, ...]:
        """Names of the jobs that `needs` waits for, as far as they are in the pipeline."""
        return tuple(need.job for need in job.needs or () if need.job in self.names)

    def optional(self, job: Job) -> tuple[str, ...]:
        """Names of those among them that may be missing."""
        return tuple(need.job for need in job.needs or () if need.optional and need.job in self.names)

    def fetched(self, job: Job) -> tuple[Job, ...]:
        """Jobs whose files it takes."""
        return tuple(other for other in sources_of(job, self.pipeline) if has_stash(other))

    def shared_variables(self, job: Job) -> dict[str, str]:
        """Pipeline-wide variables that the job gets."""
        gone = set(job.excluded_variables)
        return {name: value for name, value in self.pipeline.variables.items() if name not in gone}

    def variable(self, job: Job, name: str) -> str | None:
        """A variable's value as the job sees it."""
        return job.variables.get(
            name, self.shared_variables(job).get(name) if job.excluded_variables else self.pipeline.variables.get(name)
        )

    def script_seconds(self, job: Job, name: str, usual: int = 0) -> int:
        """How long a script may take by a variable of GitLab Runner's; `usual` where it says nothing Go understands."""
        told = go_seconds(self.variable(job, name) or "")
        return min(max(1, round(told)), self.timeout(job)) if told else usual

    def uses_login(self, job: Job) -> bool:
        """Whether the job's text refers to the registry's login, itself or through a variable, or to the image there.

        The tools of GitLab's own templates, Auto DevOps' build and container scanning, take the login unasked.
        """
        names = set(job_script.LOGIN_VARIABLES)
        own = {bound.name for bound in self.settings.bound_variables}
        if names & self.pipeline.variables.keys() or names & job.variables.keys() or names & own:
            return False  # the project has a login of its own
        if job.name == self.settings.registry_job or "container_scanning" in job.artifacts.reports:
            return True
        names |= {name for name, value in self.pipeline.variables.items() if _mentions(value, names)}
        shell = (*job.before_script, *job.script, *job.after_script)
        return any(_mentions(text, {*names, _IMAGE}) for text in shell) or any(
            _mentions(value, names) for value in job.variables.values()
        )


def _mentions(text: str, names: set[str]) -> bool:
    return any(name in text for name in names) and not names.isdisjoint(_WORD.findall(text))


def make_plan(pipeline: Pipeline, settings: RenderSettings) -> Plan:
    """Work out names and groups.

    Raises:
        InputError: Too many stages for the rendering asked for, or needs that go in a circle.
    """
    unique = Unique([FAIL_FAST, *([IMAGE_STAGE] if settings.image else [])])
    names = job_names(pipeline, unique)
    if settings.rendering == "graph" or (settings.rendering == "auto" and _wants_graph(pipeline, settings)):
        return Plan(pipeline, settings, names, ())
    _check_size(len(pipeline.jobs), settings)
    if choosing := [job.name for job in pipeline.jobs if _chooses_needs(job)]:
        raise InputError(
            f"Rules of {choosing[:10]} bring `needs` of their own, which only the build can choose among.",
            remedy="Use the rendering `graph` (or `auto`).",
        )
    groups = tuple(_groups(pipeline, None, unique))
    frames = sum(len(group.jobs) > 1 or group.ends is not None for group in groups)
    _check_size(_count(pipeline, settings, frames), settings)
    return Plan(pipeline, settings, names, groups)


def _groups(pipeline: Pipeline, parent: str | None, unique: Unique) -> Iterator[Group]:
    """The groups of a pipeline; those of a child pipeline come behind the group whose job starts it."""
    for stage in pipeline.lanes[parent]:
        for layer in _layers([job for job in pipeline.jobs if job.stage == stage]):
            yield Group(stage, unique(stage) if len(layer) > 1 else "", layer)
            for job in layer:
                if job.child is not None and job.child.stages:
                    yield from _groups(pipeline, job.name, unique)
                    if job.child.waits:
                        yield Group(stage, unique(f"{job.name}: end"), (), job)


def _wants_graph(pipeline: Pipeline, settings: RenderSettings) -> bool:
    if any(job.needs is not None or job.child is not None or _chooses_needs(job) for job in pipeline.jobs):
        return True
    groups = [(job.stage, job.resource_group) for job in pipeline.jobs if job.resource_group is not None]
    if len(groups) > len(set(groups)):
        return True
    if settings.manual == "ask" and any(
        _may_be_passed(job) for job in pipeline.jobs if job.stage != pipeline.stages[-1]
    ):
        return True
    sizes = Counter(job.stage for job in pipeline.jobs).values()
    return _count(pipeline, settings, sum(size > 1 for size in sizes)) > settings.auto_stages


def _may_be_passed(job: Job) -> bool:
    """Whether it may be an optional manual job: the stages behind it do not wait for an answer."""
    own = job.when == "manual" and job.allow_failure.always
    return own or any(r.when == "manual" and (r.allow_failure or job.allow_failure).always for r in job.rules)


def _chooses_needs(job: Job) -> bool:
    return any(rule.needs is not None for rule in job.rules)


def _count(pipeline: Pipeline, settings: RenderSettings, frames: int) -> int:
    """Jenkins stages: jobs, the frames around those that run side by side, the image."""
    return len(pipeline.jobs) + frames + bool(settings.image)


def _check_size(count: int, settings: RenderSettings) -> None:
    if count > settings.max_stages:
        raise InputError(
            f"The pipeline needs {count} Jenkins stages, and more than {settings.max_stages} stages do not fit a "
            "declarative Jenkinsfile.",
            remedy="Use the rendering `graph` (or `auto`), split the pipeline, or leave jobs out by rules.",
        )


def _layers(jobs: list[Job]) -> Iterator[tuple[Job, ...]]:
    waiting = list(jobs)
    while waiting:
        names = {job.name for job in waiting}
        ready = [job for job in waiting if not names & {need.job for need in job.needs or ()}]
        if not ready:
            raise InputError(f"The jobs {sorted(names)} need each other in a circle.", remedy="Cut one of the needs.")
        layer = tuple(job for job in ready if not _held_up(job, ready))
        yield layer
        waiting = [job for job in waiting if job not in layer]


def _held_up(job: Job, ready: list[Job]) -> bool:
    """Whether another job of its resource group runs before it."""
    first = next((other for other in ready if other.resource_group == job.resource_group), job)
    return job.resource_group is not None and first is not job


def manual_wait(plan: Plan) -> int:
    """Seconds that optional manual jobs are asked about; 0 = they are skipped."""
    return plan.settings.manual_wait_seconds if plan.settings.manual == "ask" else 0


def has_condition(plan: Plan, job: Job) -> bool:
    """Whether anything has to hold before the job starts."""
    waits = bool(plan.needed(job)) if job.needs is not None else bool(plan.earlier(job))
    waits = waits or job.parent is not None or bool(job.rules)
    return waits or job.when in {"on_failure", "manual", "delayed", "never"}


def helper_functions(plan: Plan) -> list[str]:
    """The fixed functions and fields that this pipeline's jobs call, in a fixed order."""
    jobs, login = plan.pipeline.jobs, plan.settings.registry_credentials_id
    some: Callable[[Callable[[Job], object]], bool] = lambda test: any(map(test, jobs))  # noqa: E731 - typed
    some_retries = some(retries_some)
    exit_codes = some(keeps_exit_code)
    children = some(lambda job: job.child is not None)
    stages = children or some(lambda job: job.needs is None and has_condition(plan, job))
    needs = some(lambda job: job.needs is not None and has_condition(plan, job))
    chosen = [
        (bool(jobs), helpers.STATES),
        (stages, helpers.FAILED_STAGES),
        (some(has_stash), helpers.STASHES),
        (exit_codes, helpers.EXIT_CODES),
        (some(lambda job: job.artifacts.reports.get("dotenv")), helpers.DOTENV),
        (bool(jobs), helpers.LIMITED),
        (bool(jobs), helpers.ATTEMPT),
        (bool(some_retries), helpers.TRIED_AGAIN),
        (
            bool(jobs),
            helpers.run_job(
                retries=some(lambda job: job.retry.max),
                some_retries=some_retries,
                exit_codes=exit_codes,
                stages=stages,
                children=children,
            ),
        ),
        (plan.pipeline.fail_fast, HALT),
        (stages or needs, helpers.DECIDED),
        (stages or needs, helpers.RUNS_WHEN),
        (stages, helpers.AFTER_STAGES),
        (needs, helpers.IS_MISSING),
        (needs, helpers.AFTER_NEEDS),
        (children, CHILDREN),
        (some(lambda job: job.secrets), WITH_JOB_SECRETS),
        (some(is_manual), helpers.APPROVED),
        (some(is_delayed), helpers.DELAYED),
        *_condition_helpers(plan),
        (not plan.pipeline.decided, SOURCE),
        (not plan.pipeline.decided and any(_depths(plan)), REFSPEC),
        *((True, _sources(plan, depth)) for depth in _depths(plan)),
        (
            some(plan.fetched) or (bool(givers_of(plan.pipeline)) and plan.settings.image is not None),
            resumable.FETCH if resumable.is_restartable(plan) else helpers.FETCH,
        ),
        (some(lambda job: told(job, plan.pipeline) or lent(job, plan.pipeline)), helpers.REPORTED),
        (some(lambda job: job.artifacts.reports.get("dotenv")), stronger(plan.pipeline.stronger)),
        (some(lambda job: job.artifacts.reports.get("dotenv")), READ),
        (some(lambda job: job.artifacts.untracked), helpers.UNTRACKED),
        (some(lambda job: job.caches), helpers.CACHED),
        (exit_codes, helpers.SHELL),
        (some(lambda job: job.image), helpers.CONTAINED),
        (bool(login) and some(plan.uses_login), helpers.logged_in(login or "")),
        (bool(jobs and plan.settings.bound_variables), with_variables(plan.settings.bound_variables)),
        (some(lambda job: job.after_script), helpers.AFTER_SCRIPT),
    ]
    return [text for wanted, text in chosen if wanted]


def _condition_helpers(plan: Plan) -> list[tuple[bool, str]]:
    nodes = conditions.walk(plan.conditions)
    by_text = any(isinstance(n, terms.Match) and not isinstance(n.pattern, terms.Pattern) for n in nodes)
    return [
        (
            bool(plan.asked_variables),
            conditions.value_function(plan.asked_variables, plan.known_variables, plan.usual_values),
        ),
        (bool(plan.questions), conditions.ANSWERS),
        (any(isinstance(node, terms.Truth) for node in nodes), conditions.PRESENT),
        (by_text, conditions.MATCHES),
    ]


def clones(plan: Plan, job: Job) -> bool:
    """Whether the job wants the sources (``GIT_STRATEGY`` other than none and empty)."""
    return job.child is None and plan.variable(job, "GIT_STRATEGY") not in {"none", "empty"}


def depth_of(plan: Plan, job: Job | None = None) -> int:
    """``GIT_DEPTH``, of a job or of the whole pipeline; 0 = the whole history."""
    text = plan.variable(job, "GIT_DEPTH") if job else plan.pipeline.variables.get("GIT_DEPTH")
    return int(text) if text and text.isascii() and text.isdigit() else DEFAULT_DEPTH


def sources_name(plan: Plan, depth: int) -> str:
    """The function that checks out with that depth."""
    return "sources" if depth == depth_of(plan) else f"sources{depth}"


def _sources(plan: Plan, depth: int) -> str:
    return helpers.sources(sources_name(plan, depth), checkout(plan.pipeline, plan.settings, depth))


def _depths(plan: Plan) -> list[int]:
    wanted = {depth_of(plan, job) for job in plan.pipeline.jobs if clones(plan, job)}
    return sorted(wanted | ({depth_of(plan)} if plan.settings.image else set()))
