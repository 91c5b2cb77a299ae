"""`parley`, except that publications are kept nowhere: what durability costs is measured against this.

    python -m bench.realtime_without_disk serve ...

Sockets, checks, answers, feeds and fan-out are those of the server; only the log does not ask the database,
but announces at once.
"""

from __future__ import annotations

import asyncio

from parley.base.ids import AppId
from parley.base.times import to_ms
from parley.channels.realtime import log, store
from parley.channels.realtime.model import Draft, Position, new_publication_id
from parley.server import block, cli


class LogWithoutDisk(log.PublicationLog):
    """Places in memory."""

    _places: dict[tuple[AppId, str], Position | asyncio.Future[Position]] | None = None

    def append(self, draft: Draft) -> asyncio.Future[log.Stored]:
        """Announce a publication now (or when the place of its channel is known, at the first one)."""
        done: asyncio.Future[log.Stored] = asyncio.get_running_loop().create_future()
        places = self._places = {} if self._places is None else self._places
        key = (draft.app_id, draft.channel)
        place = places.get(key)
        if place is None:
            place = places[key] = asyncio.ensure_future(self._first_place(*key))
            place.add_done_callback(lambda found: places.__setitem__(key, found.result()))
        if isinstance(place, asyncio.Future):
            place.add_done_callback(lambda _: self._announced(places, key, draft, done))
        else:
            self._announced(places, key, draft, done)
        return done

    async def _first_place(self, app_id: AppId, channel: str) -> Position:
        async with self._store.database.transaction() as tx:
            return await store.take_places(tx, app_id, channel, 0)

    def _announced(
        self,
        places: dict[tuple[AppId, str], Position | asyncio.Future[Position]],
        key: tuple[AppId, str],
        draft: Draft,
        done: asyncio.Future[log.Stored],
    ) -> None:
        before = places[key]
        assert isinstance(before, Position)
        place = places[key] = Position(before.epoch, before.offset + 1)
        now_ms = to_ms(self._store.clock.now())
        one = log._publication(draft, place, new_publication_id(place.offset), now_ms)
        self._announce([one])
        done.set_result(log.Stored(one, is_new=True))


if __name__ == "__main__":
    setattr(block, "PublicationLog", LogWithoutDisk)  # noqa: B010 - not a name that it exports
    cli.main()
