"""Push and pull by the registry protocol, every digest checked.

Source: github.com/opencontainers/distribution-spec, ``spec.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sandbox.docker_cli.errors import DockerError
from sandbox.docker_cli.login import Logins
from sandbox.docker_cli.reference import Reference
from sandbox.docker_cli.store import MANIFEST, Image, Store
from sandbox.docker_cli.transport import Reply, Transport

_OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_OCI = "application/vnd.oci.image.manifest.v1+json"
_ACCEPT = ", ".join((_OCI_INDEX, _DOCKER_LIST, _OCI, MANIFEST))
_LAYERS = (
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.oci.image.layer.v1.tar+gzip",
)


class Remote:
    """The registries a command may speak to.

    Args:
        store: Where images come from and go.
        logins: For registries that ask.
        platform: Which image of an index to take.
        say: Takes a line of progress.
        extra: Registries beyond loopback.
    """

    def __init__(
        self,
        store: Store,
        logins: Logins,
        platform: str,
        say: Callable[[str], None],
        extra: frozenset[str] = frozenset(),
    ) -> None:
        self._store = store
        self._logins = logins
        self._platform = platform
        self._say = say
        self._extra = extra

    def _transport(self, registry: str, login: tuple[str, str] | None = None) -> Transport:
        return Transport(registry, login or self._logins.get(registry), self._extra)

    def check_login(self, registry: str, user: str, password: str) -> None:
        """Try a login.

        Raises:
            DockerError: It was refused.
        """
        reply = self._transport(registry, (user, password)).send("GET", "/v2/")
        if reply.status != 200:
            raise DockerError(f"login attempt to http://{registry}/v2/ failed: {reply.problem()}")

    # Push

    def push(self, image: Image, reference: Reference) -> tuple[str, int]:
        """Push an image; the manifest's digest, confirmed by the registry, and its size."""
        transport = self._transport(reference.registry)
        for descriptor in [*image.manifest["layers"], image.manifest["config"]]:
            state = self._push_blob(transport, reference.path, descriptor["digest"])
            if descriptor is not image.manifest["config"]:
                self._say(f"{descriptor['digest'][7:19]}: {state}")
        body = self._store.blob(image.digest).read_bytes()
        path = f"/v2/{reference.path}/manifests/{reference.version}"
        reply = transport.send("PUT", path, body, {"Content-Type": image.manifest.get("mediaType", _OCI)})
        _expect(reply, 201, f"pushing {reference}")
        answered = reply.headers.get("docker-content-digest", image.digest)
        if answered != image.digest:
            raise DockerError(f"pushing {reference}: the registry answers digest {answered}, not {image.digest}")
        self._store.add_digest(image, reference.name, image.digest)
        return image.digest, len(body)

    def _push_blob(self, transport: Transport, name: str, digest: str) -> str:
        if transport.send("HEAD", f"/v2/{name}/blobs/{digest}").status == 200:
            return "Layer already exists"
        started = transport.send("POST", f"/v2/{name}/blobs/uploads/", b"")
        _expect(started, 202, f"uploading to {name}")
        location = started.headers["location"]
        joint = "&" if "?" in location else "?"
        headers = {"Content-Type": "application/octet-stream"}
        target = f"{location}{joint}digest={quote(digest, safe='')}"
        done = transport.send("PUT", target, self._store.blob(digest), headers)
        _expect(done, 201, f"uploading {digest}")
        return "Pushed"

    # Pull

    def pull(self, reference: Reference) -> Image:
        """Fetch an image into the store and name it there."""
        transport = self._transport(reference.registry)
        digest, body = self._manifest(transport, reference, reference.version)
        manifest = json.loads(body)
        if "manifests" in manifest:
            _own, body = self._manifest(transport, reference, self._choose(manifest, reference))
            manifest = json.loads(body)
        _check_layers(manifest, reference)
        for descriptor in [*manifest["layers"], manifest["config"]]:
            self._pull_blob(transport, reference, descriptor)
        image = self._store.add_image(body)
        if not reference.digest:
            self._store.tag(image, reference)
        self._store.add_digest(image, reference.name, digest)
        return image

    def _manifest(self, transport: Transport, reference: Reference, version: str) -> tuple[str, bytes]:
        path = f"/v2/{reference.path}/manifests/{version}"
        reply = transport.send("GET", path, headers={"Accept": _ACCEPT})
        if reply.status == 404:
            raise DockerError(f"Error response from daemon: manifest for {reference} not found: {reply.problem()}")
        _expect(reply, 200, f"pulling {reference}")
        digest = "sha256:" + hashlib.sha256(reply.body).hexdigest()
        stated = version if version.startswith("sha256:") else reply.headers.get("docker-content-digest", digest)
        if stated != digest:
            raise DockerError(f"pulling {reference}: the manifest's digest is {digest}, not {stated}")
        return digest, reply.body

    def _choose(self, index: Mapping[str, Any], reference: Reference) -> str:
        for entry in index["manifests"]:
            platform = entry.get("platform") or {}
            if f"{platform.get('os')}/{platform.get('architecture')}" == "/".join(self._platform.split("/")[:2]):
                return str(entry["digest"])
        raise DockerError(f"no matching manifest for {self._platform} in the manifest list of {reference}")

    def _pull_blob(self, transport: Transport, reference: Reference, descriptor: Mapping[str, Any]) -> None:
        digest = str(descriptor["digest"])
        if self._store.blob(digest).exists():
            return
        draft = self._store.draft()
        try:
            reply = transport.send("GET", f"/v2/{reference.path}/blobs/{digest}", into=draft)
            _expect(reply, 200, f"pulling {digest}")
            if _digest(draft) != digest:
                raise DockerError(f"pulling {reference}: a layer's bytes do not have the digest {digest}")
            self._store.keep(draft, digest)
        finally:
            draft.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _check_layers(manifest: Mapping[str, Any], reference: Reference) -> None:
    """Layers must be gzipped tar archives."""
    for layer in manifest["layers"]:
        if layer.get("mediaType") not in _LAYERS:
            raise DockerError(f"{reference}: the sandbox's docker command cannot read {layer.get('mediaType')}")


def _expect(reply: Reply, status: int, doing: str) -> None:
    if reply.status != status:
        raise DockerError(f"{doing}: {reply.problem()}")
