"""One connection to a meeting, from its socket to its end (`rtk-client-protocol.md` sections 6 and 9)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog
from google.protobuf.message import DecodeError, Message
from yarl import URL

from parley.base.errors import ParleyError
from parley.base.tasks import cancel_and_wait
from parley.headless.bootstrap import VIEW_TYPES_WITH_MEDIA, Invitation
from parley.headless.errors import CannotJoin
from parley.headless.media import MediaSession
from parley.headless.news import ChatReceived, Ended, Ending, News, PersonJoined, PersonLeft, Waiting
from parley.headless.receiving import OnFrame
from parley.headless.roster import Roster
from parley.headless.socket import Loss, ProtocolSocket
from parley.headless.sources import MediaSource
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Media, Polls, Room, Store

log = structlog.get_logger(__name__)

LEAVE_TIMEOUT_S = 3.0
STORE_NAME = "__rtk_plugins__"
"""The shared store that the official client reads while it starts."""


@dataclass(frozen=True, slots=True)
class Part:
    """What stays the same however often a participant connects."""

    peer_id: str
    name: str | None
    """Shown instead of the participant's own name."""
    media: MediaSource | None
    roster: Roster
    tell: Callable[[News], None]
    on_frame: OnFrame | None
    muted: set[str] = field(default_factory=set)
    """Kinds that we or a host turned off: they stay off on the next connection."""


@dataclass(frozen=True, slots=True)
class Over:
    """How a visit ended."""

    ended: Ended
    may_return: bool
    """Whether another visit makes sense."""


class Visit:
    """Entered once, closed once. `over` tells when to close it, and whether to begin another."""

    def __init__(self, part: Part, invitation: Invitation, *, is_return: bool) -> None:
        self._part = part
        self._roster = part.roster
        self._invitation = invitation
        self._is_return = is_return
        self._tells_people = is_return
        self._socket: ProtocolSocket | None = None
        self.media: MediaSession | None = None
        """None without media connections."""
        self._admitted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._connecting: asyncio.Task[None] | None = None
        self._restarting: asyncio.Task[None] | None = None
        self._is_in = False
        self.opened_at = 0.0
        """Loop time at which the socket was open."""
        self.over: asyncio.Future[Over] = asyncio.get_running_loop().create_future()
        """Set once, when the visit is over for whatever reason."""
        self._notices = self._notice_table()
        self._shown_name = ""

    @property
    def name(self) -> str:
        """As others see us; before the server has said so, as we would like it."""
        return self._shown_name or self._part.name or self._invitation.name

    @property
    def socket(self) -> ProtocolSocket | None:
        """None before it is open."""
        return self._socket

    # --- entering and leaving -----------------------------------------------------------------

    async def enter(self, http: aiohttp.ClientSession, base: URL, *, admission_timeout: float) -> None:
        """Enter the meeting; returns when media flows, or could flow. The caller closes, also after an error.

        Raises:
            CannotJoin: refused, not admitted, or the socket cannot be opened.
            RequestRefused: the server answered a step with an error.
            ConnectionLost: in the middle of it.
        """
        invitation, part = self._invitation, self._part
        socket = self._socket = await ProtocolSocket.connect(
            http,
            base,
            token=invitation.token,
            meeting_id=invitation.meeting_id,
            peer_id=part.peer_id,
            on_notice=self._notice,
        )
        socket.ended.add_done_callback(lambda ended: self._socket_ended(ended.result()))
        self.opened_at = asyncio.get_running_loop().time()
        if invitation.view_type in VIEW_TYPES_WITH_MEDIA:
            if self._is_return:
                # Before room.3, whose answer a restarted server else holds back: a client that has not begun
                # media anew may still be finding out that its transports are gone.
                await self._begin_media(socket)
            # Already on the way in, so that it is ready when a host opens the door.
            connect = self._connect_media(socket)
            self._connecting = asyncio.create_task(connect, name=f"connecting {part.peer_id}")
        await self._enter_room(socket, admission_timeout)
        if self._connecting is not None:
            await self._connecting
            await self._complete_media(socket)
            if self.media is not None:
                await self.media.start()
        self._is_in = self._tells_people = True

    async def _begin_media(self, socket: ProtocolSocket) -> None:
        joining = pb.EdgePeerJoinRequest(prejoined=self._is_return)
        await socket.request(Media.JOIN, joining, pb.EdgePeerJoinResponse)

    async def _connect_media(self, socket: ProtocolSocket) -> None:
        if not self._is_return:
            await self._begin_media(socket)
        if self._part.media is not None:
            self.media = MediaSession(
                socket,
                self._roster,
                ice_servers=self._invitation.ice_servers,
                source=self._part.media,
                may_publish=self._invitation.produces,
                muted=self._part.muted,
                on_news=self._part.tell,
                on_given_up=lambda reason: self._finish(Ending.LOST, reason, may_return=True),
                on_frame=self._part.on_frame,
            )
            await self.media.open()

    async def _enter_room(self, socket: ProtocolSocket, admission_timeout: float) -> None:
        """Join the room, waiting for a host if need be, and read what the official client reads."""
        meeting_id = self._invitation.meeting_id
        me = pb.RoomPeer(
            peer_id=self._part.peer_id, user_id=self._invitation.participant_id, display_name=self.name
        )
        request = pb.RoomJoinRoomRequest(peer=me, room_uuid=meeting_id)
        answer = await socket.request(Room.JOIN, request, pb.RoomPeerInfoResponse)
        if answer.peer.waitlisted:
            self._part.tell(Waiting())
            await self._wait_admission(admission_timeout)
            answer = await socket.request(Room.JOIN, request, pb.RoomPeerInfoResponse)
            if answer.peer.waitlisted:
                raise CannotJoin("Admitted by a host, but the server still wants us to wait.")
        self._shown_name = answer.peer.display_name
        _, _, _, peers, _ = await asyncio.gather(
            socket.request(Chat.HISTORY, None, pb.ChatGetChatMessagesResponse),
            socket.request(Polls.LIST, None, pb.PollsGetPollsResponse),
            socket.request(Room.GET_ROOM, None, pb.RoomRoomInfoResponse),
            socket.request(Room.GET_PEERS, None, pb.RoomRoomPeersInfoResponse),
            socket.request(
                Store.GET,
                pb.PluginPluginStoreGetKeysRequest(plugin_id=meeting_id, store_name=STORE_NAME),
                pb.PluginPluginStoreResponse,
            ),
        )
        for gone in set(self._roster.people) - {peer.peer_id for peer in peers.peers}:
            self._left(gone)  # while we were away
        for peer in peers.peers:
            self._see(peer)

    async def _wait_admission(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                is_admitted = await self._admitted
        except TimeoutError as error:
            raise CannotJoin(f"Not admitted: no host decided within {timeout:g} s.") from error
        if self.over.done():
            raise CannotJoin(self.over.result().ended.reason, is_final=not self.over.result().may_return)
        if not is_admitted:
            raise CannotJoin(Ending.DENIED.sentence)

    async def _complete_media(self, socket: ProtocolSocket) -> None:
        answer = await socket.request(Media.JOIN_COMPLETE, None, pb.EdgePeerJoinCompleteResponse)
        self._roster.forget_publications()
        for participant in answer.participants:
            self._roster.joined(participant.peer_id, participant.display_name)
            self._roster.published(participant.peer_id, participant.producer_states)

    async def close(self) -> None:
        """Leave as a person would, if still connected: streams paused, the server told. May be repeated."""
        await cancel_and_wait([self._connecting, self._restarting])
        if self.media is not None:
            await self.media.close()
        socket = self._socket
        if socket is not None:
            if self._is_in and not socket.ended.done():
                self._is_in = False
                goodbye = socket.request(
                    Media.LEAVE,
                    pb.EdgePeerLeaveRequest(),
                    pb.EdgePeerLeaveResponse,
                    timeout=LEAVE_TIMEOUT_S,
                )
                with contextlib.suppress(ParleyError):
                    await goodbye
            self._finish(Ending.LEFT)
            await socket.close()

    # --- how it ends --------------------------------------------------------------------------

    def _socket_ended(self, loss: Loss) -> None:
        self._finish(Ending.LOST, loss.reason, may_return=loss.may_return)

    def _finish(self, ending: Ending, reason: str = "", *, may_return: bool = False) -> None:
        if not self.over.done():
            self.over.set_result(Over(Ended(ending, reason or ending.sentence), may_return))
            self._answer_admission(admitted=False)

    # --- notices ------------------------------------------------------------------------------

    def _notice(self, event: int, payload: bytes) -> None:
        entry = self._notices.get(event)
        if entry is None:
            return
        message_type, handler = entry
        message = message_type()
        try:
            message.ParseFromString(payload)
        except DecodeError:
            log.warning("headless_notice_malformed", event_number=event)
            return
        handler(message)

    def _see(self, peer: pb.RoomPeer) -> None:
        if peer.waitlisted or peer.flags.hidden_participant:
            return
        person = self._roster.joined(peer.peer_id, peer.display_name)
        if person is not None and self._tells_people:
            self._part.tell(PersonJoined(person.peer_id, person.name))

    def _left(self, peer_id: str) -> None:
        person = self._roster.left(peer_id)
        if person is not None:
            self._part.tell(PersonLeft(person.peer_id, person.name))
            self._wake()

    def _on_chat(
        self, message: pb.ChatSendChatMessageToRoomResponse | pb.ChatSendChatMessageToPeersResponse
    ) -> None:
        chat = message.message
        self._part.tell(ChatReceived(chat.peer_id, chat.display_name, chat.payload))

    def _on_media_joined(self, message: pb.EdgePeerJoinBroadcastResponse) -> None:
        participant = message.participant
        self._roster.joined(participant.peer_id, participant.display_name)
        self._roster.published(participant.peer_id, participant.producer_states)
        self._wake()

    def _on_producer_added(self, message: pb.EdgePeerProducerCreateBroadcastResponse) -> None:
        self._roster.published(message.participant_id, [message.producer_state])
        self._wake()

    def _on_producer_toggled(self, message: pb.EdgePeerProducerToggleBroadcastResponse) -> None:
        state, me = message.producer_state, self._part.peer_id
        if message.participant_id != me:
            self._roster.published(message.participant_id, [state])
        elif state.pause and message.initiator_participant_id != me and self.media is not None:
            self.media.muted_by_host(state.producer_id)

    def _on_producer_closed(self, message: pb.EdgePeerProducerCloseBroadcastResponse) -> None:
        self._roster.unpublished(message.participant_id, message.producer_state.producer_id)
        self._wake()

    def _on_media_terminated(self, _: Message) -> None:
        """The media engine restarted: what section 8 asks of clients."""
        if self._restarting is None or self._restarting.done():
            name = f"restarting {self._part.peer_id}"
            self._restarting = asyncio.create_task(self._restart_media(), name=name)

    async def _restart_media(self) -> None:
        assert self._socket is not None
        try:
            await self._socket.request(Media.JOIN, pb.EdgePeerJoinRequest(), pb.EdgePeerJoinResponse)
            await self._complete_media(self._socket)
        except ParleyError as error:
            self._finish(Ending.LOST, error.message, may_return=True)
        else:
            if self.media is not None:
                self.media.restart()

    def _wake(self) -> None:
        if self.media is not None:
            self.media.wake()

    def _answer_admission(self, *, admitted: bool) -> None:
        if not self._admitted.done():
            self._admitted.set_result(admitted)

    def _notice_table(self) -> Mapping[int, tuple[type[Message], Callable[[Any], None]]]:
        """What is listened to, with the message it carries (any other notice is none of our business)."""
        nothing = pb.EdgeEmptyResponse
        peer = pb.RoomPeerInfoResponse
        return {
            Room.JOIN: (peer, lambda message: self._see(message.peer)),
            Room.LEAVE: (peer, lambda message: self._left(message.peer.peer_id)),
            Room.KICK: (nothing, lambda _: self._finish(Ending.KICKED)),
            Room.KICK_ALL: (nothing, lambda _: self._finish(Ending.SESSION_ENDED)),
            Room.TRANSFER_PEER: (nothing, lambda _: self._finish(Ending.MOVED)),
            Room.WAITING_ACCEPTED: (nothing, lambda _: self._answer_admission(admitted=True)),
            Room.WAITING_DENIED: (nothing, lambda _: self._answer_admission(admitted=False)),
            Chat.SEND_TO_ROOM: (pb.ChatSendChatMessageToRoomResponse, self._on_chat),
            Chat.SEND_TO_PEERS: (pb.ChatSendChatMessageToPeersResponse, self._on_chat),
            Media.PEER_JOINED: (pb.EdgePeerJoinBroadcastResponse, self._on_media_joined),
            Media.PRODUCER_ADDED: (pb.EdgePeerProducerCreateBroadcastResponse, self._on_producer_added),
            Media.PRODUCER_TOGGLED: (pb.EdgePeerProducerToggleBroadcastResponse, self._on_producer_toggled),
            Media.PRODUCER_CLOSED: (pb.EdgePeerProducerCloseBroadcastResponse, self._on_producer_closed),
            Media.ROOM_TERMINATED: (nothing, self._on_media_terminated),
        }
