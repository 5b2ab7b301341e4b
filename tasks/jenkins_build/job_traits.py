"""What a rendering asks about one job, whatever the plan."""

from __future__ import annotations

from tasks.interpretation.pipeline import Job


def place(job: Job) -> str:
    """Where the job is defined: ``file:line``."""
    return f"{job.span.file}:{job.span.line}" if job.span.line else job.span.file


def has_rule_variables(job: Job) -> bool:
    """Whether a rule left to the build adds variables."""
    return any(rule.variables for rule in job.rules)


def retries_some(job: Job) -> bool:
    """Whether the job is tried again after some failures only."""
    return bool(job.retry.max and (retry_kinds(job) or job.retry.exit_codes))


def keeps_services(job: Job) -> bool:
    """Whether services outlive the script: ``after_script`` uses them too."""
    return bool(job.services and job.after_script)


def keeps_exit_code(job: Job) -> bool:
    """Whether the exit code of the job's script decides something."""
    return bool(job.allow_failure.exit_codes) or retries_some(job)


def retry_kinds(job: Job) -> tuple[str, ...]:
    """What ``retry:when`` asks for, in words Jenkins can tell apart; () = any failure."""
    reasons = set(job.retry.when)
    if not reasons or "always" in reasons:
        return ()
    timeouts = {"job_execution_timeout", "stuck_or_timeout_failure", "server_timeout_running"}
    kinds = {
        "script" if r in {"script_failure", "unknown_failure"} else "timeout" if r in timeouts else "system"
        for r in reasons
    }
    return tuple(sorted(kinds))


def question(job: Job) -> str:
    """What people are asked before a manual job runs."""
    return " ".join(filter(None, (f"Run the job {job.name}?", job.confirmation)))


def is_manual(job: Job) -> bool:
    """Whether the job waits for a person, or may."""
    return job.when == "manual" or any(rule.when == "manual" for rule in job.rules)


def is_delayed(job: Job) -> bool:
    """Whether the job waits for a time, or may."""
    return job.when == "delayed" or any(rule.when == "delayed" for rule in job.rules)
