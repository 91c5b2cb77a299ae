"""The waiting room, kicking, ending for all, pinning, the stage and breakout rooms."""

from __future__ import annotations

import pytest

from parley.meetings.model import Meeting
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Media, Polls, Room, Store
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer, Refused, claims

ON, APPROVED, REQUESTED, OFF = 1, 2, 3, 4


@pytest.fixture(autouse=True)
def quick_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets of those who were removed are closed soon after they were told."""
    monkeypatch.setattr("parley.meetings.live.connections.FAREWELL_S", 0.05)


async def knock(house: House, meeting: Meeting) -> Peer:
    """Somebody waits to be admitted."""
    _, token = await house.invite(meeting, "group_call_guest")
    peer = await house.connect(token)
    assert (await peer.enter()).waitlisted
    return peer


def waiting_ids(push: pb.RoomGetWaitingRoomRequests) -> list[str]:
    return [request.peer_id for request in push.requests]


async def test_only_hosts_are_told_who_waits(house: House, meeting: Meeting) -> None:
    host, other = await house.host(meeting), await house.guest(meeting)
    await other.quiet()
    waiting = await knock(house, meeting)

    assert waiting_ids((await host.pushed(Room.WAITING_LIST))[-1]) == [waiting.id]
    assert await other.news() == []
    await host.tell(Room.WAITING_LIST)
    assert waiting_ids((await host.pushed(Room.WAITING_LIST))[-1]) == [waiting.id]


async def test_an_admitted_peer_is_told_and_joins(house: House, meeting: Meeting) -> None:
    host = await house.host(meeting)
    waiting = await knock(house, meeting)

    await host.tell(Room.ACCEPT_WAITING, pb.RoomAcceptWaitingRoomRequests(user_ids=[waiting.user_id]))

    assert await waiting.pushed(Room.WAITING_ACCEPTED) == [pb.EdgeEmptyResponse()]
    assert waiting_ids((await host.pushed(Room.WAITING_LIST))[-1]) == []
    assert not (await waiting.enter()).waitlisted
    assert waiting.id in [push.peer.peer_id for push in await host.pushed(Room.JOIN)]
    again = await house.connect(waiting.token)  # admitted once is enough for the session
    assert not (await again.enter()).waitlisted


async def test_a_denied_peer_is_told_and_stays_outside(house: House, meeting: Meeting) -> None:
    host = await house.host(meeting)
    waiting = await knock(house, meeting)
    await host.tell(Room.DENY_WAITING, pb.RoomDenyWaitingRoomRequests(user_ids=[waiting.user_id]))
    assert await waiting.pushed(Room.WAITING_DENIED) == [pb.EdgeEmptyResponse()]
    assert waiting_ids((await host.pushed(Room.WAITING_LIST))[-1]) == []
    with pytest.raises(Refused):
        await waiting.ask(Media.JOIN_COMPLETE)


async def test_who_waits_hears_and_sees_nothing(house: House, meeting: Meeting) -> None:
    host = await house.host(meeting)
    waiting = await knock(house, meeting)
    await host.tell(Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest(payload="secret"))
    await host.tell(Polls.CREATE, pb.PollsNewPollRequest(question="?", options=["a", "b"]))

    assert await waiting.news() == []
    for event in (Room.GET_PEERS, Chat.HISTORY, Polls.LIST, Room.CONNECTED_ROOMS, Store.GET):
        answer = await waiting.ask(event)
        assert b"secret" not in answer.SerializeToString()
        assert answer.ByteSize() == 0
    for event in (
        Room.ADDED_PARTICIPANTS,
        Room.BROADCAST,
        Room.STAGE_STATE,
        Room.STAGE_REQUESTS,
        Media.CONSUME,
    ):
        with pytest.raises(Refused):
            await waiting.ask(event)


async def test_waiters_for_a_host_are_let_in_when_one_comes(house: House, meeting: Meeting) -> None:
    _, token = await house.invite(meeting, waiting_room_type="ON_PRIVILEGED_USER_ENTRY")
    early = await house.connect(token)
    assert (await early.enter()).waitlisted
    await house.host(meeting)
    await early.next(Room.WAITING_ACCEPTED)
    assert not (await early.enter()).waitlisted
    _, token = await house.invite(meeting, waiting_room_type="ON_PRIVILEGED_USER_ENTRY")
    assert not (await (await house.connect(token)).enter()).waitlisted


async def test_a_waiting_peer_that_goes_away_is_off_the_list(house: House, meeting: Meeting) -> None:
    host = await house.host(meeting)
    waiting = await knock(house, meeting)
    await host.quiet()
    await waiting.vanish()
    assert waiting_ids(await host.next(Room.WAITING_LIST)) == []


async def test_a_kick_is_pushed_to_the_kicked_alone_and_never_answered(
    house: House, meeting: Meeting
) -> None:
    """The sender's client would take an answer for its own removal."""
    host, victim, other = await house.host(meeting), await house.guest(meeting), await house.guest(meeting)
    for peer in (host, victim, other):
        await peer.quiet()

    for _ in range(2):  # clients ask twice
        await host.tell(Room.KICK, pb.RoomRemoveParticipantsRequest(peer_ids=[victim.id, victim.id]))

    assert (await victim.next(Room.KICK)).peer.peer_id == victim.id
    assert (await other.next(Room.LEAVE)).peer.peer_id == victim.id
    assert await other.news() == []
    assert [frame.event for frame in await host.news()] == [Room.LEAVE]
    assert await victim.gone() == 4001
    assert host.unmatched == []


async def test_ending_for_all_is_pushed_to_everybody_the_sender_included(
    house: House, meeting: Meeting
) -> None:
    host, other = await house.host(meeting), await house.guest(meeting)
    await host.send_raw(pb.SocketMessage(event=Room.KICK_ALL, id="x").SerializeToString())
    await host.next(Room.KICK_ALL)
    await other.next(Room.KICK_ALL)
    assert await host.gone() == 4002
    assert await other.gone() == 4002
    assert host.unmatched == []


async def test_a_pin_is_pushed_to_everybody_and_ends_with_its_peer(house: House, meeting: Meeting) -> None:
    host, other = await house.host(meeting), await house.guest(meeting)
    await host.ask(Media.PIN, pb.EdgeGlobalPeerPinningRequest(participant_id=other.id))
    for peer in (host, other):
        assert [push.participant_id for push in await peer.pushed(Media.PINNED)] == [other.id]
    late = await house.guest(meeting)
    state = (await late.ask(Media.JOIN_COMPLETE)).room_state
    assert list(state.pinned_peer_ids) == [other.id]
    await other.ask(Room.LEAVE)
    assert [push.participant_id for push in await host.pushed(Media.PINNED)] == [""]


async def test_a_name_can_be_changed_only_for_oneself(house: House, meeting: Meeting) -> None:
    one, two = await house.guest(meeting), await house.guest(meeting)
    answer = await one.ask(
        Media.RENAME, pb.EdgePeerDisplayNameEditRequest(participant_id=one.id, display_name="New\0 name")
    )
    assert answer.status == "success"
    shown = await two.ask(Room.GET_PEER, pb.RoomGetPeerInfoRequest(peer_id=one.id))
    assert shown.peer.display_name == "New name"
    for wrong in ({"participant_id": two.id, "display_name": "x"}, {"display_name": " \0"}):
        with pytest.raises(Refused):
            await one.ask(Media.RENAME, pb.EdgePeerDisplayNameEditRequest(**wrong))


# --- stage -----------------------------------------------------------------------------------


async def stage_of(peer: Peer) -> list[tuple[str, int]]:
    return [(push.peer_id, push.stage_type) for push in await peer.pushed(Room.STAGE_STATUS)]


async def test_a_viewer_asks_is_granted_joins_and_is_taken_off(house: House, meeting: Meeting) -> None:
    host = await house.guest(meeting, "webinar_presenter")
    viewer = await house.guest(meeting, "webinar_viewer")
    other = await house.guest(meeting, "webinar_viewer")
    assert (await host.ask(Room.STAGE_STATE)).on_stage_peers == [host.id]

    await viewer.tell(Room.REQUEST_STAGE)
    assert await stage_of(host) == await stage_of(other) == await stage_of(viewer) == [(viewer.id, REQUESTED)]
    (asked,) = await host.pushed(Room.STAGE_REQUESTS)
    assert [request.peer_id for request in asked.stage_requests] == [viewer.id]
    assert await other.pushed(Room.STAGE_REQUESTS) == []
    assert list((await other.ask(Room.STAGE_REQUESTS)).stage_requests) == []

    with pytest.raises(Refused):
        await viewer.ask_frame(Room.JOIN_STAGE)
    await host.tell(Room.GRANT_STAGE, pb.LiveGrantStageAccessRequest(user_ids=[viewer.user_id]))
    assert len(await viewer.pushed(Room.GRANT_STAGE)) == 1
    assert await other.pushed(Room.GRANT_STAGE) == []
    assert await stage_of(other) == [(viewer.id, APPROVED)]

    answer = await viewer.ask_frame(Room.JOIN_STAGE)
    assert (answer.event, answer.message.peer_id, answer.message.stage_type) == (
        Room.STAGE_STATUS,
        viewer.id,
        ON,
    )
    assert await stage_of(other) == [(viewer.id, ON)]
    assert await stage_of(viewer) == []

    await host.ask(Room.LEAVE_STAGE, pb.LiveLeaveStageRequest(user_ids=[viewer.user_id]))
    assert await stage_of(viewer) == await stage_of(other) == [(viewer.id, OFF)]


async def test_a_request_can_be_denied_and_taken_back(house: House, meeting: Meeting) -> None:
    host = await house.guest(meeting, "webinar_presenter")
    viewer = await house.guest(meeting, "webinar_viewer")
    await viewer.tell(Room.REQUEST_STAGE)
    await host.tell(Room.DENY_STAGE, pb.LiveDenyStageAccessRequest(user_ids=[viewer.user_id]))
    assert len(await viewer.pushed(Room.DENY_STAGE)) == 1
    await viewer.tell(Room.REQUEST_STAGE)
    await viewer.tell(Room.CANCEL_STAGE_REQUEST)
    assert [stage for _, stage in await stage_of(host)] == [REQUESTED, OFF, REQUESTED, OFF]
    assert list((await host.ask(Room.STAGE_REQUESTS)).stage_requests) == []


async def test_leaving_the_stage_is_answered_as_a_status(house: House, meeting: Meeting) -> None:
    host, other = (
        await house.guest(meeting, "webinar_presenter"),
        await house.guest(meeting, "webinar_viewer"),
    )
    answer = await host.ask_frame(Room.LEAVE_STAGE, pb.LiveLeaveStageRequest(user_ids=[host.user_id]))
    assert (answer.event, answer.message.stage_type) == (Room.STAGE_STATUS, OFF)
    assert await stage_of(other) == [(host.id, OFF)]


# --- breakout rooms ----------------------------------------------------------------------------


async def open_rooms(host: Peer, *titles: str) -> list[str]:
    payloads = [pb.RoomCreateRoomRequestPayload(title=title) for title in titles]
    answer = await host.ask(
        Room.CREATE_CONNECTED_ROOMS, pb.RoomCreateConnectedRoomsRequest(payloads=payloads)
    )
    return [payload.id for payload in answer.payloads]


def moving(source: str, target: str, *people: Peer) -> pb.RoomMovePeersBetweenRoomsRequest:
    return pb.RoomMovePeersBetweenRoomsRequest(
        source_meeting_id=source,
        destination_meeting_id=target,
        participants=[pb.RoomMovePeerPayload(id=peer.user_id) for peer in people],
    )


async def test_rooms_are_opened_and_closed_before_everybody(house: House, meeting: Meeting) -> None:
    host, other = await house.host(meeting), await house.guest(meeting)
    room, untitled = await open_rooms(host, "Red", "")
    (made,) = await other.pushed(Room.CONNECTED_ROOMS_CREATED)
    assert [(p.id, p.title) for p in made.payloads] == [(room, "Red"), (untitled, "Room 2")]
    dump = await other.ask(Room.CONNECTED_ROOMS)
    assert dump.parent_meeting.id == meeting.id
    assert [m.id for m in dump.meetings] == [room, untitled]
    assert {p.id for p in dump.parent_meeting.participants} == {host.user_id, other.user_id}

    gone = await host.ask(
        Room.DELETE_CONNECTED_ROOMS,
        pb.RoomDisableConnectedRoomsRequest(payloads=[pb.RoomDisableRoomPayload(id=room)]),
    )
    assert await other.pushed(Room.CONNECTED_ROOMS_DELETED) == [gone]
    assert [m.id for m in (await other.ask(Room.CONNECTED_ROOMS)).meetings] == [untitled]


async def test_who_moves_is_answered_before_being_sent_away(house: House, meeting: Meeting) -> None:
    """In the other order the mover's own client reports that the move failed."""
    host, other = await house.host(meeting), await house.guest(meeting)
    (room,) = await open_rooms(host, "Red")
    arrived: list[str] = []
    take = host._take
    host._take = lambda data: (arrived.append(str(pb.SocketMessage.FromString(data).event)), take(data))[1]  # type: ignore[method-assign]

    answer = await host.ask(Room.MOVE_PEERS, moving(meeting.id, room, host, other))

    assert len(answer.payloads) == 2
    assert b"error" not in answer.SerializeToString()
    transfers = [(await peer.next(Room.TRANSFER_PEER)) for peer in (host, other)]
    assert arrived.index(str(int(Room.MOVE_PEERS))) < arrived.index(str(int(Room.TRANSFER_PEER)))
    for peer, push in zip((host, other), transfers, strict=True):
        assert push.meeting_id == room == claims(push.auth_token)["meetingId"]
        assert claims(push.auth_token)["participantId"] == peer.user_id


async def test_somebody_moved_joins_the_room_and_both_sides_see_it(house: House, meeting: Meeting) -> None:
    host, other = await house.host(meeting), await house.guest(meeting)
    (room,) = await open_rooms(host, "Red")
    await host.ask(Room.MOVE_PEERS, moving(meeting.id, room, other))
    push = await other.next(Room.TRANSFER_PEER)
    await other.close()
    await host.next(Room.LEAVE)

    moved = await house.come(push.auth_token)

    dump = await host.ask(Room.CONNECTED_ROOMS)
    assert [p.id for p in dump.meetings[0].participants] == [moved.user_id]
    assert [p.id for p in dump.parent_meeting.participants] == [host.user_id]
    assert (await moved.ask(Room.GET_ROOM)).room.room_id == room
    everybody = await host.ask(Room.ADDED_PARTICIPANTS)
    assert {p.id for p in everybody.participants} == {host.user_id, moved.user_id}
    to_room = pb.RoomBroadcastMessage(
        type="hi", payload=b"1", ids=[room], broadcast_type=pb.ROOM_BROADCAST_TYPE_ROOMS
    )
    await host.ask(Room.BROADCAST_TO, to_room)
    assert (await moved.next(Room.BROADCAST)).type == "hi"


@pytest.mark.parametrize("wrong", ["", "nowhere", "\0", "%"])
async def test_rooms_that_are_none_are_not_found(house: House, meeting: Meeting, wrong: str) -> None:
    host = await house.host(meeting)
    elsewhere = await house.meeting("another meeting")
    (room,) = await open_rooms(host, "Red")
    for target in (wrong, elsewhere.id):
        for event, request in (
            (Room.MOVE_PEERS, moving(meeting.id, target, host)),
            (Room.MOVE_PEERS, moving(target, room, host)),
            (
                Room.DELETE_CONNECTED_ROOMS,
                pb.RoomDisableConnectedRoomsRequest(
                    payloads=[pb.RoomDisableRoomPayload(id=room), pb.RoomDisableRoomPayload(id=target)]
                ),
            ),
        ):
            with pytest.raises(Refused, match=r"No such"):
                await host.ask(event, request)
    assert [m.id for m in (await host.ask(Room.CONNECTED_ROOMS)).meetings] == [room]


async def test_rooms_do_not_show_people_to_those_who_may_not_see_them(house: House, meeting: Meeting) -> None:
    """The list of rooms once named everybody in them, whatever the preset said."""
    host = await house.host(meeting)
    viewer = await house.guest(meeting, "webinar_viewer")
    blind = await house.guest(meeting, "livestream_viewer")
    await open_rooms(host, "Red")
    for answer in (await blind.ask(Room.CONNECTED_ROOMS), await blind.ask(Room.ADDED_PARTICIPANTS)):
        assert viewer.user_id.encode() not in answer.SerializeToString()
    await house.guest(meeting, "webinar_viewer")
    pushed = await blind.next(Room.CONNECTED_ROOMS)
    assert [p.id for p in pushed.parent_meeting.participants] == [host.user_id]
