"""One socket of the official client: envelopes in, answers and notices out (section 5)."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import msgspec
import structlog
from google.protobuf.message import DecodeError, Message

from parley.base.errors import NotAllowed, NotFound, ParleyError, TooMany, Unauthenticated, Unavailable
from parley.base.ids import MeetingId, PeerId, is_uuid, new_uuid
from parley.base.tasks import cancel_and_wait
from parley.bus import Bus
from parley.meetings.live.admission import Admission, admission
from parley.meetings.live.meeting import LiveMeeting
from parley.meetings.live.notices import Notice
from parley.meetings.live.peer import LivePeer
from parley.meetings.live.registry import MeetingRegistry
from parley.stream.sockets import Rejection, Socket, SocketSession, UpgradeRequest
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.auth import ParticipantAuth
from parley.wire.realtimekit.client.events import REQUEST_FAILED, Media, is_media
from parley.wire.realtimekit.client.limits import ANY_REQUEST, ParticipantLimits, TokenBuckets
from parley.wire.realtimekit.client.notices import NoticeEncoder, envelope
from parley.wire.realtimekit.client.relay import SocketRelay
from parley.wire.realtimekit.client.verbs import Answer, Call, Lane, Verb, verbs

log = structlog.get_logger(__name__)

PING_EVERY_S = 12.0
"""The client gives up after 30 s without any frame."""
LANE_LIMIT = 128
"""Requests of one lane that may wait."""
MALFORMED_LIMIT = 20
"""Frames that are no envelopes before the socket is closed."""
REQUEST_TIMEOUT_S = 20.0
"""The client itself waits no longer."""
ID_LIMIT = 128
CLOSE_POLICY = 1008


@dataclass(frozen=True, slots=True)
class _Request:
    verb: Verb
    event: int
    id: str
    message: Message


class ClientSockets:
    """Every socket of official clients in this process: accepts, pings and ends them."""

    def __init__(
        self, registry: MeetingRegistry, auth: ParticipantAuth, bus: Bus, *, rate_limits: bool = True
    ) -> None:
        self._registry = registry
        self.relay = SocketRelay(bus, registry.placement.node_id, self.accept)
        registry.placement.on_moved(self.relay.moved)
        self._auth = auth
        self._rate_limits = rate_limits
        self.limits = ParticipantLimits(enabled=rate_limits)
        self._encoders: dict[MeetingId, NoticeEncoder] = {}
        self.open: set[ClientSocket] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._pinger: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to ping and to relay."""
        await self.relay.start()
        self._pinger = asyncio.create_task(self._ping_forever(), name="client sockets")

    async def stop(self) -> None:
        """Stop pinging and relaying; requests that run are cancelled."""
        await self.relay.stop()
        await cancel_and_wait([self._pinger])
        await cancel_and_wait(list(self.tasks))

    async def _ping_forever(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            for socket in self.open:
                socket.ping()

    async def route(self, request: UpgradeRequest) -> SocketSession | Rejection:
        """Decide on a handshake: a session here, or one relayed to the server that runs the meeting."""
        try:
            claims, scope = await self._auth.verify(request.params.get("authToken", ""))
            root_id = await self._registry.root_of(scope, claims.meeting_id)
            home = await self._registry.placement.home(root_id)
        except ParleyError as refused:
            return _refusal(refused)
        if home != self._registry.placement.node_id:
            return self.relay.session(request, root_id, home)
        return await self.accept(request)

    async def accept(self, request: UpgradeRequest) -> SocketSession | Rejection:
        """Decide on a handshake for a meeting that runs here; query parameters as in section 5."""
        params = request.params
        try:
            claims, scope = await self._auth.verify(params.get("authToken", ""))
            if params.get("roomID") != claims.meeting_id:
                raise NotAllowed("This token is for another meeting.")
            peer_id = PeerId(params.get("peerID", "").lower())
            if not is_uuid(peer_id):
                raise NotAllowed("peerID must be a UUID.")
            admitted = await admission(scope, claims.meeting_id, claims.participant_id)
            live = await self._registry.open(scope, admitted.meeting.id)
            await live.connections.check_peer_id(admitted.participant.id, peer_id)
        except ParleyError as refused:
            return _refusal(refused)
        former_id = PeerId(params.get("oldPeerID", "").lower()) or None
        return ClientSocket(self, live, admitted, peer_id, former_id)

    def hold(self, live: LiveMeeting) -> LiveMeeting:
        """See `MeetingRegistry.hold`."""
        return self._registry.hold(live)

    def encoder(self, meeting_id: MeetingId) -> NoticeEncoder:
        """The meeting's encoder, shared by its sockets."""
        return self._encoders.setdefault(meeting_id, NoticeEncoder(meeting_id))

    def buckets(self) -> TokenBuckets:
        """Rate limits of one connection."""
        return TokenBuckets(enabled=self._rate_limits)

    def forget(self, socket: ClientSocket, meeting_id: MeetingId) -> None:
        """The socket is closed."""
        self.open.discard(socket)
        if not any(other.meeting_id == meeting_id for other in self.open):
            self._encoders.pop(meeting_id, None)

    def own(self, task: asyncio.Task[None]) -> None:
        """Keep a task until it ends."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


_STATUS: list[tuple[type[ParleyError], int]] = [(Unauthenticated, 401), (NotFound, 404), (Unavailable, 503)]


def _refusal(refused: ParleyError) -> Rejection:
    status = next((number for kind, number in _STATUS if isinstance(refused, kind)), 403)
    body = msgspec.json.encode({"success": False, "error": {"code": status, "message": refused.message}})
    return Rejection(status, body, {"content-type": "application/json"})


class ClientSocket:
    """A `stream.SocketSession`, and the `Link` of its peer."""

    def __init__(
        self,
        sockets: ClientSockets,
        live: LiveMeeting,
        admitted: Admission,
        peer_id: PeerId,
        former_id: PeerId | None,
    ) -> None:
        self._sockets = sockets
        self._live = live
        self._admitted = admitted
        self._peer_id = peer_id
        self._peer: LivePeer | None = None
        self._socket: Socket | None = None
        self._encoder = sockets.encoder(live.id)
        self._former_id = former_id
        self._buckets = sockets.buckets()
        self._lanes: dict[Lane, deque[_Request]] = {}
        self._malformed = 0

    @property
    def meeting_id(self) -> MeetingId:
        """The meeting it is in."""
        return self._live.id

    # --- SocketSession ------------------------------------------------------------------------

    def opened(self, socket: Socket) -> None:
        """Bind the connection to its peer."""
        self._socket = socket
        self._sockets.open.add(self)
        self._live = self._sockets.hold(self._live)
        try:
            self._peer = self._live.connections.connect(
                self._admitted.participant, self._admitted.preset, self._peer_id, self, new_uuid()
            )
        except NotAllowed as refused:
            socket.close(CLOSE_POLICY, refused.message)
        else:
            if self._former_id is not None:
                self._live.connections.supersede(self._peer, self._former_id)

    def received(self, data: str | bytes) -> None:
        """A ping, a pong or a request."""
        if isinstance(data, str):
            self._pinged(data)
            return
        if self._peer is None:
            return
        outer = pb.SocketMessage()
        try:
            outer.ParseFromString(data)  # first: a refusal needs the request's id too
            self._buckets.take(ANY_REQUEST, self._now())
            request = self._request(outer)
        except DecodeError:
            self._malformed += 1
            self._fail(
                outer.event, outer.id[:ID_LIMIT], "This frame is not a valid message.", "malformed_message"
            )
            if self._malformed > MALFORMED_LIMIT and self._socket is not None:
                self._socket.close(CLOSE_POLICY, "too many malformed messages")
        except ParleyError as refused:
            self._fail(outer.event, outer.id[:ID_LIMIT], refused.message, refused.code)
        else:
            self._enqueue(request)

    def _pinged(self, text: str) -> None:
        try:
            self._buckets.take(ANY_REQUEST, self._now())
        except TooMany:
            return
        if text == "2" and self._socket is not None:
            self._socket.send_text("3")

    def lagging(self, behind: bool) -> None:
        """Nothing to do: a client that stays behind is cut off and synchronises when it reconnects."""

    def closed(self, code: int, clean: bool) -> None:
        """Tell the meeting; requests that run are finished, those that wait are dropped."""
        self._socket = None
        for lane in self._lanes.values():
            lane.clear()
        self._sockets.forget(self, self._live.id)
        if self._peer is not None:
            self._live.connections.disconnected(self._peer, self, code)

    # --- Link ---------------------------------------------------------------------------------

    def notify(self, notice: Notice) -> None:
        """Push a notice."""
        if self._socket is not None:
            self._socket.send_frames(self._encoder.frame(notice))

    def close(self, code: int, reason: str) -> None:
        """End the connection from our side."""
        if self._socket is not None:
            self._socket.close(code, reason)

    def ping(self) -> None:
        """Keep the client's watchdog calm."""
        if self._socket is not None:
            self._socket.send_text("2")

    # --- requests -----------------------------------------------------------------------------

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _request(self, outer: pb.SocketMessage) -> _Request:
        verb = verbs.get(outer.event)
        if verb is None:
            raise NotFound(f"There is no event {outer.event}.")
        if len(outer.id) > ID_LIMIT:
            raise NotAllowed(f"A request id has at most {ID_LIMIT} characters.")
        message = verb.request()
        message.ParseFromString(outer.payload)
        now = self._now()
        limits = self._sockets.limits.of(self._admitted.participant.id, now)
        for rate in verb.rates(message):
            limits.take(rate, now)
        return _Request(verb, outer.event, outer.id, message)

    def _enqueue(self, request: _Request) -> None:
        lane = request.verb.lane
        if not isinstance(lane, Lane):
            lane = lane(request.message)
        if lane is Lane.NONE:
            self._sockets.own(asyncio.create_task(self._run(request)))
            return
        waiting = self._lanes.get(lane)
        if waiting is None:
            self._lanes[lane] = deque([request])
            self._sockets.own(asyncio.create_task(self._work(lane)))
        elif len(waiting) < LANE_LIMIT:
            waiting.append(request)
        else:
            refused = TooMany("Too many requests wait for an answer.", retry_after_s=1)
            self._fail(request.event, request.id, refused.message, refused.code)

    async def _work(self, lane: Lane) -> None:
        """Carry out the requests of a lane until none waits."""
        waiting = self._lanes[lane]
        while waiting:
            await self._run(waiting.popleft())
        del self._lanes[lane]

    async def _run(self, request: _Request) -> None:
        assert self._peer is not None
        call = Call(self._live, self._peer)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                outcome = await request.verb.handler(call, request.message)
        except ParleyError as refused:
            self._fail(request.event, request.id, refused.message, refused.code)
        except TimeoutError:
            self._fail(request.event, request.id, "This took too long.", "timeout")
        except Exception:
            log.exception("client_request_failed", event_number=request.event, meeting=self._live.id)
            self._fail(request.event, request.id, "Something went wrong on the server.", "internal_error")
        else:
            self._answer(request, outcome)
            for then in call.after:
                then()

    def _answer(self, request: _Request, outcome: Message | Answer | None) -> None:
        if isinstance(outcome, Answer):
            self._send(envelope(outcome.event, outcome.message, request.id))
        elif request.verb.answers:
            self._send(envelope(request.event, outcome, request.id))

    def _fail(self, event: int, request_id: str, message: str, code: str) -> None:
        if is_media(event):
            # The client's media code reads these two members out of the text.
            text = msgspec.json.encode({"errorCode": code, "errorDescription": message}).decode()
            answer = envelope(
                Media.FAILED, pb.EdgeErrorResponse(error_message=text, event_id=event), request_id
            )
        else:
            bounded = event if event < 1 << 31 else 0
            answer = envelope(
                REQUEST_FAILED, pb.EdgeErrorResponse(error_message=message, event_id=bounded), request_id
            )
        self._send(answer)

    def _send(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.send_binary(data)
