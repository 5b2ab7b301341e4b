"""Secret CI/CD variables in Jenkins: named, kept in a folder of the project's own, removed when they are gone.

Jenkins lets every job in and below a folder use the folder's credentials. Jobs of other projects lie beside a
project's job, so a project with secret variables gets a folder that holds nothing else: ``group/app.git/app``. No group
or project of GitLab can be called like that folder, as their paths must not end in ``.git``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import SecretStr

from errors import NotFoundError
from tasks.interpretation.predefined import environment_slug
from tasks.jenkins_build.job_config import secret_file_xml, secret_text_xml
from tasks.jenkins_build.jobs import is_folder, store_of, upsert_xml
from tasks.jenkins_build.server import Jenkins
from tasks.jenkins_build.settings import BoundVariable
from tasks.masking import written_otherwise
from tasks.source.ci_variables import EVERYWHERE, CIVariable, CIVariables

_ID = re.compile(r"gitlab-(?P<protected>protected-)?(?P<kind>var|file)-(?P<project>\d+)-(?P<key>\w+)(?P<scope>-.+)?")


@dataclass(frozen=True)
class StoredVariable:
    """A secret variable as it is to lie in the credentials store."""

    bound: BoundVariable
    value: SecretStr


@dataclass(frozen=True)
class VariableStore:
    """What the project's own folder is to hold.

    Attributes:
        project_path: The GitLab project.
        project_id: Its number.
        stored: Variables of this deployment.
        known: All variables there are; None = they could not all be read, and nothing is removed.
    """

    project_path: str
    project_id: int
    stored: tuple[StoredVariable, ...] = ()
    known: tuple[CIVariable, ...] | None = None

    @property
    def unmasked(self) -> tuple[str, ...]:
        """What Jenkins does not mask in its log: of files, whose path it masks, and of several lines; other forms."""
        values = [(one.value.get_secret_value(), one.bound.is_file) for one in self.stored]
        parts = ((value,) if is_file or "\n" in value else written_otherwise(value) for value, is_file in values)
        return tuple(part for some in parts for part in some)

    @property
    def folder(self) -> str:
        """The project's own folder, below the JenkinsServer's."""
        return f"{self.project_path}.git"

    @property
    def job(self) -> str:
        """Where the project's job lies: in its own folder only when there is something secret."""
        return job_paths(self.project_path)[bool(self.stored)]


def job_paths(project_path: str) -> tuple[str, str]:
    """Where a project's job lies, without and with secrets of its own; see `VariableStore`."""
    return project_path, f"{VariableStore(project_path, 0).folder}/{project_path.rpartition('/')[2]}"


def variable_store(project: tuple[str, int], variables: CIVariables, environment: str) -> VariableStore:
    """The secret variables of a deployment of a project (its path and number) to an Environment."""
    stored = tuple(
        StoredVariable(
            BoundVariable(name, credentials_id(variable, project[1], environment), variable.is_file),
            SecretStr(variable.value),
        )
        for name, variable in sorted(variables.secret.items())
    )
    return VariableStore(*project, stored, None if variables.unreadable else variables.known)


def credentials_id(variable: CIVariable, project_id: int, environment: str) -> str:
    """The id: two deployments that get different values of a variable never share one.

    >>> credentials_id(CIVariable("TOKEN", "", hidden=True), 7, "staging")
    'gitlab-var-7-TOKEN'
    >>> credentials_id(CIVariable("CERT", "", is_file=True, protected=True, scope="prod*"), 7, "production")
    'gitlab-protected-file-7-CERT-production'
    """
    scope = "" if variable.scope == EVERYWHERE else f"-{environment_slug(environment)}"
    return f"gitlab-{_kind(variable)}-{project_id}-{variable.key}{scope}"


def _kind(variable: CIVariable) -> str:
    return f"{'protected-' if variable.protected else ''}{'file' if variable.is_file else 'var'}"


def is_stale(identifier: str, project_id: int, known: Collection[CIVariable]) -> bool:
    """Whether a credential is one of the project's variables, and GitLab has no such variable any more."""
    found = _ID.fullmatch(identifier)
    if found is None or found["project"] != str(project_id):
        return False
    kind = f"{found['protected'] or ''}{found['kind']}"
    return not any(
        variable.key == found["key"]
        and variable.secret
        and _kind(variable) == kind
        and (variable.scope != EVERYWHERE) == bool(found["scope"])
        for variable in known
    )


def keep_variables(jenkins: Jenkins, store: VariableStore) -> None:
    """Write all variables of the deployment (none can be read back and compared), then remove those that are gone."""
    folder = jenkins.job_name(store.folder)
    for stored in store.stored:
        identifier, value = stored.bound.credentials_id, stored.value.get_secret_value()
        description = f"CI/CD variable {stored.bound.name} of {store.project_path}"
        if stored.bound.is_file:
            xml = secret_file_xml(identifier, stored.bound.name, value, description)
        else:
            xml = secret_text_xml(identifier, value, description)
        upsert_xml(jenkins, folder, identifier, xml)
    if store.known is not None and (store.stored or is_folder(jenkins, folder)):
        _remove_stale(jenkins, folder, store.project_id, store.known)


def _remove_stale(jenkins: Jenkins, folder: str, project_id: int, known: Collection[CIVariable]) -> None:
    what = f"credentials of folder {folder}"
    listed = jenkins.connection.json(f"{store_of(folder)}/api/json?tree=credentials[id]", what=what)
    for identifier in [str(entry.get("id")) for entry in listed.get("credentials") or []]:
        if not is_stale(identifier, project_id, known):
            continue
        try:
            path = f"{store_of(folder)}/credential/{quote(identifier)}/config.xml"
            jenkins.connection.send("DELETE", path, what=f"credential {identifier} of folder {folder}")
        except NotFoundError:
            continue  # another run was faster
