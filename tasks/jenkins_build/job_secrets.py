"""Secrets from Jenkins' credentials: of single jobs (``secrets:``, see `Secret.credentials_id`), and of the project."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.interpretation.pipeline import Job
from tasks.jenkins_build.groovy import Code, ListOf, MapOf, Text, literal
from tasks.jenkins_build.settings import BoundVariable

WITH_JOB_SECRETS = """
// What a job gets by `secrets:`, from credentials that people keep in the folder of this Jenkins job.
void withJobSecrets(List secrets, Closure body) {
  List bindings = []
  for (secret in secrets) {
    if (secret.file) {
      bindings.add(file(credentialsId: secret.id, variable: secret.name))
    } else {
      bindings.add(string(credentialsId: secret.id, variable: secret.name))
    }
  }
  withCredentials(bindings) {
    body()
  }
}
"""


def secrets_list(job: Job) -> ListOf:
    """The secrets as data."""
    return ListOf(
        tuple(
            MapOf((("name", Text(s.name)), ("id", Text(s.credentials_id)), ("file", Code(str(s.is_file).lower()))))
            for s in job.secrets
        )
    )


_WITH_VARIABLES = """
// The project's secret CI/CD variables, which every job gets on GitLab too. Jenkins keeps them, and masks them in logs.
void withVariables(Closure body) {
  withCredentials(@BINDINGS@) {
    body()
  }
}
"""
# Jenkins compiles no list of more than 250 elements.
_IN_LIST = 100


def with_variables(variables: Iterable[BoundVariable]) -> str:
    """The function that gives a job the project's secret variables."""
    lines = [
        f"    {'file' if variable.is_file else 'string'}(credentialsId: {literal(variable.credentials_id)}, "
        f"variable: {literal(variable.name)})"
        for variable in variables
    ]
    parts = [",\n".join(lines[at : at + _IN_LIST]) for at in range(0, len(lines), _IN_LIST)]
    if len(parts) == 1:
        return _WITH_VARIABLES.replace("@BINDINGS@", f"[\n{parts[0]}\n  ]")
    functions = (
        f"\nList variables{number}() {{\n  return [\n{part}\n  ]\n}}\n" for number, part in enumerate(parts, start=1)
    )
    calls = " + ".join(f"variables{number}()" for number in range(1, len(parts) + 1))
    return "".join([_WITH_VARIABLES.replace("@BINDINGS@", calls), *functions])
