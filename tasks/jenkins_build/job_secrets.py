"""Secrets of single jobs (``secrets:``): credentials of Jenkins, named as `Secret.credentials_id` says."""

from __future__ import annotations

from tasks.interpretation.pipeline import Job
from tasks.jenkins_build.groovy import Code, ListOf, MapOf, Text

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
