"""The pipeline model as a declarative Jenkinsfile.

Consumes a `Pipeline`, produces text, in one of two renderings (`RenderSettings.rendering`) of the same meaning.
``stages``: one declarative stage per GitLab stage, its jobs in ``parallel``; the shell text of each job is a function
above the pipeline, so that the pipeline block reads as a table of contents and stays small enough for the JVM.
``graph`` (see `graph`): the jobs as data, run by a fixed runner.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from errors import InputError
from tasks.interpretation.compiler import collector_paused
from tasks.interpretation.pipeline import Pipeline
from tasks.jenkins_build import file_questions, graph, helpers, image_stage
from tasks.jenkins_build.artifacts import givers_of
from tasks.jenkins_build.folders import unmarked
from tasks.jenkins_build.groovy import Block, Code, Comment, Source, Statement, Step, Text, literal, optional
from tasks.jenkins_build.groovy import render as render_paragraphs
from tasks.jenkins_build.job_functions import functions
from tasks.jenkins_build.job_stage import agent, fetch, pipeline_stages
from tasks.jenkins_build.method_size import LIMIT, largest
from tasks.jenkins_build.plan import (
    COMMIT_PARAMETER,
    Plan,
    depth_of,
    helper_functions,
    make_plan,
)
from tasks.jenkins_build.resumable import kept_stashes
from tasks.jenkins_build.settings import ImageBuild, RenderSettings

__all__ = ["ImageBuild", "RenderSettings", "guarded", "render", "render_planned"]


def render(pipeline: Pipeline, settings: RenderSettings) -> str:
    """The Jenkinsfile of a pipeline; the same bytes for the same input.

    Raises:
        InputError: The pipeline has no jobs and no image to build, more stages than a declarative Jenkinsfile can
            hold, needs that go in a circle, or a value that cannot be passed on (a NUL character, a name that is no
            image's).
    """
    return render_planned(pipeline, settings)[0]


def render_planned(pipeline: Pipeline, settings: RenderSettings) -> tuple[str, Plan]:
    """`render`, with the plan that it follows."""
    with collector_paused():
        drawing = _fitting(pipeline, settings)
        return _rendered(drawing), drawing.plan


class _Drawing(Struct, frozen=True):
    """A plan with its stages; `functions` are what they call of their jobs, none in a graph."""

    plan: Plan
    stages: list[Statement]
    functions: list[list[Statement]]


def _draw(plan: Plan) -> _Drawing:
    if plan.is_graph:
        return _Drawing(plan, [graph.pipeline_stage(), *_image_stage(plan)], [])
    return _Drawing(plan, [*pipeline_stages(plan), *_image_stage(plan)], functions(plan))


def _fitting(pipeline: Pipeline, settings: RenderSettings) -> _Drawing:
    """A drawing that compiles: a graph, where the declarative stages do not fit a method."""
    drawing = _draw(make_plan(pipeline, settings))
    size = 0 if drawing.plan.is_graph else largest(drawing.stages, drawing.functions)
    if size <= LIMIT:
        return drawing
    if settings.rendering == "auto":
        return _draw(make_plan(pipeline, replace(settings, rendering="graph")))
    raise InputError(
        f"The stages of the pipeline take about {size} bytes of a Java method, which holds {LIMIT}: Jenkins would not "
        "compile the Jenkinsfile.",
        remedy="Use the rendering `graph` (or `auto`), split the pipeline, or leave jobs out by rules.",
    )


def _rendered(drawing: _Drawing) -> str:
    plan = drawing.plan
    if not drawing.stages:
        raise InputError("The pipeline has no jobs to run.", remedy="Check the rules of its jobs.")
    return render_paragraphs(
        [
            *_top(plan),
            *_functions(drawing),
            *_image_function(plan),
            _guard(plan),
            *_files(plan),
            [_pipeline(plan, drawing.stages)],
        ]
    )


def _top(plan: Plan) -> list[list[Statement]]:
    settings, pipeline = plan.settings, plan.pipeline
    what = f"{settings.clone_url} at {settings.commit_sha}" if pipeline.decided else "any commit (COMMIT_SHA)"
    header: list[Statement] = [Comment(f"Made from {settings.source} for {what}. Changes made here are lost.")]
    if pipeline.name:
        header.append(Comment(f"Workflow: {pipeline.name}"))
    paragraphs = [header]
    if pipeline.jobs:
        paragraphs.append([Source("import groovy.transform.Field"), Source(f"import {helpers.INTERRUPTED}")])
    return paragraphs


def _functions(drawing: _Drawing) -> list[list[Statement]]:
    plan = drawing.plan
    questions = file_questions.functions(plan.questions)
    if plan.is_graph:
        return [*graph.functions(plan), *questions]
    helper: list[list[Statement]] = [[Source(text)] for text in helper_functions(plan)]
    return [*helper, *drawing.functions, *questions]


def _files(plan: Plan) -> list[list[Statement]]:
    asked = file_questions.ask(plan.questions, plan.settings.git_credentials_id)
    return (
        [[Comment("Before the stages, so that a build restarted from one of them knows the answers too."), *asked]]
        if asked
        else []
    )


def _guard(plan: Plan) -> list[Statement]:
    sha = plan.settings.commit_sha
    if not plan.pipeline.decided:
        credentials = optional(plan.settings.git_credentials_id)
        return [Source(f"identify({str(plan.is_described).lower()}, {credentials})")]
    return _commit_guard(sha)


def _commit_guard(sha: str) -> list[Statement]:
    return [
        Comment("The job may have been rewritten for another commit between trigger and start."),
        Block(
            f"if (params.{COMMIT_PARAMETER} != {literal(sha)})",
            (Step("error", (Text(f"job was rewritten for commit {sha}"),)),),
        ),
    ]


def guarded(jenkinsfile: str, sha: str) -> str:
    """A Jenkinsfile of another maker, which refuses to build another commit than `sha`."""
    return f"{render_paragraphs([_commit_guard(sha)])}\n{jenkinsfile}"


def _image_function(plan: Plan) -> list[list[Statement]]:
    image = plan.settings.image
    return [] if image is None else [[image_stage.function(image, plan.commit_word, unmarked(plan.pipeline.jobs))]]


def _image_stage(plan: Plan) -> list[Statement]:
    image = plan.settings.image
    if image is None:
        return []
    prepare: list[Statement] = [Source(f"sources({depth_of(plan)})"), Source("fetch(stashesOf(givers))")]
    if not plan.is_graph:
        prepare = [Source("sources()"), *fetch(plan, givers_of(plan.pipeline))]
    when = Block("expression", (Source("currentBuild.currentResult in ['SUCCESS', 'UNSTABLE']"),))
    body: list[Statement] = [Block("when", (Source("beforeAgent true"), when))] if plan.pipeline.jobs else []
    steps = Block("steps", (*prepare, *image_stage.steps(image)))
    return [
        Comment(f"The image of {image.dockerfile}, unless a job before it failed."),
        Block("stage('image')", (*body, agent(image.agent_label), steps, *image_stage.post(image))),
    ]


def _pipeline(plan: Plan, stages: list[Statement]) -> Block:
    lines: list[Statement] = [Step("skipDefaultCheckout")]
    if builds := kept_stashes(plan):
        lines.append(Step("preserveStashes", (), (("buildCount", Code(str(builds))),)))
    if not plan.pipeline.decided and any(job.resource_group for job in plan.pipeline.jobs):
        lines.append(Step("disableConcurrentBuilds"))  # a deployment's job says so in its own configuration
    if plan.pipeline.fail_fast and not plan.is_graph:
        lines.append(Step("parallelsAlwaysFailFast"))
    options = Block("options", tuple(lines))
    return Block("pipeline", (Source("agent none"), options, Block("stages", tuple(stages))))
