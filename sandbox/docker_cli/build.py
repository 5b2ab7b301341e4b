"""The built-in builder: a Dockerfile and a folder become a real image, without running anything.

It copies files and keeps settings. ``RUN`` is not executed and a base image outside the sandbox's registry is stood
in for by an empty one: both are said, and noted in the image's labels. The same input gives the same digest.
"""

from __future__ import annotations

import os
import platform as machine
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sandbox.docker_cli.context import Ignore, read_context
from sandbox.docker_cli.copying import Source, copy_files
from sandbox.docker_cli.dockerfile import Dockerfile, Instruction, parse
from sandbox.docker_cli.errors import DockerError, DockerfileError
from sandbox.docker_cli.reference import Reference, is_loopback
from sandbox.docker_cli.reference import parse as parse_reference
from sandbox.docker_cli.settings import SETTINGS
from sandbox.docker_cli.stage import BASE_LABEL, RUN_LABEL, Stage, from_image
from sandbox.docker_cli.store import CONFIG, MANIFEST, Image, Store, encode
from sandbox.docker_cli.tree import Tree, apply_layer, read_archive
from sandbox.docker_cli.words import Lexer

_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


class Registry(Protocol):
    """What the builder needs of a registry client."""

    def pull(self, reference: Reference) -> Image:
        """Fetch an image into the store."""


@dataclass(frozen=True)
class BuildOptions:
    """The flags of ``docker build``.

    Attributes:
        dockerfile: None = ``Dockerfile`` in the context's main folder.
        arguments: ``--build-arg``.
        target: The stage to end with; empty = the last one.
        platform: ``os/architecture``; empty = linux on this machine's processor.
        pull: Ask the registry also for bases that are in the store.
    """

    dockerfile: Path | None = None
    tags: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    platform: str = ""
    pull: bool = False


DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def host_platform() -> str:
    """``linux/amd64`` and the like."""
    return f"linux/{_ARCHITECTURES.get(machine.machine(), machine.machine())}"


def build(
    context: Path, options: BuildOptions, store: Store, registry: Registry, say: Callable[[str], None] = print
) -> Image:
    """Build an image into the store and tag it.

    Args:
        context: The folder.
        options: What the command line says.
        store: Where images live.
        registry: Where bases on loopback come from.
        say: Takes a line of progress; what was not applied starts with ``not executed`` or names its line.

    Raises:
        DockerError: The Dockerfile or the context is wrong; a `DockerfileError` names the line.
    """
    tags = [parse_reference(tag) for tag in options.tags]
    file = options.dockerfile or context / "Dockerfile"
    if not context.is_dir():
        raise DockerError(f'unable to prepare context: path "{context}" not found')
    if not file.is_file():
        raise DockerError(f"failed to read dockerfile: open {file.name}: no such file or directory")
    dockerfile = parse(file.read_text("utf-8", "replace"))
    files, ignore = read_context(context, file)
    stage = _Build(options, store, registry, say).run(dockerfile, files, ignore)
    image = _finish(stage, options, store)
    for tag in tags:
        store.tag(image, tag)
    return image


def _finish(stage: Stage, options: BuildOptions, store: Store) -> Image:
    config = encode(stage.image_config(options.labels))
    descriptor = {"mediaType": CONFIG, "digest": store.add(config), "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": stage.layers}
    return store.add_image(encode(manifest))


class _Build:
    """One build's state: the stages so far and the arguments in scope."""

    def __init__(self, options: BuildOptions, store: Store, registry: Registry, say: Callable[[str], None]) -> None:
        self._options = options
        self._store = store
        self._registry = registry
        self._say = say
        self._platform = options.platform or host_platform()
        self._stages: list[Stage] = []
        self._globals: dict[str, str] = {}
        self._declared: set[str] = set()

    def run(self, dockerfile: Dockerfile, files: Tree, ignore: Ignore) -> Stage:
        """Execute the instructions up to the wanted stage."""
        context = Source("the build context", files, ignore=ignore)
        last = _last_stage(dockerfile, self._options.target)
        count = len(dockerfile.instructions)
        for number, instruction in enumerate(dockerfile.instructions, 1):
            if instruction.keyword == "FROM" and len(self._stages) > last:
                break
            self._say(f"Step {number}/{count} : {instruction}")
            self._step(instruction, dockerfile.escape, context)
        unused = set(self._options.arguments) - self._declared - set(_PROXIES)
        if unused and not self._options.target:
            self._say(f"[Warning] One or more build-args {sorted(unused)} were not consumed")
        return self._stages[-1]

    def _step(self, instruction: Instruction, escape: str, context: Source) -> None:
        if instruction.keyword == "FROM":
            self._from(instruction, escape)
            return
        if not self._stages:
            if instruction.keyword != "ARG":
                raise DockerfileError("no build stage in current context: FROM must come first", instruction.line)
            self._arg(self._globals, instruction, Lexer(self._globals, escape, instruction.line))
            return
        stage = self._stages[-1]
        lexer = stage.lexer(instruction, escape)
        if instruction.keyword == "ARG":
            self._arg(stage.arguments, instruction, lexer)
            stage.record(instruction)
        elif instruction.keyword in ("COPY", "ADD"):
            source = self._source(instruction, lexer, context)
            stage.add_files(self._store, instruction, copy_files(stage, instruction, lexer, source, self._say))
        else:
            self._other(stage, instruction, lexer)

    def _other(self, stage: Stage, instruction: Instruction, lexer: Lexer) -> None:
        if instruction.keyword == "RUN":
            self._say(f"line {instruction.line}: not executed by the sandbox's builder: RUN {instruction.rest}")
            stage.gaps.append(f"RUN in line {instruction.line} was not executed")
            stage.note(RUN_LABEL, f"RUN in line {instruction.line}")
            return
        if instruction.keyword == "WORKDIR":
            stage.enter(self._store, instruction, lexer.expand(instruction.rest))
            return
        SETTINGS[instruction.keyword](stage, instruction, lexer)
        stage.record(instruction)

    def _arg(self, scope: dict[str, str], instruction: Instruction, lexer: Lexer) -> None:
        for word in lexer.words(instruction.rest):
            name, equals, value = word.partition("=")
            self._declared.add(name)
            if name in self._options.arguments:
                scope[name] = self._options.arguments[name]
            elif equals:
                scope[name] = value
            elif scope is not self._globals and name in self._known():
                scope[name] = self._known()[name]

    def _known(self) -> dict[str, str]:
        """Arguments a stage may take over: those before the first FROM, and the platform's."""
        own = host_platform().split("/")
        target = self._platform.split("/")
        return {
            "BUILDPLATFORM": "/".join(own), "BUILDOS": own[0], "BUILDARCH": own[1],
            "TARGETPLATFORM": self._platform, "TARGETOS": target[0], "TARGETARCH": "".join(target[1:2]),
            "TARGETVARIANT": "".join(target[2:3]), **self._globals,
        }  # fmt: skip

    def _from(self, instruction: Instruction, escape: str) -> None:
        lexer = Lexer({**self._known()}, escape, instruction.line)
        words = lexer.words(instruction.rest)
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
            raise DockerfileError(
                "FROM requires either one argument, or three: FROM <source> [AS <name>]", instruction.line
            )
        if not words[0]:
            raise DockerfileError(f"base name ({instruction.rest}) should not be blank", instruction.line)
        name = words[2].lower() if len(words) == 3 else str(len(self._stages))
        if len(self._stages) and (earlier := self._stage(words[0].lower(), by_number=False)):
            stage = earlier.child(name)
        else:
            stage = self._base(words[0], name, instruction)
        if "PATH" not in stage.environment:  # as Docker: an image without one could not find its own programs
            stage.config["Env"] = [*(stage.config.get("Env") or []), DEFAULT_PATH]
        self._stages.append(stage)
        for trigger in stage.config.pop("OnBuild", None) or []:
            self._say(f"line {instruction.line}: not executed by the sandbox's builder: ONBUILD {trigger}")
            stage.gaps.append("an ONBUILD of the base was not executed")

    def _stage(self, name: str, by_number: bool = True) -> Stage | None:
        for stage in self._stages:
            if stage.name == name and (by_number or not name.isdecimal()):
                return stage
        return self._stages[int(name)] if by_number and name.isdecimal() and int(name) < len(self._stages) else None

    def _base(self, text: str, name: str, instruction: Instruction) -> Stage:
        if text == "scratch":
            return Stage(name, self._platform)
        image = self._image(text, instruction)
        if image is not None:
            return from_image(name, image, self._files(image), self._platform)
        stage = Stage(name, self._platform, gaps=[f"the base image {text} was not applied"])
        self._say(f"line {instruction.line}: base image {text} not applied: an empty base stands in for it")
        stage.note(BASE_LABEL, text)
        return stage

    def _image(self, text: str, instruction: Instruction) -> Image | None:
        try:
            reference = parse_reference(text)
        except DockerError as error:
            raise DockerfileError(str(error), instruction.line) from error
        here = None if self._options.pull else self._store.find(str(reference))
        if here is not None or not is_loopback(reference.registry):
            return here or self._store.find(str(reference))
        return self._registry.pull(reference)

    def _files(self, image: Image) -> Tree:
        files: Tree = {}
        for layer in image.manifest["layers"]:
            files = apply_layer(files, read_archive(self._store.blob(layer["digest"])))
        return files

    def _source(self, instruction: Instruction, lexer: Lexer, context: Source) -> Source:
        name = instruction.flag("from")
        if name is None:
            return context
        name = lexer.expand(name)
        stage = self._stage(name.lower())
        if stage is self._stages[-1]:
            raise DockerfileError(f"--from={name}: a stage cannot copy from itself", instruction.line)
        stage = stage or self._base(name, name, instruction)
        return Source(f"stage or image {name}", stage.files, tuple(stage.gaps))


def _last_stage(dockerfile: Dockerfile, target: str) -> int:
    """The number of the stage to end with.

    Raises:
        DockerfileError: There is no FROM, or no such stage.
    """
    starts = [entry.rest.split() for entry in dockerfile.instructions if entry.keyword == "FROM"]
    if not starts:
        raise DockerfileError("no build stage in current context: there is no FROM", 0)
    if not target:
        return len(starts) - 1
    names = [words[-1].lower() if len(words) == 3 else "" for words in starts]
    if target.lower() in names:
        return names.index(target.lower())
    if target.isdecimal() and int(target) < len(starts):
        return int(target)
    raise DockerfileError(f"target stage {target!r} could not be found", 0)


def arguments_from(values: list[str]) -> dict[str, str]:
    """``--build-arg NAME=VALUE``, or ``NAME`` from the environment."""
    found = {}
    for entry in values:
        name, equals, value = entry.partition("=")
        if equals or name in os.environ:
            found[name] = value if equals else os.environ[name]
    return found
