"""One customer's storage, and the patience to bring a file there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog

from parley.outgoing.http import OutgoingPolicy
from parley.recordings.storage.errors import Hopeless, RetryLater
from parley.recordings.storage.local import LocalFile, Progress

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often an upload is begun again before the caller hears of it."""

    attempts: int = 3
    first_delay_s: float = 1.0
    """Doubled after each attempt."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator says about customers' storage."""

    policy: OutgoingPolicy = field(default_factory=lambda: OutgoingPolicy(allow_private=False))
    """Where connections may go that customers name."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """By type of storage: an address to be used instead of the provider's (`--storage-endpoint-of`)."""
    known_hosts: str = ""
    """File with the keys of SFTP servers (`--storage-known-hosts`); without it any key is taken."""
    patience: Patience = Patience()


class Uploader(Protocol):
    """What differs between the kinds."""

    async def upload(self, file: LocalFile, key: str) -> None:
        """Try once; `key` is the whole path in the storage.

        Raises:
            StorageError: the file is not there, or not proven to be.
            OSError: the local file cannot be read.
        """
        ...


class Target:
    """Where the files of a recording go."""

    def __init__(self, uploader: Uploader, path: str, patience: Patience) -> None:
        self._uploader = uploader
        self._path = path
        self._patience = patience

    async def put(self, local: Path, name: str, progress: Progress | None = None) -> None:
        """Upload a file; returns when it is there and what is there has been compared.

        Args:
            local: must not change meanwhile.
            name: below the customer's path; what has that name there is replaced at once, at the end.
            progress: how many bytes were handed over.

        Raises:
            RetryLater: it may succeed another time.
            Hopeless: it will not until somebody changes something.
            OSError: the local file cannot be read.
        """
        file = await LocalFile.open(local, progress)
        key = f"{self._path}/{name}" if self._path.rstrip("/") else f"{self._path}{name}"
        delay = self._patience.first_delay_s
        for left in reversed(range(self._patience.attempts)):
            try:
                return await self._uploader.upload(file, key)
            except RetryLater as failure:
                if not left:
                    raise
                log.info("storage_upload_again", reason=failure.message, detail=failure.detail)
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311
            delay *= 2
        raise AssertionError("at least one attempt is made")


def clean_path(path: str, *, may_be_absolute: bool = False) -> str:
    """The customer's `path` without what says nothing; no slash at its end.

    Raises:
        Hopeless: it leads out of itself, or is no path.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or any(not part.isprintable() for part in parts):
        raise Hopeless("The path of the storage must not contain “..” or control characters.")
    return ("/" if may_be_absolute and path.startswith("/") else "") + "/".join(parts)
