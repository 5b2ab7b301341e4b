"""What a project leaves in Jenkins goes when it is deployed nowhere any more; what others made stays."""

from pydantic import SecretStr

from errors import NotFoundError
from tasks.jenkins_build.connection import job_path
from tasks.jenkins_build.jobs import Credential
from tasks.jenkins_build.removal import remove_project
from tasks.jenkins_build.settings import BoundVariable
from tasks.jenkins_build.task import ensure_job
from tasks.jenkins_build.variables import StoredVariable, VariableStore

from .conftest import Running

HAND_MADE = "<flow-definition><description>by hand</description></flow-definition>"


def there(jenkins: Running, name: str) -> bool:
    try:
        jenkins.client.connection.send("GET", f"{job_path(name)}/config.xml", what=name)
    except NotFoundError:
        return False
    return True


async def test_the_last_project_takes_folders_and_credentials_with_it(jenkins: Running) -> None:
    block = jenkins.block.model_copy(update={"folder": "alone"})
    stored = StoredVariable(BoundVariable("TOKEN", "gitlab-var-7-TOKEN"), SecretStr("hidden"))
    login = Credential("smartclide-registry", "robot", SecretStr("hidden"))
    running = Running(jenkins.standin, jenkins.server, block)
    await ensure_job.fn(block, jenkins.spec(project="group/first", credentials=(login,)))
    secrets = VariableStore("group/second", 7, (stored,))
    await ensure_job.fn(block, jenkins.spec(project=secrets.job, variables=secrets))
    assert there(running, "alone/group/second.git/second")
    assert remove_project(running.client, "group/first") == ["Jenkins job alone/group/first"]
    assert there(running, "alone/group/second.git/second"), "the other project's"
    assert remove_project(running.client, "group/second") == [
        "Jenkins folder alone/group/second.git", "Jenkins folder alone/group", "Jenkins folder alone",
    ]  # fmt: skip
    assert not there(running, "alone")
    assert remove_project(running.client, "group/second") == []


async def test_what_smartclide_did_not_make_stays(jenkins: Running) -> None:
    block = jenkins.block.model_copy(update={"folder": "theirs"})
    running = Running(jenkins.standin, jenkins.server, block)
    await ensure_job.fn(block, jenkins.spec(project="group/ours"))
    path = f"{job_path('theirs/group')}/createItem?name=hand-made"
    running.client.connection.send("POST", path, what="x", xml=HAND_MADE)
    assert remove_project(running.client, "group/hand-made") == []
    assert remove_project(running.client, "group/ours") == ["Jenkins job theirs/group/ours"]
    assert there(running, "theirs/group/hand-made")
