"""A session without people: how long it stays, and how long those of before a restart are waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from parley.meetings.model import EndReason, Session

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting


class Idling:
    """Ends a session in which nobody has been for its keep-alive."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live
        self._ending: asyncio.TimerHandle | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        """Runs while peers of before a restart may come back."""

    def watch(self) -> None:
        """Somebody went: end the session when nobody comes within its keep-alive."""
        session = self._live.session
        if session is None or not self._is_empty():
            self.somebody_came()
        elif self._ending is None:
            self._end_after(session)

    def _is_empty(self) -> bool:
        live = self._live
        return not live.record.count(live.joined()) and not live.family.has_children_live(live)

    def _end_after(self, session: Session) -> None:
        seconds = session.keep_alive.total_seconds()
        loop = asyncio.get_running_loop()
        self._ending = loop.call_later(seconds, lambda: self._live.spawn(self._end()))

    def recovered(self, session: Session) -> None:
        """A running session was taken up: everybody has its keep-alive to come back."""
        self._end_after(session)
        if self._live.record.lost:
            seconds = session.keep_alive.total_seconds()
            loop = asyncio.get_running_loop()
            self._giving_up = loop.call_later(seconds, lambda: self._live.spawn(self._give_up()))

    async def _end(self) -> None:
        self._ending = None
        await self._give_up()
        if self._is_empty():
            await self._live.end(EndReason.ALL_PARTICIPANTS_LEFT)

    async def _give_up(self) -> None:
        self._stop_giving_up()
        await self._live.give_up_lost()
        self.watch()

    def somebody_came(self) -> None:
        """The session goes on."""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    def _stop_giving_up(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def stop(self) -> None:
        """There is no session here any more."""
        self.somebody_came()
        self._stop_giving_up()
