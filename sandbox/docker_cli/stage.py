"""One build stage: the image as far as its instructions have made it."""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.docker_cli.dockerfile import Instruction
from sandbox.docker_cli.store import LAYER, Image, Store
from sandbox.docker_cli.tree import FOLDER, Layer, Node, Tree, apply_layer, resolve
from sandbox.docker_cli.words import Lexer

BASE_LABEL = "smartclide.eu/sandbox-base-not-applied"
RUN_LABEL = "smartclide.eu/sandbox-not-executed"
MISSING_LABEL = "smartclide.eu/sandbox-left-out"
EPOCH = "1970-01-01T00:00:00Z"


@dataclass
class Stage:
    """A stage under way.

    Attributes:
        name: Its alias or number.
        config: The image configuration's ``config``.
        layers: Descriptors, lowest first.
        diff_ids: Of the layers.
        files: All files of the image so far.
        gaps: Why files may be missing that docker would have: a base or an instruction left out.
        arguments: The ``ARG`` values in scope.
    """

    name: str
    platform: str
    config: dict[str, Any] = field(default_factory=dict)
    layers: list[dict[str, Any]] = field(default_factory=list)
    diff_ids: list[str] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    files: Tree = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    shell: list[str] = field(default_factory=lambda: ["/bin/sh", "-c"])
    author: str = ""
    own_cmd: bool = False

    def child(self, name: str) -> Stage:
        """A stage that starts from this one: ``FROM name``."""
        made = copy.copy(self)
        for key in ("config", "layers", "diff_ids", "history", "gaps"):
            setattr(made, key, copy.deepcopy(getattr(self, key)))
        made.name, made.files, made.arguments, made.own_cmd = name, dict(self.files), {}, False
        return made

    @property
    def environment(self) -> dict[str, str]:
        """The ``ENV`` values so far."""
        return dict(entry.split("=", 1) for entry in self.config.get("Env") or [])

    @property
    def folder(self) -> str:
        """The working directory."""
        return str(self.config.get("WorkingDir") or "/")

    def path(self, text: str) -> str:
        """A path in the image without its leading slash; relative ones start at the working directory."""
        return posixpath.normpath("/" + posixpath.join(self.folder, text)).lstrip("/")

    def lexer(self, instruction: Instruction, escape: str) -> Lexer:
        """The instruction's variables: ``ENV`` wins over ``ARG``."""
        return Lexer({**self.arguments, **self.environment}, escape, instruction.line)

    def note(self, label: str, text: str) -> None:
        """Say in the image's labels what docker would have done."""
        labels = self.config.setdefault("Labels", {})
        labels[label] = "; ".join(filter(None, [labels.get(label), text]))

    def record(self, instruction: Instruction, layer: Layer | None = None) -> None:
        """Note an instruction, with its layer if it has one, in the image's history."""
        entry: dict[str, Any] = {"created": EPOCH, "created_by": str(instruction)}
        if layer is None:
            entry["empty_layer"] = True
        else:
            self.layers.append({"mediaType": LAYER, "digest": layer.digest, "size": layer.size})
            self.diff_ids.append(layer.diff_id)
        self.history.append(entry)

    def add_files(self, store: Store, instruction: Instruction, tree: Tree) -> None:
        """Put files on top as a new layer."""
        self.record(instruction, store.add_layer(tree))
        self.files = apply_layer(self.files, tree)

    def enter(self, store: Store, instruction: Instruction, folder: str) -> None:
        """``WORKDIR``: docker makes the folder where it is missing."""
        self.config["WorkingDir"] = "/" + self.path(folder)
        place = resolve(self.files, self.path("."))
        if place and place not in self.files:
            self.add_files(store, instruction, {place: Node(FOLDER)})
        else:
            self.record(instruction)

    def image_config(self, labels: Mapping[str, str]) -> dict[str, Any]:
        """The finished image's configuration."""
        system, _, architecture = self.platform.partition("/")
        architecture, _, variant = architecture.partition("/")
        config = dict(self.config)
        if merged := {**(config.get("Labels") or {}), **labels}:
            config["Labels"] = merged
        return {
            "architecture": architecture,
            **({"variant": variant} if variant else {}),
            **({"author": self.author} if self.author else {}),
            "os": system,
            "created": EPOCH,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
            "history": self.history,
        }


def from_image(name: str, image: Image, files: Tree, platform: str) -> Stage:
    """A stage that starts from an image of the store."""
    layers = [{**layer, "mediaType": LAYER} for layer in image.manifest["layers"]]
    labels = (image.config.get("config") or {}).get("Labels") or {}
    gaps = [
        f"{label} of its base: {labels[label]}" for label in (BASE_LABEL, RUN_LABEL, MISSING_LABEL) if label in labels
    ]
    return Stage(
        name,
        platform,
        config=copy.deepcopy(image.config.get("config") or {}),
        layers=layers,
        diff_ids=list(image.config["rootfs"]["diff_ids"]),
        history=copy.deepcopy(image.config.get("history") or []),
        files=files,
        gaps=gaps,
        shell=list((image.config.get("config") or {}).get("Shell") or ["/bin/sh", "-c"]),
    )
