"""`parley` without one of its parts, to measure what that part costs.

    python -m bench.realtime_without disk serve ...
    python -m bench.realtime_without search serve ...

Without the disk, publications are kept nowhere: the log does not ask the database, but announces at once.
Sockets, checks, answers, feeds and fan-out are those of the server. Without search, everything is stored, and
the index of words does not follow.
"""

from __future__ import annotations

import asyncio
import sys

from parley.base.ids import AppId
from parley.base.times import to_ms
from parley.channels.realtime import log, store
from parley.channels.realtime.model import Draft, Position, new_publication_id
from parley.channels.realtime.search.indexer import Indexer
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
        id_ = new_publication_id(place.offset)
        one = log._publication(draft, place.epoch, place.offset, id_, now_ms)
        self._announce([one])
        done.set_result(log.Stored(one, is_new=True))


async def _rest(indexer: Indexer) -> None:
    """In the place of `Indexer.start`."""


def main() -> None:
    """The command line of `parley`, behind the name of the part."""
    part = sys.argv.pop(1)
    if part == "disk":
        setattr(block, "PublicationLog", LogWithoutDisk)  # noqa: B010 - not a name that it exports
    elif part == "search":
        setattr(Indexer, "start", _rest)  # noqa: B010 - a method is not assigned to
    else:
        raise SystemExit(f"there is no part called {part!r}")
    cli.main()


if __name__ == "__main__":
    main()
