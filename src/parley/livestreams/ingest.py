"""Who may push RTMP, and what becomes of it (`media.rtmp.Gatekeeper`)."""

from __future__ import annotations

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import NotAllowed
from parley.base.ids import AppId
from parley.livestreams import store
from parley.livestreams.model import Livestream, LivestreamStatus
from parley.livestreams.service import Livestreams
from parley.livestreams.states import key_hash


class IngestKeeper:
    """Lets in who has a key of a stream that takes something now."""

    def __init__(self, streams: Livestreams) -> None:
        self._streams, self._states = streams, streams.states
        self._store = self._states.store

    async def admit(self, key: str) -> str:
        """Somebody pushes with that key: the stream is live. See `Gatekeeper.admit`; the name is its id.

        Raises:
            NotAllowed: it is no key, its stream is disabled or takes nothing now, or is pushed to already.
        """
        hashed = key_hash(key)
        known = await store.by_key(self._store.database, hashed)
        if known is None:
            raise NotAllowed("This is no stream key.")
        async with (await self._scope(known)).change() as change:
            stream = await store.lock(change, known.id)
            if stream is None or stream.key_hash != hashed or not stream.takes_ingest:
                raise NotAllowed("This stream takes no RTMP.")
            if stream.is_disabled:
                raise NotAllowed("This stream is disabled.")
            if stream.status is LivestreamStatus.LIVE:
                raise NotAllowed("Somebody pushes to this stream already.")
            if stream.meeting_id is None:
                run = await self._states.open_run(change, stream, None)
            else:
                last = await store.last_run(change, stream.id)
                if last is None or stream.status is not LivestreamStatus.INVOKED:
                    raise NotAllowed("Nobody has asked for this stream.")
                run = last
            await self._states.go_live(change, stream, run)
        return stream.id

    async def goes_on(self, name: str) -> bool:
        """Somebody still pushes; False when they shall stop. See `Gatekeeper.goes_on`."""
        known = await store.by_id(self._store.database, name)
        if known is None or known.is_disabled or known.status is not LivestreamStatus.LIVE:
            return False
        return await self._streams.flows(await self._scope(known), known.id)

    async def ended(self, name: str) -> None:
        """Nobody pushes any more; safe to be told twice. See `Gatekeeper.ended`."""
        known = await store.by_id(self._store.database, name)
        if known is not None and known.takes_ingest and known.status is LivestreamStatus.LIVE:
            await self._streams.stop(await self._scope(known), known.id)

    async def _scope(self, stream: Livestream) -> AppScope:
        return await app_scope(self._store, AppId(stream.app_id), "ingest")
