"""Sockets of meetings that another server runs: frames travel over the bus to the meeting's home and back.

    browser ── socket ── this server (`RelayedSession`) ══ bus ══ home (`_BusSocket` + `ClientSocket`)

To the home a relayed connection looks like any socket. A connection whose home goes away, or whose messages
may have been lost on the bus, is closed; its client reconnects and synchronises as after any lost connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import msgspec
import structlog

from parley.base.ids import MeetingId, new_uuid
from parley.bus import Bus, Subscription
from parley.stream.frames import encode_binary, encode_text
from parley.stream.sockets import Rejection, Socket, SocketSession, UpgradeRequest

log = structlog.get_logger(__name__)

ANSWER_S = 5.0
"""For the home to accept a connection."""
CLOSE_POLICY, CLOSE_RESTART, CLOSE_TRY_AGAIN = 1008, 1012, 1013


class _Open(msgspec.Struct, tag="open"):
    """To the home: a client connects."""

    connection: str
    node: str
    params: dict[str, str]


class _Opened(msgspec.Struct, tag="opened"):
    """From the home: go on."""

    connection: str


class _Frames(msgspec.Struct, tag="frames"):
    """Either way: a message of the client, or ready frames for it."""

    connection: str
    data: bytes
    is_text: bool = False


class _Close(msgspec.Struct, tag="close"):
    """From the home: end it. To the home: it has ended."""

    connection: str
    code: int
    reason: str = ""
    is_clean: bool = False


_Envelope = _Open | _Opened | _Frames | _Close
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Envelope).decode
Accept = Callable[[UpgradeRequest], Awaitable["SocketSession | Rejection"]]


class SocketRelay:
    """Both ends of relayed connections of this server."""

    def __init__(self, bus: Bus, node_id: str, accept: Accept) -> None:
        self._bus = bus
        self.node_id = node_id
        self._accept = accept
        self._here: dict[str, RelayedSession] = {}
        """Sockets of ours whose meetings are elsewhere."""
        self._guests: dict[str, _Guest] = {}
        """Connections of other servers to meetings of ours."""
        self._subscription: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen."""
        self._subscription = await self._bus.subscribe(
            _topic(self.node_id), self._heard, on_gap=self._drop_all
        )

    async def stop(self) -> None:
        """Close what is relayed."""
        self._drop_all()
        if self._subscription is not None:
            await self._subscription.close()

    def session(self, request: UpgradeRequest, root_id: MeetingId, home: str) -> RelayedSession:
        """A session for a client of ours in a meeting at `home`."""
        return RelayedSession(self, dict(request.params), root_id, home)

    def moved(self, root_id: MeetingId) -> None:
        """The meeting is not where it was: its relayed clients reconnect."""
        for session in list(self._here.values()):
            if session.root_id == root_id:
                session.drop(CLOSE_RESTART, "the meeting moved to another server")

    def relays(self, root_id: MeetingId) -> bool:
        """Whether any connection of that meeting is passed on by this server."""
        return any(session.root_id == root_id for session in self._here.values())

    def _drop_all(self) -> None:
        for session in list(self._here.values()):
            session.drop(CLOSE_RESTART, "messages may have been lost")
        for guest in list(self._guests.values()):
            guest.close(CLOSE_RESTART, "messages may have been lost")
            guest.ended(1006, is_clean=False)
        self._guests.clear()

    def send(self, node: str, message: _Envelope) -> None:
        """Publish to another server."""
        self._bus.publish(_topic(node), _encode(message))

    def add(self, session: RelayedSession) -> None:
        """A relayed socket is open."""
        self._here[session.connection] = session

    def remove(self, session: RelayedSession) -> None:
        """A relayed socket is closed."""
        self._here.pop(session.connection, None)

    def _heard(self, payload: bytes) -> None:
        try:
            message = _decode(payload)
        except msgspec.DecodeError:
            log.warning("relay_message_unreadable")
            return
        if isinstance(message, _Open):
            task = asyncio.create_task(self._open(message))
            self._tasks.add(task)
            task.add_done_callback(self._opened)
            return
        session = self._here.get(message.connection)
        if session is not None:
            session.from_home(message)
            return
        guest = self._guests.get(message.connection)
        if guest is None:
            return
        if isinstance(message, _Frames):
            guest.received(message)
        elif isinstance(message, _Close):
            del self._guests[message.connection]
            guest.ended(message.code, is_clean=message.is_clean)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("relayed_connection_failed", exc_info=task.exception())

    async def _open(self, message: _Open) -> None:
        request = UpgradeRequest("/ws", "", message.params, {}, None, secure=False, subprotocols=())
        accepted = await self._accept(request)
        if isinstance(accepted, Rejection):
            log.info("relayed_connection_refused", status=accepted.status)
            self.send(message.node, _Close(message.connection, CLOSE_POLICY, "refused"))
            return
        guest = _Guest(self, message.connection, message.node, accepted)
        self._guests[message.connection] = guest
        accepted.opened(guest)
        self.send(message.node, _Opened(message.connection))


def _topic(node: str) -> str:
    return f"sockets:{node}"


class _Guest:
    """At home: a connection of another server, seen as a `Socket`."""

    def __init__(self, relay: SocketRelay, connection: str, node: str, session: SocketSession) -> None:
        self._relay = relay
        self._connection = connection
        self._node = node
        self._session = session
        self.is_open = True
        self.is_lagging = False
        self.remote: tuple[str, int] | None = None

    def send_text(self, text: str | bytes) -> None:
        self.send_frames(encode_text(text))

    def send_texts(self, texts: Iterator[bytes]) -> None:
        for text in texts:  # the protocol has no long answers in text
            self.send_text(text)

    def send_binary(self, data: bytes) -> None:
        self.send_frames(encode_binary(data))

    def send_frames(self, prepared: bytes) -> None:
        if self.is_open:
            self._relay.send(self._node, _Frames(self._connection, prepared))

    def write_now(self, prepared: bytes) -> bool:
        self.send_frames(prepared)
        return self.is_open

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.is_open:
            self.is_open = False
            self._relay.send(self._node, _Close(self._connection, code, reason))

    def abort(self) -> None:
        self.close(CLOSE_RESTART, "cut off")

    def pause_reading(self) -> None:
        """The other server keeps reading; the rate limits of the session bound what arrives."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def received(self, message: _Frames) -> None:
        self._session.received(message.data.decode() if message.is_text else message.data)

    def ended(self, code: int, *, is_clean: bool) -> None:
        self.is_open = False
        self._session.closed(code, is_clean)


class RelayedSession:
    """Here: the `SocketSession` of a client whose meeting runs elsewhere."""

    def __init__(self, relay: SocketRelay, params: dict[str, str], root_id: MeetingId, home: str) -> None:
        self._relay = relay
        self._params = params
        self.root_id = root_id
        self._home = home
        self.connection = new_uuid()
        self._socket: Socket | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._early: list[_Frames] | None = []
        """What the client sent before the home accepted it; None once it has."""

    def opened(self, socket: Socket) -> None:
        """Tell the home."""
        self._socket = socket
        socket.pause_reading()  # a few messages may still come
        self._relay.add(self)
        self._relay.send(self._home, _Open(self.connection, self._relay.node_id, self._params))
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(ANSWER_S, self.drop, CLOSE_TRY_AGAIN, "the meeting's server is away")

    def received(self, data: str | bytes) -> None:
        """Pass on."""
        is_text = isinstance(data, str)
        raw = data.encode() if isinstance(data, str) else data
        message = _Frames(self.connection, raw, is_text)
        if self._early is not None:
            self._early.append(message)
        else:
            self._relay.send(self._home, message)

    def lagging(self, behind: bool) -> None:
        """The connection itself is cut off when its client does not catch up."""

    def closed(self, code: int, clean: bool) -> None:
        """Tell the home."""
        self._socket = None
        self._calm()
        self._relay.remove(self)
        self._relay.send(self._home, _Close(self.connection, code, is_clean=clean))

    def from_home(self, message: _Opened | _Frames | _Close) -> None:
        """What the home wants the client to get."""
        if self._socket is None:
            return
        self._calm()
        if isinstance(message, _Opened):
            early, self._early = self._early or [], None
            for each in early:
                self._relay.send(self._home, each)
            self._socket.resume_reading()
        elif isinstance(message, _Frames):
            self._socket.send_frames(message.data)
        elif isinstance(message, _Close):
            self._socket.close(message.code, message.reason)

    def drop(self, code: int, reason: str) -> None:
        """End the connection so that the client comes back."""
        self._calm()
        if self._socket is not None:
            self._socket.close(code, reason)

    def _calm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
