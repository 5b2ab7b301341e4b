"""Writes to Jenkins what a build needs: folders, credentials, the job. The second half of the adapter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from errors import ConflictError, InputError, NotFoundError
from tasks.jenkins_build.connection import job_path
from tasks.jenkins_build.job_config import canonical, folder_config, is_managed, username_password_xml
from tasks.jenkins_build.server import Jenkins

_FOLDER_CLASSES = ("Folder", "OrganizationFolder")
_STORE = "credentials/store/folder/domain/_"


@dataclass(frozen=True)
class Credential:
    """A user name and password that Jenkinsfiles use by `id`; kept in the folder's credentials store only."""

    id: str
    username: str
    password: SecretStr
    description: str = ""


def gitlab_credential(gitlab: GitLabServer) -> Credential | None:
    """What Jenkins clones private projects with; None for anonymous access.

    Any user name goes with a GitLab token; ``oauth2`` is the one GitLab's documentation names.
    """
    token = gitlab.token()
    if token is None:
        return None
    return Credential(f"gitlab-{_slug(urlsplit(gitlab.url).netloc)}", "oauth2", token, f"Clones from {gitlab.url}")


def registry_credential(registry: ImageRegistry) -> Credential | None:
    """What Jenkins pushes images with; None for a registry without a login."""
    login = registry.login()
    if login is None:
        return None
    identifier = f"registry-{_slug(registry.address)}"
    return Credential(identifier, login[0], SecretStr(login[1]), f"Pushes to {registry.address}")


def _slug(address: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-")


def ensure_folders(jenkins: Jenkins, path: str) -> None:
    """Create the folder `path` (``a/b/c``) and those above it, where they are absent."""
    parts = [part for part in path.split("/") if part]
    for depth in range(1, len(parts) + 1):
        name = "/".join(parts[:depth])
        if not is_folder(jenkins, name):
            _create(jenkins, name, folder_config(), f"folder {name}")


def upsert_credential(jenkins: Jenkins, folder: str, credential: Credential) -> None:
    """Create a credential in a folder's store, or replace it: what is stored cannot be read back and compared."""
    xml = username_password_xml(
        credential.id, credential.username, credential.password.get_secret_value(), credential.description
    )
    upsert_xml(jenkins, folder, credential.id, xml)


def store_of(folder: str) -> str:
    """Path of a folder's credentials store."""
    return f"{job_path(folder)}/{_STORE}"


def upsert_xml(jenkins: Jenkins, folder: str, identifier: str, xml: str) -> None:
    """Create or replace the credential that an XML describes."""
    store, what = store_of(folder), f"credential {identifier} of folder {folder}"
    try:
        jenkins.connection.send("POST", f"{store}/createCredentials", what=what, xml=xml)
    except ConflictError:
        jenkins.connection.send("POST", f"{store}/credential/{quote(identifier)}/config.xml", what=what, xml=xml)


def upsert_job(jenkins: Jenkins, name: str, config: str) -> bool:
    """Create the job, or rewrite it where its config.xml says something else.

    Returns:
        Whether anything was written.

    Raises:
        ConflictError: A job of that name exists that is not ours.
    """
    path, what = f"{job_path(name)}/config.xml", f"job {name}"
    try:
        present = jenkins.connection.send("GET", path, what=what).content.decode("utf-8", "replace")
    except NotFoundError:
        if _create(jenkins, name, config, what):
            return True
        present = jenkins.connection.send("GET", path, what=what).content.decode("utf-8", "replace")
    if not is_managed(present):
        raise ConflictError(
            f"{jenkins} has a job {name} that smartclide did not make.",
            remedy="Rename or delete it, or set another folder in the JenkinsServer block.",
        )
    if canonical(present) == canonical(config):
        return False
    jenkins.connection.send("POST", path, what=what, xml=config)
    return True


def is_folder(jenkins: Jenkins, name: str) -> bool:
    """Whether there is a folder of that name.

    Raises:
        ConflictError: There is something else of that name.
    """
    try:
        found = jenkins.connection.json(f"{job_path(name)}/api/json?tree=name", what=f"folder {name}")
    except NotFoundError:
        return False
    kind = str(found.get("_class", "")).rpartition(".")[2]
    if kind not in _FOLDER_CLASSES:
        raise ConflictError(
            f"{jenkins} has {name}, but as a {kind}, not as a folder.",
            remedy="Rename it, or set another folder in the JenkinsServer block.",
        )
    return True


def _create(jenkins: Jenkins, name: str, config: str, what: str) -> bool:
    parent, _, short = name.rpartition("/")
    path = f"{job_path(parent)}/" if parent else ""
    try:
        jenkins.connection.send("POST", f"{path}createItem?name={quote(short, safe='')}", what=what, xml=config)
    except InputError as error:
        if "already exists" in str(error):  # another run was faster
            return False
        raise
    return True
