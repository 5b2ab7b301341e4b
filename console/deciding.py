"""What the options say of the pipeline that rules are decided for: its ref, its merge request, its variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from console.including import checked_address
from errors import InputError
from tasks.interpretation.predefined import project_names, server_names, slug
from tasks.interpretation.predefined_table import GIVEN_BY_GITLAB

if TYPE_CHECKING:
    from console.interpret import InterpretOptions

# What a merge request has, whichever it is: rules that ask whether it is set are decided, and no text is made of it.
_SET = {f"CI_{name}": "1" for name in ("MERGE_REQUEST_ID", "MERGE_REQUEST_IID", "OPEN_MERGE_REQUESTS")}
# What differs from one merge request to the next: rules that ask for it are left to the build.
_OF_ONE = frozenset(
    f"CI_MERGE_REQUEST_{name}"
    for name in (
        *("APPROVED", "ASSIGNEES", "DESCRIPTION", "DESCRIPTION_IS_TRUNCATED", "DIFF_BASE_SHA", "DIFF_ID", "DRAFT"),
        *("EVENT_TYPE", "LABELS", "MILESTONE", "PROJECT_ID", "PROJECT_PATH", "PROJECT_URL", "REF_PATH"),
        *("SOURCE_BRANCH_PROTECTED", "SOURCE_BRANCH_SHA", "SOURCE_PROJECT_ID", "SOURCE_PROJECT_PATH"),
        *("SOURCE_PROJECT_URL", "SQUASH_ON_MERGE", "TARGET_BRANCH_PROTECTED", "TARGET_BRANCH_SHA", "TITLE"),
    )
)


def decided_by(options: InterpretOptions) -> dict[str, Any]:
    """Fields of a `tasks.interpretation.context.Context`.

    With a ref, what GitLab gives every pipeline and nobody told us is unknown, so that a rule that asks for it is left
    to the build and not taken for one that does not match.

    Raises:
        InputError: An option is malformed, or there is more than one ref.
    """
    overrides = dict(_pair(text) for text in options.variables)
    given: dict[str, Any] = {"overrides": overrides, "inputs": dict(_pair(text, "--input") for text in options.inputs)}
    given["changed_paths"] = tuple(options.changed) or None
    refs = {"--branch": options.branch, "--tag": options.tag, "--merge-request": options.merge_request}
    named = [name for name, value in refs.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} are for different pipelines.", remedy="Give one of them.")
    if not named:
        return {"variables": None, **given}
    server = server_names(checked_address(options.gitlab_url)) if options.gitlab_url else {}
    known = {**_of_ref(options), **_of_project(overrides), **server}
    if options.merge_request is not None:
        given["secrets"] = {name: value for name, value in _SET.items() if name not in overrides}
    unknown = GIVEN_BY_GITLAB if options.merge_request is None else GIVEN_BY_GITLAB | _OF_ONE
    return {"variables": known, "unknown": unknown - known.keys() - overrides.keys(), **given}


def _of_ref(options: InterpretOptions) -> dict[str, str]:
    name = options.merge_request or options.tag or options.branch or ""
    known = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_DEFAULT_BRANCH": options.default_branch,
        "CI_DEFAULT_BRANCH_SLUG": slug(options.default_branch),
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_REF_NAME": name,
        "CI_COMMIT_REF_SLUG": slug(name),
    }
    if options.merge_request is None:
        return known | {"CI_COMMIT_TAG" if options.tag else "CI_COMMIT_BRANCH": name}
    return known | {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": name,
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": options.default_branch,
    }


def _of_project(overrides: Mapping[str, str]) -> dict[str, str]:
    path = overrides.get("CI_PROJECT_PATH")
    return {} if path is None else project_names(path)


def _pair(text: str, option: str = "--var") -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InputError(f"{option} {text!r} is not KEY=VALUE.", remedy=f"For example: {option} DEPLOY=yes")
    return key, value
