"""Domain objects as protobuf messages."""

from __future__ import annotations

from parley.base.times import to_ms
from parley.channels.model import Message
from parley.meetings.live.notices import (
    PeerInfo,
    PollView,
    ProducerInfo,
    RoomsView,
    RoomView,
    StageChanged,
    StageRequests,
    ValuesChanged,
    WaitingList,
)
from parley.wire.realtimekit.client import rtk_client_pb2 as pb

_KINDS = {"audio": pb.MEDIA_PRODUCER_KIND_AUDIO, "video": pb.MEDIA_PRODUCER_KIND_VIDEO}


def peer(info: PeerInfo) -> pb.RoomPeer:
    """A peer. `recorder_type` must be the text NONE for people: empty would hide them."""
    return pb.RoomPeer(
        peer_id=info.peer_id,
        user_id=info.participant_id,
        display_name=info.name,
        stage_type=pb.RoomStageType.ValueType(info.stage.value),
        custom_participant_id=info.custom_participant_id,
        preset_id=info.preset_id,
        display_picture_url=info.picture or "",
        waitlisted=info.is_waiting,
        flags=pb.RoomPeerFlags(
            preset_name=info.preset_name,
            recorder_type=info.recorder_type or "NONE",
            hidden_participant=info.is_hidden,
        ),
    )


def peer_answer(info: PeerInfo) -> pb.RoomPeerInfoResponse:
    """A peer alone in its envelope."""
    return pb.RoomPeerInfoResponse(peer=peer(info))


def stage_change(change: StageChanged) -> pb.RoomPeerStatusUpdate:
    """A peer's place on or off the stage."""
    return pb.RoomPeerStatusUpdate(
        peer_id=change.peer_id,
        user_id=change.participant_id,
        stage_type=pb.RoomStageType.ValueType(change.stage.value),
    )


def stage_requests(requests: StageRequests) -> pb.LiveGetStageRequestsResponse:
    """Who asks for the stage."""
    return pb.LiveGetStageRequestsResponse(
        stage_requests=[
            pb.LiveStageRequest(display_name=p.name, user_id=p.participant_id, peer_id=p.peer_id)
            for p in requests.requests
        ]
    )


def waiting_list(waiting: WaitingList) -> pb.RoomGetWaitingRoomRequests:
    """Who waits to be admitted."""
    return pb.RoomGetWaitingRoomRequests(
        requests=[
            pb.RoomWaitingRoomRequest(
                peer_id=p.peer_id,
                user_id=p.participant_id,
                display_name=p.name,
                picture=p.picture or "",
                custom_participant_id=p.custom_participant_id,
                preset_name=p.preset_name,
            )
            for p in waiting.waiting
        ]
    )


def _room(room: RoomView) -> pb.RoomConnectedMeetingDump:
    return pb.RoomConnectedMeetingDump(
        id=room.meeting_id,
        title=room.title,
        participants=[
            pb.RoomConnectedMeetingPeer(
                id=p.participant_id,
                display_name=p.name,
                custom_participant_id=p.custom_participant_id,
                preset_id=p.preset_id,
                display_picture_url=p.picture or "",
            )
            for p in room.participants
        ],
    )


def rooms(view: RoomsView) -> pb.RoomGetConnectedRoomsDumpResponse:
    """The main meeting and its breakout rooms."""
    return pb.RoomGetConnectedRoomsDumpResponse(
        parent_meeting=_room(view.parent), meetings=[_room(room) for room in view.rooms]
    )


def chat_message(message: Message) -> pb.ChatChatMessage:
    """A message; both creation times are needed (the UI sorts by the second)."""
    created_ms = to_ms(message.created_at)
    return pb.ChatChatMessage(
        chat_id=message.id,
        peer_id=message.peer_id,
        user_id=message.sender_id,
        display_name=message.sender_name,
        pinned=message.is_pinned,
        is_edited=message.is_edited,
        payload_type=message.kind.value,
        payload=message.payload,
        target_user_ids=message.recipient_ids,
        created_at=created_ms // 1000,
        created_at_ms=created_ms,
        channel_index=str(message.offset),
    )


def poll(view: PollView) -> pb.PollsPoll:
    """A poll with its results."""
    return pb.PollsPoll(
        poll_id=view.id,
        created_by=view.created_by,
        created_by_user_id=view.created_by_id,
        question=view.question,
        options=[
            pb.PollsPollOption(
                text=option.text,
                count=option.count,
                votes=[pb.PollsPollVote(user_id=v.participant_id, name=v.name) for v in option.voters],
            )
            for option in view.options
        ],
        hide_votes=view.hides_votes,
        anonymous=view.is_anonymous,
        votes=view.voted,
    )


def producer(info: ProducerInfo) -> pb.MediaProducerState:
    """A published stream."""
    return pb.MediaProducerState(
        producer_id=info.id,
        kind=_KINDS[info.kind],
        pause=info.is_paused,
        screen_share=info.is_screen_share,
        app_data=info.app_data,
        producing_transport_id=info.transport_id,
        mime_type=info.mime_type,
    )


def media_participant(info: PeerInfo, producers: list[ProducerInfo]) -> pb.EdgeRoomParticipants:
    """A peer with its streams."""
    return pb.EdgeRoomParticipants(
        peer_id=info.peer_id,
        display_name=info.name,
        user_id=info.participant_id,
        producer_states=[producer(p) for p in producers],
    )


def values(change: ValuesChanged, plugin_id: str) -> pb.PluginPluginStoreResponse:
    """Entries of a shared store."""
    return pb.PluginPluginStoreResponse(
        plugin_id=plugin_id,
        store_name=change.store,
        store_items=[
            pb.PluginPluginStoreItem(
                timestamp=str(item.updated_ms),
                peer_id=item.peer_id,
                store_key=item.key,
                payload=item.value,
            )
            for item in change.items
        ],
    )
