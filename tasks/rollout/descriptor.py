"""The deploy descriptor, ``.smartclide.yml``: *how* a service is deployed. Every key is optional. Pure.

`resolve` reads the text, merges the flow's ``descriptor`` parameter over it and validates the whole.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from errors import InputError
from tasks.rollout import quantity
from tasks.rollout.names import dns_label, is_dns_label
from tasks.rollout.yaml_places import PlacedYaml

FILE = ".smartclide.yml"
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_PERCENT = re.compile(r"\d{1,3}%")


def _number_as_text(value: object) -> object:
    """YAML reads ``cpu: 1`` and ``value: 8080`` as numbers, where Kubernetes wants text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_number_as_text)]
Port = Annotated[int, Field(ge=1, le=65535)]
Command = Annotated[tuple[Text, ...], BeforeValidator(lambda v: ("/bin/sh", "-c", v) if isinstance(v, str) else v)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageOptions(_Part):
    """Where the image comes from."""

    builder: Literal["jenkins", "engine"] = Field(
        "jenkins", description="Who builds: Jenkins' last stage, or the worker's Docker engine."
    )
    from_job: str | None = Field(None, description="GitLab job that pushes the image already; ours is left out.")
    reference: str | None = Field(None, description="The image that job pushes, if not <registry>/<project>:<sha>.")
    build_args: dict[str, Text] = Field(default_factory=dict, description="Build arguments of the Dockerfile.")


class Amounts(_Part):
    """Quantities of one container."""

    cpu: Text | None = Field(None, description="Cores, e.g. 250m or 1.")
    memory: Text | None = Field(None, description="Bytes, e.g. 128Mi.")

    @field_validator("cpu", "memory")
    @classmethod
    def _is_quantity(cls, text: str | None) -> str | None:
        if text is not None:
            quantity.parse(text)
        return text


class Resources(_Part):
    """What the container asks for, and may use at most."""

    requests: Amounts = Amounts()
    limits: Amounts = Amounts()

    @model_validator(mode="after")
    def _requests_fit_limits(self) -> Resources:
        for name in ("cpu", "memory"):
            asked, most = getattr(self.requests, name), getattr(self.limits, name)
            if asked is not None and most is not None and quantity.parse(asked) > quantity.parse(most):
                raise ValueError(f"requests.{name} {asked} is more than limits.{name} {most}")
        return self


class Probe(_Part):
    """One check of the container: HTTP `path`, `command`, or TCP (the default)."""

    path: str | None = Field(None, pattern="^/", description="HTTP path; 200-399 is healthy.")
    tcp: bool = Field(False, description="Only connect to the port.")
    command: Command | None = Field(None, description="Command in the container; exit code 0 is healthy.")
    port: Port | None = Field(None, description="Default: the service's port.")
    initial_delay_seconds: int = Field(0, ge=0, description="Seconds before the first check.")
    period_seconds: int = Field(5, ge=1, description="Seconds from one check to the next.")
    timeout_seconds: int = Field(2, ge=1, description="Seconds one check may take.")
    failure_threshold: int = Field(3, ge=1, description="Failed checks in a row that count.")

    @model_validator(mode="after")
    def _one_kind(self) -> Probe:
        if (self.path is not None) + self.tcp + (self.command is not None) > 1:
            raise ValueError("a probe has one of path, tcp, command")
        return self


def _probe_kind(value: object) -> str:
    return "off" if isinstance(value, bool) else "Probe"


ProbeOrOff = Annotated[
    Annotated[Probe, Tag("Probe")] | Annotated[Literal[False], Tag("off")], Discriminator(_probe_kind)
]


class Probes(_Part):
    """Checks. Readiness is by TCP unless told otherwise, so that a rollout proves something."""

    readiness: ProbeOrOff = Field(Probe(), description="Whether it gets traffic; false turns it off.")
    liveness: Probe | None = Field(None, description="Whether it is restarted.")
    startup: Probe | None = Field(None, description="Holds the other two back until it has passed once.")


class SecretKey(_Part):
    """A key of an existing Secret in the Environment's namespace."""

    secret: str = Field(min_length=1, description="Name of the Secret.")
    key: str = Field(min_length=1, description="Key in it.")


def _variable_kind(value: object) -> str:
    return "SecretKey" if isinstance(value, Mapping | SecretKey) else "value"


Variable = Annotated[
    Annotated[SecretKey, Tag("SecretKey")] | Annotated[Text, Tag("value")], Discriminator(_variable_kind)
]


class Strategy(_Part):
    """How old pods are replaced."""

    type: Literal["rolling", "recreate"] = Field(
        "rolling", description="Replace pods step by step, or stop all old ones first."
    )
    max_surge: Text = Field("25%", description="Pods above `replicas` meanwhile: a number or a percentage.")
    max_unavailable: Text = Field("25%", description="Pods that may be missing meanwhile: a number or a percentage.")
    min_ready_seconds: int = Field(0, ge=0, description="Seconds a pod must stay ready before it counts.")
    progress_deadline_seconds: int = Field(
        300,
        ge=1,
        description="Seconds without progress that make it a failure; a way back has `rollout_timeout_seconds`.",
    )

    @field_validator("max_surge", "max_unavailable")
    @classmethod
    def _count_or_percent(cls, text: str) -> str:
        if not (text.isdigit() or _PERCENT.fullmatch(text)):
            raise ValueError("write a number of pods or a percentage, e.g. 1 or 25%")
        return text

    @model_validator(mode="after")
    def _can_move(self) -> Strategy:
        if self.type == "rolling" and {self.max_surge.rstrip("%"), self.max_unavailable.rstrip("%")} <= {"0", "00"}:
            raise ValueError("max_surge and max_unavailable cannot both be 0")
        if self.progress_deadline_seconds <= self.min_ready_seconds:
            raise ValueError("progress_deadline_seconds must be more than min_ready_seconds")
        return self


class Security(_Part):
    """The container's rights. The defaults take away what almost no service needs."""

    run_as_user: int | None = Field(None, ge=0, description="User id; default: the image's.")
    run_as_non_root: bool | None = Field(None, description="Refuse to start an image whose user is root.")
    read_only_root_filesystem: bool = Field(False, description="The container cannot write to its own files.")
    allow_privilege_escalation: bool = Field(False, description="Whether setuid programs may gain rights.")
    drop_capabilities: tuple[str, ...] = Field((), description="Linux capabilities taken away, e.g. [ALL].")


class Descriptor(_Part):
    """How one service is deployed."""

    name: str = Field("", description="Name in the cluster; default: the project's last path segment.")
    image: ImageOptions = ImageOptions()
    port: Port = Field(8080, description="Port the container listens on; the Service has the same.")
    replicas: int = Field(1, ge=0, le=1000, description="Pods; an autoscaler that is there decides itself.")
    resources: Resources = Resources()
    probes: Probes = Probes()
    variables: dict[str, Variable] = Field(default_factory=dict, description="Environment variables.")
    strategy: Strategy = Strategy()
    service_account: str | None = Field(None, description="Service account of the pods; default: the namespace's.")
    labels: dict[str, Text] = Field(default_factory=dict, description="Further labels of Deployment, pods and Service.")
    annotations: dict[str, Text] = Field(
        default_factory=dict, description="Further annotations of Deployment and pods."
    )
    command: Command | None = Field(None, description="Replaces the image's ENTRYPOINT.")
    args: tuple[Text, ...] | None = Field(None, description="Replaces the image's CMD.")
    security: Security = Security()
    artifacts: tuple[Text, ...] = Field(
        (),
        max_length=50,
        description="Globs of the build's archived files that are kept with the release, e.g. [dist/*.tar.gz]; "
        "nothing in the cluster depends on it.",
    )

    @field_validator("name")
    @classmethod
    def _is_name(cls, name: str) -> str:
        if name and not is_dns_label(name):
            raise ValueError("a name is a lower-case letter, then at most 62 lower-case letters, digits and hyphens")
        return name

    @field_validator("variables")
    @classmethod
    def _are_variables(cls, variables: dict[str, SecretKey | str]) -> dict[str, SecretKey | str]:
        for name in variables:
            if not _ENV_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of an environment variable")
        return variables

    @field_validator("labels", "annotations")
    @classmethod
    def _not_ours(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            if name.startswith(("smartclide.eu/", "app.kubernetes.io/name", "app.kubernetes.io/managed-by")):
                raise ValueError(f"{name!r} is kept for the deployment service")
        return given


def resolve(text: str | None, overrides: Mapping[str, Any], project_path: str) -> Descriptor:
    """The descriptor of one deployment.

    Args:
        text: Text of ``.smartclide.yml``, or None when the project has none.
        overrides: The flow's ``descriptor`` parameter; merged key by key, lists and scalars replace, null unsets.
        project_path: GitLab's full path; its last segment is the default name.

    Raises:
        InputError: Every mistake, each with ``file:line:column``, or ``descriptor parameter``.
    """
    document = PlacedYaml(text or "", FILE)
    if not isinstance(document.value, dict):
        raise InputError(f"{FILE}:1:1: a mapping is expected.", remedy="Write keys and values, e.g. port: 8080.")
    try:
        descriptor = Descriptor.model_validate(merge(document.value, overrides))
    except ValidationError as error:
        raise InputError(_explain(error, document, overrides), remedy="Correct the deploy descriptor.") from None
    return descriptor if descriptor.name else descriptor.model_copy(update={"name": dns_label(project_path)})


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge by RFC 7396: mappings merge, anything else replaces, null takes the key away.

    >>> merge({"a": {"b": 1, "c": 2}, "d": None}, {"a": {"b": 3, "c": None}})
    {'a': {'b': 3}}
    """
    merged: dict[str, Any] = {}
    for key in [*base, *(k for k in over if k not in base)]:
        value = over.get(key, base.get(key)) if key in over else base[key]
        if isinstance(value, Mapping):
            below = base.get(key)
            value = merge(below if key in over and isinstance(below, Mapping) else {}, value)
        if value is not None:
            merged[str(key)] = value
    return merged


def _explain(error: ValidationError, document: PlacedYaml, overrides: Mapping[str, Any]) -> str:
    lines = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        path = _without_tags(item["loc"])
        place = "descriptor parameter" if _sets(overrides, path) else document.place(path)
        lines.append(f"{place}: {_message(item, path)}")
    return "\n".join(lines)


def _without_tags(location: tuple[str | int, ...]) -> list[str | int]:
    """The place without the union's member, which pydantic puts after ``variables.NAME`` and ``probes.readiness``."""
    return [
        step
        for index, step in enumerate(location)
        if not (
            index == 2 and location[0] in {"variables", "probes"} and step in {"SecretKey", "value", "Probe", "off"}
        )
    ]


def _sets(overrides: Any, path: list[str | int]) -> bool:
    for step in path:
        if not isinstance(overrides, Mapping) or step not in overrides:
            return not isinstance(overrides, Mapping)
        overrides = overrides[step]
    return True


def _message(item: Any, path: list[str | int]) -> str:
    name = ".".join(str(step) for step in path)
    if item["type"] != "extra_forbidden":
        return f"{name}: {item['msg'].removeprefix('Value error, ')}."
    known = _keys_at(Descriptor, path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}."
    return f"unknown key {name!r}; {hint}"


def _keys_at(model: type[BaseModel], path: list[str | int]) -> list[str]:
    for step in path:
        field = model.model_fields.get(str(step))
        nested = next((t for t in _types(field.annotation) if issubclass(t, BaseModel)), None) if field else None
        model = nested or SecretKey
    return list(model.model_fields)


def _types(annotation: Any) -> list[type]:
    """The classes in an annotation, however deep: ``Annotated[Annotated[Probe, ...] | Literal[False], ...]``."""
    if isinstance(annotation, type):
        return [annotation]
    return [found for member in get_args(annotation) for found in _types(member)]
