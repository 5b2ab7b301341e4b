"""A deployment whose pipeline needs more than jobs of its own: a child pipeline, and a secret that Jenkins keeps."""

import hashlib

import httpx
import pytest

from flows.deploy import deploy

SECRET = "vaulted-w0rd-value"
PARENT = """\
stages: [prepare, test]
prepare:
  stage: prepare
  script: [echo made > made.txt, echo VERSION=1.2 > e.env]
  artifacts: {paths: [made.txt], reports: {dotenv: e.env}}
child:
  stage: test
  variables: {LEVEL: "from-parent-$VERSION"}
  trigger: {include: ci/child.yml, strategy: depend}
"""
CHILD = f"""\
stages: [unit, deep]
unit:
  stage: unit
  script: ['test "$LEVEL" = from-parent-1.2', 'test -z "${{PASSWORD+set}}"', echo unit > unit.txt]
  artifacts: {{paths: [unit.txt]}}
deep:
  stage: deep
  secrets: {{PASSWORD: {{vault: team/app/password@kv, file: false}}}}
  script:
    - test "$(cat unit.txt)" = unit
    - test ! -e made.txt
    - test "$(printf %s "$PASSWORD" | sha256sum)" = "{hashlib.sha256(SECRET.encode()).hexdigest()}  -"
    - echo "the password is $PASSWORD"
"""
FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
CREDENTIAL = "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl"


def keep_secret(house, folders, credentials_id):
    """What people do before: the project's folder in Jenkins, with the credential that the diagnostic names."""
    state = house.sandbox.state()
    headers = {"Content-Type": "application/xml"}
    with httpx.Client(auth=(state.jenkins_user, state.jenkins_token), headers=headers) as jenkins:
        where = state.jenkins_url
        for name in folders:
            if jenkins.get(f"{where}/job/{name}/api/json").status_code == 404:
                made = jenkins.post(f"{where}/createItem", params={"name": name}, content=f"<{FOLDER}/>")
                made.raise_for_status()
            where = f"{where}/job/{name}"
        xml = f"<{CREDENTIAL}><scope>GLOBAL</scope><id>{credentials_id}</id><secret>{SECRET}</secret></{CREDENTIAL}>"
        url = f"{where}/credentials/store/folder/domain/_/createCredentials"
        jenkins.post(url, content=xml).raise_for_status()


@pytest.mark.slow
def test_a_child_pipeline_with_a_secret_of_jenkins(run, house):
    files = {".gitlab-ci.yml": PARENT.encode(), "ci/child.yml": CHILD.encode()}
    project = house.project("families/parent", **files)
    keep_secret(house, ("smartclide", "families", "parent.git"), "gitlab-secret-PASSWORD")
    state = run(deploy, project=project, ref="main")
    assert state.is_completed(), state
    job = "job/smartclide/job/families/job/parent.git/job/parent"
    console = house.jenkins(f"{job}/1/consoleText").text
    marks = [line for line in console.splitlines() if line.startswith("gl-job ") and "running" not in line]
    assert sorted(mark.removeprefix("gl-job name=").replace(" state=", " ") for mark in marks) == [
        "child success",
        "child%3A%20deep success",
        "child%3A%20unit success",
        "prepare success",
    ]
    assert "the password is ****" in console
    shown = [console, str(state.result()), house.jenkins(f"{job}/config.xml").text]
    assert not [text for text in shown if SECRET in text]
    assert house.found("Deployment", "parent")["status"]["readyReplicas"] == 2
