"""The meetings that run here and are streamed.

The rows of streams say what is wanted, the running meeting says what there is; `MeetingStream` brings both
together whenever one of them changes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from parley.accounts.scope import AppScope
from parley.base.errors import Conflict, StateForbids
from parley.base.events import Event
from parley.base.ids import MeetingId, SessionId
from parley.base.loops import OnChange, Periodic
from parley.livestreams import store
from parley.livestreams.audience import TOLD_EVERY_S, Audience
from parley.livestreams.events import LivestreamStatusChanged
from parley.livestreams.model import Livestream, LivestreamId, LivestreamStatus, StreamSettings
from parley.livestreams.process import Encoder
from parley.livestreams.service import settings_of
from parley.livestreams.showing import Means, Showing
from parley.meetings.model import Session
from parley.meetings.ports import RunningMeeting
from parley.meetings.service import get_meeting
from parley.meetings.sessions import store as sessions


class Followers:
    """Follows every meeting that runs in this process."""

    def __init__(
        self, running: Callable[[MeetingId], RunningMeeting | None], means: Means, audience: Audience
    ) -> None:
        """Prepare.

        Args:
            running: the meeting of an id, if it runs here.
            means: what showing them takes.
            audience: who watches.
        """
        self._running = running
        self.means, self._audience = means, audience
        self._meetings: dict[MeetingId, MeetingStream] = {}
        self._rounds = Periodic(self._round, TOLD_EVERY_S, "streamed meetings")

    async def start(self) -> None:
        """Begin to tell meetings how many watch them."""
        await self._rounds.start()

    def broadcast(self, live: RunningMeeting, kind: str, payload: bytes) -> None:
        """See `meetings.ports.Observer`; nothing of it is streamed."""

    def changed(self, live: RunningMeeting) -> None:
        """See `meetings.ports.Observer`."""
        stream = self._meetings.get(live.id)
        if stream is None or stream.live is not live:
            stream = self._meetings[live.id] = MeetingStream(live, self.means, self._forget)
        stream.wake()

    def heard(self, happened: Event) -> None:
        """An event of any server: the stream of a meeting that runs here was changed."""
        if isinstance(happened, LivestreamStatusChanged) and happened.meeting_id is not None:
            live = self._running(happened.meeting_id)
            if live is not None:
                live.on_air.livestream_changed(happened)
                self.changed(live)

    def look_again(self, meeting_id: MeetingId) -> None:
        """What may be shown of a meeting has changed, if it runs here."""
        live = self._running(meeting_id)
        if live is not None:
            self.changed(live)

    def encoder_of(self, meeting_id: MeetingId) -> Encoder | None:
        """The running one of a meeting."""
        found = self._meetings.get(meeting_id)
        return None if found is None else found.showing.encoder

    async def stop(self) -> None:
        """End every encoder; a server that takes the meetings up starts them again."""
        await self._rounds.stop()
        await asyncio.gather(*(stream.stop() for stream in list(self._meetings.values())))
        self._meetings.clear()

    def _forget(self, stream: MeetingStream) -> None:
        if self._meetings.get(stream.live.id) is stream:
            del self._meetings[stream.live.id]

    async def _round(self) -> None:
        """Tell who watches, and leave meetings that another server runs since."""
        for stream in list(self._meetings.values()):
            if self._running(stream.live.id) is not stream.live:
                self._forget(stream)
                await stream.stop()
        await asyncio.gather(*(self._tell_viewers(stream) for stream in self._meetings.values()))

    async def _tell_viewers(self, stream: MeetingStream) -> None:
        if stream.watched is not None:
            number = await self._audience.count(stream.watched)
            if stream.watched is not None:  # it has not ended meanwhile
                stream.live.on_air.viewers_counted(number)


class MeetingStream:
    """What is streamed of one running meeting."""

    def __init__(self, live: RunningMeeting, means: Means, on_end: Callable[[MeetingStream], None]) -> None:
        self.live = live
        self._streams = means.streams
        self._on_end = on_end
        self._looks = OnChange(self._look, "livestream", of=live.id, rested=self._rest)
        self.showing = Showing(live, means, self.wake)
        self.watched: LivestreamId | None = None
        """The stream while it is live, also one that RTMP is pushed to."""
        self._started_for: SessionId | None = None

    def wake(self) -> None:
        """Look again soon."""
        self._looks.wake()

    async def stop(self) -> None:
        """Look no more, and end the encoder."""
        await self._looks.stop()
        await self.showing.stop()

    def _rest(self) -> None:
        if self.watched is None and not self.showing.is_on:
            self._on_end(self)

    async def _look(self) -> None:
        live, scope, session = self.live, self.live.scope, self.live.session
        if session is not None and session.settings.live_stream_on_start:
            await self._start_by_itself(scope, session)
        stream = await store.of_meeting(scope, live.id)
        is_live = stream is not None and stream.status is LivestreamStatus.LIVE and session is not None
        self.watched = stream.id if stream is not None and is_live else None
        if self.watched is None:
            live.on_air.viewers_counted(0)
        if stream is None or not stream.is_active or stream.config.manual_ingest:
            await self.showing.end()
        elif session is None:
            await self.showing.end()
            await self._stop_after_session(scope, stream)
        else:
            await self.showing.show(stream)

    async def _stop_after_session(self, scope: AppScope, stream: Livestream) -> None:
        """By the store: a session that has just begun may be there before the meeting knows of it."""
        run = await store.last_run(scope, stream.id)
        if run is not None and run.session_id and await sessions.is_over(scope, run.session_id):
            await self._streams.stop(scope, stream.id)

    async def _start_by_itself(self, scope: AppScope, session: Session) -> None:
        """Once in a session: also after a crash, and not again after somebody stopped it."""
        if self._started_for == session.id:
            return
        if not await store.was_streamed(scope, session.id):
            meeting = await get_meeting(scope, self.live.id)
            with contextlib.suppress(Conflict, StateForbids):  # somebody had asked for it already
                await self._streams.start(
                    scope, meeting, settings_of(meeting, StreamSettings()), session_id=session.id
                )
        self._started_for = session.id
