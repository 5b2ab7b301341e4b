"""Build parameters: definitions in a job's config.xml, values of a build."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.jenkins.export import Bean

PROPERTY = "hudson.model.ParametersDefinitionProperty"
KINDS = ("String", "Boolean", "Choice", "Password", "Text")


class WrongValueError(ValueError):
    """A value that its definition does not allow."""


@dataclass(frozen=True)
class Definition:
    """One declared parameter; `kind` is one of `KINDS`, `default` a bool for Boolean, else a str."""

    kind: str
    name: str
    default: Any = ""
    description: str | None = None
    choices: tuple[str, ...] = ()
    trim: bool = False

    def value(self, text: str) -> Any:
        """The value a request gives as text; raises `WrongValueError` outside the choices."""
        if self.kind == "Boolean":
            return text.lower() in ("true", "on", "yes", "1")
        if self.kind == "Choice" and text not in self.choices:
            raise WrongValueError(f"Illegal choice for parameter {self.name}: {text}")
        return text.strip() if self.trim else text

    def bean(self) -> Bean:
        """As ``property[parameterDefinitions]`` shows it."""
        fields: dict[str, Any] = {
            "defaultParameterValue": value_bean(self, self.default),
            "description": self.description,
            "name": self.name,
            "type": f"{self.kind}ParameterDefinition",
        }
        if self.kind == "Choice":
            fields["choices"] = list(self.choices)
        return Bean(f"hudson.model.{self.kind}ParameterDefinition", fields, dict.fromkeys(fields, 3))


def value_bean(definition: Definition, value: Any) -> Bean:
    """A value as ParametersAction shows it; a password's is never shown."""
    kind = "String" if definition.kind == "Choice" else definition.kind
    fields: dict[str, Any] = {"name": definition.name}
    if kind != "Password":
        fields["value"] = value
    return Bean(f"hudson.model.{kind}ParameterValue", fields, dict.fromkeys(fields, 5))


def read(root: ET.Element) -> list[Definition]:
    """The definitions declared in a job's config.xml."""
    found = []
    for element in root.iterfind(f"properties/{PROPERTY}/parameterDefinitions/*"):
        kind = element.tag.removeprefix("hudson.model.").removesuffix("ParameterDefinition")
        if kind in KINDS:
            found.append(_definition(kind, element))
    return found


def _definition(kind: str, element: ET.Element) -> Definition:
    choices = tuple(each.text or "" for each in element.iterfind("choices//string"))
    default: Any = element.findtext("defaultValue") or ""
    if kind == "Boolean":
        default = default == "true"
    elif kind == "Choice":
        default = choices[0] if choices else ""
    return Definition(
        kind,
        element.findtext("name") or "",
        default,
        element.findtext("description"),
        choices,
        element.findtext("trim") == "true",
    )


def write(root: ET.Element, definitions: list[Definition]) -> None:
    """Put the definitions into a job's config.xml, as the first run of a Jenkinsfile with ``parameters`` does."""
    properties = root.find("properties")
    if properties is None:
        properties = ET.SubElement(root, "properties")
    for old in properties.findall(PROPERTY):
        properties.remove(old)
    listed = ET.SubElement(ET.SubElement(properties, PROPERTY), "parameterDefinitions")
    for definition in definitions:
        _write_one(ET.SubElement(listed, f"hudson.model.{definition.kind}ParameterDefinition"), definition)


def _write_one(element: ET.Element, definition: Definition) -> None:
    ET.SubElement(element, "name").text = definition.name
    if definition.description is not None:
        ET.SubElement(element, "description").text = definition.description
    if definition.kind == "Choice":
        wrapper = ET.SubElement(element, "choices", {"class": "java.util.Arrays$ArrayList"})
        array = ET.SubElement(wrapper, "a", {"class": "string-array"})
        for choice in definition.choices:
            ET.SubElement(array, "string").text = choice
    else:
        default = definition.default
        ET.SubElement(element, "defaultValue").text = json.dumps(default) if isinstance(default, bool) else default
        ET.SubElement(element, "trim").text = json.dumps(definition.trim)


def values(definitions: list[Definition], given: Mapping[str, str]) -> dict[str, Any]:
    """The values of a build: declared parameters only, defaults where nothing is given; `WrongValueError`."""
    return {
        definition.name: definition.value(given[definition.name]) if definition.name in given else definition.default
        for definition in definitions
    }


def summary(definitions: list[Definition], chosen: Mapping[str, Any]) -> str:
    """The ``params`` text of a queue item."""
    shown = []
    for definition in definitions:
        value = chosen.get(definition.name)
        text = "****" if definition.kind == "Password" else str(value).lower() if isinstance(value, bool) else value
        shown.append(f"\n{definition.name}={text}")
    return "".join(shown)
