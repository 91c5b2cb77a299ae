"""A reader of a hub, and drafts to publish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from parley.base.ids import AppId
from parley.channels.realtime.model import Draft, Publication


class Listener:
    """Keeps what is written to it; frames are `encode_place`."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.is_open = True

    def write_now(self, prepared: bytes) -> bool:
        """Note every place of the joined frames."""
        self.places += [int(part) for part in prepared.split()]
        return True


def encode_place(publication: Publication) -> bytes:
    """A frame that is only the place."""
    return b"%d " % publication.offset


def draft(app_id: AppId, channel: str = "chat:room", **changes: object) -> Draft:
    """Something to publish."""
    values: dict[str, object] = {
        "app_id": app_id,
        "channel": channel,
        "event": "message",
        "user_id": "user-1",
        "data": b'{"text":"hello"}',
    }
    return Draft(**(values | changes))  # type: ignore[arg-type]


async def until(holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - a hub has no event to wait for
            await asyncio.sleep(0.005)
