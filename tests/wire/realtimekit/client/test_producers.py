"""Published streams as the others are told of them (27 to 29), and hosts who mute; on a real media engine."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from google.protobuf.message import Message

from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Media, Preset, Room
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer, Refused
from tests.wire.realtimekit.client.studio import Studio

pytestmark = [
    pytest.mark.media,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
STREAMS = (Media.PRODUCER_ADDED, Media.PRODUCER_TOGGLED, Media.PRODUCER_CLOSED)


def code(refused: pytest.ExceptionInfo[Refused]) -> str:
    """The code in a refusal of the media service."""
    return str(json.loads(refused.value.text)["errorCode"])


async def streams_of(house: House, owner: Peer) -> dict[str, bool]:
    """What a newcomer is told of somebody's streams: whether each is paused."""
    live = house.registry.running()[0]
    newcomer = await house.guest(live.meeting)
    participants = (await newcomer.ask(Media.JOIN_COMPLETE)).participants
    await newcomer.close()
    (found,) = [each for each in participants if each.peer_id == owner.id]
    return {state.producer_id: state.pause for state in found.producer_states}


async def told(peer: Peer) -> list[tuple[int, str, str, bool]]:
    """Pushes about streams since the last look: event, whose, which, paused."""
    return [
        (frame.event, frame.message.participant_id, state.producer_id, state.pause)
        for frame in await peer.news()
        if frame.event in STREAMS and (state := frame.message.producer_state)
    ]


async def test_a_stream_is_told_to_the_others_when_it_begins_changes_and_ends(media_house: House) -> None:
    meeting = await media_house.meeting()
    owner, other = await media_house.guest(meeting), await media_house.guest(meeting)
    _, token = await media_house.invite(meeting)
    outside = await media_house.connect(token)
    studio = await Studio.open(owner)

    microphone = await studio.publish("audio", paused=True)
    (added,) = await other.pushed(Media.PRODUCER_ADDED)
    assert added.participant_id == owner.id
    state = added.producer_state
    assert (state.producer_id, state.pause, state.screen_share) == (microphone, True, False)
    assert state.kind == pb.MEDIA_PRODUCER_KIND_AUDIO
    assert state.producing_transport_id == studio.transport_id
    assert json.loads(state.app_data)["mid"] == "2"

    await studio.toggle(microphone, paused=False)
    (toggled,) = await other.pushed(Media.PRODUCER_TOGGLED)
    assert (toggled.producer_state.producer_id, toggled.producer_state.pause) == (microphone, False)
    assert toggled.initiator_participant_id == owner.id  # who did it itself is not muted by it
    assert await streams_of(media_house, owner) == {microphone: False}

    await studio.close(microphone)
    (closed,) = await other.pushed(Media.PRODUCER_CLOSED)
    assert closed.producer_state.producer_id == microphone
    assert await streams_of(media_house, owner) == {}
    assert await owner.pushed(Media.PRODUCER_ADDED) == await owner.pushed(Media.PRODUCER_CLOSED) == []
    assert outside.is_open
    assert not [frame for frame in outside._news if frame.event in STREAMS]


async def test_nobody_is_told_of_the_streams_of_hidden_people(media_house: House) -> None:
    meeting = await media_house.meeting()
    other = await media_house.guest(meeting)
    hidden = await media_house.guest(meeting, hidden_participant=True)
    studio = await Studio.open(hidden)
    microphone = await studio.publish("audio")
    for _ in range(4):
        await hidden.tell(Media.AUDIO_ACTIVITY, pb.MediaAudioActivityRequest(energy=9))
    await studio.toggle(microphone, paused=True)
    await studio.close(microphone)
    assert await other.news() == []


async def test_everybody_muted_for_good_may_unmute_when_it_is_allowed_again(media_house: House) -> None:
    """Once said, "and they may not unmute" held until the end of the session."""
    meeting = await media_house.meeting()
    owner = await media_house.guest(meeting)
    studio = await Studio.open(owner)
    microphone = await studio.publish("audio")
    await media_house.registry.mute_all(media_house.app, meeting.id, allow_unmute=False)
    with pytest.raises(Refused):
        await studio.toggle(microphone, paused=False)

    await media_house.registry.mute_all(media_house.app, meeting.id, allow_unmute=True)
    await studio.toggle(microphone, paused=False)
    assert await streams_of(media_house, owner) == {microphone: False}


async def test_leaving_tells_no_end_of_streams(media_house: House) -> None:
    """The others take everything of somebody away when they hear that it left (pitfall 4)."""
    meeting = await media_house.meeting()
    owner, other = await media_house.guest(meeting), await media_house.guest(meeting)
    await (await Studio.open(owner)).publish("video")
    await other.quiet()
    await owner.ask(Room.LEAVE)
    assert [frame.event for frame in await other.news()] == [Room.LEAVE]


async def test_a_new_transport_ends_the_streams_of_the_old_one(media_house: House) -> None:
    meeting = await media_house.meeting()
    owner, other = await media_house.guest(meeting), await media_house.guest(meeting)
    studio = await Studio.open(owner)
    camera = await studio.publish("video")
    await other.quiet()
    await studio.reopen()
    assert await told(other) == [(Media.PRODUCER_CLOSED, owner.id, camera, False)]
    again = await studio.publish("video")
    assert await streams_of(media_house, owner) == {again: False}


def one(target: Peer, **media: bool) -> tuple[int, Message]:
    """Mute somebody."""
    return Media.HOST_CONTROL, pb.EdgeHostMediaControlForPeerRequest(participant_id=target.id, **media)


def everybody(_: Peer, **media: bool) -> tuple[int, Message]:
    """Mute everybody else."""
    return Media.HOST_CONTROL_ALL, pb.EdgeHostMediaControlForAllPeerRequest(**media)


Muting = Callable[..., tuple[int, Message]]


@pytest.mark.parametrize("whom", [one, everybody])
async def test_a_host_mutes_and_everybody_is_told_by_whom(media_house: House, whom: Muting) -> None:
    meeting = await media_house.meeting()
    host, target = await media_house.host(meeting), await media_house.guest(meeting)
    other = await media_house.guest(meeting)
    hosts_own = await (await Studio.open(host)).publish("audio")
    studio = await Studio.open(target)
    microphone, camera = await studio.publish("audio"), await studio.publish("video")
    for peer in (host, target, other):
        await peer.quiet()

    await host.ask(*whom(target, audio=True))

    for peer in (host, target, other):
        (push,) = await peer.pushed(Media.PRODUCER_TOGGLED)
        assert push.participant_id == target.id
        assert push.initiator_participant_id == host.id
        assert (push.producer_state.producer_id, push.producer_state.pause) == (microphone, True)
    assert await streams_of(media_house, target) == {microphone: True, camera: False}
    assert await streams_of(media_house, host) == {hosts_own: False}

    await host.ask(*whom(target, audio=True))  # clients ask again; it is muted already
    assert await told(other) == []
    await studio.toggle(microphone, paused=False)
    assert await told(other) == [(Media.PRODUCER_TOGGLED, target.id, microphone, False)]


@pytest.mark.parametrize("whom", [one, everybody])
@pytest.mark.parametrize(
    ("permission", "medium"),
    [
        ("disable_participant_audio", {"audio": True}),
        ("disable_participant_video", {"video": True}),
    ],
)
async def test_without_the_permission_nobody_is_muted(
    media_house: House, permission: str, medium: dict[str, bool], whom: Muting
) -> None:
    meeting = await media_house.meeting()
    would_be, target = (
        await media_house.host(meeting, **{permission: False}),
        await media_house.guest(meeting),
    )
    other = await media_house.guest(meeting)
    studio = await Studio.open(target)
    microphone, camera = await studio.publish("audio"), await studio.publish("video")
    for peer in (target, other):
        await peer.quiet()

    for media in (medium, {"audio": True, "video": True}):  # the allowed half is not done either
        with pytest.raises(Refused) as refused:
            await would_be.ask(*whom(target, **media))
        assert code(refused) == "not_allowed"

    assert await told(target) == await told(other) == []
    assert await streams_of(media_house, target) == {microphone: False, camera: False}


async def test_a_screen_is_stopped_only_with_its_own_permission(media_house: House) -> None:
    meeting = await media_house.meeting()
    host = await media_house.host(meeting)
    would_be = await media_house.host(meeting, disable_participant_screensharing=False)
    target = await media_house.guest(meeting)
    screen = await (await Studio.open(target)).publish("video", screen=True)
    with pytest.raises(Refused) as refused:
        await would_be.ask(
            Media.HOST_CONTROL_ALL, pb.EdgeHostMediaControlForAllPeerRequest(screen_share=True)
        )
    assert code(refused) == "not_allowed"
    await would_be.ask(*one(target, video=True))  # a screen is no camera
    assert await streams_of(media_house, target) == {screen: False}
    await host.ask(
        Media.HOST_CONTROL, pb.EdgeHostMediaControlForPeerRequest(participant_id=target.id, scree_share=True)
    )
    assert await streams_of(media_house, target) == {screen: True}


async def test_somebody_else_s_stream_cannot_be_toggled_or_closed(media_house: House) -> None:
    meeting = await media_house.meeting()
    owner, other = await media_house.guest(meeting), await media_house.guest(meeting)
    microphone = await (await Studio.open(owner)).publish("audio")
    thief = await Studio.open(other)
    for peer in (owner, other):
        await peer.quiet()
    with pytest.raises(Refused) as refused:
        await thief.toggle(microphone, paused=True)
    assert code(refused) == "not_found"
    close = pb.EdgeProducerCloseRequest(producer_id=microphone, description=thief.offer())
    await other.ask(Media.CLOSE_PRODUCER, close)  # like any id that is not there any more
    assert await told(owner) == await told(other) == []
    assert await streams_of(media_house, owner) == {microphone: False}


async def test_who_loses_the_permission_is_withdrawn_and_cannot_come_back(media_house: House) -> None:
    meeting = await media_house.meeting()
    host, target = await media_house.host(meeting), await media_house.guest(meeting)
    other = await media_house.guest(meeting)
    studio = await Studio.open(target)
    camera = await studio.publish("video")
    await other.quiet()

    async def allow(value: pb.PresetStreamPermissionType.ValueType) -> None:
        media = pb.PresetMediaPermissionUpdate(video=pb.PresetStreamPermission(can_produce=value))
        entry = pb.PresetUpdatePeerPreset(user_ids=target.user_id, patch=pb.PresetPresetUpdates(media=media))
        await host.ask(Preset.UPDATE, pb.PresetUpdatePeersPresetRequest(update_peers_presets=[entry]))

    await allow(pb.PRESET_STREAM_PERMISSION_TYPE_NOT_ALLOWED)
    assert await told(other) == [(Media.PRODUCER_CLOSED, target.id, camera, False)]
    for attempt in (studio.toggle(camera, paused=False), studio.publish("video")):
        with pytest.raises(Refused) as refused:
            await attempt
        assert code(refused) == "not_allowed"
    assert await told(other) == []

    await allow(pb.PRESET_STREAM_PERMISSION_TYPE_ALLOWED)
    await studio.toggle(camera, paused=False)
    assert await told(other) == [(Media.PRODUCER_ADDED, target.id, camera, False)]


async def test_only_as_many_screens_as_the_preset_says(media_house: House) -> None:
    meeting = await media_house.meeting()
    first, second = await media_house.guest(meeting), await media_house.guest(meeting)
    screen = await (studio := await Studio.open(first)).publish("video", screen=True)
    later = await Studio.open(second)
    with pytest.raises(Refused, match="sharing a screen already"):
        await later.publish("video", screen=True)
    await studio.close(screen)
    await later.publish("video", screen=True)
