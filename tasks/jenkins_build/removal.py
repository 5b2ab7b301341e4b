"""Takes out of Jenkins what `jobs` and `variables` made for a project, when it is deployed nowhere any more."""

from __future__ import annotations

from errors import NotFoundError
from tasks.jenkins_build.connection import job_path
from tasks.jenkins_build.job_config import is_managed
from tasks.jenkins_build.server import Jenkins
from tasks.jenkins_build.variables import VariableStore


def remove_project(jenkins: Jenkins, project_path: str) -> list[str]:
    """Delete the project's job and its own folder with the secrets in it, then the folders this leaves empty.

    The credentials that projects share (GitLab's token, the registry's login) lie in the JenkinsServer's folder and go
    with it. What smartclide did not make is left alone.

    Returns:
        What was deleted, e.g. ``Jenkins job smartclide/group/app``.
    """
    own = jenkins.job_name(VariableStore(project_path, 0).folder)
    job = jenkins.job_name(project_path)
    deleted = [f"Jenkins job {job}"] if _delete(jenkins, job) else []
    deleted += [f"Jenkins folder {own}"] if _delete(jenkins, own) else []
    folder = job.rpartition("/")[0]
    while folder and _is_empty(jenkins, folder) and _delete(jenkins, folder):
        deleted.append(f"Jenkins folder {folder}")
        folder = folder.rpartition("/")[0]
    return deleted


def _delete(jenkins: Jenkins, name: str) -> bool:
    what = f"job or folder {name}"
    try:
        found = jenkins.connection.send("GET", f"{job_path(name)}/config.xml", what=what)
        if not is_managed(found.content.decode("utf-8", "replace")):
            return False
        jenkins.connection.send("POST", f"{job_path(name)}/doDelete", what=what)
    except NotFoundError:
        return False
    return True


def _is_empty(jenkins: Jenkins, folder: str) -> bool:
    try:
        found = jenkins.connection.json(f"{job_path(folder)}/api/json?tree=jobs[name]", what=f"folder {folder}")
    except NotFoundError:
        return False
    return found.get("jobs") == []
