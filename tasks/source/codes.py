"""Every code a diagnostic can have: how severe it is, what it means, what happens, what to do.

docs/diagnostics.md is generated from here by ``python -m tasks.interpretation.reference``.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Code(Struct, frozen=True):
    """One kind of finding."""

    severity: Literal["error", "warning", "info"]
    meaning: str
    action: str


def _error(meaning: str, action: str) -> Code:
    return Code("error", meaning, action)


def _warning(meaning: str, action: str) -> Code:
    return Code("warning", meaning, action)


def _info(meaning: str, action: str) -> Code:
    return Code("info", meaning, action)


_YAML = {
    "yaml-syntax": _error("The text is no YAML.", "Correct it at the place shown."),
    "yaml-too-large": _error(
        "The file, or what its aliases expand to, is too large.", "Split it, or use fewer aliases."
    ),
    "yaml-too-deep": _error("Lists and mappings nest deeper than GitLab allows.", "Make the structure flatter."),
    "yaml-empty": _error("The file has no content.", "Write at least one job."),
    "yaml-documents": _error("More than two documents, or two after the `spec:` header.", "Remove a `---`."),
    "yaml-second-document": _warning(
        "A second document without a `spec:` header before it; GitLab reads the first one only.", "Remove the `---`."
    ),
    "yaml-date": _error("An unquoted date or time, which GitLab refuses to load.", "Put it in quotes."),
    "yaml-not-a-mapping": _error("The file is a list or a single value.", "Write `name: value` at its top level."),
    "yaml-key": _error("A key is a list or a mapping.", "Use a word as the key."),
    "duplicate-key": _warning("A key is there twice in one mapping; the last one counts, as in GitLab.", "Remove one."),
    "merge-key": _error("`<<` has a value that is no mapping.", "Give it an alias of a mapping, or a list of them."),
    "reference-invalid": _error("`!reference` without a list of names.", "Write `!reference [job, keyword]`."),
    "reference-unknown": _error("`!reference` names something that is not there.", "Correct the names."),
    "reference-cycle": _error("A `!reference` leads back to itself.", "Break the circle."),
    "reference-too-deep": _error("References nest deeper than ten levels, GitLab's limit.", "Use fewer levels."),
}
_INCLUDES = {
    "include-missing": _error(
        "An included file is not where the include says: no such project, ref, path or address, or it is hidden.",
        "Correct the include, or the token's access.",
    ),
    "include-not-fetched": _error(
        "An include from elsewhere, which this command was not allowed to fetch.", "Allow it as the message says."
    ),
    "include-integrity": _error(
        "A remote file does not have the hash of `integrity`.", "Read what changed; then correct one of the two."
    ),
    "include-cycle": _error("Files include each other in a circle.", "Remove one of the includes."),
    "include-limit": _error("More than 150 includes, GitLab's limit.", "Join files."),
    "include-invalid": _error("An `include` that GitLab does not accept.", "Correct it as the message says."),
    "include-unsupported": _error("`include:artifact`, which is for child pipelines.", "Use it in `trigger:include`."),
    "include-nothing": _warning(
        "No file matches a wildcard of `include:local`: nothing is included, as on GitLab.", "Correct the path."
    ),
    "include-undecided": _warning(
        "The `rules` of an include depend on values only the build has; the file is included.",
        "Move the rules to the jobs.",
    ),
    "input-spec": _error(
        "A `spec:` header that GitLab does not accept, or one of the files of its `spec:include`.",
        "Correct it as the message says.",
    ),
    "input-missing": _error("An input without a default has no value.", "Give it below the include's `inputs:`."),
    "input-unknown": _error("A value for an input that the file does not declare.", "Correct its name."),
    "input-value": _error("A value that is not of the input's type, options or regex.", "Correct the value."),
    "interpolation": _error("A `$[[ ... ]]` that cannot be replaced.", "Correct it as the message says."),
    "input-without-spec": _warning(
        "`$[[ inputs... ]]` without a `spec:` header stays as it is, as in GitLab; or a `spec:` is no header.",
        "Declare the inputs in a `spec:inputs` header, ended by `---`.",
    ),
}
_SHAPES = {
    "unknown-keyword": _error("A keyword GitLab does not know.", "Correct its spelling, or remove it."),
    "missing-keyword": _error("A keyword lacks a part it must have.", "Add it."),
    "wrong-type": _error(
        "A value of the wrong kind, such as a number where text is needed.", "Write what is asked for."
    ),
    "wrong-value": _error("A value that the keyword does not allow.", "Use one that is allowed."),
    "odd-value": _warning(
        "GitLab's server takes the value, and its editor does not: it says nothing there, or will not work.",
        "Correct it as the message says, or remove it.",
    ),
    "bad-duration": _error("A period GitLab does not understand, or a longer one than it allows.", "Write `1h 30m`."),
    "bad-expression": _error("An expression or a regular expression with an error.", "Correct its syntax."),
    "quoted-variable": _warning(
        "An expression has a variable in quotes, where GitLab does not replace it.", "Remove the quotes."
    ),
    "default-twice": _error("A keyword both global and in `default`.", "Keep the one in `default`."),
}
_JOBS = {
    "no-jobs": _error("There is no visible job.", "Write at least one job with a `script`."),
    "nothing-to-run": _error(
        "No job runs, by its rules or as it is left out, and there is no image to build: there is no Jenkinsfile.",
        "Look at `smartclide jobs`, which tells why of each job.",
    ),
    "job-name": _error(
        "A job's name is empty or too long, or no text: `1`, `yes`.", "Use between 1 and 255 characters, or quotes."
    ),
    "missing-script": _error(
        "A job has neither `script` nor `trigger` nor `run`.", "Add a script, or begin its name with a dot."
    ),
    "script-and-trigger": _error("A job has two of `script`, `trigger` and `run`.", "Make two jobs of it."),
    "unknown-stage": _error("A job is in a stage that is not listed.", "Add it to `stages`."),
    "keyword-not-here": _error("A keyword that this kind of job cannot have.", "Remove it."),
    "on-stop": _error(
        "`environment:on_stop` names no job, or one that does not stop this environment.",
        "Give that job the same `environment:name` and `action: stop`.",
    ),
    "needs-twice": _error("`needs` lists a job twice.", "Remove one."),
    "delayed": _error("`when: delayed` without `start_in`, or the reverse.", "Write both, or none."),
    "rules-and-policy": _error("`rules` together with `only` or `except`.", "Use `rules` alone."),
    "extends-unknown": _error("`extends` names a job that does not exist.", "Correct the name."),
    "extends-cycle": _error("`extends` goes in a circle.", "Break it."),
    "extends-too-deep": _error("`extends` over more than eleven levels, GitLab's limit.", "Use fewer levels."),
    "unknown-job": _error("`needs` or `dependencies` name a job that does not exist.", "Correct the name."),
    "needs-later-stage": _error("A job needs one of a later stage.", "Change one of the stages."),
    "needs-cycle": _error("`needs` go in a circle.", "Break it."),
    "dependency-not-needed": _error("`dependencies` names a job that is not in `needs`.", "Add it to `needs`."),
    "need-not-in-pipeline": _error("A needed job does not run in this pipeline.", "Add `optional: true` to the need."),
    "variable-cycle": _error("Variables refer to each other in a circle.", "Break it."),
    "child-limit": _error("Child pipelines have more jobs than a Jenkinsfile holds.", "Split the pipeline."),
    "matrix-limit": _error("`parallel:matrix` makes more than 200 jobs, GitLab's limit.", "Use fewer values."),
}
_WARNINGS = {
    "variable-loses-text": _warning(
        "A variable, or the name of an image, does not reach the job as it reads: GitLab's runner drops what it takes "
        "for references to nothing (`$1`, `${A:-x}`, `$HOME`), or the variable refers to itself. Here as there.",
        "Write `$$` for a dollar, or `expand: false`; let the script expand what a shell is to expand.",
    ),
    "path-variable": _warning(
        "A path of artifacts holds a variable that only the build has, and Jenkins takes paths as they are written: "
        "any text counts in its place, where that is not nearly every file.",
        "Name the files without it, or give it with `--var`.",
    ),
    "variable-not-set": _warning(
        "Jobs use a predefined variable of GitLab that a build here does not have, such as `CI_JOB_TOKEN`, or that "
        "only a deployment has, such as `CI_PROJECT_ID`.",
        "Use something else, such as a CI/CD variable of the project, masked where it is secret; for a Jenkinsfile to "
        "keep give it with `--var`.",
    ),
    "changes-assumed": _warning(
        "What changed is not known in a deployment, which builds a commit whoever pushed what when, nor to "
        "`include:rules`, nor where a path holds a variable of the build: `changes` is taken so that the job runs, as "
        "true (as GitLab does in pipelines that no push made), or as false where it would keep the job out.",
        "Add an `if` that decides.",
    ),
    "exists-assumed": _warning(
        "`exists` is taken as true: the files of another project, of an include's, or of a path with a variable of the "
        "build are not known.",
        "Add an `if` that decides.",
    ),
    "policy-kubernetes": _warning("`kubernetes: active` is taken as false.", "Use `rules:if`."),
    "workflow-never": _warning("`workflow:rules` let no pipeline run; there are no jobs.", "Choose another ref."),
    "edge-stages-only": _warning(
        "All jobs that run are in `.pre` and `.post`, of which alone GitLab makes no pipeline; they are left out.",
        "Add a job of another stage.",
    ),
    "job-expression": _warning(
        "An expression `${{ ... }}` of a job with `inputs` is more than the name of one of them; it stays as it is.",
        "Let the script decide.",
    ),
    "workflow-variables-undecided": _warning(
        "`workflow:name` refers to variables of a rule that only the build decides, and does not get them.",
        "Name the pipeline by something else.",
    ),
    "needs-elsewhere": _warning(
        "A need on another pipeline or project is ignored.", "Fetch what it gives in the script."
    ),
    "need-left-out": _warning(
        "A needed job is left out; the job waits for what that one waits for.", "Check the script."
    ),
    "needs-limit": _warning(
        "A job needs more than 50 others, after `parallel`: GitLab refuses it unless its administrator allows more.",
        "Need fewer jobs, or have the limit raised.",
    ),
    "matrix-empty": _warning(
        "A `parallel:matrix` without values makes no job: it is left out, as on GitLab.", "Give it values."
    ),
    "need-dropped": _warning("A needed job never runs; the need is dropped.", "Make the rules agree."),
    "dependency-same-stage": _warning(
        "`dependencies` names a job of the same stage, from which nothing can be fetched.", "Use `needs`."
    ),
    "deploy-job": _warning("A job that deploys by itself is left out.", "Use run_deploy_jobs to keep it."),
    "trigger": _warning(
        "A job that starts a pipeline of another project, or a child pipeline that a job generates, is left out.",
        "Deploy that project by its own flow; put the child's files into the repository.",
    ),
    "child-refused": _warning(
        "GitLab would not create a child pipeline, so the job that starts it fails.", "Read the message."
    ),
    "child-not-fetched": _warning(
        "The files of a child pipeline were not fetched; its jobs are left out.", "Allow it as the message says."
    ),
    "child-resource-group": _warning(
        "A trigger job waits for a child pipeline with jobs of its own `resource_group`: GitLab would wait for ever.",
        "Remove one of the two.",
    ),
    "child-variables": _warning(
        "Variables that a child pipeline would get are not passed on.", "Set them where they are always known."
    ),
    "run": _warning("A job of GitLab steps is left out.", "Use `script`."),
    "services-without-image": _warning(
        "`services` of a job without `image` are not started.", "Give the job an `image`, also by `default`."
    ),
    "id-tokens": _warning("Tokens GitLab would sign are not there.", "Use credentials of Jenkins."),
    "runner-variable": _warning(
        "A variable that tells GitLab Runner how long scripts may take, or what they may fail, has no effect.",
        "See the message.",
    ),
    "secrets": _warning(
        "A secret of a vault is read from Jenkins' credentials instead.",
        "Create the credential that the message names in the folder of the Jenkins job.",
    ),
    "pages": _warning("Nothing is published to GitLab Pages.", "Publish in the script."),
    "release": _warning("No GitLab release is made.", "Make it in the script."),
    "variables-unreadable": _warning(
        "The CI/CD variables of the project or a group could not be read; the build does without them.",
        "Use a token with the scope `api` of a user who is Maintainer of the project and Owner of its groups. The "
        "value of a variable that is masked and hidden is given to nobody: make it a masked one.",
    ),
    "remote-secrets": _warning(
        "The Environment's remote interpreter is not told of secret CI/CD variables; its Jenkinsfile has none.",
        "Use `smartclide interpreter serve` as the remote one, or the embedded interpreter.",
    ),
    "keyword-ignored": _warning("A keyword without a counterpart is ignored.", "Read the message."),
}
_NOTES = {
    "tags": _info("`tags` become the labels a Jenkins agent must have.", "Label an agent, or the job waits for one."),
    "auto-cancel": _warning(
        "A part of `workflow:auto_cancel` that is not followed; the message says what happens.", "See the message."
    ),
    "include-cache": _info("`include:cache` has no effect: a remote file is fetched anew each time.", "Nothing."),
    "cache": _info(
        "Caches are kept on the agent that ran the job, for as long as some build uses them once a month.",
        "Nothing; give jobs that share a cache the same `tags` where there are several agents.",
    ),
    "git-variable": _info(
        "A variable that steers git on GitLab has no effect, or not with a rule that the build decides.",
        "Nothing, or do it in the script.",
    ),
    "job-inputs": _info(
        "`inputs` of a job have their defaults; on GitLab people may give other values to a job they start by hand.",
        "Use a CI/CD variable for what a deployment is to decide.",
    ),
    "hooks": _info(
        "`hooks:pre_get_sources_script` runs on the agent, before the checkout.",
        "See that the agent has what it calls.",
    ),
    "artifact-option": _info("`artifacts:name` and `expire_in` are ignored.", "Nothing."),
    "coverage": _info(
        "`coverage` is read by deployments, not by Jenkins.", "See a deployment's artifact `test-results`."
    ),
    "interruptible": _info("`interruptible` counts for whole builds.", "Nothing."),
    "privileged-service": _info(
        "Docker in Docker gets a privileged container on the agent; its client certificates are at `/certs/client`.",
        "Nothing, on agents you trust the project with; else build by the descriptor's `image`, or with kaniko.",
    ),
    "resource-group": _info(
        "Jobs of a `resource_group` never run side by side; whole builds of the Jenkins job wait for each other.",
        "Deploy to one place through one Jenkins job.",
    ),
    "remote-interpreter": _info(
        "The Jenkinsfile is another interpreter's, which tells nothing of what it leaves out.", "Read the Jenkinsfile."
    ),
    "remote-manual": _info(
        "Optional manual jobs, and jobs that need them, are not sent to a remote interpreter.", "Start them by hand."
    ),
    "retry-reason": _info(
        "`retry:when` names reasons that Jenkins does not tell apart; any failure of the system counts.", "Nothing."
    ),
    "report-as-files": _info("A report is kept as files.", "Download it from the build."),
}

CODES: dict[str, Code] = {**_YAML, **_INCLUDES, **_SHAPES, **_JOBS, **_WARNINGS, **_NOTES}
