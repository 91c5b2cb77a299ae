"""A client of the socket protocol for tests: envelopes over a real socket.

    host = await Peer.join(url, token)
    answer = await host.ask(Room.GET_PEERS)            # waits for the answer, raises `Refused`
    await host.tell(Chat.SEND_TO_ROOM, message)        # no answer expected; done when the server is done
    pushed = await guest.pushed(Chat.SEND_TO_ROOM)     # everything of that event since the last look

The server answers and pushes in order on one socket, so an answered request is a fence: what was pushed
before it has arrived. That is how tests say "nobody was told" without waiting.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from google.protobuf.message import Message
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from parley.base.ids import new_uuid
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import REQUEST_FAILED, Chat, Media, Polls, Preset, Room, Store

TIMEOUT_S = 30.0
"""Only a failing test waits that long."""
MAX_FRAME_BYTES = 16 << 20

FROM_SERVER: Mapping[int, type[Message]] = {
    Room.GET_PEER: pb.RoomPeerInfoResponse,
    Room.GET_PEERS: pb.RoomRoomPeersInfoResponse,
    Room.JOIN: pb.RoomPeerInfoResponse,
    Room.LEAVE: pb.RoomPeerInfoResponse,
    Room.GET_ROOM: pb.RoomRoomInfoResponse,
    Room.LIVESTREAM_INVOKED: pb.LiveLiveStreamingEvent,
    Room.LIVESTREAM_STARTED: pb.LiveLiveStreamingEvent,
    Room.VIEWERS: pb.RoomRoomPeerCountResponse,
    Room.LIVESTREAM_STOPPED: pb.LiveLiveStreamingEvent,
    Room.LIVESTREAM_ERRORED: pb.LiveLiveStreamingEvent,
    Room.STAGE_REQUESTS: pb.LiveGetStageRequestsResponse,
    Room.GRANT_STAGE: pb.EdgeEmptyResponse,
    Room.DENY_STAGE: pb.EdgeEmptyResponse,
    Room.LEAVE_STAGE: pb.EdgeEmptyResponse,
    Room.CONNECTED_ROOMS: pb.RoomGetConnectedRoomsDumpResponse,
    Room.CREATE_CONNECTED_ROOMS: pb.RoomCreateConnectedRoomsResponse,
    Room.DELETE_CONNECTED_ROOMS: pb.RoomDisableConnectedRoomsResponse,
    Room.MOVE_PEERS: pb.RoomMovePeersBetweenRoomsResponse,
    Room.TRANSFER_PEER: pb.RoomTransferPeer,
    Room.CONNECTED_ROOMS_CREATED: pb.RoomCreateConnectedRoomsResponse,
    Room.CONNECTED_ROOMS_DELETED: pb.RoomDisableConnectedRoomsResponse,
    Room.ADDED_PARTICIPANTS: pb.RoomGetAllAddedParticipantsResponse,
    Room.BROADCAST: pb.RoomBroadcastMessage,
    Room.BROADCAST_TO: pb.RoomBroadcastMessage,
    Room.KICK: pb.RoomPeerInfoResponse,
    Room.KICK_ALL: pb.RoomPeerInfoResponse,
    Room.WAITING_LIST: pb.RoomGetWaitingRoomRequests,
    Room.WAITING_ACCEPTED: pb.EdgeEmptyResponse,
    Room.WAITING_DENIED: pb.EdgeEmptyResponse,
    Room.STAGE_STATUS: pb.RoomPeerStatusUpdate,
    Room.STAGE_STATE: pb.RoomGetRoomStageStateResponse,
    Chat.HISTORY: pb.ChatGetChatMessagesResponse,
    Chat.SEND_TO_ROOM: pb.ChatSendChatMessageToRoomResponse,
    Chat.SEND_TO_PEERS: pb.ChatSendChatMessageToPeersResponse,
    Chat.EDIT: pb.ChatEditChatMessageResponse,
    Chat.DELETE: pb.ChatDeleteChatMessageResponse,
    Chat.PAGE: pb.ChatGetPaginatedChatMessageRoomResponse,
    Chat.SEARCH: pb.ChatGetChatMessagesResponse,
    Chat.PIN: pb.ChatPinChatMessageResponse,
    Store.ENABLED_PLUGINS: pb.PluginEnablePluginsResponse,
    Store.INSERT: pb.PluginPluginStoreResponse,
    Store.GET: pb.PluginPluginStoreResponse,
    Store.DELETE: pb.PluginPluginStoreResponse,
    Polls.CREATE: pb.PollsUpdatePollResponse,
    Polls.LIST: pb.PollsGetPollsResponse,
    Polls.VOTE: pb.PollsUpdatePollResponse,
    Preset.READ: pb.PresetReadPeersPresetResponse,
    Preset.UPDATE: pb.PresetUpdatePeersPresetResponse,
    Media.CREATE_TRANSPORT: pb.MediaCreateTransportResponse,
    Media.PRODUCE: pb.EdgeProducerCreateResponse,
    Media.CONSUME: pb.EdgeConsumePeerResponse,
    Media.CLOSE_PRODUCER: pb.EdgeProducerClosingResponse,
    Media.CLOSE_CONSUMER: pb.EdgeConsumerClosingResponse,
    Media.PREFER_LAYERS: pb.EdgeEmptyResponse,
    Media.JOIN: pb.EdgePeerJoinResponse,
    Media.LEAVE: pb.EdgePeerLeaveResponse,
    Media.PIN: pb.EdgeGlobalPeerPinningResponse,
    Media.JOIN_COMPLETE: pb.EdgePeerJoinCompleteResponse,
    Media.PEER_JOINED: pb.EdgePeerJoinBroadcastResponse,
    Media.PRODUCER_ADDED: pb.EdgePeerProducerCreateBroadcastResponse,
    Media.PRODUCER_TOGGLED: pb.EdgePeerProducerToggleBroadcastResponse,
    Media.PRODUCER_CLOSED: pb.EdgePeerProducerCloseBroadcastResponse,
    Media.PINNED: pb.EdgeGlobalPeerPinningBroadcastResponse,
    Media.ROOM_TERMINATED: pb.EdgeMediaRoomTerminationBroadcastResponse,
    Media.SPEAKERS: pb.EdgeSelectedPeersDiffResponse,
    Media.RENEGOTIATE: pb.MediaRenegotiateResponse,
    Media.RENAME: pb.EdgePeerDisplayNameEditResponse,
    Media.HOST_CONTROL: pb.EdgeHostMediaControlForPeerResponse,
    Media.HOST_CONTROL_ALL: pb.EdgeHostMediaControlForAllPeerResponse,
    REQUEST_FAILED: pb.EdgeErrorResponse,
    Media.FAILED: pb.EdgeErrorResponse,
}
"""The payload of an answer or push (section 5); an event that is not here is a fault of the server."""


class Refused(Exception):
    """The server answered a request with an error."""

    def __init__(self, event: int, text: str) -> None:
        super().__init__(f"{event}: {text}")
        self.event = event
        self.text = text


class Rejected(Exception):
    """The handshake was answered with a status instead of a socket."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Frame(NamedTuple):
    """One envelope of the server."""

    event: int
    id: str
    message: Any


def claims(token: str) -> dict[str, Any]:
    """What the official client reads out of its token, the way it reads it."""
    payload = token.split(".")[1]
    claimed: dict[str, Any] = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), validate=True))
    return claimed


class Peer:
    """One connection."""

    def __init__(self, socket: ClientConnection, peer_id: str, token: str) -> None:
        self.socket = socket
        self.id = peer_id
        self.token = token
        self.close_code: int | None = None
        self.close_reason = ""
        self._numbers = itertools.count(1)
        self._answers: dict[str, asyncio.Future[Frame]] = {}
        self._news: deque[Frame] = deque()
        self._arrived = asyncio.Event()
        self.texts: list[str] = []
        self.unmatched: list[Frame] = []
        """Answers to requests that nobody waits for."""
        self.listener: Callable[[Frame], None] | None = None
        """Hears every answer and push, in the order in which they arrive."""
        self._reader = asyncio.create_task(self._read(), name=f"peer {peer_id}")

    @property
    def user_id(self) -> str:
        """The participant."""
        return str(claims(self.token)["participantId"])

    @property
    def meeting_id(self) -> str:
        """The meeting of the token."""
        return str(claims(self.token)["meetingId"])

    # --- life ---------------------------------------------------------------------------------

    @classmethod
    async def connect(
        cls, url: str, token: str, *, peer_id: str | None = None, room_id: str | None = None, **options: Any
    ) -> Peer:
        """Open the socket, as `init()` does; `url` is the server's `http://host:port`.

        Raises:
            Rejected: refused.
        """
        peer_id = peer_id or new_uuid()
        room_id = str(claims(token)["meetingId"]) if room_id is None else room_id
        always = dict.fromkeys(("useMediaV2", "joinWithDetails", "useCfWorker", "useStartSession"), "true")
        query = {
            "roomID": room_id, "peerID": peer_id, "authToken": token,
            **always, "ping": "true", "capabilities": "2",
        }  # fmt: skip
        return await cls.open(url, query, token=token, peer_id=peer_id, **options)

    @classmethod
    async def open(
        cls, url: str, query: Mapping[str, str], *, token: str = "", peer_id: str = "", **options: Any
    ) -> Peer:
        """Open a socket with any query."""
        target = f"{url.replace('http', 'ws', 1)}/ws?{urlencode(query)}"
        try:
            socket = await connect(
                target,
                compression=None,
                max_size=MAX_FRAME_BYTES,
                proxy=None,
                open_timeout=TIMEOUT_S,
                close_timeout=TIMEOUT_S,
                ping_interval=None,
                **options,
            )
        except InvalidStatus as refused:
            body = refused.response.body or b""
            raise Rejected(refused.response.status_code, json.loads(body) if body else {}) from None
        return cls(socket, peer_id, token)

    @classmethod
    async def join(
        cls, url: str, token: str, *, peer_id: str | None = None, name: str = "", media: bool = True
    ) -> Peer:
        """Connect and enter the meeting, media included."""
        peer = await cls.connect(url, token, peer_id=peer_id)
        await peer.enter(name=name, media=media)
        return peer

    async def enter(self, *, name: str = "", media: bool = True) -> pb.RoomPeer:
        """`join()` of the client: returns oneself; `waitlisted` tells whether one waits."""
        request = pb.RoomJoinRoomRequest(peer=pb.RoomPeer(peer_id=self.id, display_name=name))
        me: pb.RoomPeer = (await self.ask(Room.JOIN, request)).peer
        if media and not me.waitlisted:
            await self.ask(Media.JOIN, pb.EdgePeerJoinRequest())
            await self.ask(Media.JOIN_COMPLETE)
        return me

    async def close(self, code: int = 1000) -> None:
        """Close the socket; 1000 is what `leave()` ends with, 1001 a closed tab."""
        await self.socket.close(code)
        await self.gone()

    async def vanish(self) -> None:
        """Lose the connection without a close frame."""
        self.socket.transport.abort()
        await self.gone()

    async def gone(self) -> int | None:
        """Wait until the connection has ended; returns its close code."""
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.wait([self._reader])
        return self.close_code

    @property
    def is_open(self) -> bool:
        """Whether the server has not hung up."""
        return not self._reader.done()

    async def _read(self) -> None:
        try:
            async for data in self.socket:
                if isinstance(data, str):
                    self.texts.append(data)
                    if data == "2":
                        await self.socket.send("3")
                else:
                    self._take(data)
        except ConnectionClosed:
            pass
        finally:
            self.close_code = self.socket.close_code
            self.close_reason = self.socket.close_reason or ""
            self._arrived.set()
            for waiting in self._answers.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError(f"closed with {self.close_code}"))
                    waiting.exception()  # a request that nobody waits for any more is no fault

    def _take(self, data: bytes) -> None:
        outer = pb.SocketMessage.FromString(data)
        frame = Frame(outer.event, outer.id, FROM_SERVER[outer.event].FromString(outer.payload))
        if self.listener is not None:
            self.listener(frame)
        if not frame.id:
            self._news.append(frame)
        elif (waiting := self._answers.pop(frame.id, None)) is not None:
            waiting.set_result(frame)
        else:
            self.unmatched.append(frame)
        self._arrived.set()

    # --- asking -------------------------------------------------------------------------------

    async def _begin(self, event: int, message: Message | None) -> tuple[str, asyncio.Future[Frame]]:
        request_id = f"{self.id}-{next(self._numbers):05d}"
        waiting: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = waiting
        payload = message.SerializeToString() if message is not None else b""
        await self.send_raw(pb.SocketMessage(event=event, id=request_id, payload=payload).SerializeToString())
        return request_id, waiting

    async def send_raw(self, data: bytes | str) -> None:
        """Send one WebSocket message as it is."""
        await self.socket.send(data)

    async def ask_frame(self, event: int, message: Message | None = None) -> Frame:
        """Send a request and wait for its answer."""
        _, waiting = await self._begin(event, message)
        async with asyncio.timeout(TIMEOUT_S):
            frame = await waiting
        if frame.event in (REQUEST_FAILED, Media.FAILED):
            raise Refused(frame.event, frame.message.error_message)
        return frame

    async def ask(self, event: int, message: Message | None = None) -> Any:
        """Send a request; returns the message of its answer, which must have the request's event.

        Raises:
            Refused: the answer is an error.
        """
        frame = await self.ask_frame(event, message)
        assert frame.event == event, f"{event} was answered as {frame.event}"
        return frame.message

    async def tell(self, event: int, message: Message | None = None) -> None:
        """Send a request that success does not answer, and wait until it has been carried out.

        Raises:
            Refused: it failed.
        """
        request_id, waiting = await self._begin(event, message)
        await self.settle()
        self._answers.pop(request_id, None)
        if waiting.done():
            frame = waiting.result()
            if frame.event in (REQUEST_FAILED, Media.FAILED):
                raise Refused(frame.event, frame.message.error_message)
            raise AssertionError(f"{event} was answered with {frame}")

    async def settle(self) -> None:
        """Everything asked before has been done, and everything pushed before has arrived."""
        await self.ask(Room.GET_ROOM)

    # --- pushes -------------------------------------------------------------------------------

    async def news(self) -> list[Frame]:
        """Everything pushed since the last look."""
        await self.settle()
        found = list(self._news)
        self._news.clear()
        return found

    async def pushed(self, event: int) -> list[Any]:
        """Messages pushed under that event since the last look; other events stay."""
        await self.settle()
        found = [frame.message for frame in self._news if frame.event == event]
        self._news = deque(frame for frame in self._news if frame.event != event)
        return found

    async def next(self, event: int) -> Any:
        """The next push of that event, when it comes (for what the server does in its own time)."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                for frame in self._news:
                    if frame.event == event:
                        self._news.remove(frame)
                        return frame.message
                assert self.is_open, f"closed with {self.close_code} before event {event} came"
                self._arrived.clear()
                await self._arrived.wait()

    async def quiet(self) -> None:
        """Forget what was pushed so far."""
        await self.news()
