"""The meetings that run here and are streamed: one encoder each, fed by the media engine.

The rows of streams say what is wanted, the running meeting says what there is; `MeetingStream` brings both
together whenever one of them changes. An encoder that ends is started again, and so is one whose server was
lost: the playlist of before goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from parley.accounts.scope import AppScope
from parley.base.errors import Conflict, ParleyError, StateForbids
from parley.base.events import Event
from parley.base.ids import MeetingId, SessionId
from parley.base.tasks import cancel_and_wait
from parley.livestreams import store
from parley.livestreams.encoder import orders as o
from parley.livestreams.events import LivestreamStatusChanged
from parley.livestreams.model import Livestream, LivestreamStatus, StreamSettings
from parley.livestreams.process import Encoder
from parley.livestreams.push import PushRelay, Target
from parley.livestreams.scene import canvas_of, source_of
from parley.livestreams.service import Livestreams, settings_of
from parley.media.ports import MediaError, SendTransport
from parley.meetings.model import Session
from parley.meetings.ports import Publisher, RunningMeeting
from parley.meetings.service import get_meeting
from parley.outgoing.http import OutgoingPolicy

log = structlog.get_logger(__name__)
BITS_PER_PIXEL = 2_500_000 / (1280 * 720)
FLOWS_EVERY_S = 5.0
AGAIN_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Before an encoder that ended is started again; after as many ends without a picture it is given up."""


@dataclass(frozen=True, slots=True)
class _Forward:
    """A stream on its way to the encoder."""

    sender: SendTransport
    forward_id: str
    ssrc: int


class Followers:
    """Follows every meeting that runs in this process."""

    def __init__(
        self,
        streams: Livestreams,
        running: Callable[[MeetingId], RunningMeeting | None],
        *,
        folder: Path,
        policy: OutgoingPolicy,
    ) -> None:
        """Prepare.

        Args:
            streams: their states.
            running: the meeting of an id, if it runs here.
            folder: each stream has a folder of its id in it.
            policy: where streams may be pushed to.
        """
        self.streams, self.folder, self.policy = streams, folder, policy
        self._running = running
        self._meetings: dict[MeetingId, MeetingStream] = {}

    def broadcast(self, live: RunningMeeting, kind: str, payload: bytes) -> None:
        """See `meetings.ports.Observer`; nothing of it is streamed."""

    def changed(self, live: RunningMeeting) -> None:
        """See `meetings.ports.Observer`."""
        stream = self._meetings.get(live.id)
        if stream is None or stream.live is not live:
            stream = self._meetings[live.id] = MeetingStream(live, self)
        stream.wake()

    def heard(self, happened: Event) -> None:
        """An event of any server: the stream of a meeting that runs here was changed."""
        if isinstance(happened, LivestreamStatusChanged) and happened.meeting_id is not None:
            live = self._running(happened.meeting_id)
            if live is not None:
                live.livestream_changed(happened)
                self.changed(live)

    def encoder_of(self, meeting_id: MeetingId) -> Encoder | None:
        """The running one of a meeting."""
        found = self._meetings.get(meeting_id)
        return None if found is None else found.encoder

    async def stop(self) -> None:
        """End every encoder; a server that takes the meetings up starts them again."""
        await asyncio.gather(*(stream.stop() for stream in list(self._meetings.values())))
        self._meetings.clear()

    def forget(self, stream: MeetingStream) -> None:
        """Nothing of this meeting is streamed."""
        if self._meetings.get(stream.live.id) is stream:
            del self._meetings[stream.live.id]


class MeetingStream:
    """What is streamed of one running meeting."""

    def __init__(self, live: RunningMeeting, owner: Followers) -> None:
        self.live = live
        self.encoder: Encoder | None = None
        self._owner, self._streams = owner, owner.streams
        self._stream: Livestream | None = None
        """What the encoder shows."""
        self._relay: PushRelay | None = None
        self._forwards: dict[tuple[str, str], _Forward] = {}
        """By stream and sender."""
        self._scene: o.Scene | None = None
        self._ends = 0
        """Of encoders, since there was something to see."""
        self._started_for: SessionId | None = None
        self._is_wanted = False
        self._task: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look again soon; changes of one moment are one look."""
        self._is_wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow(), name="livestream")

    async def stop(self) -> None:
        """Look no more, and end the encoder."""
        await cancel_and_wait([self._task])
        await self._end()
        await cancel_and_wait(list(self._tasks))

    async def _follow(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            try:
                await self._look()
            except ParleyError as refused:
                log.warning("livestream_failed", meeting=self.live.id, reason=refused.message)
            except Exception:
                log.exception("livestream_failed", meeting=self.live.id)
        if self.encoder is None and self._stream is None:
            self._owner.forget(self)

    async def _look(self) -> None:
        live, scope, session = self.live, self.live.scope, self.live.session
        if session is not None and session.settings.live_stream_on_start:
            await self._start_by_itself(scope, session)
        stream = await store.of_meeting(scope, live.id)
        if stream is None or not stream.is_active or stream.config.manual_ingest:
            await self._end()
            self._stream = None
            return
        if session is None:
            await self._end()
            run = await store.last_run(scope, stream.id)
            has_run = run is not None and run.session_id is not None
            if has_run and live.session is None:  # it may have begun meanwhile
                await self._streams.stop(scope, stream.id)
            self._stream = None
            return
        people = [person for person in live.publishers() if person.is_on_stage]
        self._stream = stream
        if self.encoder is None and people and self._watch is None:
            await self._begin(stream, people)
        if self.encoder is not None:
            await self._feed(self.encoder, people)

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

    # --- the encoder ------------------------------------------------------------------------------

    async def _begin(self, stream: Livestream, people: list[Publisher]) -> None:
        folder = self._owner.folder / stream.id
        if stream.status is LivestreamStatus.INVOKED and self._ends == 0:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # of another time
        relay = await self._open_relay(stream)
        canvas = canvas_of(stream.config, people)
        bitrate = int(min(20_000_000, max(200_000, BITS_PER_PIXEL * canvas.width * canvas.height)))
        begin = o.Begin(
            folder,
            canvas,
            bitrate,
            push_to=None if relay is None else relay[0].url,
            tc_url=None if relay is None else relay[1].tc_url,
        )
        self._relay = None if relay is None else relay[0]
        self.encoder = await Encoder.start(begin, self._told)
        self._scene = None
        self._watch = asyncio.create_task(self._wait(self.encoder), name="encoder watch")

    async def _open_relay(self, stream: Livestream) -> tuple[PushRelay, Target] | None:
        url = stream.config.rtmp_url
        if url is None:
            return None
        try:
            target = Target.of(url)
        except ParleyError as wrong:
            await self._streams.troubled(self.live.scope, stream.id, wrong.message)
            return None
        relay = PushRelay(target, self._owner.policy)
        await relay.open()
        return relay, target

    async def _wait(self, encoder: Encoder) -> None:
        """Begin anew when the encoder ends by itself."""
        ended = asyncio.create_task(encoder.wait())
        try:
            while not (await asyncio.wait([ended], timeout=FLOWS_EVERY_S))[0]:
                if self._stream is not None:
                    with contextlib.suppress(ParleyError):  # the database is away for a moment
                        await self._streams.flows(self.live.scope, self._stream.id)
        finally:
            ended.cancel()
        await self._leave(encoder)
        self._ends += 1
        log.warning("encoder_ended", meeting=self.live.id, ends=self._ends)
        if self._ends > len(AGAIN_S):
            if self._stream is not None:
                why = "The live picture could not be made."
                await self._streams.stop(self.live.scope, self._stream.id, error=why)
        else:
            await asyncio.sleep(AGAIN_S[self._ends - 1])
        self._watch = None
        self.wake()

    async def _end(self) -> None:
        """Stop showing."""
        watch, self._watch = self._watch, None
        await cancel_and_wait([watch])
        if self.encoder is not None:
            await self._leave(self.encoder)
        self._ends = 0

    async def _leave(self, encoder: Encoder) -> None:
        self.encoder = None
        forwards, self._forwards = self._forwards, {}
        for forward in forwards.values():
            await _stop_forward(forward)
        await encoder.stop()
        if self._relay is not None:
            await self._relay.close()
            self._relay = None

    # --- what it gets -----------------------------------------------------------------------------

    async def _feed(self, encoder: Encoder, people: list[Publisher]) -> None:
        """Have the engine send it every stream there is, and tell it whose they are."""
        wanted = {
            (stream.id, person.sender.id): (person.sender, stream.mid)
            for person in people
            if person.sender is not None
            for stream in person.streams
        }
        for key in set(self._forwards) - set(wanted):
            await _stop_forward(self._forwards.pop(key))
        for key, (sender, mid) in wanted.items():
            if key not in self._forwards:
                ssrc = 1 + secrets.randbelow((1 << 32) - 8)  # and the next two, for layers
                try:
                    forward_id = await sender.forward(mid, encoder.port, ssrc)
                except MediaError as refused:
                    log.warning("stream_not_forwarded", meeting=self.live.id, reason=refused.message)
                    continue
                self._forwards[key] = _Forward(sender, forward_id, ssrc)
        scene = o.Scene([self._face(person) for person in people], self.live.pinned)
        if scene != self._scene:
            self._scene = scene
            encoder.order(scene)

    def _face(self, person: Publisher) -> o.Face:
        feeds = []
        for stream in person.streams:
            forward = None if person.sender is None else self._forwards.get((stream.id, person.sender.id))
            if forward is not None:
                feeds.append(o.Feed(forward.ssrc, source_of(stream)))
        return o.Face(person.peer_id, person.name, feeds)

    # --- what it tells ----------------------------------------------------------------------------

    def _told(self, news: o.News) -> None:
        stream, scope, session = self._stream, self.live.scope, self.live.session
        if isinstance(news, o.KeyFrame):
            for forward in self._forwards.values():
                if forward.ssrc == news.ssrc:
                    self._spawn(_ask(forward.sender))
        elif stream is None:
            return
        elif isinstance(news, o.Playable):
            self._ends = 0
            self._spawn(self._began(stream, None if session is None else session.id))
        elif isinstance(news, o.Push):
            error = news.error
            if error is not None and self._relay is not None and self._relay.problem is not None:
                error = self._relay.problem
            self._spawn(self._streams.troubled(scope, stream.id, error))
        elif isinstance(news, o.Fatal):
            log.error("encoder_failed", meeting=self.live.id, reason=news.message)

    async def _began(self, stream: Livestream, session_id: SessionId | None) -> None:
        await self._streams.began(self.live.scope, stream.id, session_id)

    def _spawn(self, work: object) -> None:
        task = asyncio.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _stop_forward(forward: _Forward) -> None:
    with contextlib.suppress(MediaError):  # it has ended with its sender
        await forward.sender.stop_forward(forward.forward_id)


async def _ask(sender: SendTransport) -> None:
    with contextlib.suppress(MediaError):
        await sender.request_key_frame()


async def _logged(work: object) -> None:
    try:
        await work  # type: ignore[misc]
    except ParleyError as refused:
        log.warning("livestream_failed", reason=refused.message)
    except Exception:
        log.exception("livestream_failed")
