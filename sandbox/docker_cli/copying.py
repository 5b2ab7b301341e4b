"""``COPY`` and ``ADD``: from the context, from another stage, from text in the Dockerfile.

Source: docs.docker.com/reference/dockerfile (COPY, ADD).
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.docker_cli.context import Ignore, glob_to_regex
from sandbox.docker_cli.dockerfile import Heredoc, Instruction
from sandbox.docker_cli.errors import DockerfileError
from sandbox.docker_cli.stage import MISSING_LABEL, Stage
from sandbox.docker_cli.tree import FILE, FOLDER, InText, Node, OnDisk, Tree, read_archive, resolve, with_mode
from sandbox.docker_cli.words import Lexer

_FLAGS = {"COPY": ("from", "chown", "chmod", "link"), "ADD": ("chown", "chmod", "link")}
_REMOTE = re.compile(r"(?:https?|ssh|git)://|git@", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """Where files come from.

    Attributes:
        name: For messages.
        gaps: Why files may be missing that docker would have; a missing file is then left out, not an error.
    """

    name: str
    files: Tree
    gaps: tuple[str, ...] = ()
    ignore: Ignore | None = None


def copy_files(
    stage: Stage, instruction: Instruction, lexer: Lexer, source: Source, say: Callable[[str], None]
) -> Tree:
    """The files an instruction adds, by their place in the image.

    Raises:
        DockerfileError: A source is missing, or a flag is not understood.
    """
    mode = _check_flags(instruction, lexer, say)
    *names, target = _words(instruction, lexer)
    texts = [text for text in instruction.heredocs if any(_is_heredoc(name, text) for name in names)]
    names = [name for name in names if not any(_is_heredoc(name, text) for text in texts)]
    if not names and not texts:
        raise DockerfileError(f"{instruction.keyword} requires at least two arguments", instruction.line)
    into = target.endswith(("/", "/.")) or target == "."
    if len(names) + len(texts) > 1 and not into:
        message = f"when using {instruction.keyword} with more than one source file, the destination must end with a /"
        raise DockerfileError(message, instruction.line)
    place = _Place(stage, resolve(stage.files, stage.path(target)), into)
    for text in texts:
        content = lexer.expand_document(text.content) if text.expand else text.content
        place.put(text.name, Node(FILE, 0o644, InText(content.encode())))
    for name in names:
        if not _copy_one(name, instruction, source, place):
            say(f"line {instruction.line}: {name} is not in {source.name} and was left out: {'; '.join(source.gaps)}")
            stage.note(MISSING_LABEL, f"{name} in line {instruction.line}")
    return {path: with_mode(node, mode if node.kind == FILE else None) for path, node in place.tree.items()}


def _words(instruction: Instruction, lexer: Lexer) -> list[str]:
    listed = instruction.json_form()
    words = [lexer.expand(word) for word in listed] if listed is not None else lexer.words(instruction.rest)
    if len(words) < 2:
        raise DockerfileError(f"{instruction.keyword} requires at least two arguments", instruction.line)
    return words


def _is_heredoc(word: str, text: Heredoc) -> bool:
    return word in (f"<<{text.name}", f"<<-{text.name}")


def _check_flags(instruction: Instruction, lexer: Lexer, say: Callable[[str], None]) -> int | None:
    mode = None
    for name, value in instruction.flags:
        if name not in _FLAGS[instruction.keyword]:
            message = f"the sandbox's builder does not understand {instruction.keyword} --{name}"
            raise DockerfileError(message, instruction.line)
        if name == "chown":
            say(f"line {instruction.line}: --chown={value} not applied: every file belongs to 0:0")
        if name == "chmod":
            text = lexer.expand(value)
            if not re.fullmatch(r"[0-7]{3,4}", text):
                raise DockerfileError(f"--chmod={text}: the sandbox's builder knows octal modes only", instruction.line)
            mode = int(text, 8)
    return mode


class _Place:
    """The destination, filling up."""

    def __init__(self, stage: Stage, path: str, into: bool) -> None:
        self.tree: Tree = {}
        self._stage = stage
        self._path = path
        existing = stage.files.get(path)
        self._into = into or not path or (existing is not None and existing.kind == FOLDER)

    def put(self, name: str, node: Node) -> None:
        """A single file."""
        path = f"{self._path}/{name}".lstrip("/") if self._into else self._path
        self.tree[resolve(self._stage.files, path)] = node

    def put_below(self, path: str, node: Node) -> None:
        """A folder's entry, by its path in that folder."""
        self.tree[resolve(self._stage.files, f"{self._path}/{path}")] = node

    def put_folder(self, node: Node) -> None:
        """The folder itself."""
        if self._path and self._path not in self._stage.files:
            self.tree[self._path] = node


def _copy_one(name: str, instruction: Instruction, source: Source, place: _Place) -> bool:
    """Copy what one word names; False when nothing is there and that is not the Dockerfile's fault."""
    if instruction.keyword == "ADD" and _REMOTE.match(name):
        message = f"ADD {name}: the sandbox's builder has no network beyond the registry"
        raise DockerfileError(message, instruction.line)
    found = _matches(name, source)
    if not found and not source.gaps:
        hint = " (left out by .dockerignore)" if source.ignore and source.ignore(name.strip("/")) else ""
        raise DockerfileError(f"{instruction.keyword}: {name!r} not found in {source.name}{hint}", instruction.line)
    for path in found:
        node = source.files.get(path)
        if node is not None and node.kind == FILE:
            _copy_file(path, node, instruction, place)
            continue
        place.put_folder(node or Node(FOLDER))
        below = f"{path}/" if path else ""
        for entry, child in source.files.items():
            if entry.startswith(below) and entry != path:
                place.put_below(entry.removeprefix(below), child)
    return bool(found)


def _matches(name: str, source: Source) -> list[str]:
    """The paths a source names; a link at the top is followed, links below are copied."""
    clean = resolve(source.files, name)
    if clean in source.files or not clean:
        return [clean]
    if not any(character in name for character in "*?["):
        return []
    pattern = glob_to_regex(name.strip("/").removeprefix("./").replace("**", "*"))
    return sorted({resolve(source.files, path) for path in source.files if pattern.fullmatch(path)} & set(source.files))


def _copy_file(path: str, node: Node, instruction: Instruction, place: _Place) -> None:
    data = node.data
    if instruction.keyword == "ADD" and isinstance(data, OnDisk) and tarfile.is_tarfile(data.path):
        for entry, child in read_archive(data.path).items():
            place.put_below(entry, child)
        return
    place.put(path.rpartition("/")[2], node)
