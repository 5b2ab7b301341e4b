"""The predefined variables that GitLab makes of a job. Its rules may ask for them, and its keywords refer to them.

Source: ``Gitlab::Ci::Variables::Builder``, whose ``scoped_variables_for_pipeline_seed`` is what rules know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from tasks.interpretation import fields
from tasks.interpretation.expansion import expand, expand_all
from tasks.interpretation.parallel import Instance
from tasks.interpretation.predefined import environment_slug, environment_tier, group_name, slug
from tasks.interpretation.state import JobDraft
from tasks.interpretation.variables import Variables
from tasks.source.nodes import scalars

_BY_HAND = ("manual", "delayed")
_POLICIES = ("rules", "only", "except")


def job_names(draft: JobDraft, instance: Instance, when: str | None) -> dict[str, str]:
    """Those of the job itself; the matrix and the number of a `parallel` are stronger."""
    names = {
        "CI_JOB_NAME": instance.name,
        "CI_JOB_NAME_SLUG": slug(instance.name),
        "CI_JOB_GROUP_NAME": group_name(instance.name),
        "CI_JOB_STAGE": draft.stage,
        "CI_NODE_TOTAL": "1",
    }
    return names | {"CI_JOB_MANUAL": "true"} if when in _BY_HAND else names


def environment_variables(draft: JobDraft, known: Mapping[str, str]) -> Variables:
    """Those of the job's environment; none where its name holds what only the build has.

    Args:
        draft: The job.
        known: What may be put into the name.
    """
    node = draft.node.get("environment")
    environment = fields.environment_of(node, partial(expand, values=known))
    written = fields.environment_of(node, str)
    if environment is None or written is None or "$" in environment.name:
        return Variables()
    names = {
        "CI_ENVIRONMENT_NAME": environment.name,
        "CI_ENVIRONMENT_SLUG": environment_slug(environment.name),
        "CI_ENVIRONMENT_ACTION": environment.action,
        "CI_ENVIRONMENT_TIER": environment.tier or environment_tier(environment.name),
    }
    return raw(names).over(Variables({"CI_ENVIRONMENT_URL": written.url}) if written.url else Variables())


def raw(values: Mapping[str, str]) -> Variables:
    """Variables that are taken as they are."""
    return Variables(values, frozenset(values))


def asked_by_rules(draft: JobDraft) -> list[str]:
    """All texts of the keywords that decide whether a job runs."""
    nodes = [node for key in _POLICIES if (node := draft.node.get(key)) is not None]
    return [scalar.text for node in nodes for scalar in scalars(node)]


def known_to_rules(
    draft: JobDraft, instance: Instance, known: Mapping[str, str], asked: Iterable[str]
) -> dict[str, str]:
    """What rules know of the job, weaker than what its text sets.

    Args:
        draft: The job.
        instance: It, or one of those that its `parallel` makes.
        known: The variables of the pipeline.
        asked: The texts of its rules: its environment is looked at where they ask for it.
    """
    names = job_names(draft, instance, fields.text_of(draft.node.get("when")))
    if draft.node.get("environment") is None or not any("CI_ENVIRONMENT_" in text for text in asked):
        return names
    values = expand_all({**known, **names, **draft.variables.values, **instance.variables}).values
    there = environment_variables(draft, values).without({"CI_ENVIRONMENT_SLUG"})  # which GitLab makes later
    return {**names, **there.values}
