"""Transports, producers, consumers, host controls (`rtk-client-protocol.md` section 7)."""

from __future__ import annotations

from typing import Any

import msgspec
from google.protobuf.message import Message

from parley.base.errors import Invalid, NotAllowed
from parley.media.ports import Layer
from parley.meetings.live.publishing import ProduceRequest
from parley.meetings.model import LeaveReason
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client import shapes
from parley.wire.realtimekit.client.events import Media
from parley.wire.realtimekit.client.verbs.verb import Call, Lane, Nothing, verb

_LAYERS = {"q": Layer.QUARTER, "h": Layer.HALF, "f": Layer.FULL}


def _answer(sdp: str, target: pb.MediaTarget.ValueType) -> pb.MediaSessionDescription:
    return pb.MediaSessionDescription(target=target, type="answer", sdp=sdp)


@verb(Media.JOIN, pb.EdgePeerJoinRequest)
async def join(call: Call, request: pb.EdgePeerJoinRequest) -> Message:
    """Begin media; `prejoined` = after a reconnect, with transports kept and streams published anew."""
    call.live.media.start(call.peer, is_return=request.prejoined)
    return pb.EdgePeerJoinResponse()


@verb(Media.LEAVE, Nothing)
async def leave(call: Call, _: Message) -> Message:
    """Leave for good, as room.4 and the socket's close do."""
    await call.live.leave(call.peer, LeaveReason.LEFT)
    return pb.EdgePeerLeaveResponse(closed=False)


@verb(Media.JOIN_COMPLETE, Nothing)
async def join_complete(call: Call, _: Message) -> Message:
    """Ready for the streams of others."""
    others = call.live.media.complete(call.peer)
    session = call.live.session
    speaker = call.live.publishing.active_speaker
    everybody = [other.id for other, _ in others]
    if speaker in everybody:
        everybody = [speaker, *(peer_id for peer_id in everybody if peer_id != speaker)]
    pinned = call.live.controls.pinned
    return pb.EdgePeerJoinCompleteResponse(
        room_state=pb.EdgeGetRoomStateResponse(
            display_title=call.live.meeting.title or "",
            room_uuid=session.id if session else "",
            room_name=call.live.id,
            current_peer_id=call.peer.id,
            pinned_peer_ids=[pinned] if pinned else [],
        ),
        participants=[shapes.media_participant(other.info(), streams) for other, streams in others],
        selected_peers=pb.EdgeSelectedPeersResponse(audio_peers=everybody),
        max_preferred_streams=int(call.peer.preset.config.max_video_streams.desktop),
    )


def _lane_of(request: pb.MediaCreateTransportRequest) -> Lane:
    # Both directions are created at the same time: each waits in the lane of its own transport.
    return Lane.RECEIVE if request.consuming else Lane.SEND


@verb(Media.CREATE_TRANSPORT, pb.MediaCreateTransportRequest, lane=_lane_of)
async def create_transport(call: Call, request: pb.MediaCreateTransportRequest) -> Message:
    """Open the send or the receive transport, or open it anew."""
    if request.consuming:
        transport_id, sdp = await call.live.media.open_receiver(call.peer, request.description.sdp)
        answer = _answer(sdp, pb.MEDIA_TARGET_SUBSCRIBER)
    else:
        transport_id, sdp = await call.live.media.open_sender(call.peer, request.description.sdp)
        answer = _answer(sdp, pb.MEDIA_TARGET_PUBLISHER)
    return pb.MediaCreateTransportResponse(transport_id=transport_id, description=answer)


@verb(Media.PRODUCE, pb.EdgeProducerCreateRequest, lane=Lane.SEND)
async def produce(call: Call, request: pb.EdgeProducerCreateRequest) -> Message:
    """Publish a stream."""
    producer, answer = await call.live.publishing.produce(
        call.peer,
        ProduceRequest(
            kind=request.kind,
            mid=_mid_of(request),
            offer_sdp=request.description.sdp,
            is_paused=request.paused,
            is_screen_share=request.screen_share,
            app_data=request.app_data if request.HasField("app_data") else None,
            mime_type=request.mime_type if request.HasField("mime_type") else None,
        ),
    )
    return pb.EdgeProducerCreateResponse(
        status=True, producer_id=producer.id, description=_answer(answer, pb.MEDIA_TARGET_PUBLISHER)
    )


def _mid_of(request: pb.EdgeProducerCreateRequest) -> str:
    """The media section of the new stream, which the client names in its application data."""
    try:
        data: Any = msgspec.json.decode(request.app_data)
    except (msgspec.DecodeError, RecursionError) as error:  # the latter: nested too deeply
        raise Invalid("app_data is not JSON.", field="app_data") from error
    mid = data.get("mid") if isinstance(data, dict) else None
    if isinstance(mid, int) and not isinstance(mid, bool):
        mid = str(mid)
    if not isinstance(mid, str) or not 0 < len(mid) <= 16 or not mid.isalnum():
        raise Invalid("app_data names no media section.", field="app_data")
    return mid


@verb(Media.CLOSE_PRODUCER, pb.EdgeProducerCloseRequest, lane=Lane.SEND)
async def close_producer(call: Call, request: pb.EdgeProducerCloseRequest) -> Message:
    """Stop publishing a stream."""
    answer = await call.live.publishing.close_producer(
        call.peer, request.producer_id, request.description.sdp
    )
    return pb.EdgeProducerClosingResponse(description=_answer(answer, pb.MEDIA_TARGET_PUBLISHER))


@verb(Media.TOGGLE_PRODUCER, pb.EdgeProducerToggleRequest, answers=False)
async def toggle_producer(call: Call, request: pb.EdgeProducerToggleRequest) -> None:
    """Mute or unmute a stream of one's own."""
    await call.live.publishing.toggle(call.peer, request.producer_id, is_paused=request.pause)


@verb(Media.CONSUME, pb.EdgeConsumePeersRequest, lane=Lane.RECEIVE)
async def consume(call: Call, request: pb.EdgeConsumePeersRequest) -> Message:
    """Watch streams. The consumer's id is the producer's, its stream_id is the mid (pitfall 5)."""
    wanted = [each.producer_id for each in request.requests]
    outcome = await call.live.watching.consume(call.peer, wanted)
    states = {
        producer_id: pb.MediaConsumerState(
            consumer_id=producer_id,
            producer_state=shapes.producer(info),
            producer_track=pb.MediaProducerTrack(
                track_id=producer_id, producer_id=producer_id, stream_id=mid
            ),
        )
        for producer_id, (info, mid) in outcome.found.items()
    }
    for producer_id in outcome.missing:
        states[producer_id] = pb.MediaConsumerState(error_code="not_found_track_error")
    response = pb.EdgeConsumePeerResponse(
        status=True, consumer_ids_map=pb.MediaProducerIdToConsumerMap(map=states)
    )
    if outcome.offer_sdp is not None:
        response.description.CopyFrom(
            pb.MediaSessionDescription(target=pb.MEDIA_TARGET_SUBSCRIBER, type="offer", sdp=outcome.offer_sdp)
        )
    return response


@verb(Media.RENEGOTIATE, pb.MediaRenegotiateRequest, lane=Lane.NONE)
async def renegotiate(call: Call, request: pb.MediaRenegotiateRequest) -> Message:
    """The browser's answer to the offer of `consume`; must not wait behind the next request."""
    transport_id = await call.live.watching.answer(call.peer, request.description.sdp)
    return pb.MediaRenegotiateResponse(transport_id=transport_id)


@verb(Media.CLOSE_CONSUMER, pb.EdgeConsumerCloseRequest, lane=Lane.RECEIVE)
async def close_consumer(call: Call, request: pb.EdgeConsumerCloseRequest) -> Message:
    """Stop watching; `consumer_ids` are mids here."""
    answer = await call.live.watching.close_consumers(
        call.peer, request.consumer_ids, request.description.sdp
    )
    return pb.EdgeConsumerClosingResponse(description=_answer(answer, pb.MEDIA_TARGET_SUBSCRIBER))


@verb(Media.PREFER_LAYERS, pb.EdgeUpdateConsumersSimulcastConfigRequest, lane=Lane.RECEIVE)
async def prefer_layers(call: Call, request: pb.EdgeUpdateConsumersSimulcastConfigRequest) -> Message:
    """Choose simulcast layers."""
    layers = {each.mid: _LAYERS.get(each.simulcast.preferred_rid, Layer.FULL) for each in request.requests}
    await call.live.watching.prefer_layers(call.peer, layers)
    return pb.EdgeEmptyResponse()


@verb(Media.PIN, pb.EdgeGlobalPeerPinningRequest)
async def pin(call: Call, request: pb.EdgeGlobalPeerPinningRequest) -> Message:
    """Pin a peer for everybody."""
    call.live.controls.pin(call.peer, request.participant_id)
    return pb.EdgeGlobalPeerPinningResponse()


@verb(Media.RENAME, pb.EdgePeerDisplayNameEditRequest)
async def rename(call: Call, request: pb.EdgePeerDisplayNameEditRequest) -> Message:
    """Change one's own display name."""
    if request.participant_id not in ("", call.peer.id):
        raise NotAllowed("You may only change your own name.")
    await call.live.controls.rename(call.peer, request.display_name)
    return pb.EdgePeerDisplayNameEditResponse(status="success")


@verb(Media.HOST_CONTROL, pb.EdgeHostMediaControlForPeerRequest)
async def host_control(call: Call, request: pb.EdgeHostMediaControlForPeerRequest) -> Message:
    """Mute somebody."""
    media = _chosen(audio=request.audio, video=request.video, screenshare=request.scree_share)
    await call.live.controls.mute(call.peer, request.participant_id, media)
    return pb.EdgeHostMediaControlForPeerResponse(status="success")


@verb(Media.HOST_CONTROL_ALL, pb.EdgeHostMediaControlForAllPeerRequest)
async def host_control_all(call: Call, request: pb.EdgeHostMediaControlForAllPeerRequest) -> Message:
    """Mute everybody else."""
    media = _chosen(audio=request.audio, video=request.video, screenshare=request.screen_share)
    await call.live.controls.mute(call.peer, None, media)
    return pb.EdgeHostMediaControlForAllPeerResponse(status="success")


def _chosen(**flags: bool) -> list[str]:
    return [medium for medium, chosen in flags.items() if chosen]


@verb(Media.AUDIO_ACTIVITY, pb.MediaAudioActivityRequest, answers=False)
async def audio_activity(call: Call, request: pb.MediaAudioActivityRequest) -> None:
    """How loud the microphone is now."""
    call.live.publishing.audio_activity(call.peer, request.energy, is_silent=request.silent)
