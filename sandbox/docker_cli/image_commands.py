"""``docker build, tag, push, pull, images, rmi, inspect, login, logout``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.docker_cli.build import BuildOptions, arguments_from, build, host_platform
from sandbox.docker_cli.errors import DockerError, not_here
from sandbox.docker_cli.login import Logins
from sandbox.docker_cli.options import SWITCH, VALUE, Options, Syntax, parse
from sandbox.docker_cli.reference import Reference
from sandbox.docker_cli.reference import parse as parse_reference
from sandbox.docker_cli.store import Image, Store

if TYPE_CHECKING:
    from sandbox.docker_cli.main import Setting
    from sandbox.docker_cli.remote import Remote

_BUILD_VALUES = "tag file build-arg label network target platform progress cache-from shm-size memory ulimit add-host"
_BUILD = Syntax(
    "docker build",
    {
        **dict.fromkeys(_BUILD_VALUES.split(), VALUE),
        **dict.fromkeys(("pull", "no-cache", "quiet", "rm", "force-rm", "compress", "push", "load"), SWITCH),
    },
    {"t": "tag", "f": "file", "q": "quiet", "m": "memory"},
)


def _err(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _out(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _store(setting: Setting) -> Store:
    return Store(setting.state / "images")


def _remote(setting: Setting, say: Callable[[str], None], platform: str = "") -> Remote:
    from sandbox.docker_cli.remote import Remote

    logins = Logins(setting.logins_folder)
    return Remote(_store(setting), logins, platform or host_platform(), say, setting.registries)


class _LateRemote:
    """Imports the HTTP client when a base image is pulled, not before."""

    def __init__(self, setting: Setting, platform: str) -> None:
        self._setting = setting
        self._platform = platform

    def pull(self, reference: Reference) -> Image:
        return _remote(self._setting, _err, self._platform).pull(reference)


def _words(command: str, options: Options, least: int, most: int) -> list[str]:
    if not least <= len(options.words) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise DockerError(f'"docker {command}" requires {wanted} argument(s), not {len(options.words)}.')
    return options.words


def _pairs(entries: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _build(arguments: list[str], setting: Setting) -> None:
    options = parse(_BUILD, arguments)
    (folder,) = _words("build", options, 1, 1)
    if folder == "-" or "://" in folder:
        raise not_here(f"docker build {folder}: a build context must be a folder.")
    quiet = options.on("quiet")
    if not quiet:
        _err("docker (sandbox stand-in): built by the sandbox's builder, which copies files and runs nothing.")
    file = options.one("file")
    chosen = BuildOptions(
        dockerfile=Path(file) if file else None,
        tags=tuple(options.all("tag")),
        arguments=arguments_from(options.all("build-arg")),
        labels=_pairs(options.all("label")),
        target=options.one("target"),
        platform=options.one("platform"),
        pull=options.on("pull"),
    )
    remote = _LateRemote(setting, chosen.platform)
    image = build(Path(folder), chosen, _store(setting), remote, (lambda _line: None) if quiet else _err)
    _out(image.id if quiet else f"Successfully built {image.id[7:19]}")
    for tag in [] if quiet else chosen.tags:
        _out(f"Successfully tagged {parse_reference(tag)}")
    if options.on("push"):
        for tag in chosen.tags:
            _push([tag], setting)


def _push(arguments: list[str], setting: Setting) -> None:
    options = parse(Syntax("docker push", {"quiet": SWITCH}, {"q": "quiet"}), arguments)
    (name,) = _words("push", options, 1, 1)
    reference = parse_reference(name)
    image = _store(setting).find(str(reference))
    if image is None or reference.digest:
        raise DockerError(f"An image does not exist locally with the tag: {reference.name}")
    quiet = options.on("quiet")
    if not quiet:
        _out(f"The push refers to repository [{reference.name}]")
    digest, size = _remote(setting, (lambda _line: None) if quiet else _out).push(image, reference)
    _out(str(reference) if quiet else f"{reference.tag}: digest: {digest} size: {size}")


def _pull(arguments: list[str], setting: Setting) -> None:
    options = parse(Syntax("docker pull", {"quiet": SWITCH, "platform": VALUE}, {"q": "quiet"}), arguments)
    (name,) = _words("pull", options, 1, 1)
    reference = parse_reference(name)
    image = _remote(setting, _err, options.one("platform")).pull(reference)
    if not options.on("quiet"):
        digests = _store(setting).names(image, "digests")
        _out(f"Digest: {next(d for d in digests if d.startswith(reference.name + '@')).partition('@')[2]}")
    _out(str(reference))


def _tag(arguments: list[str], setting: Setting) -> None:
    source, target = _words("tag", parse(Syntax("docker tag", {}), arguments), 2, 2)
    _store(setting).tag(_store(setting).get(source), parse_reference(target))


def _images(arguments: list[str], setting: Setting) -> None:
    flags = {"quiet": SWITCH, "no-trunc": SWITCH, "all": SWITCH, "digests": SWITCH}
    options = parse(Syntax("docker images", flags, {"q": "quiet", "a": "all"}), arguments)
    store = _store(setting)
    wanted = [parse_reference(word).name for word in _words("images", options, 0, 1)]
    lines = []
    for image in store.images():
        for tag in store.names(image, "tags") or ["<none>:<none>"]:
            name, _, version = tag.rpartition(":")
            if not wanted or name in wanted:
                lines.append((name, version, image.id if options.on("no-trunc") else image.id[7:19]))
    if options.on("quiet"):
        for line in dict.fromkeys(line[2] for line in lines):
            _out(line)
        return
    for name, version, number in [("REPOSITORY", "TAG", "IMAGE ID"), *lines]:
        _out(f"{name:<40} {version:<42} {number}")


def _rmi(arguments: list[str], setting: Setting) -> None:
    options = parse(Syntax("docker rmi", {"force": SWITCH, "no-prune": SWITCH}, {"f": "force"}), arguments)
    store = _store(setting)
    for word in options.words:
        image = store.find(word)
        if image is None:
            if not options.on("force"):
                raise DockerError(f"Error response from daemon: No such image: {word}")
            continue
        if image.id.removeprefix("sha256:").startswith(word.removeprefix("sha256:")):
            store.remove(image)
            _out(f"Deleted: {image.id}")
        else:
            store.untag(parse_reference(word))
            _out(f"Untagged: {parse_reference(word)}")


def inspection(store: Store, image: Image) -> dict[str, Any]:
    """What ``docker image inspect`` shows."""
    config = image.config
    return {
        "Id": image.id,
        "RepoTags": store.names(image, "tags"),
        "RepoDigests": store.names(image, "digests"),
        "Created": config.get("created", ""),
        "Author": config.get("author", ""),
        "Architecture": config.get("architecture", ""),
        "Os": config.get("os", ""),
        "Size": sum(layer["size"] for layer in image.manifest["layers"]),
        "Config": {"Labels": None, "Env": None, "Cmd": None, "Entrypoint": None, **(config.get("config") or {})},
        "RootFS": {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]},
    }


def _inspect(arguments: list[str], setting: Setting) -> None:
    from sandbox.docker_cli.template import render

    syntax = Syntax("docker image inspect", {"format": VALUE, "type": VALUE}, {"f": "format"})
    options = parse(syntax, arguments)
    if options.one("type", "image") != "image":
        raise not_here(f"docker inspect --type {options.one('type')} needs containers.")
    store = _store(setting)
    shown = [inspection(store, store.get(word)) for word in _words("image inspect", options, 1, 1000)]
    template = options.one("format")
    if not template:
        _out(json.dumps(shown, indent=4))
        return
    for entry in shown:
        _out(json.dumps(entry) if template == "json" else render(template, entry))


def _login(arguments: list[str], setting: Setting) -> None:
    flags = {"username": VALUE, "password": VALUE, "password-stdin": SWITCH}
    options = parse(Syntax("docker login", flags, {"u": "username", "p": "password"}), arguments)
    (registry,) = _words("login", options, 1, 1)
    registry = registry.removeprefix("http://").removeprefix("https://").rstrip("/")
    user = options.one("username")
    if not user or options.on("password-stdin") == bool(options.one("password")):
        raise DockerError("docker login needs --username and --password-stdin: there is no terminal to ask on.")
    password = options.one("password") or sys.stdin.read().rstrip("\r\n")
    _remote(setting, _err).check_login(registry, user, password)
    Logins(setting.logins_folder).put(registry, user, password)
    _out("Login Succeeded")


def _logout(arguments: list[str], setting: Setting) -> None:
    (registry,) = _words("logout", parse(Syntax("docker logout", {}), arguments), 1, 1)
    known = Logins(setting.logins_folder).remove(registry)
    _out(f"Removing login credentials for {registry}" if known else f"Not logged in to {registry}")


COMMANDS: dict[str, Callable[[list[str], Setting], None]] = {
    "build": _build,
    "images": _images,
    "inspect": _inspect,
    "login": _login,
    "logout": _logout,
    "pull": _pull,
    "push": _push,
    "rmi": _rmi,
    "tag": _tag,
}
