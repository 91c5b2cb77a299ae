"""One participant: joins, keeps a roster, chats, and leaves (`rtk-client-protocol.md` section 6)."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
import structlog
from google.protobuf.message import DecodeError, Message

from parley.base.errors import ParleyError
from parley.base.tasks import cancel_and_wait
from parley.headless.bootstrap import VIEW_TYPES_WITH_MEDIA, Invitation, fetch, origin
from parley.headless.errors import CannotJoin, ConnectionLost
from parley.headless.media import MediaSession, Total
from parley.headless.news import (
    ChatReceived,
    Ended,
    Ending,
    Joined,
    News,
    PersonJoined,
    PersonLeft,
    Waiting,
)
from parley.headless.receiving import OnFrame, RemoteTrack
from parley.headless.roster import Person, Roster
from parley.headless.socket import ProtocolSocket
from parley.headless.sources import MediaSource
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Media, Polls, Room, Store

log = structlog.get_logger(__name__)

ADMISSION_TIMEOUT_S = 300.0
LEAVE_TIMEOUT_S = 3.0
TEXT_MESSAGE = 0
STORE_NAME = "__rtk_plugins__"
"""The shared store that the official client reads while it starts."""


def _ignore(_: News) -> None:
    """Nobody listens."""


class HeadlessClient:
    """A participant without a browser.

    `join` once, `leave` once (also after an error or when `ended` is set; it may be repeated). As a context
    manager it leaves at the end.

    Args:
        token: participant token; the same one may be used by several clients, each is a peer of its own.
        base_url: where the server is, for example `http://localhost:7800`.
        name: shown instead of the participant's own name.
        media: what to publish (`sources.NOTHING`: only watch); None for signalling without media connections.
        on_news: told what happens, in order; must not block.
        on_frame: gets every decoded frame of every stream; without it streams are only counted.
        http: session to use; None makes one.
    """

    def __init__(
        self,
        token: str,
        base_url: str,
        *,
        name: str | None = None,
        media: MediaSource | None = None,
        on_news: Callable[[News], None] = _ignore,
        on_frame: OnFrame | None = None,
        http: aiohttp.ClientSession | None = None,
    ) -> None:
        self._token = token
        self._base = origin(base_url)
        self._name = name
        self._source = media
        self.on_news = on_news
        """May be replaced before joining."""
        self._on_frame = on_frame
        self._http = http
        self._own_http: aiohttp.ClientSession | None = None
        self.peer_id = str(uuid.uuid4())
        self._roster = Roster(self.peer_id)
        self._socket: ProtocolSocket | None = None
        self._media: MediaSession | None = None
        self._admitted: asyncio.Future[bool] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._restarting: asyncio.Task[None] | None = None
        self._is_joined = False
        self._is_left = False
        self.invitation: Invitation | None = None
        """Who we are; known after the first step of joining."""
        self.name = name or ""
        """As others see it."""
        self.join_s = 0.0
        """From the open socket to being in the meeting, connections and first streams included."""
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        """Set once when the participation is over, for whatever reason."""
        self._notices = self._notice_table()

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    # --- what the owner sees ------------------------------------------------------------------

    @property
    def people(self) -> dict[str, Person]:
        """The others, by peer id."""
        return self._roster.people

    @property
    def tracks(self) -> dict[str, RemoteTrack]:
        """Streams that arrive now, by producer id."""
        return self._media.tracks if self._media is not None else {}

    @property
    def publishes(self) -> list[str]:
        """Kinds of streams we publish."""
        return self._media.publishes if self._media is not None else []

    def totals(self) -> list[Total]:
        """What arrived until now."""
        return self._media.totals() if self._media is not None else []

    # --- joining and leaving ------------------------------------------------------------------

    async def join(self, *, admission_timeout: float = ADMISSION_TIMEOUT_S) -> None:
        """Enter the meeting; returns when media flows, or could flow.

        Raises:
            CannotJoin: bad token, server not reachable, refused, not admitted; the message says which.
        """
        try:
            await self._join(admission_timeout)
        except CannotJoin:
            await self.leave()
            raise
        except ParleyError as error:
            await self.leave()
            raise CannotJoin(error.message) from error
        except BaseException:
            await self.leave()
            raise

    async def _join(self, admission_timeout: float) -> None:
        http = self._http
        if http is None:
            http = self._own_http = aiohttp.ClientSession()
        invitation = self.invitation = await fetch(http, self._base, self._token)
        self.name = self._name or invitation.name
        self._admitted = asyncio.get_running_loop().create_future()
        socket = self._socket = await ProtocolSocket.connect(
            http,
            self._base,
            token=self._token,
            meeting_id=invitation.meeting_id,
            peer_id=self.peer_id,
            on_notice=self._notice,
        )
        socket.ended.add_done_callback(lambda ended: self._end(Ending.LOST, ended.result()))
        opened_at = asyncio.get_running_loop().time()
        has_media = invitation.view_type in VIEW_TYPES_WITH_MEDIA
        if has_media:  # already on the way in, so that it is ready when a host opens the door
            self._connecting = asyncio.create_task(
                self._connect_media(socket, invitation), name=f"connecting {self.peer_id}"
            )
        await self._enter(socket, invitation, admission_timeout)
        if self._connecting is not None:
            await self._connecting
            await self._complete_media(socket)
            if self._media is not None:
                await self._media.start()
        self._is_joined = True
        self.join_s = asyncio.get_running_loop().time() - opened_at
        self.on_news(Joined(tuple(person.name for person in self.people.values())))

    async def _connect_media(self, socket: ProtocolSocket, invitation: Invitation) -> None:
        await socket.request(Media.JOIN, pb.EdgePeerJoinRequest(), pb.EdgePeerJoinResponse)
        if self._source is not None:
            self._media = MediaSession(
                socket,
                self._roster,
                ice_servers=invitation.ice_servers,
                source=self._source,
                may_publish=invitation.produces,
                on_news=self.on_news,
                on_given_up=lambda reason: self._end(Ending.LOST, reason),
                on_frame=self._on_frame,
            )
            await self._media.open()

    async def _enter(self, socket: ProtocolSocket, invitation: Invitation, admission_timeout: float) -> None:
        """Join the room, waiting for a host if need be, and read what the official client reads."""
        me = pb.RoomPeer(peer_id=self.peer_id, user_id=invitation.participant_id, display_name=self.name)
        request = pb.RoomJoinRoomRequest(peer=me, room_uuid=invitation.meeting_id)
        answer = await socket.request(Room.JOIN, request, pb.RoomPeerInfoResponse)
        if answer.peer.waitlisted:
            self.on_news(Waiting())
            await self._wait_admission(admission_timeout)
            answer = await socket.request(Room.JOIN, request, pb.RoomPeerInfoResponse)
            if answer.peer.waitlisted:
                raise CannotJoin("Admitted by a host, but the server still wants us to wait.")
        _, _, _, peers, _ = await asyncio.gather(
            socket.request(Chat.HISTORY, None, pb.ChatGetChatMessagesResponse),
            socket.request(Polls.LIST, None, pb.PollsGetPollsResponse),
            socket.request(Room.GET_ROOM, None, pb.RoomRoomInfoResponse),
            socket.request(Room.GET_PEERS, None, pb.RoomRoomPeersInfoResponse),
            socket.request(
                Store.GET,
                pb.PluginPluginStoreGetKeysRequest(plugin_id=invitation.meeting_id, store_name=STORE_NAME),
                pb.PluginPluginStoreResponse,
            ),
        )
        for peer in peers.peers:
            self._see(peer)

    async def _wait_admission(self, timeout: float) -> None:
        assert self._admitted is not None
        try:
            async with asyncio.timeout(timeout):
                is_admitted = await self._admitted
        except TimeoutError as error:
            raise CannotJoin(f"Not admitted: no host decided within {timeout:g} s.") from error
        if self.ended.done():
            raise CannotJoin(self.ended.result().reason)
        if not is_admitted:
            raise CannotJoin(Ending.DENIED.sentence)

    async def _complete_media(self, socket: ProtocolSocket) -> None:
        answer = await socket.request(Media.JOIN_COMPLETE, None, pb.EdgePeerJoinCompleteResponse)
        for participant in answer.participants:
            self._roster.joined(participant.peer_id, participant.display_name)
            self._roster.published(participant.peer_id, participant.producer_states)

    async def leave(self) -> None:
        """Leave as a person would: streams paused, the server told, everything closed. May be repeated."""
        if self._is_left:
            return
        self._is_left = True
        await cancel_and_wait([self._connecting, self._restarting])
        if self._media is not None:
            await self._media.close()
        socket = self._socket
        if socket is not None:
            if not socket.ended.done() and self._is_joined:
                with contextlib.suppress(ParleyError):
                    await socket.request(
                        Media.LEAVE,
                        pb.EdgePeerLeaveRequest(),
                        pb.EdgePeerLeaveResponse,
                        timeout=LEAVE_TIMEOUT_S,
                    )
            self._end(Ending.LEFT)
            await socket.close()
        if self._own_http is not None:
            await self._own_http.close()
        self._end(Ending.LEFT)

    # --- talking ------------------------------------------------------------------------------

    async def send_chat(self, text: str) -> None:
        """Post to everybody; it comes back as `ChatReceived`.

        Raises:
            ConnectionLost: not in a meeting (any more).
        """
        if self._socket is None:
            raise ConnectionLost("Not in a meeting.")
        await self._socket.tell(
            Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest(payload_type=TEXT_MESSAGE, payload=text)
        )

    async def pause(self, kind: str, *, paused: bool = True) -> None:
        """Mute ("audio") or turn off the picture ("video"), or the opposite."""
        if self._media is not None:
            await self._media.pause(kind, paused=paused)

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
        if person is not None and self._is_joined:
            self.on_news(PersonJoined(person.peer_id, person.name))

    def _on_left(self, message: pb.RoomPeerInfoResponse) -> None:
        person = self._roster.left(message.peer.peer_id)
        if person is not None:
            self.on_news(PersonLeft(person.peer_id, person.name))
            self._wake()

    def _on_chat(self, message: pb.ChatSendChatMessageToRoomResponse) -> None:
        chat = message.message
        self.on_news(ChatReceived(chat.peer_id, chat.display_name, chat.payload))

    def _on_private_chat(self, message: pb.ChatSendChatMessageToPeersResponse) -> None:
        chat = message.message
        self.on_news(ChatReceived(chat.peer_id, chat.display_name, chat.payload))

    def _on_media_joined(self, message: pb.EdgePeerJoinBroadcastResponse) -> None:
        participant = message.participant
        self._roster.joined(participant.peer_id, participant.display_name)
        self._roster.published(participant.peer_id, participant.producer_states)
        self._wake()

    def _on_producer_added(self, message: pb.EdgePeerProducerCreateBroadcastResponse) -> None:
        self._roster.published(message.participant_id, [message.producer_state])
        self._wake()

    def _on_producer_toggled(self, message: pb.EdgePeerProducerToggleBroadcastResponse) -> None:
        state = message.producer_state
        if message.participant_id != self.peer_id:
            self._roster.published(message.participant_id, [state])
        elif state.pause and message.initiator_participant_id != self.peer_id and self._media is not None:
            self._media.muted_by_host(state.producer_id)

    def _on_producer_closed(self, message: pb.EdgePeerProducerCloseBroadcastResponse) -> None:
        self._roster.unpublished(message.participant_id, message.producer_state.producer_id)
        self._wake()

    def _on_media_terminated(self, _: Message) -> None:
        """The media engine restarted: what section 8 asks of clients."""
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.create_task(self._restart_media(), name=f"restarting {self.peer_id}")

    async def _restart_media(self) -> None:
        assert self._socket is not None
        try:
            await self._socket.request(Media.JOIN, pb.EdgePeerJoinRequest(), pb.EdgePeerJoinResponse)
            for person in self.people.values():
                person.publications.clear()
            await self._complete_media(self._socket)
        except ParleyError as error:
            self._end(Ending.LOST, error.message)
        else:
            if self._media is not None:
                self._media.restart()

    def _wake(self) -> None:
        if self._media is not None:
            self._media.wake()

    def _answer_admission(self, *, admitted: bool) -> None:
        if self._admitted is not None and not self._admitted.done():
            self._admitted.set_result(admitted)

    def _end(self, ending: Ending, reason: str = "") -> None:
        if not self.ended.done():
            ended = Ended(ending, reason or ending.sentence)
            self.ended.set_result(ended)
            self.on_news(ended)
            self._answer_admission(admitted=False)

    def _notice_table(self) -> Mapping[int, tuple[type[Message], Callable[[Any], None]]]:
        """What is listened to, with the message it carries (any other notice is none of our business)."""
        nothing = pb.EdgeEmptyResponse
        peer = pb.RoomPeerInfoResponse
        return {
            Room.JOIN: (peer, lambda message: self._see(message.peer)),
            Room.LEAVE: (peer, self._on_left),
            Room.KICK: (nothing, lambda _: self._end(Ending.KICKED)),
            Room.KICK_ALL: (nothing, lambda _: self._end(Ending.SESSION_ENDED)),
            Room.TRANSFER_PEER: (nothing, lambda _: self._end(Ending.MOVED)),
            Room.WAITING_ACCEPTED: (nothing, lambda _: self._answer_admission(admitted=True)),
            Room.WAITING_DENIED: (nothing, lambda _: self._answer_admission(admitted=False)),
            Chat.SEND_TO_ROOM: (pb.ChatSendChatMessageToRoomResponse, self._on_chat),
            Chat.SEND_TO_PEERS: (pb.ChatSendChatMessageToPeersResponse, self._on_private_chat),
            Media.PEER_JOINED: (pb.EdgePeerJoinBroadcastResponse, self._on_media_joined),
            Media.PRODUCER_ADDED: (pb.EdgePeerProducerCreateBroadcastResponse, self._on_producer_added),
            Media.PRODUCER_TOGGLED: (pb.EdgePeerProducerToggleBroadcastResponse, self._on_producer_toggled),
            Media.PRODUCER_CLOSED: (pb.EdgePeerProducerCloseBroadcastResponse, self._on_producer_closed),
            Media.ROOM_TERMINATED: (nothing, self._on_media_terminated),
        }
