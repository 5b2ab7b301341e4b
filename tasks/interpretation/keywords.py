"""Every keyword of GitLab CI/CD and the shape of its value.

Sources: https://docs.gitlab.com/ci/yaml/ and GitLab's own JSON schema of ``.gitlab-ci.yml``.
"""

from __future__ import annotations

from tasks.interpretation.condition_keywords import JOB_WHENS, MATRIX, POLICY, RULES, WORKFLOW
from tasks.interpretation.services_keywords import (
    EMPTY_TEXT,
    HOLLOW,
    HOLLOWS,
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
from tasks.source.durations import DAY, MONTH, WEEK

NAMES = either(TEXT, TEXTS)

COLON_HINT = " A colon followed by a blank makes YAML see a mapping: put the whole command in quotes."
COMMAND = Text(empty=True, hint=COLON_HINT)
SCRIPT: Shape = either(TEXT, Items(COMMAND, least=1, nested=True))
OPTIONAL_SCRIPT: Shape = either(EMPTY_TEXT, Items(COMMAND, nested=True))

PULL_POLICIES = Text(("always", "never", "if-not-present"))
PULL_POLICY = either(PULL_POLICIES, Items(PULL_POLICIES, least=1))
DOCKER = Keys({"platform": TEXT, "user": TEXT})
KUBERNETES_USER = Keys({"user": Text(loose=True)})
SERVICE_COMMAND = either(Items(COMMAND, least=1), TEXT)

IMAGE = either(
    TEXT,
    Keys(
        {
            "name": TEXT,
            "entrypoint": Items(EMPTY_TEXT),
            "docker": DOCKER,
            "kubernetes": KUBERNETES_USER,
            "pull_policy": PULL_POLICY,
        },
        required=("name",),
        filled=("docker", "kubernetes"),
    ),
)

JOB_VARIABLES = Entries(either(VALUE, Keys({"value": VALUE, "expand": Flag()})), nullable=True)
GLOBAL_VARIABLES = Entries(
    either(
        VALUE,
        Keys(
            {
                "value": VALUE,
                "description": Text(whole=True, empty=True),
                "expand": Flag(),
                "options": Items(EMPTY_TEXT),
            }
        ),
    ),
    nullable=True,
)

SERVICES = Items(
    either(
        TEXT,
        Keys(
            {
                "name": TEXT,
                "alias": TEXT,
                "entrypoint": Items(EMPTY_TEXT),
                "command": SERVICE_COMMAND,
                "docker": DOCKER,
                "kubernetes": KUBERNETES_USER,
                "pull_policy": PULL_POLICY,
                "variables": JOB_VARIABLES,
            },
            required=("name",),
            filled=("docker", "kubernetes"),
        ),
    ),
    nested=True,
    blanks=True,
)

WHEN_ARTIFACTS = Text(("on_success", "on_failure", "always"))
_FILES = either(HOLLOW, HOLLOWS)
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
        "coverage_report": Keys(
            {"coverage_format": Text(("cobertura", "jacoco")), "path": TEXT}, ("coverage_format", "path")
        ),
    },
    filled=tuple(REPORT_KINDS),
)
ARTIFACTS = Keys(
    {
        "paths": HOLLOWS,
        "exclude": HOLLOWS,
        "expose_as": Text(
            pattern=r"^(?a:\w[\w -]{0,99})$",
            hint="Use ASCII letters, digits, `_`, and behind the first also blanks and `-`.",
        ),
        "name": HOLLOW,
        "untracked": Flag(),
        "when": WHEN_ARTIFACTS,
        "access": Text(("none", "developer", "maintainer", "all")),
        "public": Flag(),
        "expire_in": Duration(never=True),
        "reports": REPORTS,
    },
    together=(("expose_as", "paths"),),
    apart=(("access", "public"),),
)

# Neither a slash nor dots alone, not as %2F and %2E either: https://docs.gitlab.com/ci/yaml/#cachekey
_CACHE_KEY = Text(
    hollow=True,
    pattern=r"^(?!(?:\.|%2[eE]){1,2}$|.*(?:/|%2[fF]))",
    hint="A key has no slash, and is neither `.` nor `..`, encoded ones neither.",
)
_CACHE = Keys(
    {
        "key": either(
            _CACHE_KEY,
            Keys(
                {
                    "files": Items(TEXT, least=1, most=10),
                    "files_commits": Items(TEXT, least=1, most=2),
                    "prefix": _CACHE_KEY,
                },
                one_of=("files", "files_commits"),
            ),
        ),
        "paths": HOLLOWS,
        "policy": Text(
            hollow=True, pattern=r"^(pull-push|pull|push|\$\{?\w{1,255}\}?)$", hint="Use pull-push, pull or push."
        ),
        "unprotect": Flag(),
        "untracked": Flag(),
        "when": WHEN_ARTIFACTS,
        "fallback_keys": Items(HOLLOW, most=5),
    }
)
CACHE = either(_CACHE, Items(_CACHE, most=4, nested=True, blanks=True))

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
    "runner_configuration_error",
    "runner_external_dependency_failure",
    "runner_interrupted",
    "stuck_pending_with_matching_runners",
    "stuck_pending_no_matching_runners",
    "no_updates_running",
    "no_updates_canceling",
    "server_timeout_running",
    "server_timeout_canceling",
    "runner_provisioning_timeout",
    "missing_dependency_failure",
    "forward_deployment_failure",
    "user_blocked",
    "project_deleted",
    "ci_quota_exceeded",
    "pipeline_loop_detected",
    "no_matching_runner",
    "trace_size_exceeded",
    "builds_disabled",
    "environment_creation_failure",
    "deployment_rejected",
    "failed_outdated_deployment_job",
    "job_execution_server_timeout",
    "protected_environment_failure",
    "secrets_provider_not_found",
    "ip_restriction_failure",
    "job_router_failure",
    "job_token_expired",
]
_REASON = Text(tuple(RETRY_REASONS))
_CODES = either(Integer(), Items(Integer(), distinct=True))
RETRY = either(
    Integer(0, 2),
    Keys(
        {
            "max": either(Integer(0, 2), Text(("0", "1", "2"))),
            "when": either(_REASON, Items(_REASON)),
            "exit_codes": _CODES,
        }
    ),
)
ALLOW_FAILURE = either(Flag(), Keys({"exit_codes": _CODES}, filled=("exit_codes",)))

_NEED = Keys(
    {
        "job": TEXT,
        "artifacts": Flag(),
        "optional": Flag(),
        "parallel": MATRIX,
        "pipeline": TEXT,
        "project": TEXT,
        "ref": TEXT,
    },
    filled=("job",),
    some_of=("job", "pipeline", "project"),
    together=(("project", "job"), ("project", "ref"), ("ref", "project")),
    apart=(("project", "pipeline"), ("project", "parallel"), ("pipeline", "parallel")),
    told=("project", "ref", "pipeline"),
    least=1,
)
NEEDS = either(Items(either(TEXT, _NEED), nested=True, blanks=True), _NEED)
_TIERS = "Use production, staging, testing, development or other."
_NAME_HINT = "Use ASCII letters, digits, blanks and `-_/${}.`, and no `/` at either end."
ENVIRONMENT_NAME = r"^(?a:[\w${}. -]([\w${}. /-]*[\w${}. -])?)$"
_GROUP_HINT = f"GitLab makes no group of it, so that nothing waits there. {_NAME_HINT}"
_ENVIRONMENT_NAME = Text(pattern=ENVIRONMENT_NAME, hint=_NAME_HINT)
_KUBERNETES = Keys(
    {
        "namespace": HOLLOW,
        "agent": HOLLOW,
        "flux_resource_path": HOLLOW,
        "managed_resources": Keys({"enabled": Flag()}),
        "dashboard": Keys({"namespace": TEXT, "flux_resource_path": TEXT}, required=("namespace",)),
    },
    least=1,
    together=(("flux_resource_path", "namespace"), ("flux_resource_path", "agent"), ("dashboard", "agent")),
)
ENVIRONMENT = either(
    _ENVIRONMENT_NAME,
    Keys(
        {
            "name": _ENVIRONMENT_NAME,
            "url": Text(hollow=True, pattern=r"^.{1,255}$", hint="At most 255 characters."),
            "on_stop": TEXT,
            "action": Text(("start", "prepare", "stop", "verify", "access")),
            "auto_stop_in": Duration(never=True, variable=True, odd=True),
            "kubernetes": _KUBERNETES,
            "deployment_tier": Text(
                pattern=r"^(production|staging|testing|development|other)$|\$", hint=_TIERS, hollow=True, odd=True
            ),
        },
        required=("name",),
    ),
)
HOOKS = Keys({"pre_get_sources_script": OPTIONAL_SCRIPT})
TAGS = Items(HOLLOW, most=49)
TIMEOUT = Duration(limit=MONTH + DAY)
PAGES = either(
    Flag(),
    Keys({"path_prefix": EMPTY_TEXT, "expire_in": Duration(never=True, variable=True), "publish": HOLLOW}),
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
        "variables": either(Flag(), HOLLOWS),
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
    "coverage": Text(pattern=r"(?m)^/.*/[ismU]*$", hint="Write a regular expression between slashes."),
    "dast_configuration": Keys({"site_profile": EMPTY_TEXT, "scanner_profile": EMPTY_TEXT}),
    "dependencies": TEXTS,
    "environment": ENVIRONMENT,
    "except": POLICY,
    "extends": NAMES,
    "inherit": INHERIT,
    "inputs": JOB_INPUTS,
    "manual_confirmation": HOLLOW,
    "needs": NEEDS,
    "only": POLICY,
    "pages": PAGES,
    "parallel": either(Integer(1, 200), MATRIX),
    "publish": HOLLOW,
    "release": RELEASE,
    "resource_group": Text(hollow=True, odd=True, pattern=ENVIRONMENT_NAME, hint=_GROUP_HINT),
    "rules": RULES,
    "run": Items(STEP, least=1),
    "script": SCRIPT,
    "secrets": Entries(SECRET),
    "stage": TEXT,
    "start_in": Duration(limit=WEEK),
    "trigger": TRIGGER,
    "variables": JOB_VARIABLES,
    "when": JOB_WHENS,
}
GLOBAL_DEFAULTS = ("image", "services", "before_script", "after_script", "cache")
GLOBAL_KEYS: dict[str, Shape] = {
    **{name: DEFAULT_KEYS[name] for name in GLOBAL_DEFAULTS},
    "default": Keys(DEFAULT_KEYS),
    "include": Anything(),
    "stages": Items(Text(pattern=r"^(?s:.{1,255})$", hint="At most 255 characters."), nested=True),
    "variables": GLOBAL_VARIABLES,
    "workflow": WORKFLOW,
}

__all__ = ["GLOBAL_DEFAULTS", "GLOBAL_KEYS", "JOB_KEYS", "Number"]
