"""What a running meeting tells its peers, as frames of the protocol.

A notice goes to many sockets: it is encoded once, and the last few frames are kept by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from parley.meetings.live import notices as n
from parley.stream.frames import encode_binary
from parley.wire.realtimekit.client import permissions, shapes
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Media, Polls, Preset, Room, Store

Encoded = tuple[int, Message | None]
Encoder = Callable[[Any, str], Encoded]


def _broadcast(x: n.Broadcast, _: str) -> Encoded:
    return Room.BROADCAST, broadcast_message(x)


def broadcast_message(x: n.Broadcast) -> pb.RoomBroadcastMessage:
    """A relayed message."""
    return pb.RoomBroadcastMessage(type=x.type, payload=x.payload, timestamp=x.timestamp_ms)


def _rooms_created(x: n.RoomsCreated, _: str) -> Encoded:
    return Room.CONNECTED_ROOMS_CREATED, rooms_created_message(x)


def rooms_created_message(x: n.RoomsCreated) -> pb.RoomCreateConnectedRoomsResponse:
    """Opened rooms."""
    return pb.RoomCreateConnectedRoomsResponse(
        payloads=[pb.RoomCreateRoomResponsePayload(id=room_id, title=title) for room_id, title in x.rooms]
    )


def _rooms_deleted(x: n.RoomsDeleted, _: str) -> Encoded:
    return Room.CONNECTED_ROOMS_DELETED, rooms_deleted_message(x)


def rooms_deleted_message(x: n.RoomsDeleted) -> pb.RoomDisableConnectedRoomsResponse:
    """Closed rooms."""
    return pb.RoomDisableConnectedRoomsResponse(
        payloads=[
            pb.RoomDisableConnectedRoomPayload(id=room_id, title=title, status="disabled")
            for room_id, title in x.rooms
        ]
    )


def permissions_message(x: n.PermissionsChanged) -> pb.PresetUpdatePeersPresetResponse:
    """Changed permissions; the protocol carries one participant id per entry."""
    return pb.PresetUpdatePeersPresetResponse(
        update_peers_presets=[
            pb.PresetUpdatePeerPreset(user_ids=participant_id, patch=permissions.message_of(patch))
            for participant_id, patch in x.changes.items()
        ]
    )


def pin_message(x: n.MessagePinned) -> pb.ChatPinChatMessageResponse:
    """A message with its new mark."""
    return pb.ChatPinChatMessageResponse(
        chat_id=x.message.id, pinned=x.message.is_pinned, message=shapes.chat_message(x.message)
    )


def _message_sent(x: n.MessageSent, _: str) -> Encoded:
    message = shapes.chat_message(x.message)
    if x.message.recipient_ids:
        return Chat.SEND_TO_PEERS, pb.ChatSendChatMessageToPeersResponse(message=message)
    return Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomResponse(message=message)


_RECORDING = {"RECORDING": Room.RECORDING_STARTED, "PAUSED": Room.RECORDING_PAUSED}


def _recording(x: n.RecordingChanged, _: str) -> Encoded:
    # Started also when it goes on after a pause; stopped whatever becomes of it then.
    return _RECORDING.get(x.status, Room.RECORDING_STOPPED), pb.RecordingRecordingEvent(
        recording_id=x.recording_id, recording_type=pb.COMMON_RECORDING_TYPE_COMPOSITE
    )


_LIVESTREAM = {
    "INVOKED": Room.LIVESTREAM_INVOKED,
    "LIVE": Room.LIVESTREAM_STARTED,
    "ERRORED": Room.LIVESTREAM_ERRORED,
}


def _livestream(x: n.LivestreamChanged, meeting_id: str) -> Encoded:
    return _LIVESTREAM.get(x.status, Room.LIVESTREAM_STOPPED), pb.LiveLiveStreamingEvent(
        livestream_id=x.livestream_id,
        err_message=x.error,
        name=x.name,
        meeting_id=meeting_id,
        playback_url=x.playback_url,
        org_id=x.app_id,
        room_name=meeting_id,
        room_uuid=x.session_id,
        status=x.status,
        manual_ingest=x.is_ingested,
    )


_ENCODERS: dict[type[n.Notice], Encoder] = {
    n.PeerJoined: lambda x, _: (Room.JOIN, shapes.peer_answer(x.peer)),
    # Only this and no media event: see pitfall 4 in section 11.
    n.PeerLeft: lambda x, _: (Room.LEAVE, shapes.peer_answer(x.peer)),
    n.WaitingList: lambda x, _: (Room.WAITING_LIST, shapes.waiting_list(x)),
    n.Admitted: lambda _, __: (Room.WAITING_ACCEPTED, None),
    n.Denied: lambda _, __: (Room.WAITING_DENIED, None),
    n.Kicked: lambda x, _: (Room.KICK, shapes.peer_answer(x.peer)),
    n.SessionEnded: lambda _, __: (Room.KICK_ALL, pb.RoomPeerInfoResponse()),
    n.RecordingChanged: _recording,
    n.LivestreamChanged: _livestream,
    n.ViewersCounted: lambda x, _: (Room.VIEWERS, pb.RoomRoomPeerCountResponse(count=x.count)),
    n.StageChanged: lambda x, _: (Room.STAGE_STATUS, shapes.stage_change(x)),
    n.StageRequests: lambda x, _: (Room.STAGE_REQUESTS, shapes.stage_requests(x)),
    n.StageDecision: lambda x, _: (Room.GRANT_STAGE if x.is_granted else Room.DENY_STAGE, None),
    n.Broadcast: _broadcast,
    n.MessageSent: _message_sent,
    n.MessageEdited: lambda x, _: (
        Chat.EDIT,
        pb.ChatEditChatMessageResponse(message=shapes.chat_message(x.message)),
    ),
    n.MessageDeleted: lambda x, _: (Chat.DELETE, pb.ChatDeleteChatMessageResponse(chat_id=x.message_id)),
    n.MessagePinned: lambda x, _: (Chat.PIN, pin_message(x)),
    n.PollChanged: lambda x, _: (
        Polls.CREATE if x.is_new else Polls.VOTE,
        pb.PollsUpdatePollResponse(poll=shapes.poll(x.poll)),
    ),
    n.ValuesChanged: lambda x, meeting_id: (
        Store.DELETE if x.is_deletion else Store.INSERT,
        shapes.values(x, meeting_id),
    ),
    n.PermissionsChanged: lambda x, _: (Preset.UPDATE, permissions_message(x)),
    n.RoomsView: lambda x, _: (Room.CONNECTED_ROOMS, shapes.rooms(x)),
    n.RoomsCreated: _rooms_created,
    n.RoomsDeleted: _rooms_deleted,
    n.Transfer: lambda x, _: (
        Room.TRANSFER_PEER,
        pb.RoomTransferPeer(meeting_id=x.meeting_id, auth_token=x.token),
    ),
    n.MediaJoined: lambda x, _: (
        Media.PEER_JOINED,
        pb.EdgePeerJoinBroadcastResponse(
            participant=shapes.media_participant(x.peer, list(x.producers)),
        ),
    ),
    n.ProducerAdded: lambda x, _: (
        Media.PRODUCER_ADDED,
        pb.EdgePeerProducerCreateBroadcastResponse(
            participant_id=x.peer_id, producer_state=shapes.producer(x.producer)
        ),
    ),
    n.ProducerToggled: lambda x, _: (
        Media.PRODUCER_TOGGLED,
        pb.EdgePeerProducerToggleBroadcastResponse(
            participant_id=x.peer_id,
            producer_state=shapes.producer(x.producer),
            # Anybody but the target makes its client mute itself, the server's own wish too.
            initiator_participant_id=x.initiator or "server",
        ),
    ),
    n.ProducerClosed: lambda x, _: (
        Media.PRODUCER_CLOSED,
        pb.EdgePeerProducerCloseBroadcastResponse(
            participant_id=x.peer_id, producer_state=shapes.producer(x.producer)
        ),
    ),
    n.Pinned: lambda x, _: (
        Media.PINNED,
        pb.EdgeGlobalPeerPinningBroadcastResponse(participant_id=x.peer_id or ""),
    ),
    n.ActiveSpeaker: lambda x, _: (
        Media.SPEAKERS,
        pb.EdgeSelectedPeersDiffResponse(
            entries=[pb.EdgeSelectedPeersDiffEntry(peer_id=x.peer_id, priority=1)]
        ),
    ),
}


def envelope(event: int, message: Message | None, request_id: str = "") -> bytes:
    """A message in its socket envelope."""
    outer = pb.SocketMessage(event=event, id=request_id)
    if message is not None:
        outer.payload = message.SerializeToString()
    return outer.SerializeToString()


class NoticeEncoder:
    """Encodes the notices of one meeting, each once."""

    def __init__(self, meeting_id: str) -> None:
        self._meeting_id = meeting_id
        self._notice: n.Notice | None = None
        self._frame = b""

    def frame(self, notice: n.Notice) -> bytes:
        """The complete WebSocket frame."""
        if notice is not self._notice:
            event, message = _ENCODERS[type(notice)](notice, self._meeting_id)
            self._frame = encode_binary(envelope(event, message))
            self._notice = notice
        return self._frame
