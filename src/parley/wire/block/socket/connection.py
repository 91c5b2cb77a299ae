"""One socket: frames in, in order; one answer each (`realtime-block.md` 6.1, 6.4, 6.5).

Publications of one connection may be on their way to the disk together; every other frame waits until those
before it have been answered, so that answers come in the order of processing.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from msgspec import UNSET

from parley.base.errors import Invalid, ParleyError, TooMany
from parley.base.times import iso_from_ms, iso_ms
from parley.channels.realtime.log import Stored
from parley.stream.closing import Close
from parley.stream.sockets import Socket, UpgradeRequest
from parley.wire.block.errors import BadRequest, problem
from parley.wire.block.socket import frames as f
from parley.wire.block.socket import opening, verbs
from parley.wire.block.socket.session import Session

if TYPE_CHECKING:
    from parley.wire.block.socket.server import BlockSockets

log = structlog.get_logger(__name__)
CONNECT_TIMEOUT_S = 10.0
WAITING_LIMIT = 64
"""Frames read but not processed; more pause the reading."""
PUBLISHING_LIMIT = 256
"""Publications on their way to the disk."""
_PUBLICATIONS = (f.Publish, f.Trigger)


class Connection:
    """`stream.sockets.SocketSession` of the Real Time Block."""

    __slots__ = (
        "_answered",
        "_came_by_address",
        "_is_paused",
        "_publishing",
        "_request",
        "_timeout",
        "_waiting",
        "_worker",
        "id",
        "is_ending",
        "server",
        "session",
        "socket",
    )

    def __init__(self, server: BlockSockets, request: UpgradeRequest) -> None:
        self.server = server
        self._request: UpgradeRequest | None = request
        """Until it has been opened: an idle socket would keep a kilobyte of headers."""
        self.id = f"socket_{secrets.token_hex(10)}"
        self.socket: Socket
        self.session: Session | None = None
        self.is_ending = False
        """The client said goodbye, so its session is not kept."""
        self._waiting: list[f.Incoming] = []  # a deque takes 0.7 KB when empty
        self._worker: asyncio.Task[None] | None = None
        self._publishing = 0
        self._answered: asyncio.Future[None] | None = None
        """Completes with the next answer to a publication."""
        self._timeout: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._came_by_address = False
        """The token was in the address, so that the first frame may still say what to resume (6.4)."""

    # --- stream.sockets.SocketSession ---------------------------------------------------------

    def opened(self, socket: Socket) -> None:
        """See `SocketSession.opened`."""
        self.socket = socket
        self.server.connections.add(self)
        loop = asyncio.get_running_loop()
        self._timeout = loop.call_later(CONNECT_TIMEOUT_S, self._timed_out)
        request, self._request = self._request, None
        token = opening.token_of(request) if request is not None else None
        if request is not None and token is not None:
            api_key = request.params.get("api_key") or request.headers.get("x-api-key")
            self._came_by_address = True
            self._take(f.Connect(token=token, api_key=api_key))

    def received(self, data: str | bytes) -> None:
        """See `SocketSession.received`."""
        if isinstance(data, bytes):
            self.fail(BadRequest("Frames are text."), Close.REALTIME_PROTOCOL_ERROR)
            return
        # A character takes at most four bytes: most frames need not be encoded to know that they are short.
        if len(data) > f.FRAME_LIMIT_BYTES // 4 and len(data.encode()) > f.FRAME_LIMIT_BYTES:
            self.socket.close(Close.TOO_BIG)
            return
        try:
            frame = f.decode(data)
        except msgspec.ValidationError as wrong:
            self._refuse_form(data, wrong)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            self.fail(BadRequest("A frame is one JSON object."), Close.REALTIME_PROTOCOL_ERROR)
        else:
            self._take(frame)

    def lagging(self, behind: bool) -> None:
        """See `SocketSession.lagging`: what it misses it gets by resuming."""
        if behind:
            self.server.slow_closed += 1
            self.socket.close(Close.REALTIME_BEHIND, "slow consumer")

    def closed(self, code: int, clean: bool) -> None:
        """See `SocketSession.closed`."""
        self.server.connections.discard(self)
        self.server.admission.released(self)
        self._stop_timeout()
        if self._worker is not None:
            self._worker.cancel()
        self._waiting.clear()
        if self.session is not None and self.session.connection is self:
            says_goodbye = clean and code in (Close.NORMAL, Close.GOING_AWAY)
            verbs.end_connection(self, self.session, for_good=self.is_ending or says_goodbye)

    # --- frames -------------------------------------------------------------------------------

    def _take(self, frame: f.Incoming) -> None:
        self._waiting.append(frame)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="realtime frames")
        elif len(self._waiting) >= WAITING_LIMIT and not self._is_paused:
            self._is_paused = True
            self.socket.pause_reading()

    async def _work(self) -> None:
        try:
            while self._waiting:
                frame = self._waiting.pop(0)
                if self._is_paused and len(self._waiting) < WAITING_LIMIT // 2:
                    self._is_paused = False
                    self.socket.resume_reading()
                await self._process(frame)
        finally:
            self._worker = None

    async def _process(self, frame: f.Incoming) -> None:
        try:
            if self.session is None or self._resumes_late(self.session, frame):
                await self._before_welcome(frame)
            elif isinstance(frame, _PUBLICATIONS):
                if self._publishing >= PUBLISHING_LIMIT:
                    await self._fewer_publishing(PUBLISHING_LIMIT)
                await verbs.publish(self, self.session, frame)
            else:
                await self._fewer_publishing(1)
                result = await verbs.run(self, self.session, frame)
                if frame.id is not None and result is not None:
                    self.send(f.Ack(frame.id, result))
        except Exception as error:
            self.refuse(error, frame.id, getattr(frame, "channel", None))

    def _resumes_late(self, session: Session, frame: f.Incoming) -> bool:
        if isinstance(frame, f.Ping) or not self._came_by_address:
            return False
        is_first = isinstance(frame, f.Connect) and not session.subscriptions and not session.rooms
        self._came_by_address = False
        return is_first

    async def _before_welcome(self, frame: f.Incoming) -> None:
        if isinstance(frame, f.Connect):
            self._stop_timeout()
            await opening.connect(self, frame)
        elif isinstance(frame, f.Ping):
            self.pong(frame)
        else:
            raise BadRequest("Connect first.")

    async def _fewer_publishing(self, than: int) -> None:
        while self._publishing >= than:
            self._answered = asyncio.get_running_loop().create_future()
            await self._answered

    def publishing(self, frame: f.Publish | f.Trigger, stored: asyncio.Future[Stored]) -> None:
        """Answer a publication when it is on disk."""
        self._publishing += 1
        frame_id, is_trigger = frame.id, isinstance(frame, f.Trigger)

        def done(outcome: asyncio.Future[Stored]) -> None:
            self._publishing -= 1
            if self._answered is not None and not self._answered.done():
                self._answered.set_result(None)
            if outcome.cancelled():
                return
            failure = outcome.exception()
            if failure is not None:
                self.refuse(failure, frame_id, frame.channel)
            elif frame_id is not None:
                one = outcome.result().publication
                result = {"channel": one.channel, "offset": one.offset, "epoch": one.epoch}
                if not is_trigger:
                    result |= {"id": one.id, "created_at": iso_from_ms(one.created_ms)}
                self.send(f.Ack(frame_id, result))

        stored.add_done_callback(done)

    # --- sending ------------------------------------------------------------------------------

    def send(self, frame: Any) -> None:
        """Send one frame."""
        self.socket.send_text(f.encode(frame))

    def pong(self, frame: f.Ping) -> None:
        """Answer a ping."""
        now = iso_ms(self.server.store.clock.now())
        self.send({"type": "pong", "ts": frame.ts, "server_time": now})

    def refuse(
        self, error: BaseException, frame_id: Any = None, channel: str | None = None, *, fatal: bool = False
    ) -> None:
        """Say that something was not done."""
        if not isinstance(error, Exception):
            raise error
        _, told = problem(error)
        told.source = None  # frames have no pointers
        self.send(
            f.Error(
                id=frame_id if isinstance(frame_id, str | int) and frame_id is not True else UNSET,
                channel=channel if isinstance(channel, str) else UNSET,
                error=told,
                retry_after=_retry_after(error),
                fatal=fatal,
            )
        )

    def fail(self, error: ParleyError, code: Close) -> None:
        """Say why, and close."""
        self.refuse(error, fatal=True)
        self.socket.close(code, error.code)

    def _refuse_form(self, data: str, wrong: msgspec.ValidationError) -> None:
        """A JSON object is answered; anything else ends the connection."""
        try:
            known = msgspec.json.decode(data, type=f.Envelope)
        except msgspec.ValidationError:
            self.fail(BadRequest("A frame is one JSON object."), Close.REALTIME_PROTOCOL_ERROR)
            return
        error: ParleyError = BadRequest(f"{wrong}.")
        if "`$.channel`" in str(wrong):
            error = Invalid("A channel is a text.", field="channel")
        self.refuse(error, known.id, known.channel)

    def _timed_out(self) -> None:
        self.socket.close(Close.REALTIME_TIMEOUT, "no connect frame")

    def _stop_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None


def _retry_after(error: Exception) -> float | msgspec.UnsetType:
    if isinstance(error, TooMany):
        return round(error.retry_after_s, 3)
    if isinstance(error, ParleyError) and error.retry.again:
        return error.retry.after_s
    return UNSET
