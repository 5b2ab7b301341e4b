"""XML that Jenkins takes: a pipeline job's config.xml, a folder's, credentials; and whether two of them say the same.

The declaration says version 1.0. With 1.1 the server's parser corrupts long texts that hold ``]``, so what Jenkins
hands out (it writes 1.1) must never be posted back.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from errors import InputError, ProtocolError

DECLARATION = "<?xml version='1.0' encoding='UTF-8'?>\n"
MANAGED_BY = "Managed by smartclide: changes made here are lost."
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>\s*")
# Characters XML 1.0 has no form for, and the carriage return, which a parser turns into a line feed.
_ILLEGAL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CREDENTIALS = "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl"
_SECRET_TEXT = "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl"  # noqa: S105 - a class name
_SECRET_FILE = "org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl"  # noqa: S105 - likewise
_FOLDER = "com.cloudbees.hudson.plugins.folder.Folder"
_PARAMETERS = "hudson.model.ParametersDefinitionProperty"
_STASHES = "org.jenkinsci.plugins.pipeline.modeldefinition.properties.PreserveStashesJobProperty"
# What Jenkins writes of its own: with the first build, and from 2.474 on.
_ADDED = ("actions", "removeLastBuild")


@dataclass(frozen=True)
class ParameterDefinition:
    """One string parameter of a job."""

    name: str
    description: str = ""
    default: str = ""


@dataclass(frozen=True)
class Retention:
    """Which builds Jenkins keeps; None = without limit. `stashes`: of how many also what their jobs hand on."""

    builds: int | None = 50
    days: int | None = None
    stashes: int = 0


def job_config(
    script: str,
    parameters: Sequence[ParameterDefinition],
    description: str = "",
    *,
    retention: Retention = Retention(),
    concurrent: bool = True,
) -> str:
    """config.xml of a pipeline job that runs `script` in Groovy's sandbox.

    Args:
        script: The Jenkinsfile.
        parameters: Declared here, not in the Jenkinsfile: the first build needs them already.
        description: What people read about the job; a line saying that it is managed comes after it.
        retention: Which builds are kept.
        concurrent: Whether builds of the job may run side by side.

    Raises:
        InputError: A text holds a character that XML 1.0 cannot carry.
    """
    root = ET.Element("flow-definition", plugin="workflow-job")
    _add(root, "description", f"{description}\n\n{MANAGED_BY}".strip())
    _add(root, "keepDependencies", "false")
    properties = ET.SubElement(root, "properties")
    if not concurrent:
        disabled = "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty"
        _add(ET.SubElement(properties, disabled), "abortPrevious", "false")
    _add_retention(properties, retention)
    _add_parameters(properties, parameters)
    if retention.stashes:  # an option of the Jenkinsfile, which Jenkins would add here with every build
        _add(ET.SubElement(properties, _STASHES), "buildCount", str(retention.stashes))
    definition = ET.SubElement(
        root, "definition", {"class": "org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition", "plugin": "workflow-cps"}
    )
    _add(definition, "script", script)
    _add(definition, "sandbox", "true")
    ET.SubElement(root, "triggers")
    _add(root, "disabled", "false")
    return _document(root)


def _add_retention(properties: ET.Element, retention: Retention) -> None:
    discarder = ET.SubElement(properties, "jenkins.model.BuildDiscarderProperty")
    strategy = ET.SubElement(discarder, "strategy", {"class": "hudson.tasks.LogRotator"})
    for name, limit in (("daysToKeep", retention.days), ("numToKeep", retention.builds)):
        _add(strategy, name, str(-1 if limit is None else limit))
    for name in ("artifactDaysToKeep", "artifactNumToKeep"):
        _add(strategy, name, "-1")


def _add_parameters(properties: ET.Element, parameters: Iterable[ParameterDefinition]) -> None:
    definitions = ET.SubElement(ET.SubElement(properties, _PARAMETERS), "parameterDefinitions")
    for parameter in parameters:
        element = ET.SubElement(definitions, "hudson.model.StringParameterDefinition")
        _add(element, "name", parameter.name)
        _add(element, "description", parameter.description)
        _add(element, "defaultValue", parameter.default)
        _add(element, "trim", "false")


def folder_config(description: str = "") -> str:
    """config.xml of a folder."""
    root = ET.Element(_FOLDER, plugin="cloudbees-folder")
    _add(root, "description", f"{description}\n\n{MANAGED_BY}".strip())
    ET.SubElement(root, "properties")
    return _document(root)


def username_password_xml(credentials_id: str, username: str, password: str, description: str = "") -> str:
    """An entry of the credentials store with a user name and a password. Holds the secret: never log it."""
    fields = (("username", username), ("password", password))
    return _credentials(_CREDENTIALS, credentials_id, description, fields)


def secret_text_xml(credentials_id: str, secret: str, description: str = "") -> str:
    """An entry of the credentials store with one secret text. Holds the secret: never log it."""
    return _credentials(_SECRET_TEXT, credentials_id, description, (("secret", secret),))


def secret_file_xml(credentials_id: str, file_name: str, content: str, description: str = "") -> str:
    """An entry of the credentials store with a secret file. Holds the secret: never log it."""
    encoded = base64.b64encode(content.encode()).decode()
    return _credentials(_SECRET_FILE, credentials_id, description, (("fileName", file_name), ("secretBytes", encoded)))


def _credentials(kind: str, credentials_id: str, description: str, fields: Iterable[tuple[str, str]]) -> str:
    root = ET.Element(kind)
    for name, value in (("scope", "GLOBAL"), ("id", credentials_id), ("description", description), *fields):
        _add(root, name, value, secret=name in {"password", "secret", "secretBytes"})
    return ET.tostring(root, encoding="unicode").replace("\r", "&#13;")  # kept, which a bare one would not be


def _add(parent: ET.Element, name: str, text: str, *, secret: bool = False) -> None:
    found = _ILLEGAL.search(text.replace("\r", "") if secret else text)
    if found is not None:
        shown = "" if secret else f" ({found[0]!a} at {found.start()})"
        raise InputError(f"The text of <{name}> has a character that XML cannot carry{shown}.", remedy="Remove it.")
    ET.SubElement(parent, name).text = text


def _document(root: ET.Element) -> str:
    return DECLARATION + ET.tostring(root, encoding="unicode", short_empty_elements=True) + "\n"


def is_managed(xml: str) -> bool:
    """Whether a job's or folder's config.xml is one of ours.

    Raises:
        ProtocolError: The text is not XML.
    """
    return MANAGED_BY in (_parsed(xml).findtext("description") or "")


def _parsed(xml: str) -> ET.Element:
    try:
        return ET.fromstring(_DECLARATION.sub("", xml, count=1))  # noqa: S314 - configuration of our own server
    except ET.ParseError as error:
        raise ProtocolError(f"Jenkins' configuration is not XML: {error}.") from error


def canonical(xml: str) -> str:
    """A form in which what we would send equals what Jenkins hands back for it.

    Jenkins rewrites the declaration, adds plugin versions, indentation and what is in `_ADDED`, and leaves out or adds
    empty elements.

    Raises:
        ProtocolError: The text is not XML.
    """
    return ET.tostring(_reduced(_parsed(xml)), encoding="unicode")


def _reduced(element: ET.Element) -> ET.Element:
    attributes = {name: value for name, value in sorted(element.attrib.items()) if name != "plugin"}
    result = ET.Element(element.tag, attributes)
    children = [_reduced(child) for child in element if child.tag not in _ADDED]
    result.extend(child for child in children if len(child) or child.text or child.attrib)
    text = element.text or ""
    result.text = text if not children and text.strip() else None
    return result
