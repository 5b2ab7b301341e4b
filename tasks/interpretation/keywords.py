"""Every keyword of GitLab CI/CD and the shape of its value.

Sources: https://docs.gitlab.com/ci/yaml/ and GitLab's own JSON schema of ``.gitlab-ci.yml``.
"""

from __future__ import annotations

from tasks.interpretation.durations import DAY, MONTH, WEEK
from tasks.interpretation.services_keywords import (
    EMPTY_TEXT,
    ID_TOKENS,
    JOB_INPUTS,
    RELEASE,
    SECRET,
    STEP,
    TEXT,
    TEXTS,
    TRIGGER,
    VALUE,
)
from tasks.interpretation.shapes import (
    Anything,
    Duration,
    Entries,
    Flag,
    Integer,
    Items,
    Keys,
    Number,
    Shape,
    Text,
    either,
)

NAMES = either(TEXT, TEXTS)

COLON_HINT = " A colon followed by a blank makes YAML see a mapping: put the whole command in quotes."
COMMAND = Text(empty=True, hint=COLON_HINT)
SCRIPT: Shape = either(TEXT, Items(COMMAND, least=1, nested=True))
OPTIONAL_SCRIPT: Shape = either(EMPTY_TEXT, Items(COMMAND, nested=True))

PULL_POLICIES = Text(("always", "never", "if-not-present"))
PULL_POLICY = either(PULL_POLICIES, Items(PULL_POLICIES, least=1))
DOCKER = Keys({"platform": TEXT, "user": TEXT})
KUBERNETES_USER = Keys({"user": Text(loose=True)})
WORDS = either(Items(COMMAND), TEXT)

IMAGE = either(
    TEXT,
    Keys(
        {
            "name": TEXT,
            "entrypoint": Items(EMPTY_TEXT, least=1),
            "docker": DOCKER,
            "kubernetes": KUBERNETES_USER,
            "pull_policy": PULL_POLICY,
            "ports": Anything(),
        },
        required=("name",),
    ),
)

JOB_VARIABLES = Entries(either(VALUE, Keys({"value": VALUE, "expand": Flag()})), nullable=True)
GLOBAL_VARIABLES = Entries(
    either(
        VALUE,
        Keys({"value": VALUE, "description": EMPTY_TEXT, "expand": Flag(), "options": Items(VALUE, least=1)}),
    ),
    nullable=True,
)
RULES_VARIABLES = Entries(VALUE, nullable=True)

SERVICES = Items(
    either(
        TEXT,
        Keys(
            {
                "name": TEXT,
                "alias": TEXT,
                "entrypoint": Items(EMPTY_TEXT, least=1),
                "command": WORDS,
                "docker": DOCKER,
                "kubernetes": KUBERNETES_USER,
                "pull_policy": PULL_POLICY,
                "variables": JOB_VARIABLES,
                "ports": Anything(),
            },
            required=("name",),
        ),
    )
)

WHEN_ARTIFACTS = Text(("on_success", "on_failure", "always"))
_FILES = either(TEXT, TEXTS)
REPORT_KINDS = [
    "accessibility",
    "annotations",
    "junit",
    "browser_performance",
    "codequality",
    "dotenv",
    "lsif",
    "sast",
    "dependency_scanning",
    "container_scanning",
    "cluster_image_scanning",
    "dast",
    "license_management",
    "license_scanning",
    "requirements",
    "requirements_v2",
    "secret_detection",
    "metrics",
    "terraform",
    "cyclonedx",
    "load_performance",
    "performance",
    "network_referee",
    "repository_xray",
    "api_fuzzing",
    "coverage_fuzzing",
    "sarif",
]
REPORTS = Keys(
    {
        **dict.fromkeys(REPORT_KINDS, _FILES),
        "coverage_report": Keys({"coverage_format": Text(("cobertura", "jacoco")), "path": TEXT}, ("path",)),
    }
)
ARTIFACTS = Keys(
    {
        "paths": Items(TEXT),
        "exclude": Items(TEXT),
        "expose_as": Text(pattern=r"^[\w -]{1,100}$", hint="Use letters, digits, blanks, `_` and `-`."),
        "name": TEXT,
        "untracked": Flag(),
        "when": WHEN_ARTIFACTS,
        "access": Text(("none", "developer", "maintainer", "all")),
        "public": Flag(),
        "expire_in": Duration(never=True),
        "reports": REPORTS,
    }
)

# Neither a slash (also as %2F) nor dots alone: https://docs.gitlab.com/ci/yaml/#cachekey
_CACHE_KEY = Text(pattern=r"^(?!\.{1,2}$|.*(?:/|%2[fF]))", hint="A key has no slash, and is neither `.` nor `..`.")
_CACHE = Keys(
    {
        "key": either(
            _CACHE_KEY,
            Keys(
                {
                    "files": Items(TEXT, least=1, most=10),
                    "files_commits": Items(TEXT, least=1, most=2),
                    "prefix": _CACHE_KEY,
                }
            ),
        ),
        "paths": TEXTS,
        "policy": Text(pattern=r"^(pull-push|pull|push|\$\{?\w{1,255}\}?)$", hint="Use pull-push, pull or push."),
        "unprotect": Flag(),
        "untracked": Flag(),
        "when": WHEN_ARTIFACTS,
        "fallback_keys": Items(TEXT, most=5),
    }
)
CACHE = either(_CACHE, Items(_CACHE, most=4, nested=True))

RETRY_REASONS = [
    "always",
    "unknown_failure",
    "script_failure",
    "api_failure",
    "stuck_or_timeout_failure",
    "runner_system_failure",
    "runner_unsupported",
    "stale_schedule",
    "job_execution_timeout",
    "archived_failure",
    "unmet_prerequisites",
    "scheduler_failure",
    "data_integrity_failure",
    "runner_interrupted",
    "runner_provisioning_timeout",
    "missing_dependency_failure",
]
_REASON = Text(tuple(RETRY_REASONS))
_CODES = either(Integer(), Items(Integer(), least=1))
RETRY = either(
    Integer(0, 2),
    Keys({"max": Integer(0, 2), "when": either(_REASON, Items(_REASON)), "exit_codes": _CODES}),
)
ALLOW_FAILURE = either(Flag(), Keys({"exit_codes": _CODES}, required=("exit_codes",)))

WHENS = Text(("on_success", "on_failure", "always", "never", "manual", "delayed"))
JOB_WHENS = Text(WHENS.one_of, not_here="never", hint=" It is for `rules`: begin the name with a dot instead.")
CHANGES = either(TEXTS, Keys({"paths": TEXTS, "compare_to": TEXT}, required=("paths",)))
_EXISTING = Items(EMPTY_TEXT)
EXISTS = either(_EXISTING, Keys({"paths": _EXISTING, "project": TEXT, "ref": TEXT}, required=("paths",)))
MATRIX = Keys(
    {"matrix": Items(Entries(either(Text(loose=True, empty=True), Items(Text(loose=True, empty=True)))), most=200)},
    required=("matrix",),
)
_RULE_NEED = either(TEXT, Keys({"job": TEXT, "artifacts": Flag(), "optional": Flag(), "parallel": MATRIX}, ("job",)))
RULE = Keys(
    {
        "if": TEXT,
        "changes": CHANGES,
        "exists": EXISTS,
        "when": WHENS,
        "allow_failure": ALLOW_FAILURE,
        "variables": RULES_VARIABLES,
        "needs": Items(_RULE_NEED),
        "start_in": Duration(limit=WEEK),
        "interruptible": Flag(),
    }
)
RULES = Items(RULE, least=1, nested=True)
AUTO_CANCEL = Keys(
    {"on_new_commit": Text(("conservative", "interruptible", "none")), "on_job_failure": Text(("none", "all"))}
)
WORKFLOW_RULE = Keys(
    {
        "if": TEXT,
        "changes": CHANGES,
        "exists": EXISTS,
        "when": Text(("always", "never")),
        "variables": RULES_VARIABLES,
        "auto_cancel": AUTO_CANCEL,
    }
)
WORKFLOW = Keys({"name": TEXT, "rules": Items(WORKFLOW_RULE, least=1, nested=True), "auto_cancel": AUTO_CANCEL})

_REFS = Items(TEXT)
POLICY = either(
    TEXT,
    _REFS,
    Keys({"refs": _REFS, "variables": Items(TEXT), "changes": TEXTS, "kubernetes": Text(("active",))}),
)
NEED = either(
    TEXT,
    Keys(
        {
            "job": TEXT,
            "artifacts": Flag(),
            "optional": Flag(),
            "parallel": MATRIX,
            "pipeline": TEXT,
            "project": TEXT,
            "ref": TEXT,
        }
    ),
)
_TIERS = "Use production, staging, testing, development or other."
ENVIRONMENT = either(
    TEXT,
    Keys(
        {
            "name": TEXT,
            "url": TEXT,
            "on_stop": TEXT,
            "action": Text(("start", "prepare", "stop", "verify", "access")),
            "auto_stop_in": Duration(never=True),
            "kubernetes": Anything(),
            "deployment_tier": Text(pattern=r"^(production|staging|testing|development|other)$|\$", hint=_TIERS),
        }
    ),
)
HOOKS = Keys({"pre_get_sources_script": OPTIONAL_SCRIPT})
TAGS = Items(TEXT, nested=True)
TIMEOUT = Duration(limit=MONTH + DAY)
PAGES = either(
    Flag(),
    Keys({"path_prefix": EMPTY_TEXT, "expire_in": Duration(never=True), "publish": TEXT}),
)
_DEFAULT_NAMES = [
    "after_script",
    "artifacts",
    "before_script",
    "cache",
    "hooks",
    "id_tokens",
    "identity",
    "image",
    "interruptible",
    "retry",
    "services",
    "tags",
    "timeout",
]
INHERIT = Keys(
    {
        "default": either(Flag(), Items(Text(tuple(_DEFAULT_NAMES)))),
        "variables": either(Flag(), TEXTS),
    }
)

DEFAULT_KEYS: dict[str, Shape] = {
    "after_script": OPTIONAL_SCRIPT,
    "artifacts": ARTIFACTS,
    "before_script": OPTIONAL_SCRIPT,
    "cache": CACHE,
    "hooks": HOOKS,
    "id_tokens": ID_TOKENS,
    "identity": Text(("google_cloud",)),
    "image": IMAGE,
    "interruptible": Flag(),
    "retry": RETRY,
    "services": SERVICES,
    "tags": TAGS,
    "timeout": TIMEOUT,
}
JOB_KEYS: dict[str, Shape] = {
    **DEFAULT_KEYS,
    "allow_failure": ALLOW_FAILURE,
    "coverage": Text(pattern=r"^/.+/$", hint="Write a regular expression between slashes."),
    "dast_configuration": Keys({"site_profile": TEXT, "scanner_profile": TEXT}),
    "dependencies": TEXTS,
    "environment": ENVIRONMENT,
    "except": POLICY,
    "extends": NAMES,
    "inherit": INHERIT,
    "inputs": JOB_INPUTS,
    "manual_confirmation": TEXT,
    "needs": Items(NEED, most=50),
    "only": POLICY,
    "pages": PAGES,
    "parallel": either(Integer(1, 200), MATRIX),
    "publish": TEXT,
    "release": RELEASE,
    "resource_group": TEXT,
    "rules": RULES,
    "run": Items(STEP, least=1),
    "script": SCRIPT,
    "secrets": Entries(SECRET),
    "stage": TEXT,
    "start_in": Duration(limit=WEEK),
    "trigger": TRIGGER,
    "type": TEXT,
    "variables": JOB_VARIABLES,
    "when": JOB_WHENS,
}
GLOBAL_DEFAULTS = ("image", "services", "before_script", "after_script", "cache")
GLOBAL_KEYS: dict[str, Shape] = {
    **{name: DEFAULT_KEYS[name] for name in GLOBAL_DEFAULTS},
    "default": Keys(DEFAULT_KEYS),
    "include": Anything(),
    "stages": Items(TEXT, nested=True),
    "types": Items(TEXT, nested=True),
    "variables": GLOBAL_VARIABLES,
    "workflow": WORKFLOW,
}

__all__ = ["GLOBAL_DEFAULTS", "GLOBAL_KEYS", "JOB_KEYS", "Number"]
