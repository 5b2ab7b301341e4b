"""``spec:inputs``: what a file declares, what an include gives, and the values that result.

https://docs.gitlab.com/ci/inputs/. Types: string (the default), number, boolean, array. Every mistake is a finding at
the declaration or at the given value; a missing one at the include.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from msgspec import Struct

from tasks.source.diagnostics import Findings, Span
from tasks.source.interpolation import ReferenceText, Value, shown
from tasks.source.nodes import Entry, Mapping_, Node, Reference, Scalar, Sequence, describe, is_null, no_name
from tasks.source.regex import RegexError, compile_regex

MAX_VALUE = 1_000_000  # characters and nodes of one include's inputs, or of one default: GitLab's 1 MB
TYPES = ("string", "number", "boolean", "array")
INPUT_KEYS = ("type", "default", "options", "regex", "description", "rules")
INPUT_RULE_KEYS = ("if", "options", "default")
INPUT_IN_RULE = re.compile(r"\$\[\[\s*inputs\.([\w-]{1,255})\s*\]\]")
_MAX_OPTIONS = 50
_NAMES = {"string": "a string", "number": "a number", "boolean": "true or false", "array": "a list"}


class ConditionError(Exception):
    """The `if` of an input's rule is no expression; says why."""


# whether the text of an `if` holds for these values; raises ConditionError
Holds = Callable[[str, Mapping[str, Value]], bool]


class _WrongTypeError(Exception):
    """A value is not of the input's type."""


class Given(Struct, frozen=True, dict=True):
    """The inputs of one include, and where it stands."""

    inputs: Mapping_ | None
    span: Span

    @cached_property
    def identity(self) -> str:
        """The same text for the same inputs."""
        return json.dumps(plain(self.inputs), sort_keys=True) if self.inputs else ""


def input_values(
    declared: Mapping_, given: Given, findings: Findings, holds: Holds | None = None
) -> dict[str, Value] | None:
    """Return the value of every declared input, or None where something is wrong, which `findings` then says.

    Args:
        declared: The node of ``spec:inputs``.
        given: What the include says.
        findings: Collects ``input-...`` errors.
        holds: Decides the `rules` of an input. They know the inputs declared before it, and all that are given. None
            = there are no `rules` here.
    """
    before = len(findings.items)
    _refuse_unknown(declared, given, findings)
    clear = _refer_well(declared, findings)
    values: dict[str, Value] = {}
    for entry in declared:
        spec = entry.value if isinstance(entry.value, Mapping_) else Mapping_({}, entry.span)
        if not isinstance(entry.value, Mapping_) and not is_null(entry.value):
            findings.add("input-spec", f"The input `{entry.key}` is described by a mapping.", entry.value.span)
        elif entry.kind not in ("string", "integer"):
            findings.add("input-spec", no_name(entry), entry.span)
        elif _usable(entry.key, spec, findings, holds is not None) and clear:
            known = {**values, **{one.key: plain(one.value) for one in given.inputs or ()}}
            values[entry.key] = _value(entry.key, _ruled(spec, known, holds, findings), given, findings)
    return values if len(findings.items) == before else None


def too_large(node: Node) -> bool:
    """Whether a value is beyond `MAX_VALUE`, aliases counted as often as they stand there."""
    left, open_nodes = MAX_VALUE, [node]
    while open_nodes and left > 0:
        each = open_nodes.pop()
        left -= 1 + (len(each.text) if isinstance(each, Scalar) else 0)
        if isinstance(each, Mapping_):
            open_nodes += [entry.value for entry in each]
            left -= sum(map(len, each.entries))
        elif isinstance(each, Sequence):
            open_nodes += each.items[: left + 1]
    return left <= 0


def plain(node: Node | None) -> Value:
    """A node as what JSON knows."""
    if isinstance(node, Mapping_):
        return {entry.key: plain(entry.value) for entry in node}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    if isinstance(node, Reference):
        return ReferenceText(f"!reference {json.dumps(node.path, ensure_ascii=False)}")
    if not isinstance(node, Scalar) or node.kind == "null":
        return None
    if node.kind == "boolean":
        return node.text == "true"
    if node.kind in ("integer", "float"):
        return _number(node.text)
    return node.text


def _refuse_unknown(declared: Mapping_, given: Given, findings: Findings) -> None:
    for entry in given.inputs or ():
        if entry.key not in declared.entries:
            known = ", ".join(declared.entries) or "none"
            message = f"The included file declares no input `{entry.key}`; it declares: {known[:300]}."
            findings.add("input-unknown", message, entry.span)


def _ruled(spec: Mapping_, known: Mapping[str, Value], holds: Holds | None, findings: Findings) -> Mapping_:
    """The input as the first of its `rules` that holds makes it."""
    rules = spec.get("rules")
    for rule in rules.items if isinstance(rules, Sequence) else ():
        if isinstance(rule, Mapping_) and holds is not None and _holds(rule, known, holds, findings):
            options, default = rule.entries.get("options"), rule.entries.get("default")
            ruled = spec.put(options) if options else spec
            return ruled.put(default) if default and not is_null(default.value) else ruled
    return spec


def _holds(rule: Mapping_, known: Mapping[str, Value], holds: Holds, findings: Findings) -> bool:
    condition = rule.get("if")
    if not isinstance(condition, Scalar):
        return True
    try:
        return holds(condition.text, known)
    except ConditionError as error:
        findings.add("bad-expression", f"`if` of an input's rule: {error}.", condition.span)
        return False


def _usable(name: str, spec: Mapping_, findings: Findings, with_rules: bool) -> bool:
    before = len(findings.items)
    for entry in spec:
        if entry.key not in INPUT_KEYS:
            findings.add("unknown-keyword", f"`{entry.key}` is not a keyword of an input.", entry.span)
    for entry in spec:
        if too_large(entry.value):
            findings.add("input-spec", f"`{entry.key}` of the input `{name}` is larger than 1 MB.", entry.span)
    kind = _kind(spec)
    if kind not in TYPES:
        message = f"The input `{name}` has the type `{kind[:80]}`; there are: {', '.join(TYPES)}."
        findings.add("input-spec", message, spec.place("type"))
    _check_parts(name, spec, findings)
    _check_rules(name, spec, findings, with_rules)
    ruled = plain(spec.get("rules"))
    with_options = any(
        isinstance(rule, dict) and "options" in rule for rule in (ruled if isinstance(ruled, list) else ())
    )
    for key, there in (("rules", with_options), ("options", spec.get("options") is not None)):
        if there and kind == "boolean":
            findings.add("input-spec", f"`options` of `{name}`: not for booleans.", spec.place(key))
    if spec.get("regex") is not None and kind != "string":
        findings.add("input-spec", f"`regex` of `{name}`: for strings only.", spec.place("regex"))
    return len(findings.items) == before


def _check_parts(name: str, spec: Mapping_, findings: Findings) -> None:
    """The kinds of values that an input is described by."""
    options, regex, description = spec.get("options"), spec.get("regex"), spec.get("description")
    if options is not None and not (isinstance(options, Sequence) and len(options.items) <= _MAX_OPTIONS):
        message = f"`options` of `{name}` are a list of at most {_MAX_OPTIONS} values."
        findings.add("input-spec", message, spec.place("options"))
    elif isinstance(options, Sequence) and any(map(is_null, options.items)):
        findings.add("input-spec", f"One of the `options` of `{name}` is nothing.", spec.place("options"))
    if regex is not None and not (isinstance(regex, Scalar) and regex.kind == "string"):
        findings.add("input-spec", f"`regex` of `{name}` is text.", spec.place("regex"))
    if description is not None and not (isinstance(description, Scalar) and description.kind in ("string", "integer")):
        findings.add("input-spec", f"`description` of `{name}` is text.", spec.place("description"))


def _check_rules(name: str, spec: Mapping_, findings: Findings, with_rules: bool) -> None:
    rules = spec.get("rules")
    if rules is None:
        return
    if not with_rules or not isinstance(rules, Sequence):
        what = "are a list" if with_rules else "are not for the inputs of a job"
        findings.add("input-spec", f"`rules` of the input `{name}` {what}.", spec.place("rules"))
        return
    for other in ("options", "default"):
        if other in spec.entries:
            message = f"The input `{name}` has `{other}` beside `rules`: write it into the rules."
            findings.add("input-spec", message, spec.place(other))
    for rule in rules.items:
        if problem := _rule_problem(rule):
            findings.add("input-spec", f"A rule of the input `{name}` {problem}.", rule.span)


def _refer_well(declared: Mapping_, findings: Findings) -> bool:
    """Whether the rules of inputs ask for inputs that are declared, and in no circle."""
    before = len(findings.items)
    asked: dict[str, set[str]] = {}
    for entry in declared:
        rules = entry.value.get("rules") if isinstance(entry.value, Mapping_) else None
        for rule in rules.items if isinstance(rules, Sequence) else ():
            condition = rule.get("if") if isinstance(rule, Mapping_) else None
            names = INPUT_IN_RULE.findall(condition.text) if isinstance(condition, Scalar) else []
            asked.setdefault(entry.key, set()).update(names)
            for name in names:
                if name not in declared.entries and isinstance(condition, Scalar):
                    message = f"A rule of the input `{entry.key}` asks for `{name[:80]}`, which is no input here."
                    findings.add("input-spec", message, condition.span)
    try:
        TopologicalSorter(asked).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        findings.add("input-spec", f"The rules of inputs ask for each other: {circle[:300]}.", declared.span)
    return len(findings.items) == before


def _rule_problem(rule: Node) -> str | None:
    if not isinstance(rule, Mapping_):
        return "is a mapping with `if`, `options` and `default`"
    if unknown := [key for key in rule.entries if key not in INPUT_RULE_KEYS]:
        return f"has no keyword `{unknown[0][:80]}`; there are: {', '.join(INPUT_RULE_KEYS)}"
    condition, options = rule.get("if"), rule.get("options")
    if condition is not None and not (isinstance(condition, Scalar) and condition.kind == "string"):
        return "has an `if` that is no text"
    if options is not None and not (isinstance(options, Sequence) and 0 < len(options.items) <= _MAX_OPTIONS):
        return f"has `options` that are no list of 1 to {_MAX_OPTIONS} values"
    default = rule.get("default")
    if isinstance(options, Sequence) and default is not None and not _is_among(default, options):
        return "has a `default` that is none of its `options`"
    if condition is None:
        return "without `if` needs `options`" if options is None else None
    return "with `if` needs `options` or `default`" if options is None and "default" not in rule.entries else None


def _is_among(default: Node, options: Sequence) -> bool:
    offered = [plain(item) for item in options.items]
    chosen = default.items if isinstance(default, Sequence) else [default]  # each of a list
    return all(plain(item) in offered for item in chosen)


def _kind(spec: Mapping_) -> str:
    node = spec.get("type")
    return "string" if node is None else node.text if isinstance(node, Scalar) else describe(node)


def _value(name: str, spec: Mapping_, given: Given, findings: Findings) -> Value:
    own = given.inputs.get(name) if given.inputs else None
    default = spec.entries.get("default")
    if default is None and own is None:
        why = "gets no default by its rules" if spec.get("rules") is not None else "has no default"
        message = f"The input `{name}` {why}, and no value is given: write it below `inputs:`."
        findings.add("input-missing", message, given.span)
        return None
    value: Value = None
    if default is not None:
        value = _checked(name, spec, default.value, findings)
    return value if own is None else _checked(name, spec, own, findings)


def _checked(name: str, spec: Mapping_, node: Node, findings: Findings) -> Value:
    kind = _kind(spec)
    try:
        if isinstance(node, Reference):
            raise _WrongTypeError
        value = _coerced(plain(node), kind)
    except _WrongTypeError:
        findings.add("input-value", f"The input `{name}` must be {_NAMES[kind]}, not {describe(node)}.", node.span)
        return None
    if message := _not_offered(name, spec, value):
        findings.add("input-value", message, node.span)
    elif isinstance(regex := spec.get("regex"), Scalar) and not _matches(regex, str(value), findings):
        message = f"The input `{name}`: `{shown(value)[:80]}` does not match `{regex.text[:80]}`."
        findings.add("input-value", message, node.span)
    return value


def _not_offered(name: str, spec: Mapping_, value: Value) -> str | None:
    """What is wrong with a value by the `options` of its input; those of a list are for each of its items."""
    options = spec.get("options")
    if not isinstance(options, Sequence):
        return None
    offered = [shown(plain(item)) for item in options.items]
    wrong = [shown(each) for each in (value if isinstance(value, list) else [value]) if shown(each) not in offered]
    which = "hold only" if isinstance(value, list) else "be one of"
    return f"The input `{name}` must {which} {', '.join(offered)[:300]}, not `{wrong[0][:80]}`." if wrong else None


def _coerced(value: Value, kind: str) -> Value:
    if kind == "string":  # GitLab turns numbers and booleans into text
        if isinstance(value, (list, dict)):
            raise _WrongTypeError
        return "" if value is None else shown(value)
    if value is None:
        return None
    parsed = _parsed(value) if isinstance(value, str) else value
    wanted: tuple[type, ...] = {"number": (int, float), "boolean": (bool,), "array": (list,)}[kind]
    if not isinstance(parsed, wanted) or (kind == "number" and isinstance(parsed, bool)):
        raise _WrongTypeError
    return parsed


def _parsed(text: str) -> Value:
    """Text that is JSON stands for what it says, as where inputs are typed into a form."""
    try:
        value: Value = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _number(text: str) -> Value:
    try:
        return int(text)
    except ValueError:
        pass
    number = float(text) if text not in ("NaN", "Infinity", "-Infinity") else math.nan
    return number if math.isfinite(number) else text


def _matches(regex: Scalar, text: str, findings: Findings) -> bool:
    try:
        return compile_regex(regex.text).found_in(text)
    except RegexError as error:
        findings.add("bad-expression", f"`regex` of an input: {error}.", regex.span)
        return True


def strings(values: Mapping[str, str]) -> Mapping_ | None:
    """Inputs that are given outside of any file, as nodes."""
    span = Span("inputs")
    return Mapping_({k: Entry(k, span, Scalar(v, "string", span)) for k, v in values.items()}, span) if values else None
