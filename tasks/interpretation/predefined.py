"""GitLab's predefined variables, as far as they are known before the build runs.

https://docs.gitlab.com/ci/variables/predefined_variables/. Those of the running build (CI_JOB_ID, CI_PROJECT_DIR,
CI_PIPELINE_ID and the like) are Jenkins' to give. `predefined_table` lists them all.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tasks.source.model import CI_FILE, Commit

_MAX_SLUG = 63
_MAX_ENVIRONMENT_SLUG = 24
_TIERS = {
    "development": r"dev|review|trunk",
    "testing": r"test|tst|int|ac(?:ce|)pt|qa|qc|control|quality",
    "staging": r"st(?:a|)g|mod(?:e|)l|pre|demo|non",
    "production": r"pr(?:o|)d|live",
}
_IN_GROUP = re.compile(r"(?:[\b\s:]+(?:\[.*\]|\d+[\s:/\\]+\d+)){1,3}\s*\Z", re.DOTALL)
_BRANCH_KINDS = ("branch", "commit")


def slug(text: str) -> str:
    """GitLab's slug: lower case, everything but letters and digits a ``-``, at most 63 characters, none at the ends."""
    return re.sub(r"[^a-z0-9]", "-", text.lower())[:_MAX_SLUG].strip("-")


def predefined_variables(
    commit: Commit,
    environment_name: str | None = None,
    image_name: str | None = None,
    *,
    ci_path: str = CI_FILE,
    source: str = "push",
) -> dict[str, str]:
    """Return the predefined variables of a pipeline for one commit.

    Args:
        commit: The commit and its project.
        environment_name: Name of our Environment, for CI_ENVIRONMENT_NAME and CI_ENVIRONMENT_SLUG.
        image_name: The image to be built, without tag, e.g. ``registry.example.com:5000/group/app``.
        ci_path: Where the pipeline definition is.
        source: CI_PIPELINE_SOURCE. A commit is deployed as the pipeline of its branch or tag would have run, and that
            one a push starts; so rules written for it hold here too.
    """
    known = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_CONFIG_PATH": ci_path,
        "CI_PIPELINE_SOURCE": source,
        **_of_commit(commit),
        **_of_project(commit),
        **server_names(commit.server_url),
    }
    if environment_name is not None:
        known |= {"CI_ENVIRONMENT_NAME": environment_name, "CI_ENVIRONMENT_SLUG": environment_slug(environment_name)}
    if image_name is not None:
        known |= {"CI_REGISTRY": image_name.partition("/")[0], "CI_REGISTRY_IMAGE": image_name}
    return known


def _of_commit(commit: Commit) -> dict[str, str]:
    ref = commit.default_branch if commit.ref_kind == "commit" else commit.ref
    known = {
        "CI_COMMIT_SHA": commit.sha,
        "CI_COMMIT_SHORT_SHA": commit.sha[:8],
        "CI_COMMIT_REF_NAME": ref,
        "CI_COMMIT_REF_SLUG": slug(ref),
        "CI_COMMIT_REF_PROTECTED": "true" if commit.ref_protected else "false",
        "CI_COMMIT_TITLE": commit.title,
        "CI_COMMIT_MESSAGE": commit.message,
        "CI_COMMIT_MESSAGE_IS_TRUNCATED": "false",
        "CI_COMMIT_DESCRIPTION": commit.message.partition("\n")[2].strip("\n"),
        "CI_COMMIT_AUTHOR": commit.author,
        "CI_COMMIT_TIMESTAMP": commit.timestamp,
    }
    return known | ({"CI_COMMIT_TAG": ref} if commit.ref_kind == "tag" else {"CI_COMMIT_BRANCH": ref})


def _of_project(commit: Commit) -> dict[str, str]:
    return {
        **project_names(commit.project_path),
        "CI_PROJECT_ID": str(commit.project_id),
        "CI_PROJECT_TITLE": commit.project_name,
        "CI_PROJECT_URL": commit.web_url,
        "CI_PROJECT_VISIBILITY": commit.visibility,
        "CI_REPOSITORY_URL": commit.clone_url,
        "CI_DEFAULT_BRANCH": commit.default_branch,
        "CI_DEFAULT_BRANCH_SLUG": slug(commit.default_branch),
    }


def project_names(path: str) -> dict[str, str]:
    """The predefined variables that are made of a project's path, e.g. ``group/app``."""
    namespace, _, name = path.rpartition("/")
    return {
        "CI_PROJECT_NAME": name,
        "CI_PROJECT_NAMESPACE": namespace,
        "CI_PROJECT_NAMESPACE_SLUG": slug(namespace),
        "CI_PROJECT_ROOT_NAMESPACE": namespace.partition("/")[0],
        "CI_PROJECT_PATH": path,
        "CI_PROJECT_PATH_SLUG": slug(path),
    }


def server_names(url: str) -> dict[str, str]:
    """The predefined variables that are made of GitLab's address."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {
        "CI_SERVER": "yes",
        "CI_SERVER_NAME": "GitLab",
        "CI_SERVER_URL": url,
        "CI_SERVER_HOST": parts.hostname or "",
        "CI_SERVER_FQDN": parts.netloc.rpartition("@")[2],
        "CI_SERVER_PORT": str(port),
        "CI_SERVER_PROTOCOL": parts.scheme,
        "CI_SERVER_SHELL_SSH_HOST": parts.hostname or "",
        "CI_TEMPLATE_REGISTRY_HOST": "registry.gitlab.com",
        "CI_API_V4_URL": f"{url.rstrip('/')}/api/v4",
        "CI_API_GRAPHQL_URL": f"{url.rstrip('/')}/api/graphql",
    }


def environment_tier(name: str) -> str:
    """The deployment tier GitLab guesses from an environment's name (``Environment#guess_tier``).

    >>> environment_tier("Review/1"), environment_tier("prod-eu"), environment_tier("blue")
    ('development', 'production', 'other')
    """
    return next((tier for tier, words in _TIERS.items() if re.search(words, name, re.IGNORECASE)), "other")


def group_name(name: str) -> str:
    """The name of a job without what `parallel` adds, also by hand (``CommitStatus#group_name``).

    >>> group_name("rspec 1/3"), group_name("deploy: [aws, db]"), group_name("v1 2")
    ('rspec', 'deploy', 'v1 2')
    """
    return _IN_GROUP.sub("", name).strip()


def environment_slug(name: str) -> str:
    """At most 24 characters, beginning with a letter; where that changes the name, it ends in a hash of it.

    Source: GitLab's ``Gitlab::Slug::Environment``.
    """
    plain = re.sub(r"[^a-z0-9]", "-", name.lower())
    if not re.match("[a-z]", plain):
        plain = f"env-{plain}"
    plain = re.sub(r"-+", "-", plain)
    if plain == name and len(plain) <= _MAX_ENVIRONMENT_SLUG:
        return plain.removesuffix("-")
    import hashlib  # here, as it takes 2 ms and few pipelines need it

    number = int(hashlib.sha256(name.encode()).hexdigest(), 16)
    return f"{plain[:17].removesuffix('-')}-{_base36(number)[-6:]}"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits
