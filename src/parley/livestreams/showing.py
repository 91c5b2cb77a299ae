"""The picture of one running meeting: an encoder, what it is fed with, and what becomes of it.

An encoder that ends is started again, and so is one whose server was lost: the playlist of before goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from parley.accounts.scope import AppScope
from parley.base.errors import ParleyError
from parley.base.tasks import cancel_and_wait
from parley.compositor.rtp import ORIENTATION
from parley.livestreams.avatars import Avatars
from parley.livestreams.encoder import orders as o
from parley.livestreams.model import Livestream, LivestreamStatus
from parley.livestreams.process import Encoder
from parley.livestreams.pushing.relay import PushRelay
from parley.livestreams.pushing.target import Target
from parley.livestreams.scene import canvas_of, source_of
from parley.livestreams.service import Livestreams
from parley.media.ports import MediaError, SendTransport
from parley.meetings.ports import Publisher, RunningMeeting
from parley.outgoing.http import OutgoingPolicy
from parley.outgoing.ports import Http

log = structlog.get_logger(__name__)
BITS_PER_PIXEL = 2_500_000 / (1280 * 720)
FLOWS_EVERY_S = 5.0
AGAIN_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Before an encoder that ended is started again; after as many ends without a picture it is given up."""


class Means(NamedTuple):
    """What showing takes."""

    streams: Livestreams
    folder: Path
    """Each stream has a folder of its id in it."""
    policy: OutgoingPolicy
    """Where streams may be pushed to."""
    http: Http
    """For avatars."""
    is_held: Callable[[AppScope, Livestream], Awaitable[bool]]
    """Whether nobody of the meeting may be shown just now."""


@dataclass(frozen=True, slots=True)
class _Forward:
    """A stream on its way to the encoder."""

    sender: SendTransport
    forward_id: str
    ssrc: int
    orientation: int | None


class Showing:
    """Shows a meeting, or nothing."""

    def __init__(self, live: RunningMeeting, means: Means, again: Callable[[], None]) -> None:
        """Prepare.

        Args:
            live: the meeting.
            means: what it takes.
            again: called when `show` has to be called again.
        """
        self._live, self._means, self._again = live, means, again
        self._streams = means.streams
        self.encoder: Encoder | None = None
        self._stream: Livestream | None = None
        self._relay: PushRelay | None = None
        self._avatars: Avatars | None = None
        self._forwards: dict[tuple[str, str], _Forward] = {}
        """By stream and sender."""
        self._scene: o.Scene | None = None
        self._ends = 0
        """Of encoders, since there was something to see."""
        self._watch: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_on(self) -> bool:
        """Whether a stream is shown, or would be if somebody were there."""
        return self._stream is not None

    async def show(self, stream: Livestream) -> None:
        """Show what the meeting is like now; begins when somebody is there who may be shown."""
        is_held = await self._means.is_held(self._live.scope, stream)
        people = [person for person in self._live.publishers() if person.is_on_stage and not is_held]
        self._stream = stream
        if self.encoder is None and people and self._watch is None:
            await self._begin(stream, people)
        if self.encoder is not None:
            await self._feed(self.encoder, people)

    async def end(self) -> None:
        """Show nothing."""
        self._stream = None
        watch, self._watch = self._watch, None
        await cancel_and_wait([watch])
        if self.encoder is not None:
            await self._leave(self.encoder)
        self._ends = 0

    async def stop(self) -> None:
        """The same, for good."""
        await self.end()
        await cancel_and_wait(list(self._tasks))

    # --- the encoder ------------------------------------------------------------------------------

    async def _begin(self, stream: Livestream, people: list[Publisher]) -> None:
        folder = self._means.folder / stream.id
        if stream.status is LivestreamStatus.INVOKED and self._ends == 0:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # of another time
        relay = await self._open_relay(stream)
        canvas = canvas_of(stream.config, people)
        bitrate = int(min(20_000_000, max(200_000, BITS_PER_PIXEL * canvas.width * canvas.height)))
        begin = o.Begin(
            folder,
            canvas,
            bitrate,
            copy_to=None if relay is None else relay.url,
        )
        self._relay = relay
        self.encoder = await Encoder.start(begin, self._told)
        self._avatars = Avatars(self._means.http, folder, self._again)
        self._scene = None
        self._watch = asyncio.create_task(self._wait(self.encoder), name="encoder watch")

    async def _open_relay(self, stream: Livestream) -> PushRelay | None:
        url = stream.config.rtmp_url
        if url is None:
            return None
        try:
            target = Target.of(url)
        except ParleyError as wrong:
            await self._streams.troubled(self._live.scope, stream.id, wrong.message)
            return None

        def told(error: str | None) -> None:
            self._spawn(self._streams.troubled(self._live.scope, stream.id, error))

        relay = PushRelay(target, self._means.policy, told)
        await relay.open()
        return relay

    async def _wait(self, encoder: Encoder) -> None:
        """Begin anew when the encoder ends by itself."""
        ended = asyncio.create_task(encoder.wait())
        try:
            while not (await asyncio.wait([ended], timeout=FLOWS_EVERY_S))[0]:
                if self._stream is not None:
                    with contextlib.suppress(ParleyError):  # the database is away for a moment
                        await self._streams.flows(self._live.scope, self._stream.id)
        finally:
            ended.cancel()
        await self._leave(encoder)
        self._ends += 1
        log.warning("encoder_ended", meeting=self._live.id, ends=self._ends)
        if self._ends > len(AGAIN_S):
            if self._stream is not None:
                why = "The live picture could not be made."
                await self._streams.stop(self._live.scope, self._stream.id, error=why)
        else:
            await asyncio.sleep(AGAIN_S[self._ends - 1])
        self._watch = None
        self._again()

    async def _leave(self, encoder: Encoder) -> None:
        self.encoder = None
        forwards, self._forwards = self._forwards, {}
        for forward in forwards.values():
            await _stop_forward(forward)
        await encoder.stop()
        if self._avatars is not None:
            await self._avatars.stop()
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
                    log.warning("stream_not_forwarded", meeting=self._live.id, reason=refused.message)
                    continue
                orientation = sender.header_extension(mid, ORIENTATION)
                self._forwards[key] = _Forward(sender, forward_id, ssrc, orientation)
        scene = o.Scene([self._face(person) for person in people], self._live.pinned)
        if scene != self._scene:
            self._scene = scene
            encoder.order(scene)

    def _face(self, person: Publisher) -> o.Face:
        feeds = []
        for stream in person.streams:
            forward = None if person.sender is None else self._forwards.get((stream.id, person.sender.id))
            if forward is not None:
                feeds.append(o.Feed(forward.ssrc, source_of(stream), forward.orientation))
        picture = None if self._avatars is None else self._avatars.file(person.picture)
        return o.Face(person.peer_id, person.name, feeds, picture)

    # --- what it tells ----------------------------------------------------------------------------

    def _told(self, news: o.News) -> None:
        stream, scope, session = self._stream, self._live.scope, self._live.session
        if isinstance(news, o.KeyFrame):
            for forward in self._forwards.values():
                if forward.ssrc == news.ssrc:
                    self._spawn(_ask(forward.sender))
        elif stream is None:
            return
        elif isinstance(news, o.Playable):
            self._ends = 0
            self._spawn(self._streams.began(scope, stream.id, None if session is None else session.id))
        elif isinstance(news, o.Fatal):
            log.error("encoder_failed", meeting=self._live.id, reason=news.message)

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _stop_forward(forward: _Forward) -> None:
    with contextlib.suppress(MediaError):  # it has ended with its sender
        await forward.sender.stop_forward(forward.forward_id)


async def _ask(sender: SendTransport) -> None:
    with contextlib.suppress(MediaError):
        await sender.request_key_frame()


async def _logged(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except ParleyError as refused:
        log.warning("livestream_failed", reason=refused.message)
    except Exception:
        log.exception("livestream_failed")
