"""What becomes of every keyword of GitLab CI/CD: the data of docs/reference/keywords.md.

A name that ends in ``:*`` speaks for all keywords below it that have no row of their own. A code names the diagnostic
that tells of it. `keyword_table` joins this with the shapes of `keywords`; a test holds that neither has more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Support = Literal["exact", "approximated", "unsupported"]


@dataclass(frozen=True)
class Row:
    """One keyword's support, how or why, and the codes of its diagnostics."""

    support: Support
    note: str = ""
    codes: tuple[str, ...] = ()


def _exact(note: str = "") -> Row:
    return Row("exact", note)


def _near(note: str, *codes: str) -> Row:
    return Row("approximated", note, codes)


def _none(note: str, *codes: str) -> Row:
    return Row("unsupported", note, codes)


_CHANGES = _near(
    "Exact in a Jenkinsfile to keep (git is asked once a build) and with `--changed`. True in a deployment, as on "
    "GitLab in a pipeline that no push made.",
    "changes-assumed",
)
_COMPARE = _near("Exact in a Jenkinsfile to keep; true in a deployment and with `--changed`.", "changes-assumed")
_EXISTS = _near(
    "Exact where the commit's files are known (a deployment, the command line) or the build can look; assumed else.",
    "exists-assumed",
)
_EXISTS_ELSEWHERE = _none("Files of another project are not read: taken as true. Add an `if`.", "exists-assumed")
_LATER_NEEDS = _exact("The rule's needs instead of the job's, decided at run time too; the rendering is then `graph`.")
_CHANGES_REGEXP = _near(
    "As `paths`, by Ruby's syntax, whether GitLab's flag `ci_rules_regexp` is on there or not. In a Jenkinsfile to "
    "keep Java's engine looks for it.",
    "changes-assumed",
)
_EXISTS_REGEXP = _near("Likewise.", "exists-assumed")
_CANCEL = _near(
    "A newer deployment of the ref with `on_conflict: auto_cancel` follows it, for the whole build.", "auto-cancel"
)
_INTERRUPTIBLE = _near(
    "For whole builds: a newer deployment of the ref with `on_conflict: auto_cancel` stops it until a job has begun "
    "that is not interruptible.",
    "interruptible",
)
_FAIL_FAST = _near(
    "Exact, but for jobs of a child pipeline that run already, and for a workflow rule that only the build decides.",
    "auto-cancel",
)
_RUNNER_USER = _none("For GitLab's Kubernetes runners; here it is `docker:user` that counts.", "keyword-ignored")
_POLICY_CLUSTER = _none("No cluster is connected to the project in GitLab. Use `rules:if`.", "policy-kubernetes")
_SAME = _exact("As in a job: see its row there.")

FILE_ROWS = {
    "YAML anchors, `<<`, `extends` of hidden jobs": _exact("Duplicate keys are reported."),
    "`!reference`": _exact("Ten levels, across includes."),
    "`$[[ inputs.x ]]`, `$[[ component.x ]]`": _exact(
        "With `expand_vars`, `truncate`, `posix_escape`, `posix_quote` and `split`."
    ),
    "spec": _exact(),
    "spec:inputs": _exact(),
    "spec:inputs:*": _exact(),
    "spec:inputs:rules:*": _exact("By inputs declared before it, and those that are given."),
    "spec:component": _exact(),
    "spec:description": _exact("For GitLab's pages."),
    "spec:include": _exact("Files that hold `inputs` and nothing else."),
    "spec:include:*": _exact(),
    "include": _exact("Nested, 150 files at most, in GitLab's order of precedence."),
    "include:local": _exact("With `*` and `**`."),
    "include:project": _exact("On the command line, with `--gitlab-url`."),
    "include:file": _exact(),
    "include:ref": _exact(),
    "include:remote": _exact("On the command line, with `--allow-remote`."),
    "include:integrity": _exact(),
    "include:cache": _near("A remote file is fetched anew each time, so it is never out of date.", "include-cache"),
    "include:template": _exact("From the GitLab instance, or a folder (`--templates`)."),
    "include:component": _exact("Of the same GitLab instance."),
    "include:inputs": _exact(),
    "include:rules": _near("A rule that only the build can decide lets the file in.", "include-undecided"),
    "include:rules:if": _near("Likewise.", "include-undecided"),
    "include:rules:when": _exact(),
    "include:rules:changes": _near("Assumed true, but where `--changed` says.", "changes-assumed"),
    "include:rules:changes:*": _near("Likewise; `compare_to` is always assumed.", "changes-assumed"),
    "include:rules:exists": _near(
        "Exact where the files of the project are known that the including file is in; assumed else.", "exists-assumed"
    ),
    "include:rules:exists:paths": _near("Likewise.", "exists-assumed"),
    "include:rules:exists:regexp": _EXISTS_REGEXP,
    "include:rules:exists:project": _EXISTS_ELSEWHERE,
    "include:rules:exists:ref": _EXISTS_ELSEWHERE,
    "include:artifact": _none("As on GitLab it is for `trigger:include`.", "include-unsupported"),
    "include:job": _none("It goes with `include:artifact`.", "include-unsupported"),
}
GLOBAL_ROWS = {
    "default": _exact("Every keyword below it as in a job."),
    "default:*": _SAME,
    "default:timeout": _none("As on GitLab it does nothing: write `timeout` into the jobs."),
    **dict.fromkeys(("image", "services", "before_script", "after_script", "cache"), _SAME),
    "stages": _exact(
        "With `.pre`, `.post`, GitLab's default stages, and lists in lists. Jobs of `.pre` and `.post` alone make no "
        "pipeline."
    ),
    "variables": _exact(),
    "variables:value": _exact(),
    "variables:expand": _exact(),
    "variables:description": _none("For GitLab's form of a manual run, which has no counterpart. The value counts."),
    "variables:options": _near("The value must be one of them; there is no form to choose another."),
    "workflow": _exact(),
    "workflow:name": _exact("It is `CI_PIPELINE_NAME`."),
    "workflow:rules": _exact("Also decided by the build."),
    "workflow:rules:if": _exact(),
    "workflow:rules:when": _exact(),
    "workflow:rules:changes": _CHANGES,
    "workflow:rules:changes:paths": _CHANGES,
    "workflow:rules:changes:regexp": _CHANGES_REGEXP,
    "workflow:rules:changes:compare_to": _COMPARE,
    "workflow:rules:exists": _EXISTS,
    "workflow:rules:exists:paths": _EXISTS,
    "workflow:rules:exists:regexp": _EXISTS_REGEXP,
    "workflow:rules:exists:project": _EXISTS_ELSEWHERE,
    "workflow:rules:exists:ref": _EXISTS_ELSEWHERE,
    "workflow:rules:variables": _near(
        "Exact, also where the build decides; but `workflow:name` does not get those.",
        "workflow-variables-undecided",
    ),
    "workflow:rules:auto_cancel": _near("See the two rows below it.", "auto-cancel"),
    "workflow:rules:auto_cancel:on_new_commit": _CANCEL,
    "workflow:rules:auto_cancel:on_job_failure": _FAIL_FAST,
    "workflow:auto_cancel": _near("See the two rows below it.", "auto-cancel"),
    "workflow:auto_cancel:on_new_commit": _CANCEL,
    "workflow:auto_cancel:on_job_failure": _FAIL_FAST,
}
_WORK = {
    "script": _exact("Byte for byte, with `-eo pipefail` in bash where there is one."),
    "before_script": _exact("In one shell with `script`."),
    "after_script": _exact("In its own shell, whatever came of the job; it never changes the result."),
    "run": _none("Needs GitLab's step runner: the job is left out. Use `script`.", "run"),
    "run:*": _none("Likewise.", "run"),
    "hooks": _near("They run on the agent, also for a job with an image.", "hooks"),
    "hooks:pre_get_sources_script": _near("Likewise, in the empty folder before the checkout.", "hooks"),
    "image": _exact("By `docker` on the agent."),
    "image:name": _exact("Variables that only the build has, of dotenv reports too, are found out in it."),
    "image:entrypoint": _exact(),
    "image:docker": _exact(),
    "image:docker:platform": _exact(),
    "image:docker:user": _exact(),
    "image:kubernetes": _RUNNER_USER,
    "image:kubernetes:user": _RUNNER_USER,
    "image:pull_policy": _exact("Without one the agent's engine pulls only what it does not have."),
    "services": _near(
        "Exact for a job with `image`; a job without one runs on the agent, and they are not started.",
        "services-without-image",
        "privileged-service",
    ),
    "services:name": _exact(),
    "services:alias": _exact("One or several."),
    "services:entrypoint": _exact(),
    "services:command": _exact(),
    "services:docker": _exact(),
    "services:docker:platform": _exact(),
    "services:docker:user": _exact(),
    "services:kubernetes": _RUNNER_USER,
    "services:kubernetes:user": _RUNNER_USER,
    "services:pull_policy": _exact(),
    "services:variables": _exact(),
    "services:variables:value": _exact(),
    "services:variables:expand": _exact(),
    "variables": _near(
        "GitLab's expansion and precedence. A few variables that steer GitLab's git or its runner have no effect, "
        "and a few predefined ones are [not set](variables.md#not-set).",
        "git-variable",
        "runner-variable",
        "variable-not-set",
    ),
    "variables:value": _exact(),
    "variables:expand": _exact(),
    "secrets": _near("Read from a credential in the folder of the Jenkins job, which the message names.", "secrets"),
    "secrets:file": _exact("A secret file, or with `false` a secret text."),
    "secrets:token": _none("The vault is not asked.", "secrets"),
    "secrets:*": _near("Whatever the vault: read from that credential.", "secrets"),
    "id_tokens": _none("Only GitLab can sign them. Use credentials of Jenkins.", "id-tokens"),
    "id_tokens:aud": _none("Likewise.", "id-tokens"),
    "identity": _none("Likewise.", "id-tokens"),
    "inputs": _near(
        "`${{ job.inputs.x }}` becomes the default: a build asks nobody for another value. Other expressions of the "
        "language stay as they are.",
        "job-inputs",
        "job-expression",
    ),
    "inputs:*": _exact("Checked."),
    "coverage": _near(
        "A deployment reads it from the job's log; Jenkins does not show it. As on GitLab, flags behind the second "
        "slash are searched for as text: write `/(?i)total/`.",
        "coverage",
    ),
    "timeout": _exact(),
    "tags": _near("The labels an agent must have. Label one, or the job waits.", "tags"),
    "artifacts": _exact("Stashed for later jobs, archived for people."),
    "artifacts:paths": _near(
        "A link to a folder becomes a folder. Empty folders are handed on to jobs (and not archived) where the script "
        "comes to its end, without `exit` or a failure, in a shell with `find`; with a cache always.",
        "path-variable",
    ),
    "artifacts:exclude": _exact(),
    "artifacts:untracked": _exact(),
    "artifacts:when": _exact(),
    "artifacts:name": _none("Jenkins keeps files one by one, in no archive.", "artifact-option"),
    "artifacts:expire_in": _near("Kept as long as the build: set the Jenkins job's retention.", "artifact-option"),
    "artifacts:expose_as": _none("Jenkins has no merge request to show it in.", "keyword-ignored"),
    "artifacts:access": _none("Who may read the build may read them: limit the Jenkins job.", "keyword-ignored"),
    "artifacts:public": _none("Who may read the build may read them: limit the Jenkins job.", "keyword-ignored"),
    "artifacts:reports": _exact("Whatever came of the job."),
    "artifacts:reports:junit": _exact("Published as Jenkins' test results."),
    "artifacts:reports:dotenv": _exact("Variables of the jobs that take its artifacts."),
    "artifacts:reports:*": _near("Archived; Jenkins shows no such report. Download it.", "report-as-files"),
    "cache": _near("Kept on the agent that ran the job, a folder a key; other agents begin without.", "cache"),
    "cache:key:files_commits": _near("A hash of what the files hold, not of their last commits.", "cache"),
    "cache:*": _exact("On one agent."),
}
_WHEN = {
    "stage": _exact(),
    "extends": _exact("Eleven levels."),
    "inherit": _exact(),
    "inherit:default": _exact(),
    "inherit:variables": _exact(),
    "rules": _exact("Decided for the commit, or by the build."),
    "rules:if": _exact(),
    "rules:changes": _CHANGES,
    "rules:changes:paths": _CHANGES,
    "rules:changes:regexp": _CHANGES_REGEXP,
    "rules:changes:compare_to": _COMPARE,
    "rules:exists": _EXISTS,
    "rules:exists:paths": _EXISTS,
    "rules:exists:regexp": _EXISTS_REGEXP,
    "rules:exists:project": _EXISTS_ELSEWHERE,
    "rules:exists:ref": _EXISTS_ELSEWHERE,
    "rules:when": _exact("As the job's `when`."),
    "rules:allow_failure": _exact(),
    "rules:variables": _near(
        "Exact, but for a trigger job whose rule only the build decides: its child does not get them.",
        "child-variables",
    ),
    "rules:needs": _LATER_NEEDS,
    "rules:needs:*": _LATER_NEEDS,
    "rules:start_in": _exact(),
    "rules:interruptible": _INTERRUPTIBLE,
    "only": _exact(),
    "only:refs": _exact("All its keywords, names and regular expressions."),
    "only:variables": _exact(),
    "only:changes": _CHANGES,
    "only:kubernetes": _POLICY_CLUSTER,
    "except": _exact(),
    "except:refs": _exact(),
    "except:variables": _exact(),
    "except:changes": _CHANGES,
    "except:kubernetes": _POLICY_CLUSTER,
    "when": _near(
        "Exact, but `manual`: an `input` step that a build can pass once. A Jenkinsfile to keep asks for an hour where "
        "the job may fail; a deployment skips such a job, or asks people."
    ),
    "start_in": _exact(),
    "manual_confirmation": _exact("Its text follows the question that names the job."),
    "allow_failure": _exact(),
    "allow_failure:exit_codes": _exact(),
    "needs": _exact("A job starts as soon as what it needs has ended."),
    "needs:job": _exact(),
    "needs:artifacts": _exact(),
    "needs:optional": _exact(),
    "needs:parallel": _exact(),
    "needs:parallel:matrix": _exact("With `$[[ matrix.x ]]`."),
    "needs:pipeline": _near(
        "Exact for the parent pipeline of a child; others are not waited for. Fetch what they give in the script.",
        "needs-elsewhere",
    ),
    "needs:project": _none("Nothing is fetched from there. Fetch it in the script.", "needs-elsewhere"),
    "needs:ref": _none("It goes with `needs:project`.", "needs-elsewhere"),
    "dependencies": _exact(),
    "parallel": _exact("With `CI_NODE_INDEX` and `CI_NODE_TOTAL`."),
    "parallel:matrix": _exact(),
    "retry": _exact(),
    "retry:max": _exact(),
    "retry:exit_codes": _exact(),
    "retry:when": _near(
        "Three kinds are told apart: the script failed (as before GitLab 19.1 also where an image cannot be pulled), "
        "the time was over, anything else (the agent, the checkout).",
        "retry-reason",
    ),
    "interruptible": _INTERRUPTIBLE,
    "resource_group": _near(
        "Within one build exact; across builds, whole builds of the Jenkins job wait. Use one Jenkins job a place.",
        "resource-group",
        "child-resource-group",
    ),
}
_GITLAB = {
    "environment": _near(
        "Its variables are set. A deployment leaves out jobs that would deploy or stop by themselves, unless "
        "`run_deploy_jobs` is set; the commands keep them.",
        "deploy-job",
    ),
    "environment:name": _exact(),
    "environment:url": _exact("It is `CI_ENVIRONMENT_URL`."),
    "environment:action": _near("As for `environment`: jobs that `start` or `stop` are left out.", "deploy-job"),
    "environment:deployment_tier": _exact(
        "It is `CI_ENVIRONMENT_TIER`, guessed from the name as GitLab does where it is not set."
    ),
    "environment:on_stop": _none("Run that job by hand, or `smartclide undeploy`.", "keyword-ignored"),
    "environment:auto_stop_in": _none("Nothing ends an environment: `smartclide undeploy`.", "keyword-ignored"),
    "environment:kubernetes": _none("The cluster is that of the deployment's Environment.", "keyword-ignored"),
    "environment:kubernetes:*": _none("Likewise.", "keyword-ignored"),
    "trigger": _near(
        "A child pipeline of files that are there before the build becomes jobs of the same build.",
        "trigger",
        "child-refused",
        "child-not-fetched",
    ),
    "trigger:project": _none("Deploy that project by its own flow, or call GitLab's API in a script.", "trigger"),
    "trigger:branch": _none("It goes with `trigger:project`.", "trigger"),
    "trigger:strategy": _exact("For child pipelines."),
    "trigger:include": _exact(),
    "trigger:include:artifact": _none("Jobs that a job makes are not known. Put the files in the project.", "trigger"),
    "trigger:include:job": _none("It goes with `trigger:include:artifact`.", "trigger"),
    "trigger:include:*": _exact("As for `include`."),
    "trigger:inputs": _exact(),
    "trigger:forward": _exact("For child pipelines."),
    "trigger:forward:yaml_variables": _exact(
        "They may refer to variables of dotenv reports; rules of the child do not see those."
    ),
    "trigger:forward:pipeline_variables": _exact("With those of dotenv reports."),
    "release": _none("The job runs, no release is made. Make it in the script, with `glab`.", "release"),
    "release:*": _none("Likewise.", "release"),
    "pages": _none(
        "The job runs, its folder is among its artifacts. Nothing is published: do so in a script.", "pages"
    ),
    "pages:*": _none("Likewise.", "pages"),
    "publish": _none("Likewise.", "pages"),
    "dast_configuration": _none("For GitLab's own scanner. Run one in the script.", "keyword-ignored"),
    "dast_configuration:*": _none("Likewise.", "keyword-ignored"),
}
JOB_ROWS = {**_WORK, **_WHEN, **_GITLAB}
