"""The table of predefined variables says what is set, and of every one of GitLab's."""

from __future__ import annotations

import re
import subprocess

import pytest
from msgspec.structs import replace

from tasks.interpretation.pipeline import Image, Job, JobEnvironment, Pipeline
from tasks.interpretation.predefined import environment_tier, group_name, predefined_variables, slug
from tasks.interpretation.predefined_table import NOT_SET, SET
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.jenkins_build.job_script import ADDRESS_VARIABLES, COMMIT_VARIABLES, agent_exports
from tests.tasks.interpretation.test_task import COMMIT

_NAMES = """
CHAT_CHANNEL CHAT_INPUT CHAT_USER_ID CI CI_API_GRAPHQL_URL CI_API_V4_URL CI_BUILDS_DIR CI_COMMIT_AUTHOR
CI_COMMIT_BEFORE_SHA CI_COMMIT_BRANCH CI_COMMIT_DESCRIPTION CI_COMMIT_MESSAGE CI_COMMIT_MESSAGE_IS_TRUNCATED
CI_COMMIT_REF_NAME CI_COMMIT_REF_PROTECTED CI_COMMIT_REF_SLUG CI_COMMIT_SHA CI_COMMIT_SHORT_SHA CI_COMMIT_TAG
CI_COMMIT_TAG_MESSAGE CI_COMMIT_TIMESTAMP CI_COMMIT_TITLE CI_COMMIT_USER_LOGIN CI_CONCURRENT_ID
CI_CONCURRENT_PROJECT_ID CI_CONFIG_PATH CI_CONFIG_REF_URI CI_DEBUG_SERVICES CI_DEBUG_TRACE CI_DEFAULT_BRANCH
CI_DEFAULT_BRANCH_SLUG CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX
CI_DEPENDENCY_PROXY_PASSWORD CI_DEPENDENCY_PROXY_SERVER CI_DEPENDENCY_PROXY_USER CI_DEPLOY_FREEZE CI_DEPLOY_PASSWORD
CI_DEPLOY_USER CI_DISPOSABLE_ENVIRONMENT CI_ENVIRONMENT_ACTION CI_ENVIRONMENT_ID CI_ENVIRONMENT_NAME
CI_ENVIRONMENT_SLUG CI_ENVIRONMENT_TIER CI_ENVIRONMENT_URL CI_GITLAB_FIPS_MODE CI_HAS_OPEN_REQUIREMENTS
CI_JOB_GROUP_NAME CI_JOB_ID CI_JOB_IMAGE CI_JOB_MANUAL CI_JOB_NAME CI_JOB_NAME_SLUG CI_JOB_STAGE CI_JOB_STARTED_AT
CI_JOB_STARTED_AT_SLUG CI_JOB_STATUS CI_JOB_TIMEOUT CI_JOB_TOKEN CI_JOB_URL CI_KUBERNETES_ACTIVE CI_NODE_INDEX
CI_NODE_TOTAL CI_OPEN_MERGE_REQUESTS CI_PAGES_DOMAIN CI_PAGES_HOSTNAME CI_PAGES_URL CI_PIPELINE_CREATED_AT
CI_PIPELINE_ID CI_PIPELINE_IID CI_PIPELINE_NAME CI_PIPELINE_SCHEDULE_DESCRIPTION CI_PIPELINE_SOURCE
CI_PIPELINE_TRIGGERED CI_PIPELINE_URL CI_PROJECT_CLASSIFICATION_LABEL CI_PROJECT_DESCRIPTION CI_PROJECT_DIR
CI_PROJECT_ID CI_PROJECT_NAME CI_PROJECT_NAMESPACE CI_PROJECT_NAMESPACE_ID CI_PROJECT_NAMESPACE_SLUG CI_PROJECT_PATH
CI_PROJECT_PATH_SLUG CI_PROJECT_REPOSITORY_LANGUAGES CI_PROJECT_ROOT_NAMESPACE CI_PROJECT_TITLE CI_PROJECT_TOPICS
CI_PROJECT_URL CI_PROJECT_VISIBILITY CI_REGISTRY CI_REGISTRY_IMAGE CI_REGISTRY_PASSWORD CI_REGISTRY_USER
CI_RELEASE_DESCRIPTION CI_REPOSITORY_URL CI_RUNNER_DESCRIPTION CI_RUNNER_EXECUTABLE_ARCH CI_RUNNER_ID
CI_RUNNER_REVISION CI_RUNNER_SHORT_TOKEN CI_RUNNER_TAGS CI_RUNNER_VERSION CI_SERVER CI_SERVER_FQDN CI_SERVER_HOST
CI_SERVER_NAME CI_SERVER_PORT CI_SERVER_PROTOCOL CI_SERVER_REVISION CI_SERVER_SHELL_SSH_HOST CI_SERVER_SHELL_SSH_PORT
CI_SERVER_TLS_CA_FILE CI_SERVER_TLS_CERT_FILE CI_SERVER_TLS_KEY_FILE CI_SERVER_URL CI_SERVER_VERSION
CI_SERVER_VERSION_MAJOR CI_SERVER_VERSION_MINOR CI_SERVER_VERSION_PATCH CI_SHARED_ENVIRONMENT
CI_TEMPLATE_REGISTRY_HOST CI_TRIGGER_SHORT_TOKEN CI_UPSTREAM_JOB_ID CI_UPSTREAM_PIPELINE_ID CI_UPSTREAM_PROJECT_ID
GITLAB_CI GITLAB_ENV GITLAB_FEATURES GITLAB_USER_EMAIL GITLAB_USER_ID GITLAB_USER_LOGIN GITLAB_USER_NAME KUBECONFIG
TRIGGER_PAYLOAD
"""


def test_each_of_gitlabs_variables_is_in_one_of_the_tables() -> None:
    assert not SET.keys() & NOT_SET.keys()
    assert set(_NAMES.split()) - SET.keys() - NOT_SET.keys() == set()


def test_what_the_table_says_is_set_is_set_and_nothing_else() -> None:
    tag = replace(COMMIT, ref_kind="tag")
    known = {**predefined_variables(COMMIT, "staging", "r.example/app"), **predefined_variables(tag)}
    jobs = (
        Job("a", "t", ("$CI_REGISTRY_USER",), image=Image("i"), when="manual"),
        Job("b", "t", (), environment=JobEnvironment("e", "http://e.example"), variables={"CI_NODE_INDEX": "1"}),
    )
    pipeline = Pipeline("name", ("t",), jobs, known)
    text = render(pipeline, RenderSettings("u", "0" * 40, registry_credentials_id="robot", rendering="stages"))
    found = {*re.findall(r"'export (\w+)=", text), *re.findall(r"Variable: '(CI_\w+)'", text)}
    assert found - {"GIT_CONFIG_COUNT"} == SET.keys()
    assert COMMIT_VARIABLES.keys() | ADDRESS_VARIABLES.keys() < SET.keys()


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("ref", ["main", "Feature/ABC_1--x.", "-" * 3 + "x" * 80, "v1.2", "1/" + "a" * 60 + "//b"])
def test_the_slug_and_the_short_sha_that_the_build_makes(ref: str, shell: str) -> None:
    names = ("CI_COMMIT_REF_SLUG", "CI_COMMIT_SHORT_SHA", "CI_COMMIT_REF_NAME")
    words = " ".join(f'"{COMMIT_VARIABLES[name]}"' for name in names)
    environment = {"PATH": "/usr/bin:/bin", "CI_COMMIT_BRANCH": ref, "COMMIT_SHA": "0123456789" * 4}
    done = subprocess.run(
        [shell, "-euc", f"printf '%s|' {words}"], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout == f"{slug(ref)}|01234567|{ref}|"


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    ("url", "server", "path"),
    [
        ("https://gitlab.example/top/sub/My.App.git", ("https", "gitlab.example", "443", ""), "top/sub/My.App"),
        ("http://robot:x@gitlab.example:8080/a/b.git/", ("http", "gitlab.example", "8080", ":8080"), "a/b"),
        ("http://gitlab.example/a/b", ("http", "gitlab.example", "80", ""), "a/b"),
        ("git@gitlab.example:a/b.git", ("https", "gitlab.example", "443", ""), "a/b"),
        ("ssh://git@gitlab.example:2222/a/b.git", ("https", "gitlab.example", "443", ""), "a/b"),
    ],
)
def test_what_the_build_makes_of_the_address_it_clones(
    url: str, server: tuple[str, str, str, str], path: str, shell: str
) -> None:
    def said(script: str) -> list[str]:
        environment = {"PATH": "/usr/bin:/bin", "REPO_URL": url, "path": "own"}
        command = [shell, "-euc", script]
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.split(
            "\n"
        )

    words = " ".join(f'"{text}"' for text in ADDRESS_VARIABLES.values())
    *alone, _ = said(f"printf '%s\\n' {words}")
    exported = "\n".join(agent_exports(ADDRESS_VARIABLES))
    names = " ".join(ADDRESS_VARIABLES)
    together = said(f'{exported}\nfor name in {names} path; do eval "echo \\$$name"; done; env | grep -c ^gl_ || :')
    assert together == [*alone, "own", "0", ""]
    protocol, host, port, shown = server
    namespace, _, name = path.rpartition("/")
    at = f"{protocol}://{host}{shown}"
    assert dict(zip(ADDRESS_VARIABLES, alone, strict=True)) == {
        "CI_API_GRAPHQL_URL": f"{at}/api/graphql",
        "CI_API_V4_URL": f"{at}/api/v4",
        "CI_PROJECT_NAME": name,
        "CI_PROJECT_NAMESPACE": namespace,
        "CI_PROJECT_NAMESPACE_SLUG": slug(namespace),
        "CI_PROJECT_PATH": path,
        "CI_PROJECT_PATH_SLUG": slug(path),
        "CI_PROJECT_ROOT_NAMESPACE": path.partition("/")[0],
        "CI_PROJECT_URL": f"{at}/{path}",
        "CI_REPOSITORY_URL": url,
        "CI_SERVER_FQDN": f"{host}{shown}",
        "CI_SERVER_HOST": host,
        "CI_SERVER_PORT": port,
        "CI_SERVER_PROTOCOL": protocol,
        "CI_SERVER_URL": at,
    }


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("rspec 1/3", "rspec"), ("rspec 1 3", "rspec"), ("test:1/3", "test"), ("a: [x, y]", "a"), ("a: [x] 1/2", "a"),
        ("build-1/2", "build-1/2"), ("plain", "plain"), ("v1 2", "v1 2"),
    ],
)  # fmt: skip
def test_the_name_of_a_group(name: str, group: str) -> None:
    assert group_name(name) == group


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("review/x", "development"), ("Trunk", "development"), ("qa", "testing"), ("acpt", "testing"),
        ("stg", "staging"), ("preview", "development"), ("demo", "staging"), ("prod", "production"),
        ("customer-prd", "production"), ("live", "production"), ("blue", "other"),
    ],
)  # fmt: skip
def test_the_tier_of_an_environment(name: str, tier: str) -> None:
    assert environment_tier(name) == tier
