"""The Prefect tasks of this step: an image is confirmed on its registry, or built and pushed by an engine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from errors import AccessError, InputError, NotFoundError
from tasks.image.context import unpack
from tasks.image.engine import Engine, EngineBuild
from tasks.image.reference import ImageReference, parse
from tasks.image.registry import Registry
from tasks.logs import task_logger
from tasks.retrying import TRANSIENT
from tasks.source.model import Commit
from tasks.source.repository import GitLab

# GHCR and Docker Hub may not show an image for some seconds after they took it.
_LAG_SECONDS = (0.5, 1.5, 4.0)


@task(name="confirm image", cache_policy=NO_CACHE, **TRANSIENT)
async def confirm_image(registry: ImageRegistry, reference: str | ImageReference) -> ImageReference:
    """Make sure that the registry has an image, and pin it.

    Args:
        registry: Where it must be.
        reference: By digest where the build reported one (the tag may have moved on since), else by tag.

    Returns:
        The reference with its digest.

    Raises:
        InputError: The reference names another registry.
        NotFoundError: The registry does not have it.
    """
    image = parse(reference) if isinstance(reference, str) else reference
    if image.registry != registry.address:
        raise InputError(
            f"Image {image} is not on the Environment's registry {registry.address}.",
            remedy="Push it there, or set the registry's address as the build names it.",
        )
    try:
        confirmed = image.with_digest(await _shown(registry, image))
    except AccessError as error:  # a password may end while a build runs
        remedy = f"{error.remedy or ''} Then deploy again: what was built is not built again.".strip()
        raise AccessError(error.message, remedy=remedy) from error
    task_logger().info("image %s", confirmed)
    return confirmed


async def _shown(registry: ImageRegistry, image: ImageReference) -> str:
    for pause in _LAG_SECONDS:
        if digest := await asyncio.to_thread(_found, registry, image):
            return digest
        await asyncio.sleep(pause)
    return await asyncio.to_thread(_digest, registry, image)


@task(name="look for image", cache_policy=NO_CACHE, **TRANSIENT)
async def find_image(registry: ImageRegistry, reference: str) -> ImageReference:
    """The reference, pinned where the registry of the Environment has the image already; for plans."""
    image = parse(reference)
    if image.registry != registry.address:
        return image
    digest = await asyncio.to_thread(_found, registry, image)
    if digest is None:
        task_logger().info("image %s is not there yet: it will be built", image)
        return image
    return image.with_digest(digest)


def _found(registry: ImageRegistry, image: ImageReference) -> str | None:
    with Registry(registry) as client:
        return client.find(image)


def _digest(registry: ImageRegistry, image: ImageReference) -> str:
    with Registry(registry) as client:
        try:
            return client.digest(image)
        except NotFoundError as error:
            remedy = "Was it deleted, or did the build push elsewhere? Deploy with rebuild to build it again."
            raise NotFoundError(error.message, remedy=remedy) from error


@task(name="build image with engine", cache_policy=NO_CACHE, **TRANSIENT)
async def build_image_with_engine(
    gitlab: GitLabServer, commit: Commit, registry: ImageRegistry, build: EngineBuild, rebuild: bool = False
) -> ImageReference:
    """Build the commit's Dockerfile with a Docker engine of this worker's, and push it. Safe to repeat.

    Args:
        gitlab: Where the commit's files come from, as an archive (no submodules, no LFS files).
        commit: What to build.
        registry: Where the image goes to.
        build: What to build; its labels, with the commit's, say whether an image in the registry is the same.
        rebuild: Build also when the registry has it.

    Returns:
        The reference with the digest the registry confirms.
    """
    labelled = replace(build, labels={**_labels(commit, build), **build.labels})
    if not rebuild and (present := await asyncio.to_thread(_present, registry, labelled)):
        task_logger().info("image %s is in the registry already", present)
        return present
    with tempfile.TemporaryDirectory(prefix="smartclide-") as folder:
        context = await asyncio.to_thread(_fetch, gitlab, commit, Path(folder))
        await _run_engine(labelled, context, await asyncio.to_thread(registry.login))
    return await confirm_image.fn(registry, build.image)


def _labels(commit: Commit, build: EngineBuild) -> dict[str, str]:
    inputs = json.dumps([build.dockerfile, dict(build.build_args)], sort_keys=True)
    return {
        "org.opencontainers.image.revision": commit.sha,
        "org.opencontainers.image.source": commit.web_url,
        "eu.smartclide.inputs": hashlib.sha256(inputs.encode()).hexdigest()[:32],
    }


def _present(registry: ImageRegistry, build: EngineBuild) -> ImageReference | None:
    with Registry(registry) as client:
        digest = client.find(build.image)
        if digest is None:
            return None
        image = build.image.with_digest(digest)
        return image if build.labels.items() <= client.labels(image).items() else None


def _fetch(gitlab: GitLabServer, commit: Commit, folder: Path) -> Path:
    archive, context = folder / "archive.tar.gz", folder / "context"
    GitLab(gitlab).archive(commit, archive)
    context.mkdir()
    return unpack(archive, context)


async def _run_engine(build: EngineBuild, context: Path, login: tuple[str, str] | None) -> None:
    log = task_logger()

    def run(engine: Engine) -> None:
        engine.build(context, build, login)
        engine.push(build.image, login)

    with await asyncio.to_thread(Engine, log.info, build.timeout) as engine:
        try:
            await asyncio.to_thread(run, engine)
        except asyncio.CancelledError:
            engine.cancel()
            raise
