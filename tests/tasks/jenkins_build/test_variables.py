"""Secret variables: their names in Jenkins' store, and that Jenkinsfiles refer to them by name only."""

from __future__ import annotations

import re
from typing import Literal
from xml.etree import ElementTree

import pytest

from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.jenkins_build.job_config import secret_text_xml
from tasks.jenkins_build.settings import BoundVariable
from tasks.jenkins_build.variables import VariableStore, credentials_id, is_stale, variable_store
from tasks.source.ci_variables import CIVariable, CIVariables

SECRET = "s3cret/value"
BOUND = (BoundVariable("TOKEN", "gitlab-var-7-TOKEN"), BoundVariable("KEY", "gitlab-file-7-KEY", is_file=True))
TEXT = """
variables: {TOKEN: weak, URL: "https://$TOKEN@host"}
here: {script: [./a], after_script: [./b], variables: {TOKEN: weaker, OWN: "<$TOKEN>"}}
there:
  image: registry.example/$TOKEN
  services: [{name: db, variables: {PASSWORD: $TOKEN}}]
  script: [./c]
  rules: [{if: '$TOKEN == $CI_PIPELINE_ID || $TOKEN =~ /^s3/'}]
never: {script: [./d], rules: [{if: $TOKEN == "weak"}]}
"""


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_every_job_gets_them_and_no_text_is_made_of_them(rendering: Literal["stages", "graph"]) -> None:
    unknown = frozenset({"CI_PIPELINE_ID"})
    context = Context({"CI_COMMIT_BRANCH": "main"}, secrets={"TOKEN": SECRET, "KEY": "k"}, unknown=unknown)
    pipeline = interpret({".gitlab-ci.yml": TEXT}, context)
    assert [job.name for job in pipeline.jobs] == ["here", "there"]
    text = render(pipeline, RenderSettings(commit_sha="a" * 40, rendering=rendering, bound_variables=BOUND))
    assert "string(credentialsId: 'gitlab-var-7-TOKEN', variable: 'TOKEN')" in text
    assert "file(credentialsId: 'gitlab-file-7-KEY', variable: 'KEY')" in text
    assert SECRET not in text + repr(pipeline) + repr(context)
    assert "weak" not in text
    assert """export URL=https://"${TOKEN-}"@host""" in text
    assert text.count("-e TOKEN -e KEY") == 1  # the job's container
    assert text.count("-e TOKEN") == 1  # its service gets what variables of the text make of them, not them
    (service,) = re.findall(r"\S+=.* docker run -d .*", text)
    assert """URL=https://"${TOKEN-}"@host PASSWORD="${TOKEN-}" docker run""" in service
    assert "-e URL -e PASSWORD" in service
    assert '''chmod a+rX "${KEY%/*/*}" "${KEY%/*}" "$KEY"''' in text
    assert text.count("withVariables {") == (3 if rendering == "stages" else 1)


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_no_report_changes_them(rendering: Literal["stages", "graph"]) -> None:
    context = Context({"CI_COMMIT_BRANCH": "main"}, secrets={"TOKEN": SECRET, "KEY": "k"}, overrides={"LEVEL": "1"})
    text = "give: {stage: build, script: [./a], artifacts: {reports: {dotenv: e.env}}}\ntake: {script: [./b]}"
    rendered = render(
        interpret({".gitlab-ci.yml": text}, context), RenderSettings(commit_sha="a" * 40, rendering=rendering)
    )
    assert "return ' KEY LEVEL TOKEN '.contains(' ' + name + ' ')" in rendered


def test_a_residual_condition_holds_the_name_only() -> None:
    context = Context({}, secrets={"TOKEN": SECRET}, unknown=frozenset({"CI_PIPELINE_ID"}))
    text = 'job: {script: ["true"], rules: [{if: $TOKEN == $CI_PIPELINE_ID}]}'
    [job] = interpret({".gitlab-ci.yml": text}, context).jobs
    assert SECRET not in repr(job)
    assert job.rules


@pytest.mark.parametrize(
    ("variable", "identifier"),
    [
        (CIVariable("A", "", hidden=True), "gitlab-var-7-A"),
        (CIVariable("A", "", protected=True), "gitlab-protected-var-7-A"),
        (CIVariable("A", "", is_file=True), "gitlab-file-7-A"),
        (CIVariable("A", "", hidden=True, scope="stag*"), "gitlab-var-7-A-staging"),
        (CIVariable("A", "", is_file=True, protected=True, scope="staging"), "gitlab-protected-file-7-A-staging"),
    ],
)
def test_names_and_what_is_gone(variable: CIVariable, identifier: str) -> None:
    assert credentials_id(variable, 7, "staging") == identifier
    assert not is_stale(identifier, 7, [variable])
    assert is_stale(identifier, 7, [])
    assert is_stale(identifier, 7, [CIVariable("A", "")])  # it is secret no longer
    assert not is_stale(identifier, 8, [])
    assert not is_stale("smartclide-gitlab", 7, [])


def test_only_a_project_with_secrets_has_a_folder_of_its_own() -> None:
    assert VariableStore("group/app", 7).job == "group/app"
    secret = CIVariable("A", SECRET, hidden=True)
    store = variable_store(("group/app", 7), CIVariables({"A": secret}, (secret,), "group group"), "staging")
    assert store.job == "group/app.git/app"
    assert store.known is None  # not all could be read: nothing is removed
    assert SECRET not in repr(store)


def test_a_secret_keeps_its_line_ends() -> None:
    text = secret_text_xml("id", "one\r\ntwo")
    assert ElementTree.fromstring(text).findtext("secret") == "one\r\ntwo"
