"""How diagnostics are told on a terminal: what many jobs have in common is one line."""

from __future__ import annotations

from tasks.source.diagnostics import Diagnostic, Findings, Span, told


def test_jobs_that_are_left_out_for_the_same_reason_are_one_line() -> None:
    findings = Findings()
    for line, name in enumerate(("review", "staging", "canary\x1b[2J"), start=1):
        message = f"The job `{name}` is left out: it would deploy. Keep it with `x`."
        findings.add("deploy-job", message, Span("a.yml", line, 3))
    findings.add("deploy-job", "The job `stop` is left out: it would stop the service.", Span("a.yml", 9, 3))
    assert told(findings.ordered()) == [
        "a.yml:1:3: warning: The job `review` is left out: it would deploy. Keep it with `x`. [deploy-job] "
        "(likewise `staging`, `canary\\x1b[2J`)",
        "a.yml:9:3: warning: The job `stop` is left out: it would stop the service. [deploy-job]",
    ]


def test_of_very_many_jobs_the_first_are_named() -> None:
    items = [Diagnostic("trigger", "warning", f"The job `{n}` is left out.", Span("a.yml", n, 1)) for n in range(1, 31)]
    (line,) = told(items)
    assert line.endswith("`1` is left out. [trigger] (likewise `2`, `3`, `4`, `5`, `6`, `7`, `8`, `9` and 21 more)")


def test_other_warnings_keep_their_lines() -> None:
    items = [Diagnostic("pages", "warning", f"The job `{n}` runs.", Span("a.yml", n, 1)) for n in (1, 2)]
    assert told(items) == [str(item) for item in items]
