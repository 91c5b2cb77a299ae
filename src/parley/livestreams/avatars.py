"""Pictures of people without a camera, fetched once for each encoder."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

from parley.base.tasks import cancel_and_wait
from parley.outgoing.pictures import fetch_picture
from parley.outgoing.ports import Http


class Avatars:
    """Files of pictures that customers named by URL."""

    def __init__(self, http: Http, folder: Path, came: Callable[[], None]) -> None:
        """Prepare.

        Args:
            http: what fetches them.
            folder: where they go; it exists.
            came: called when another one is there.
        """
        self._http, self._folder, self._came = http, folder, came
        self._known: dict[str, Path | None] = {}
        self._asked: asyncio.Queue[str] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def file(self, url: str | None) -> Path | None:
        """The picture behind a URL; None while it is not there, and for ever if it cannot be had."""
        if not url:
            return None
        if url not in self._known:
            self._known[url] = None
            self._asked.put_nowait(url)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._fetch(), name="livestream avatars")
        return self._known[url]

    async def stop(self) -> None:
        """Fetch no more."""
        await cancel_and_wait([self._task])

    async def _fetch(self) -> None:
        """One after the other: nobody waits for them."""
        while not self._asked.empty():
            url = self._asked.get_nowait()
            path = self._folder / f"avatar-{hashlib.sha256(url.encode()).hexdigest()[:32]}"
            with contextlib.suppress(OSError):  # the disk is full; initials are shown
                if await fetch_picture(self._http, url, path) is None:
                    self._known[url] = path
                    self._came()
