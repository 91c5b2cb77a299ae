"""Who may push RTMP, and what becomes of it (`media.rtmp.Gatekeeper`)."""

from __future__ import annotations

from parley.livestreams.service import Livestreams


class IngestKeeper:
    """Lets in who has a key of a stream that takes something now."""

    def __init__(self, streams: Livestreams) -> None:
        self._streams = streams

    async def admit(self, key: str) -> str:
        """See `Gatekeeper.admit`; the name is the stream's id."""
        stream = await self._streams.publish_began(key)
        return stream.id

    async def goes_on(self, name: str) -> bool:
        """See `Gatekeeper.goes_on`."""
        return await self._streams.is_pushed_to(name)

    async def ended(self, name: str) -> None:
        """See `Gatekeeper.ended`."""
        await self._streams.publish_ended(name)
