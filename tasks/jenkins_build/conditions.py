"""Residual rule expressions as Groovy conditions, evaluated when the build runs.

Jenkins cannot tell an empty value from an undefined one: `value` gives null for both, which is what GitLab's ``null``
comparisons and most rules mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from tasks.interpretation import expressions as terms
from tasks.jenkins_build.groovy import literal

_VALUE = """
// What rules ask about: parameters of the build, or else of Jenkins' environment. Named one by one: Groovy's sandbox
// forbids `env[name]`.
@Field Map given = [:]

String value(String name) {
  if (!given) {
    @GIVEN@
  }
  return given[name] ?: null
}
"""
# What a build without the parameter makes these of, as scripts have them: the ref, the commit, the address it clones.
_REF = "(env.CI_COMMIT_TAG ?: env.CI_COMMIT_BRANCH ?: env.CI_MERGE_REQUEST_SOURCE_BRANCH_NAME ?: '')"
_PATH = r"(env.REPO_URL ?: '').replaceFirst('^(\\w+://[^/]*/|[^:]*:)', '').replaceFirst('(\\.git)?/?$', '')"
_HOST = r"(env.REPO_URL ?: '').replaceFirst('^\\w+://', '').replaceFirst('^[^/@]*@', '')"
_AS_SLUG = ".toLowerCase().replaceAll('[^a-z0-9]', '-').replaceFirst('^(.{63}).*', '$1').replaceAll('^-+|-+$', '')"
_MADE = {
    "CI_COMMIT_REF_NAME": _REF,
    "CI_COMMIT_REF_SLUG": _REF + _AS_SLUG,
    "CI_COMMIT_SHA": "env.COMMIT_SHA",
    "CI_COMMIT_SHORT_SHA": "(env.COMMIT_SHA ?: '').replaceFirst('^(.{8}).*', '$1')",
    "CI_PROJECT_NAME": f"{_PATH}.replaceFirst('^.*/', '')",
    "CI_PROJECT_NAMESPACE": f"{_PATH}.replaceFirst('/[^/]*$', '')",
    "CI_PROJECT_PATH": _PATH,
    "CI_PROJECT_PATH_SLUG": _PATH + _AS_SLUG,
    "CI_PROJECT_ROOT_NAMESPACE": f"{_PATH}.replaceFirst('/.*$', '')",
    "CI_SERVER_HOST": f"{_HOST}.replaceFirst('[:/].*$', '')",
}
# Jenkins compiles no map of more than 125 entries.
_IN_MAP = 100

ANSWERS = """
// Answers to what rules ask about files, by question.
@Field Map answers = [:]

boolean files(String question) {
  return answers[question]
}
"""

PRESENT = """
boolean present(String text) {
  return (text ?: '').trim() != ''
}
"""

MATCHES = """
// A pattern that is itself a variable: /source/flags, or else a text that must hold the value.
@NonCPS
boolean matches(String text, String pattern) {
  int end = (pattern ?: '').lastIndexOf('/')
  if (end > 0 && pattern.startsWith('/')) {
    String flags = pattern.substring(end + 1)
    String expression = (flags ? "(?${flags})" : '') + pattern.substring(1, end)
    return ((text ?: '') =~ expression).find()
  }
  return pattern != null && pattern.contains(text ?: '')
}
"""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"\\.|\(\?P<|\[\^?\]?|\[:\^?\w+:\]|.", re.DOTALL)
_CLASS = re.compile(r"\[:(\^?)(\w+):\]")
_POSIX = {
    "alnum": r"\p{Alnum}",
    "alpha": r"\p{Alpha}",
    "digit": r"\p{Digit}",
    "lower": r"\p{Lower}",
    "upper": r"\p{Upper}",
    "punct": r"\p{Punct}",
    "space": r"\s",
    "word": r"\w",
    "xdigit": r"\p{XDigit}",
}


def value_function(names: Iterable[str], known: Mapping[str, str], usual: Mapping[str, str]) -> str:
    """The function that gives a variable as rules see it: null when it is empty or absent.

    Args:
        names: What may be asked for.
        known: Values of those that need no asking.
        usual: Values of those that the build may leave out.
    """
    entries = [f"{name}: {_given(name, known, usual)}" for name in names if _NAME.fullmatch(name)]
    if len(entries) <= _IN_MAP:
        return _VALUE.replace("@GIVEN@", f"given = [{_listed(entries, '      ') or ':'}]")
    parts = [entries[at : at + _IN_MAP] for at in range(0, len(entries), _IN_MAP)]
    calls = "\n    ".join(f"given{number}()" for number in range(1, len(parts) + 1))
    functions = (
        f"\nvoid given{number}() {{\n  given.putAll([{_listed(part, '    ')}])\n}}\n"
        for number, part in enumerate(parts, start=1)
    )
    return _VALUE.replace("@GIVEN@", calls) + "".join(functions)


def _given(name: str, known: Mapping[str, str], usual: Mapping[str, str]) -> str:
    if name in known:
        return literal(known[name])
    made = literal(usual[name]) if name in usual else _MADE.get(name)
    return f"params.{name} ?: env.{name}" + (f" ?: {made}" if made else "")


def _listed(entries: list[str], indent: str) -> str:
    inside = ",".join(f"\n{indent}{entry}" for entry in entries)
    return f"{inside}\n{indent[2:]}" if entries else ""


def condition(node: terms.Expression) -> str:
    """The condition as a Groovy expression of type boolean, in parentheses where it needs them."""
    if isinstance(node, terms.Constant):
        return "true" if node.value else "false"
    if isinstance(node, terms.Truth):
        return f"present({_value(node.value)})"
    if isinstance(node, terms.Equal):
        return f"{_value(node.left)} == {_value(node.right)}"
    if isinstance(node, terms.Match):
        return _match(node)
    if isinstance(node, terms.Files):
        return f"files({literal(question(node))})"
    if isinstance(node, terms.Not):
        return _negated(node.term)
    operator = " && " if isinstance(node, terms.And) else " || "
    return operator.join(
        f"({condition(term)})" if isinstance(term, terms.And | terms.Or) else condition(term) for term in node.terms
    )


def question(node: terms.Files) -> str:
    """What is asked about files, in words; different for different questions.

    >>> question(terms.Files(("docs/*.{md,rst}", "a"), changed=True, since=(terms.Text("refs/"), terms.Var("X"))))
    'changes docs/*.{md,rst}, a since refs/$X'
    """
    paths = ", ".join(path.replace(" ", "  ") for path in node.paths)
    paths = f"matching {node.paths[0]}" if node.regexp else paths
    since = "".join(part.value if isinstance(part, terms.Text) else f"${part.name}" for part in node.since or ())
    return f"{'changes' if node.changed else 'exists'} {paths}" + (f" since {since}" if node.since else "")


def _negated(term: terms.Expression) -> str:
    if isinstance(term, terms.Equal):
        return f"{_value(term.left)} != {_value(term.right)}"
    inner = condition(term)
    return f"!{inner}" if isinstance(term, terms.Truth | terms.Files) else f"!({inner})"


def _value(node: terms.Value) -> str:
    if isinstance(node, terms.Null):
        return "null"
    return literal(node.value) if isinstance(node, terms.Text) else f"value({literal(node.name)})"


def _match(node: terms.Match) -> str:
    if isinstance(node.pattern, terms.Pattern):
        return f"({_value(node.value)} ?: '') =~ {literal(java_pattern(node.pattern))}"
    return f"matches({_value(node.value)}, {_value(node.pattern)})"


@lru_cache(maxsize=1_000)
def java_pattern(pattern: terms.Pattern) -> str:
    r"""RE2's syntax as Java's, where they differ: flags, named groups, classes, and the end of the text.

    >>> java_pattern(terms.Pattern("^(?P<v>[[:alpha:]&&]+)$", "i"))
    '(?i)^(?<v>[\\p{Alpha}\\&\\&]+)\\z'
    """
    flags = "".join(flag for flag in "ims" if flag in pattern.flags)
    end = "$" if "m" in flags else r"\z"
    return (f"(?{flags})" if flags else "") + "".join(_java(pattern.source, end))


def _java(source: str, end: str) -> Iterator[str]:
    inside, at = False, 0
    while at < len(source):
        if inside and (found := _CLASS.match(source, at)) and found[2] in _POSIX:
            name = _POSIX[found[2]]
            yield f"[^{name}]" if found[1] else name
            at = found.end()
            continue
        match = _TOKEN.match(source, at)
        assert match is not None  # noqa: S101 - the last alternative takes any character
        text = match[0] if not inside or match[0][0] != "[" else "["
        at += len(text)
        if inside:
            yield f"\\{text}" if text in {"[", "&"} else text
            inside = text != "]"
        elif text.startswith("["):
            inside = True
            yield text.replace("]", r"\]")
        else:
            yield {"(?P<": "(?<", "$": end}.get(text, text)


def walk(nodes: Iterable[object]) -> list[object]:
    """The terms and all terms inside them, in their order; what several hold is there once."""
    seen: dict[int, object] = {}
    left = list(nodes)[::-1]
    while left:
        node = left.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            fields = [getattr(node, name) for name in getattr(node, "__struct_fields__", ())]
            left += [part for child in fields for part in (child if isinstance(child, tuple) else (child,))][::-1]
    return list(seen.values())


def variables_of(nodes: Iterable[object]) -> set[str]:
    """Names of the variables that residuals ask for."""
    return {term.name for term in walk(nodes) if isinstance(term, terms.Var)}
