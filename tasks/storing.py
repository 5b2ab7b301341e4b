"""What a file system of an fsspec URL raises, told as one error of ours. Used by all that read and write the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from errors import SmartClideError
from tasks.hiding import Hider, without_login


class Store(Protocol):
    """What `blocks.MetricsStore` offers."""

    @property
    def url(self) -> str:
        """An fsspec URL."""

    def secrets(self) -> tuple[str, ...]:
        """Values of its options that no message may repeat."""

    def get_client(self) -> tuple[Any, str]:
        """An fsspec file system and a folder in it."""


@contextmanager
def storing(store: Store) -> Iterator[None]:
    """Translate what the store raises inside; our own errors pass.

    Raises:
        SmartClideError: It cannot be read or written.
    """
    try:
        yield
    except SmartClideError:
        raise
    except Exception as error:  # noqa: BLE001 - each file system has its own, with whole requests in them
        hide = Hider(*store.secrets())
        message = f"The store {without_login(store.url)} failed: {type(error).__name__}: {hide(str(error))}."
        raise SmartClideError(message, remedy="Check its block, and its server.") from hide.cause(error)
