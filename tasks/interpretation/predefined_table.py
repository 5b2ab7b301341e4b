"""GitLab's predefined variables, and where a Jenkins build has each from, or why it does not have it.

Source: https://docs.gitlab.com/ci/variables/predefined_variables/. docs/reference/variables.md is made of this.
"""

from __future__ import annotations

_COMMIT = "GitLab, for the commit that is deployed"
_DESCRIBED = "GitLab, for the commit that is deployed; in a Jenkinsfile to keep, the parameter, else git"
_REF = "GitLab; in a Jenkinsfile to keep, the parameter, else what Jenkins read it from"
_PROJECT = "GitLab, for the project"
_ADDRESS = "GitLab, for the project; in a Jenkinsfile to keep, made of REPO_URL"
_SERVER = "the address of the GitLab server; in a Jenkinsfile to keep, that of REPO_URL"
_ENVIRONMENT = "the job's `environment`; in a deployment else the Environment's name"

SET = {
    "CI": "`true`",
    "CI_API_GRAPHQL_URL": _SERVER,
    "CI_API_V4_URL": _SERVER,
    "CI_BUILDS_DIR": "the folder above the workspace",
    "CI_COMMIT_AUTHOR": _DESCRIBED,
    "CI_COMMIT_BRANCH": _REF,
    "CI_COMMIT_DESCRIPTION": _DESCRIBED,
    "CI_COMMIT_MESSAGE": _DESCRIBED,
    "CI_COMMIT_MESSAGE_IS_TRUNCATED": "`false`: the message is whole",
    "CI_COMMIT_REF_NAME": "GitLab; in a Jenkinsfile to keep, that of the tag, the branch or the merge request",
    "CI_COMMIT_REF_PROTECTED": _COMMIT,
    "CI_COMMIT_REF_SLUG": "made of CI_COMMIT_REF_NAME",
    "CI_COMMIT_SHA": "GitLab; in a Jenkinsfile to keep, the parameter COMMIT_SHA, else what Jenkins read it from",
    "CI_COMMIT_SHORT_SHA": "made of CI_COMMIT_SHA",
    "CI_COMMIT_TAG": _REF,
    "CI_COMMIT_TIMESTAMP": _DESCRIBED,
    "CI_COMMIT_TITLE": _DESCRIBED,
    "CI_CONCURRENT_ID": "the number of the agent's executor",
    "CI_CONCURRENT_PROJECT_ID": "the number of the agent's executor",
    "CI_CONFIG_PATH": _PROJECT,
    "CI_DEFAULT_BRANCH": "GitLab, for the project; in a Jenkinsfile to keep, the parameter, else what the option says",
    "CI_DEFAULT_BRANCH_SLUG": "made of CI_DEFAULT_BRANCH",
    "CI_DISPOSABLE_ENVIRONMENT": "`true` for a job with `image`",
    "CI_ENVIRONMENT_ACTION": "the job's `environment`",
    "CI_ENVIRONMENT_NAME": _ENVIRONMENT,
    "CI_ENVIRONMENT_SLUG": _ENVIRONMENT,
    "CI_ENVIRONMENT_TIER": "the job's `environment:deployment_tier`, else guessed from the name as GitLab does",
    "CI_ENVIRONMENT_URL": "the job's `environment`",
    "CI_JOB_GROUP_NAME": "made of CI_JOB_NAME",
    "CI_JOB_ID": "the number of the Jenkins build and the job's place in the file",
    "CI_JOB_IMAGE": "the job's `image`",
    "CI_JOB_MANUAL": "`true` for a job of `when: manual`",
    "CI_JOB_NAME": "the job",
    "CI_JOB_NAME_SLUG": "made of CI_JOB_NAME",
    "CI_JOB_STAGE": "the job",
    "CI_JOB_STARTED_AT": "the agent's clock",
    "CI_JOB_STATUS": "`running`; in `after_script` `success`, `failed` or `canceled`, by this attempt",
    "CI_JOB_TIMEOUT": "the job's `timeout` in seconds, else an hour",
    "CI_JOB_URL": "the console of the Jenkins build",
    "CI_NODE_INDEX": "`parallel`",
    "CI_NODE_TOTAL": "`parallel`, else `1`",
    "CI_PIPELINE_ID": "the number of the Jenkins build",
    "CI_PIPELINE_IID": "the number of the Jenkins build",
    "CI_PIPELINE_NAME": "`workflow:name`",
    "CI_PIPELINE_SOURCE": "`push` in a deployment; in a Jenkinsfile to keep, the parameter, else `push`",
    "CI_PIPELINE_URL": "the page of the Jenkins build",
    "CI_PROJECT_DIR": "the workspace",
    "CI_PROJECT_ID": _PROJECT,
    "CI_PROJECT_NAME": _ADDRESS,
    "CI_PROJECT_NAMESPACE": _ADDRESS,
    "CI_PROJECT_NAMESPACE_SLUG": "made of CI_PROJECT_NAMESPACE",
    "CI_PROJECT_PATH": _ADDRESS,
    "CI_PROJECT_PATH_SLUG": "made of CI_PROJECT_PATH",
    "CI_PROJECT_ROOT_NAMESPACE": _ADDRESS,
    "CI_PROJECT_TITLE": _PROJECT,
    "CI_PROJECT_URL": _ADDRESS,
    "CI_PROJECT_VISIBILITY": _PROJECT,
    "CI_REGISTRY": "the Environment's registry",
    "CI_REGISTRY_IMAGE": "the image's name in the Environment's registry",
    "CI_REGISTRY_PASSWORD": "Jenkins' credentials, for jobs that use it or the image in the registry",
    "CI_REGISTRY_USER": "Jenkins' credentials, for jobs that use it or the image in the registry",
    "CI_REPOSITORY_URL": "GitLab, without a login; in a Jenkinsfile to keep, REPO_URL",
    "CI_RUNNER_DESCRIPTION": "the name of the Jenkins agent",
    "CI_RUNNER_EXECUTABLE_ARCH": "`uname`, where the job's script runs",
    "CI_SERVER": "`yes`",
    "CI_SERVER_FQDN": _SERVER,
    "CI_SERVER_HOST": _SERVER,
    "CI_SERVER_NAME": "`GitLab`",
    "CI_SERVER_PORT": _SERVER,
    "CI_SERVER_PROTOCOL": _SERVER,
    "CI_SERVER_SHELL_SSH_HOST": "the address of the GitLab server",
    "CI_SERVER_URL": _SERVER,
    "CI_SHARED_ENVIRONMENT": "`true` for a job without `image`",
    "CI_TEMPLATE_REGISTRY_HOST": "`registry.gitlab.com`",
    "GITLAB_CI": "`true`",
}

# What a deployment has from GitLab, and a Jenkinsfile to keep from nobody.
DEPLOYMENTS_ONLY = frozenset(
    (
        *(name for name, where in SET.items() if where in (_COMMIT, _PROJECT)),
        *("CI_REGISTRY", "CI_REGISTRY_IMAGE", "CI_SERVER_SHELL_SSH_HOST"),
    )
)
# What GitLab knows of every pipeline when it decides its rules, whatever ref that is for.
GIVEN_BY_GITLAB = DEPLOYMENTS_ONLY | {
    *(name for name, where in SET.items() if where in (_ADDRESS, _DESCRIBED, _SERVER)),
    *("CI_COMMIT_SHA", "CI_COMMIT_SHORT_SHA", "CI_PROJECT_NAMESPACE_SLUG", "CI_PROJECT_PATH_SLUG", "CI_REPOSITORY_URL"),
}

_CHAT = "no ChatOps here"
_RUNNERS_OWN = "GitLab gives it to its own runners only"
_UNREAD = "not read from GitLab"
_RUNNER = "no GitLab Runner here"
_PAGES = "nothing is published to GitLab Pages"
NOT_SET = {
    "CHAT_CHANNEL": _CHAT,
    "CHAT_INPUT": _CHAT,
    "CHAT_USER_ID": _CHAT,
    "CI_COMMIT_BEFORE_SHA": "in a Jenkinsfile to keep a parameter, where rules compare with it",
    "CI_COMMIT_TAG_MESSAGE": _UNREAD,
    "CI_COMMIT_USER_LOGIN": _UNREAD,
    "CI_CONFIG_REF_URI": "tokens that GitLab alone can sign are where it counts",
    "CI_DEBUG_SERVICES": "services' logs are shown when they do not start",
    "CI_DEBUG_TRACE": "never: a trace would show secrets",
    "CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX": _RUNNERS_OWN,
    "CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX": _RUNNERS_OWN,
    "CI_DEPENDENCY_PROXY_PASSWORD": _RUNNERS_OWN,
    "CI_DEPENDENCY_PROXY_SERVER": _RUNNERS_OWN,
    "CI_DEPENDENCY_PROXY_USER": _RUNNERS_OWN,
    "CI_DEPLOY_FREEZE": "freeze windows are the Environment's",
    "CI_DEPLOY_PASSWORD": _RUNNERS_OWN,
    "CI_DEPLOY_USER": _RUNNERS_OWN,
    "CI_ENVIRONMENT_ID": "GitLab has no such environment",
    "CI_EXTERNAL_PULL_REQUEST_*": "no such pipelines here",
    "CI_GITLAB_FIPS_MODE": _UNREAD,
    "CI_HAS_OPEN_REQUIREMENTS": _UNREAD,
    "CI_JOB_TOKEN": _RUNNERS_OWN,
    "CI_JOB_STARTED_AT_SLUG": "for names of images: use the commit's, which stays the same",
    "CI_KUBERNETES_ACTIVE": "the rollout step has its own cluster",
    "CI_MERGE_REQUEST_*": "a deployment is none; in a Jenkinsfile to keep, what rules ask for, and what Jenkins says",
    "CI_OPEN_MERGE_REQUESTS": _UNREAD,
    "CI_PAGES_DOMAIN": _PAGES,
    "CI_PAGES_HOSTNAME": _PAGES,
    "CI_PAGES_URL": _PAGES,
    "CI_PIPELINE_CREATED_AT": "the same text makes the same Jenkinsfile at any time",
    "CI_PIPELINE_SCHEDULE_DESCRIPTION": "no such schedules here",
    "CI_PIPELINE_TRIGGERED": "no such triggers here",
    "CI_PROJECT_CLASSIFICATION_LABEL": _UNREAD,
    "CI_PROJECT_DESCRIPTION": _UNREAD,
    "CI_PROJECT_NAMESPACE_ID": _UNREAD,
    "CI_PROJECT_REPOSITORY_LANGUAGES": _UNREAD,
    "CI_PROJECT_TOPICS": _UNREAD,
    "CI_RELEASE_DESCRIPTION": _UNREAD,
    "CI_RUNNER_ID": _RUNNER,
    "CI_RUNNER_REVISION": _RUNNER,
    "CI_RUNNER_SHORT_TOKEN": _RUNNER,
    "CI_RUNNER_TAGS": _RUNNER,
    "CI_RUNNER_VERSION": _RUNNER,
    "CI_SERVER_REVISION": _UNREAD,
    "CI_SERVER_SHELL_SSH_PORT": _UNREAD,
    "CI_SERVER_TLS_CA_FILE": _RUNNERS_OWN,
    "CI_SERVER_TLS_CERT_FILE": _RUNNERS_OWN,
    "CI_SERVER_TLS_KEY_FILE": _RUNNERS_OWN,
    "CI_SERVER_VERSION": _UNREAD,
    "CI_SERVER_VERSION_MAJOR": _UNREAD,
    "CI_SERVER_VERSION_MINOR": _UNREAD,
    "CI_SERVER_VERSION_PATCH": _UNREAD,
    "CI_TRIGGER_SHORT_TOKEN": "no such triggers here",
    "CI_UPSTREAM_JOB_ID": "no such triggers here",
    "CI_UPSTREAM_PIPELINE_ID": "no such triggers here",
    "CI_UPSTREAM_PROJECT_ID": "no such triggers here",
    "GITLAB_ENV": "no file hands variables on within a job: write them to one of your own, and read it",
    "GITLAB_FEATURES": _UNREAD,
    "GITLAB_USER_EMAIL": "who started the build is not told to it",
    "GITLAB_USER_ID": "who started the build is not told to it",
    "GITLAB_USER_LOGIN": "who started the build is not told to it",
    "GITLAB_USER_NAME": "who started the build is not told to it",
    "KUBECONFIG": "the rollout step has its own cluster",
    "TRIGGER_PAYLOAD": "no such triggers here",
}

# Those that GitLab sets in some pipelines only, so that a text that uses them can do without.
_SOMETIMES = (
    *("CHAT_CHANNEL", "CHAT_INPUT", "CHAT_USER_ID", "CI_DEBUG_SERVICES", "CI_DEBUG_TRACE", "CI_DEPLOY_FREEZE"),
    *("CI_COMMIT_TAG_MESSAGE", "CI_ENVIRONMENT_ID", "CI_EXTERNAL_PULL_REQUEST_*", "CI_GITLAB_FIPS_MODE"),
    *("CI_HAS_OPEN_REQUIREMENTS", "CI_KUBERNETES_ACTIVE", "CI_MERGE_REQUEST_*", "CI_OPEN_MERGE_REQUESTS"),
    *("CI_PIPELINE_SCHEDULE_DESCRIPTION", "CI_PIPELINE_TRIGGERED", "CI_PROJECT_CLASSIFICATION_LABEL"),
    *("CI_RELEASE_DESCRIPTION", "CI_TRIGGER_SHORT_TOKEN", "CI_UPSTREAM_JOB_ID", "CI_UPSTREAM_PIPELINE_ID"),
    *("CI_UPSTREAM_PROJECT_ID", "KUBECONFIG", "TRIGGER_PAYLOAD"),
)
MISSED = {name: reason for name, reason in NOT_SET.items() if name not in _SOMETIMES}
