"""Whose dotenv reports (``artifacts:reports:dotenv``) a job gets as variables, or its variables may refer to."""

from __future__ import annotations

from collections.abc import Collection

from tasks.interpretation.pipeline import Job, Pipeline
from tasks.jenkins_build.artifacts import sources_of
from tasks.jenkins_build.groovy import literal

# Stand for a dollar and for two percent signs while references are looked for.
_DOLLAR, _PERCENTS = chr(1), chr(2)
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_NOTHING = rf"\$\{{(?!{_NAME}\}})[^}}]*\}}|\$\{{(?!{_NAME}\}})|\$[*#@!?0-9-]"
# What takes the place of a reference: the end of a quoted text, the variable, and the begin of the next one.
_REFERENCE = f"'\"{_DOLLAR}{{$1-}}\"'"
_REPLACED = {
    _NOTHING: "",
    f"%({_NAME})%": f"'\"{_DOLLAR}{{$1-%$1%}}\"'",
    rf"\$\{{({_NAME})\}}": _REFERENCE,
    rf"\$({_NAME})": _REFERENCE,
}
_REPLACE = "\n".join(f"  text = text.replaceAll({literal(old)}, {literal(new)})" for old, new in _REPLACED.items())

READ = rf"""
// Reads dotenv reports the way GitLab does: NAME=VALUE lines, nothing unquoted.
@NonCPS
String exportsOf(String text) {{
  List lines = []
  for (line in text.split('\n')) {{
    int equals = line.indexOf('=')
    String name = equals > 0 ? line.substring(0, equals).trim() : ''
    if (name ==~ '{_NAME}' && !isStronger(name)) {{
      lines.add('export ' + name + '=' + wordOf(line.substring(equals + 1).trim()))
    }}
  }}
  return lines.collect {{ it + {literal(chr(10))} }}.join('')
}}

// A reported value as a word of shell. GitLab and its runner put in the variables it refers to, take two dollars for
// one, and drop what is no name.
@NonCPS
String wordOf(String value) {{
  String text = value.replace('$$', {literal(_DOLLAR)}).replace('%%', {literal(_PERCENTS)})
  text = text.replace({literal("'")}, {literal("'" + chr(92) + "''")})
{_REPLACE}
  return {literal("'")} + text.replace({literal(_DOLLAR)}, '$').replace({literal(_PERCENTS)}, '%%') + {literal("'")}
}}
"""


def stronger(names: Collection[str]) -> str:
    """The function that tells which variables no report sets, as those of the project and of triggers are stronger."""
    return f"""
// Whether a variable is the project's or a trigger's: a report does not change it.
@NonCPS
boolean isStronger(String name) {{
  return {literal("".join(f" {name}" for name in sorted(names)) + " ")}.contains(' ' + name + ' ')
}}
"""


def told(job: Job, pipeline: Pipeline) -> tuple[Job, ...]:
    """Jobs whose reports are variables of the job, the strongest last."""
    return (*_taken(job, pipeline), *passed(job, pipeline))


def passed(job: Job, pipeline: Pipeline) -> tuple[Job, ...]:
    """Jobs whose reports were passed on to the child pipeline it is of (``forward:pipeline_variables``)."""
    bridge = _bridge(job, pipeline)
    if bridge is None or bridge.child is None or not bridge.child.forwards:
        return ()
    return (*_taken(bridge, pipeline), *passed(bridge, pipeline))


def lent(job: Job, pipeline: Pipeline) -> tuple[Job, ...]:
    """Jobs whose reports its variables may refer to, as they came to its child pipeline from outside."""
    bridge = _bridge(job, pipeline) if job.unresolved_variables else None
    found: dict[str, Job] = {}
    while bridge is not None:
        found = {other.name: other for other in _taken(bridge, pipeline)} | found
        bridge = _bridge(bridge, pipeline)
    return tuple(found.values())


def _taken(job: Job, pipeline: Pipeline) -> tuple[Job, ...]:
    reporters = pipeline.reporters
    if not reporters:
        return ()
    return tuple(other for other in sources_of(job, pipeline, reporters) if other.artifacts.reports.get("dotenv"))


def _bridge(job: Job, pipeline: Pipeline) -> Job | None:
    """The job that starts the child pipeline it is of."""
    return None if job.parent is None else pipeline.jobs[pipeline.places[job.parent]]
