"""XML for Jenkins, and its comparison with what Jenkins hands back."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import InputError, ProtocolError
from tasks.jenkins_build.groovy import literal
from tasks.jenkins_build.job_config import (
    ParameterDefinition,
    Retention,
    canonical,
    folder_config,
    is_managed,
    job_config,
    secret_text_xml,
    username_password_xml,
)

PARAMETERS = (ParameterDefinition("COMMIT_SHA", "the commit"), ParameterDefinition("BUILD_KEY"))
SCRIPT = "echo '[[ $a == b ]] && <x> \"q\" \\u00e9'\n"


def test_the_job_reads_like_this() -> None:
    assert job_config(SCRIPT, PARAMETERS, "group/app") == (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        '<flow-definition plugin="workflow-job">'
        "<description>group/app\n\nManaged by smartclide: changes made here are lost.</description>"
        "<keepDependencies>false</keepDependencies>"
        "<properties>"
        "<jenkins.model.BuildDiscarderProperty>"
        '<strategy class="hudson.tasks.LogRotator"><daysToKeep>-1</daysToKeep><numToKeep>50</numToKeep>'
        "<artifactDaysToKeep>-1</artifactDaysToKeep><artifactNumToKeep>-1</artifactNumToKeep></strategy>"
        "</jenkins.model.BuildDiscarderProperty>"
        "<hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
        "<hudson.model.StringParameterDefinition><name>COMMIT_SHA</name><description>the commit</description>"
        "<defaultValue /><trim>false</trim></hudson.model.StringParameterDefinition>"
        "<hudson.model.StringParameterDefinition><name>BUILD_KEY</name><description />"
        "<defaultValue /><trim>false</trim></hudson.model.StringParameterDefinition>"
        "</parameterDefinitions></hudson.model.ParametersDefinitionProperty>"
        "</properties>"
        '<definition class="org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition" plugin="workflow-cps">'
        "<script>echo '[[ $a == b ]] &amp;&amp; &lt;x&gt; \"q\" \\u00e9'\n</script><sandbox>true</sandbox>"
        "</definition>"
        "<triggers /><disabled>false</disabled></flow-definition>\n"
    )


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_in_a_literal_survives_the_xml(text: str) -> None:
    script = f"echo {literal(text)}\n"
    parsed = ET.fromstring(job_config(script, ()).partition("\n")[2])
    assert parsed.findtext("definition/script") == script


FROM_JENKINS = """<?xml version='1.1' encoding='UTF-8'?>
<flow-definition plugin="workflow-job@1400.v7fd111b_ec82f">
  <actions>
    <org.jenkinsci.plugins.pipeline.modeldefinition.actions.DeclarativeJobAction plugin="pipeline-model-definition@2"/>
  </actions>
  <description>group/app

Managed by smartclide: changes made here are lost.</description>
  <keepDependencies>false</keepDependencies>
  <properties>
    <jenkins.model.BuildDiscarderProperty>
      <strategy class="hudson.tasks.LogRotator">
        <daysToKeep>-1</daysToKeep>
        <numToKeep>50</numToKeep>
        <artifactDaysToKeep>-1</artifactDaysToKeep>
        <artifactNumToKeep>-1</artifactNumToKeep>
      </strategy>
    </jenkins.model.BuildDiscarderProperty>
    <hudson.model.ParametersDefinitionProperty>
      <parameterDefinitions>
        <hudson.model.StringParameterDefinition>
          <name>COMMIT_SHA</name>
          <description>the commit</description>
          <trim>false</trim>
        </hudson.model.StringParameterDefinition>
        <hudson.model.StringParameterDefinition>
          <name>BUILD_KEY</name>
          <trim>false</trim>
        </hudson.model.StringParameterDefinition>
      </parameterDefinitions>
    </hudson.model.ParametersDefinitionProperty>
  </properties>
  <definition class="org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition" plugin="workflow-cps@3883.vb_3ff2a_e3eea_f">
    <script>echo &apos;[[ $a == b ]] &amp;&amp; &lt;x&gt; &quot;q&quot; \\u00e9&apos;
</script>
    <sandbox>true</sandbox>
  </definition>
  <triggers/>
  <disabled>false</disabled>
</flow-definition>"""


def test_what_jenkins_hands_back_is_what_was_sent() -> None:
    assert canonical(FROM_JENKINS) == canonical(job_config(SCRIPT, PARAMETERS, "group/app"))


def test_what_jenkins_writes_of_its_own_is_no_change() -> None:
    newer = FROM_JENKINS.replace("</strategy>", "<removeLastBuild>false</removeLastBuild></strategy>")
    assert canonical(newer) == canonical(job_config(SCRIPT, PARAMETERS, "group/app"))
    tag = "org.jenkinsci.plugins.pipeline.modeldefinition.properties.PreserveStashesJobProperty"
    run = FROM_JENKINS.replace(
        "</properties>", f'<{tag} plugin="pipeline-model-definition@2"><buildCount>3</buildCount></{tag}></properties>'
    )
    config = job_config(SCRIPT, PARAMETERS, "group/app", retention=Retention(stashes=3))
    assert canonical(run) == canonical(config)  # as the option of the Jenkinsfile leaves it
    assert canonical(run) != canonical(job_config(SCRIPT, PARAMETERS, "group/app"))


@pytest.mark.parametrize(
    "changed",
    [
        job_config(SCRIPT + " ", PARAMETERS, "group/app"),
        job_config(SCRIPT, PARAMETERS[:1], "group/app"),
        job_config(SCRIPT, PARAMETERS, "group/other"),
        job_config(SCRIPT, PARAMETERS, "group/app", concurrent=False),
        FROM_JENKINS.replace("<sandbox>true", "<sandbox>false"),
        FROM_JENKINS.replace("<disabled>false", "<disabled>true"),
    ],
)
def test_a_change_is_seen(changed: str) -> None:
    assert canonical(changed) != canonical(job_config(SCRIPT, PARAMETERS, "group/app"))


def test_jobs_of_ours_are_told_from_others() -> None:
    assert is_managed(FROM_JENKINS)
    assert is_managed(folder_config())
    assert not is_managed("<flow-definition><description>by hand</description></flow-definition>")
    assert not is_managed("<flow-definition/>")


def test_what_is_not_xml_is_named() -> None:
    with pytest.raises(ProtocolError, match="not XML"):
        canonical("<html><br></html>")


def test_credentials_carry_their_id_and_quote_the_secret() -> None:
    assert username_password_xml("registry", "robot", "<&]]>\"'", "for app") == (
        "<com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl><scope>GLOBAL</scope>"
        "<id>registry</id><description>for app</description><username>robot</username>"
        "<password>&lt;&amp;]]&gt;\"'</password>"
        "</com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl>"
    )
    assert "<id>token</id>" in secret_text_xml("token", "t0p")
    assert "<secret>t0p</secret>" in secret_text_xml("token", "t0p")


def test_characters_xml_cannot_carry_are_refused_without_telling_a_secret() -> None:
    with pytest.raises(InputError, match=r"<description> has a character .*'\\x1b' at 1"):
        job_config("x", (), "a\x1b")
    with pytest.raises(InputError) as caught:
        secret_text_xml("token", "se\x01cret")
    assert "cret" not in str(caught.value).replace("<secret>", "")
