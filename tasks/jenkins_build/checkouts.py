"""What a job does around the checkout of its sources: ``hooks:pre_get_sources_script`` before it, the rest after it."""

from __future__ import annotations

from pathlib import Path

from tasks.interpretation.pipeline import Job
from tasks.jenkins_build import job_script
from tasks.jenkins_build.plan import Plan, clones

FUNCTIONS = Path(__file__).with_name("checkout.sh").read_text(encoding="ascii").splitlines()
# What asks for more than Jenkins' checkout does, unless it is one of these, by the function that does it.
_ASKED = {
    "checkout_nothing": ("GIT_CHECKOUT", {None, "", "true"}),
    "checkout_submodules": ("GIT_SUBMODULE_STRATEGY", {None, "", "none"}),
}


def rest(plan: Plan, job: Job) -> list[str]:
    """What may be left to do after the checkout; the job's shell reads the variables, as rules may set them."""
    if not clones(plan, job):
        return []
    by_rule = {name for rule in job.rules for name in rule.variables}
    return [
        function
        for function, (name, usual) in _ASKED.items()
        if name in by_rule or plan.variable(job, name) not in usual
    ]


def hook(job: Job) -> list[str]:
    """The commands of ``pre_get_sources_script``."""
    return job_script.commands(job.pre_get_sources)
