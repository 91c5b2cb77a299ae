"""Every permission of the preset: without it there is an error, no effect, and nobody else is told.

Each act is also done with the permission, so that a case that cannot fail is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from google.protobuf.message import Message

from parley.meetings.model import Meeting
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Media, Polls, Preset, Room, Store
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer, Refused

Act = Callable[[Peer, Peer], Awaitable[Any]]
"""What one peer tries, in the presence of another one."""


class Case(NamedTuple):
    """A permission (or twins, of which either is enough), an act that needs it, and how it is refused."""

    denied: dict[str, Any]
    act: Act
    preset: str = "group_call_host"
    refusal: str = "does not allow"


def asking(event: int, message: Callable[[Peer, Peer], Message] | None = None) -> Act:
    async def act(me: Peer, other: Peer) -> None:
        await me.ask_frame(event, message(me, other) if message else None)

    return act


def telling(event: int, message: Callable[[Peer, Peer], Message] | None = None) -> Act:
    async def act(me: Peer, other: Peer) -> None:
        await me.tell(event, message(me, other) if message else None)

    return act


def posting(kind: int) -> Act:
    return telling(
        Chat.SEND_TO_ROOM, lambda *_: pb.ChatSendChatMessageToRoomRequest(payload="x", payload_type=kind)
    )


def whispering(kind: int) -> Act:
    return telling(
        Chat.SEND_TO_PEERS,
        lambda _, other: pb.ChatSendChatMessageToPeersRequest(
            peer_ids=[other.id], payload="x", payload_type=kind
        ),
    )


def muting(everybody: bool, **media: bool) -> Act:
    if everybody:
        return asking(Media.HOST_CONTROL_ALL, lambda *_: pb.EdgeHostMediaControlForAllPeerRequest(**media))
    return asking(
        Media.HOST_CONTROL,
        lambda _, other: pb.EdgeHostMediaControlForPeerRequest(participant_id=other.id, **media),
    )


def publishing(kind: str, *, screen: bool = False) -> Act:
    async def act(me: Peer, _: Peer) -> None:
        request = pb.EdgeProducerCreateRequest(kind=kind, screen_share=screen, app_data='{"mid":"2"}')
        try:
            await me.ask(Media.PRODUCE, request)
        except Refused as refused:
            # Allowed is whoever gets as far as missing the transport: there is no media engine here.
            if json.loads(refused.text)["errorCode"] != "not_found":
                raise

    return act


def moving(who: str, to_parent: bool) -> Act:
    async def act(me: Peer, other: Peer) -> None:
        dump = await me.ask(Room.CONNECTED_ROOMS)
        room, parent = dump.meetings[0].id, dump.parent_meeting.id
        source, target = (room, parent) if to_parent else (parent, room)
        user = me.user_id if who == "me" else other.user_id
        request = pb.RoomMovePeersBetweenRoomsRequest(
            source_meeting_id=source,
            destination_meeting_id=target,
            participants=[pb.RoomMovePeerPayload(id=user)],
        )
        await me.ask(Room.MOVE_PEERS, request)

    return act


def writing_to_plugins(_: Peer, __: Peer) -> Message:
    return pb.PluginPluginStoreInsertKeysRequest(
        store_name="__rtk_plugins__", insert_keys=[pb.PluginStoreKeys(store_key="p", payload=b"1")]
    )


def changing_permissions(_: Peer, other: Peer) -> Message:
    patch = pb.PresetPresetUpdates(polls=pb.PresetPollsPermissionUpdate(can_vote=False))
    entry = pb.PresetUpdatePeerPreset(user_ids=other.user_id, patch=patch)
    return pb.PresetUpdatePeersPresetRequest(update_peers_presets=[entry])


NO_WAITING = {"accept_waiting_requests": False}
NO_STAGE = {"can_accept_production_requests": False, "accept_stage_requests": False}
NO_ROOMS = {
    "connected_meetings.can_alter_connected_meetings": False,
    "connected_meetings.can_switch_connected_meetings": False,
    "connected_meetings.can_switch_to_parent_meeting": False,
}
CASES = {
    "waiting list": Case(NO_WAITING, telling(Room.WAITING_LIST)),
    "accept": Case(
        NO_WAITING, telling(Room.ACCEPT_WAITING, lambda *_: pb.RoomAcceptWaitingRoomRequests(user_ids=["x"]))
    ),
    "deny": Case(
        NO_WAITING, telling(Room.DENY_WAITING, lambda *_: pb.RoomDenyWaitingRoomRequests(user_ids=["x"]))
    ),
    "grant stage": Case(
        NO_STAGE,
        telling(Room.GRANT_STAGE, lambda _, other: pb.LiveGrantStageAccessRequest(user_ids=[other.user_id])),
        "webinar_presenter",
    ),
    "deny stage": Case(
        NO_STAGE,
        telling(Room.DENY_STAGE, lambda _, other: pb.LiveDenyStageAccessRequest(user_ids=[other.user_id])),
        "webinar_presenter",
    ),
    "take off stage": Case(
        NO_STAGE,
        asking(Room.LEAVE_STAGE, lambda _, other: pb.LiveLeaveStageRequest(user_ids=[other.user_id])),
        "webinar_presenter",
    ),
    "ask for the stage": Case({"stage_access": "NOT_ALLOWED"}, telling(Room.REQUEST_STAGE), "webinar_viewer"),
    "join stage": Case(
        {"stage_access": "NOT_ALLOWED", "stage_enabled": True, **NO_STAGE},
        asking(Room.JOIN_STAGE),
        "webinar_presenter",
        "wait until a host grants it",
    ),
    "change permissions": Case(
        {"can_change_participant_permissions": False}, asking(Preset.UPDATE, changing_permissions)
    ),
    "see permissions": Case(
        {"can_change_participant_permissions": False},
        asking(Preset.READ, lambda _, other: pb.PresetReadPeersPresetRequest(user_ids=[other.user_id])),
    ),
    "rename": Case(
        {"can_edit_display_name": False},
        asking(Media.RENAME, lambda *_: pb.EdgePeerDisplayNameEditRequest(display_name="New")),
    ),
    "spotlight": Case(
        {"can_spotlight": False},
        asking(Room.BROADCAST, lambda *_: pb.RoomBroadcastMessage(type="spotlight", payload=b"1")),
    ),
    "chat": Case({"chat.public.can_send": False}, posting(0)),
    "chat text": Case({"chat.public.text": False}, posting(0)),
    "chat image": Case({"chat.public.files": False}, posting(1)),
    "chat file": Case({"chat.public.files": False}, posting(2)),
    "chat custom text": Case({"chat.public.text": False}, posting(3)),
    "chat custom file": Case({"chat.public.files": False}, posting(3)),
    "private chat": Case({"chat.private.can_send": False}, whispering(0)),
    "private text": Case({"chat.private.text": False}, whispering(0)),
    "private image": Case({"chat.private.files": False}, whispering(1)),
    "private file": Case({"chat.private.files": False}, whispering(2)),
    "kick": Case(
        {"kick_participant": False},
        telling(Room.KICK, lambda *_: pb.RoomRemoveParticipantsRequest(peer_ids=["nobody"])),
    ),
    "mute": Case({"disable_participant_audio": False}, muting(False, audio=True)),
    "mute all": Case({"disable_participant_audio": False}, muting(True, audio=True)),
    "camera off": Case({"disable_participant_video": False}, muting(False, video=True)),
    "cameras off": Case({"disable_participant_video": False}, muting(True, video=True)),
    "screen off": Case({"disable_participant_screensharing": False}, muting(False, scree_share=True)),
    "screens off": Case({"disable_participant_screensharing": False}, muting(True, screen_share=True)),
    "pin": Case(
        {"pin_participant": False},
        asking(Media.PIN, lambda _, other: pb.EdgeGlobalPeerPinningRequest(participant_id=other.id)),
    ),
    "plugins": Case(
        {"plugins.can_start": False, "plugins.can_close": False}, asking(Store.INSERT, writing_to_plugins)
    ),
    "create poll": Case(
        {"polls.can_create": False},
        telling(Polls.CREATE, lambda *_: pb.PollsNewPollRequest(question="?", options=["a", "b"])),
    ),
    "create rooms": Case(
        NO_ROOMS,
        asking(
            Room.CREATE_CONNECTED_ROOMS,
            lambda *_: pb.RoomCreateConnectedRoomsRequest(payloads=[pb.RoomCreateRoomRequestPayload()]),
        ),
    ),
    "delete rooms": Case(
        NO_ROOMS, asking(Room.DELETE_CONNECTED_ROOMS, lambda *_: pb.RoomDisableConnectedRoomsRequest())
    ),
    "move others": Case(
        {"connected_meetings.can_alter_connected_meetings": False}, moving("other", to_parent=False)
    ),
    "switch rooms": Case(
        {
            "connected_meetings.can_alter_connected_meetings": False,
            "connected_meetings.can_switch_connected_meetings": False,
        },
        moving("me", to_parent=False),
    ),
    "return to the main meeting": Case(
        {
            "connected_meetings.can_alter_connected_meetings": False,
            "connected_meetings.can_switch_to_parent_meeting": False,
        },
        moving("me", to_parent=True),
    ),
    "microphone": Case(
        {"media.audio.can_produce": "NOT_ALLOWED"}, publishing("audio"), refusal="may not publish"
    ),
    "microphone on request": Case(
        {"media.audio.can_produce": "CAN_REQUEST"}, publishing("audio"), refusal="may not publish"
    ),
    "camera": Case(
        {"media.video.can_produce": "NOT_ALLOWED"}, publishing("video"), refusal="may not publish"
    ),
    "screen": Case(
        {"media.screenshare.can_produce": "NOT_ALLOWED"},
        publishing("video", screen=True),
        refusal="may not publish",
    ),
    "screen sound": Case(
        {"media.screenshare.can_produce": "NOT_ALLOWED"},
        publishing("audio", screen=True),
        refusal="may not publish",
    ),
}


@pytest.fixture
async def opened(house: House, meeting: Meeting) -> Peer:
    """A host in a meeting with a breakout room."""
    host = await house.host(meeting)
    payloads = [pb.RoomCreateRoomRequestPayload(title="Room")]
    await host.ask(Room.CREATE_CONNECTED_ROOMS, pb.RoomCreateConnectedRoomsRequest(payloads=payloads))
    return host


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", CASES)
async def test_without_the_permission_nothing_happens(
    house: House, meeting: Meeting, opened: Peer, name: str
) -> None:
    case = CASES[name]
    dotted = {path.replace(".", "__"): value for path, value in case.denied.items()}
    me = await house.guest(meeting, case.preset, **dotted)
    for peer in (opened, me):
        await peer.quiet()

    with pytest.raises(Refused, match=case.refusal):
        await case.act(me, opened)

    assert await opened.news() == []
    assert await me.news() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", CASES)
async def test_with_the_permission_it_is_done(
    house: House, meeting: Meeting, opened: Peer, name: str
) -> None:
    case = CASES[name]
    me = await house.guest(meeting, case.preset)
    await case.act(me, opened)


async def test_who_may_not_be_written_to_is_not(house: House, meeting: Meeting) -> None:
    me, other = await house.host(meeting), await house.host(meeting, chat__private__can_receive=False)
    await other.quiet()
    with pytest.raises(Refused, match="does not allow"):
        await whispering(0)(me, other)
    assert await other.news() == []


async def test_who_may_not_see_polls_is_told_of_none(house: House, meeting: Meeting) -> None:
    me, blind = await house.host(meeting), await house.host(meeting, polls__can_view=False)
    await blind.quiet()
    await me.tell(Polls.CREATE, pb.PollsNewPollRequest(question="?", options=["a", "b"]))
    poll = (await me.pushed(Polls.CREATE))[0].poll
    await me.tell(Polls.VOTE, pb.PollsVotePollRequest(poll_id=poll.poll_id, index=0))
    assert await blind.news() == []
    assert list((await blind.ask(Polls.LIST)).polls) == []


async def test_who_may_not_vote_does_not_count(house: House, meeting: Meeting) -> None:
    me, other = await house.host(meeting), await house.host(meeting, polls__can_vote=False)
    await me.tell(Polls.CREATE, pb.PollsNewPollRequest(question="?", options=["a", "b"]))
    poll = (await me.pushed(Polls.CREATE))[0].poll
    with pytest.raises(Refused, match="does not allow"):
        await other.tell(Polls.VOTE, pb.PollsVotePollRequest(poll_id=poll.poll_id, index=0))
    assert await me.pushed(Polls.VOTE) == []
    assert [option.count for option in (await me.ask(Polls.LIST)).polls[0].options] == [0, 0]


async def test_only_one_s_own_permissions_are_shown_to_everybody(house: House, meeting: Meeting) -> None:
    me = await house.guest(meeting)
    answer = await me.ask(Preset.READ, pb.PresetReadPeersPresetRequest(user_ids=[me.user_id]))
    (mine,) = answer.peer_presets
    assert (mine.user_id, mine.peer_id) == (me.user_id, me.id)
    assert json.loads(mine.preset)["permissions"]["kick_participant"] is False


async def test_changed_permissions_are_told_to_those_concerned_and_take_effect(
    house: House, meeting: Meeting
) -> None:
    host, one, two = await house.host(meeting), await house.guest(meeting), await house.guest(meeting)
    for peer in (host, one, two):
        await peer.quiet()
    patch = pb.PresetPresetUpdates(
        chat=pb.PresetChatPermissionUpdate(public=pb.PresetPublicChatPermission(can_send=False))
    )
    entry = pb.PresetUpdatePeerPreset(user_ids=one.user_id, patch=patch)

    answer = await host.ask(Preset.UPDATE, pb.PresetUpdatePeersPresetRequest(update_peers_presets=[entry]))

    assert list(answer.update_peers_presets) == [entry]
    assert await one.pushed(Preset.UPDATE) == [answer]
    assert await two.news() == []
    assert await host.news() == []
    with pytest.raises(Refused):
        await posting(0)(one, two)


async def test_permission_changes_happen_for_all_or_for_nobody(house: House, meeting: Meeting) -> None:
    """The first of two changes used to stay when the second was refused, and nobody was told of it."""
    host, one = await house.host(meeting), await house.guest(meeting)
    await one.quiet()
    off = pb.PresetPresetUpdates(
        chat=pb.PresetChatPermissionUpdate(public=pb.PresetPublicChatPermission(text=False))
    )
    entries = [
        pb.PresetUpdatePeerPreset(user_ids=one.user_id, patch=off),
        pb.PresetUpdatePeerPreset(user_ids="nobody", patch=off),
    ]
    with pytest.raises(Refused):
        await host.ask(Preset.UPDATE, pb.PresetUpdatePeersPresetRequest(update_peers_presets=entries))
    assert await one.news() == []
    await posting(0)(one, host)


async def test_a_connection_opened_before_a_change_does_not_escape_it(house: House, meeting: Meeting) -> None:
    """Permissions were read when a socket opened: a tab on the setup screen kept what was revoked."""
    host = await house.host(meeting)
    one = await house.guest(meeting)
    second_tab = await house.connect(one.token)
    await host.ask(
        Preset.UPDATE, changing_of(one.user_id, polls=pb.PresetPollsPermissionUpdate(can_create=False))
    )

    await second_tab.enter()

    with pytest.raises(Refused, match="does not allow"):
        await CASES["create poll"].act(second_tab, host)


def changing_of(user_id: str, **patch: Any) -> Message:
    entry = pb.PresetUpdatePeerPreset(user_ids=user_id, patch=pb.PresetPresetUpdates(**patch))
    return pb.PresetUpdatePeersPresetRequest(update_peers_presets=[entry])


@pytest.mark.parametrize(
    "patch",
    [
        {"media": pb.PresetMediaPermissionUpdate(audio=pb.PresetStreamPermission(can_produce=0))},
        {"media": pb.PresetMediaPermissionUpdate(audio=pb.PresetStreamPermission(can_produce=99))},
        {"waiting_room_type": 77},
        {"hidden_participant": True},
    ],
    ids=str,
)
async def test_values_that_a_permission_does_not_have_are_refused(
    house: House, meeting: Meeting, patch: dict[str, Any]
) -> None:
    host, one = await house.host(meeting), await house.guest(meeting)
    await one.quiet()
    with pytest.raises(Refused) as refused:
        await host.ask(Preset.UPDATE, changing_of(one.user_id, **patch))
    assert "went wrong" not in refused.value.text
    assert await one.news() == []
