"""What a job does around the checkout of its sources: ``hooks:pre_get_sources_script`` before, submodules after it."""

from __future__ import annotations

from pathlib import Path

from tasks.interpretation.pipeline import Job
from tasks.jenkins_build import job_script
from tasks.jenkins_build.plan import Plan, clones

FUNCTIONS = Path(__file__).with_name("checkout.sh").read_text(encoding="ascii").splitlines()
STRATEGY = "GIT_SUBMODULE_STRATEGY"
SUBMODULES = ["checkout_submodules"]


def has_submodules(plan: Plan, job: Job) -> bool:
    """Whether the job may ask for submodules; its shell reads the variables, as rules may set them."""
    if not clones(plan, job):
        return False
    by_rule = any(STRATEGY in rule.variables for rule in job.rules)
    return by_rule or plan.variable(job, STRATEGY) not in {None, "", "none"}


def hook(job: Job) -> list[str]:
    """The commands of ``pre_get_sources_script``."""
    return job_script.commands(job.pre_get_sources)
