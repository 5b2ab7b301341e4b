"""`only` and `except` as one condition.

https://docs.gitlab.com/ci/yaml/deprecated_keywords/#only--except
`only`: every given key must hold (refs and variables and changes); `except`: any of them excludes. A list is any of.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tasks.interpretation.expression_parser import ExpressionError, parse, pattern_of, quoted_variables
from tasks.interpretation.expressions import (
    Constant,
    Equal,
    Expression,
    Match,
    Null,
    Text,
    Truth,
    Var,
    both,
    either,
    opposite,
)
from tasks.interpretation.shapes import flattened
from tasks.source.diagnostics import Findings
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence

BRANCH, TAG, SOURCE = Var("CI_COMMIT_BRANCH"), Var("CI_COMMIT_TAG"), Var("CI_PIPELINE_SOURCE")
_SOURCES = {
    "api": ("api",),
    "chat": ("chat",),
    "external": ("external",),
    "external_pull_requests": ("external_pull_request_event",),
    "merge_requests": ("merge_request_event",),
    "parent_pipelines": ("parent_pipeline",),
    "pipelines": ("pipeline",),
    "pushes": ("push",),
    "schedules": ("schedule",),
    "triggers": ("trigger",),
    "web": ("web",),
}
_REGEX = re.compile(r"/.*/[ismU]*")  # GitLab's `UntrustedRegexp::RubySyntax`

Changes = Callable[[Node], Expression]


def default_policy() -> Expression:
    """What GitLab assumes without `only`, `except:refs`, `rules` and `workflow:rules`: branches and tags."""
    return either(Truth(BRANCH), Truth(TAG))


def policy_condition(node: Node, keyword: str, changes: Changes, findings: Findings) -> Expression:
    """Return the condition of one `only` (all keys) or `except` (any key).

    Args:
        node: The checked value of the keyword.
        keyword: ``only`` or ``except``.
        changes: Makes a condition of a `changes` list.
        findings: Collects expressions that are not valid.
    """
    if not isinstance(node, Mapping_):
        return _refs(node, findings)
    parts: list[Expression] = []
    if (refs := node.get("refs")) is not None:
        parts.append(_refs(refs, findings))
    if (variables := node.get("variables")) is not None:
        parts.append(_variables(variables, keyword, findings))
    if (paths := node.get("changes")) is not None:
        parts.append(changes(paths))
    if node.get("kubernetes") is not None:
        message = f"`{keyword}:kubernetes` is taken as: no cluster is connected to the project in GitLab."
        findings.add("policy-kubernetes", message, node.place("kubernetes"))
        parts.append(Constant(False))
    result: Expression = Constant(keyword == "only" or not parts)
    if keyword == "except":
        result = Constant(False)
    for part in parts:
        result = both(result, part) if keyword == "only" else either(result, part)
    return result


def _refs(node: Node, findings: Findings) -> Expression:
    result: Expression = Constant(False)
    for item in flattened(node) if isinstance(node, Sequence) else [node]:
        if isinstance(item, Scalar):
            result = either(result, _ref(item, findings))
    return result


def _ref(item: Scalar, findings: Findings) -> Expression:
    text, at, project = item.text.partition("@")  # the first one, also in a pattern: so GitLab does
    condition = _ref_name(text, item, findings)
    return both(condition, Equal(Var("CI_PROJECT_PATH"), Text(project))) if at else condition


def _ref_name(text: str, item: Scalar, findings: Findings) -> Expression:
    if text == "branches":
        return Truth(BRANCH)
    if text == "tags":
        return Truth(TAG)
    if text in _SOURCES:
        result: Expression = Constant(False)
        for source in _SOURCES[text]:
            result = either(result, Equal(SOURCE, Text(source)))
        return result
    if not _REGEX.fullmatch(text):
        if text.startswith("/"):
            message = f"`{text[:200]}` is the name of a ref to GitLab: a regular expression ends in `/`."
            findings.add("odd-value", message, item.span)
        return either(Equal(BRANCH, Text(text)), Equal(TAG, Text(text)))
    pattern = pattern_of(text)
    if pattern is None:
        findings.add("bad-expression", f"`{text[:200]}` is no regular expression of RE2's syntax.", item.span)
        return Constant(False)
    defined = (opposite(Equal(ref, Null())) for ref in (BRANCH, TAG))
    branch, tag = (
        both(is_defined, Match(ref, pattern)) for is_defined, ref in zip(defined, (BRANCH, TAG), strict=True)
    )
    return either(branch, tag)


def _variables(node: Node, keyword: str, findings: Findings) -> Expression:
    result: Expression = Constant(False)
    for item in flattened(node) if isinstance(node, Sequence) else [node]:
        assert isinstance(item, Scalar)  # noqa: S101 - the shape was checked
        result = either(result, condition_of(item, f"{keyword}:variables", findings))
    return result


def condition_of(item: Scalar, name: str, findings: Findings) -> Expression:
    """The condition an expression's text states; one that is not valid is noted and counts as false."""
    try:
        condition = parse(item.text)
    except ExpressionError as error:
        findings.add("bad-expression", f"`{name}`: `{item.text[:200]}`: {error}.", item.span)
        return Constant(False)
    for quoted in dict.fromkeys(quoted_variables(item.text)):
        plain = "$" + quoted.strip("${}")
        message = f"`{name}`: `{quoted[:120]}` in quotes is text to GitLab: write `{plain[:120]}` without them."
        findings.add("quoted-variable", message, item.span)
    return condition
