"""The Prefect tasks of this step: an image is confirmed on its registry, or built and pushed by an engine."""

from __future__ import annotations

import asyncio

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.image_registry import ImageRegistry
from errors import InputError, NotFoundError
from tasks.image.reference import ImageReference, parse
from tasks.image.registry import Registry
from tasks.logs import task_logger
from tasks.retrying import TRANSIENT


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
    confirmed = image.with_digest(await asyncio.to_thread(_digest, registry, image))
    task_logger().info("image %s", confirmed)
    return confirmed


def _digest(registry: ImageRegistry, image: ImageReference) -> str:
    with Registry(registry) as client:
        try:
            return client.digest(image)
        except NotFoundError as error:
            remedy = "Was it deleted, or did the build push elsewhere? Deploy with rebuild to build it again."
            raise NotFoundError(error.message, remedy=remedy) from error
