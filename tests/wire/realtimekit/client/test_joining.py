"""Joining, leaving and the roster: room 0, 2, 3, 4, 5, media 16, 17, 20."""

from __future__ import annotations

import pytest

from parley.base.ids import new_uuid
from parley.meetings.model import Meeting
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Media, Room
from tests.waiting import until
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer, Refused


async def names(peer: Peer) -> set[str]:
    answer = await peer.ask(Room.GET_PEERS)
    return {each.display_name for each in answer.peers}


async def test_joining_is_answered_with_oneself(house: House, meeting: Meeting) -> None:
    person, token = await house.invite(meeting, name="Ada")
    peer = await house.connect(token)

    me = await peer.enter()

    assert (me.peer_id, me.user_id, me.display_name) == (peer.id, person.id, "Ada")
    assert me.custom_participant_id == person.custom_participant_id
    assert me.stage_type == pb.ROOM_STAGE_TYPE_ON_STAGE
    assert me.flags.recorder_type == "NONE"
    assert not me.waitlisted


async def test_others_are_told_of_a_join_and_the_one_who_joins_is_not(house: House, meeting: Meeting) -> None:
    first = await house.guest(meeting)
    second = await house.guest(meeting)

    assert [push.peer.peer_id for push in await first.pushed(Room.JOIN)] == [second.id]
    assert await second.pushed(Room.JOIN) == []


async def test_nobody_is_seen_before_joining(house: House, meeting: Meeting) -> None:
    first = await house.guest(meeting)
    _, token = await house.invite(meeting)

    silent = await house.connect(token)
    await silent.ask(Media.JOIN, pb.EdgePeerJoinRequest())

    assert await first.news() == []
    assert len(await names(first)) == 1
    with pytest.raises(Refused):
        await silent.ask(Room.GET_PEERS)
    with pytest.raises(Refused):
        await silent.ask(Media.JOIN_COMPLETE)


async def test_a_join_is_announced_before_its_media(house: House, meeting: Meeting) -> None:
    first = await house.guest(meeting)
    second = await house.guest(meeting)

    told = [frame.event for frame in await first.news()]
    assert told == [Room.JOIN, Media.PEER_JOINED]
    answer = await second.ask(Media.JOIN_COMPLETE)
    assert [each.peer_id for each in answer.participants] == [first.id]
    assert answer.HasField("room_state")
    assert answer.room_state.current_peer_id == second.id


async def test_peers_without_media_are_not_listed_in_media(house: House, meeting: Meeting) -> None:
    _, token = await house.invite(meeting)
    await house.come(token, media=False)
    second = await house.guest(meeting)
    answer = await second.ask(Media.JOIN_COMPLETE)
    assert list(answer.participants) == []


async def test_joining_again_tells_the_others_again(house: House, meeting: Meeting) -> None:
    """The client joins again after a reconnect; the others remove and add the peer."""
    first, second = await house.guest(meeting), await house.guest(meeting)
    await first.quiet()

    await second.enter(media=False)

    assert [push.peer.peer_id for push in await first.pushed(Room.JOIN)] == [second.id]
    assert len(await names(first)) == 2


async def test_the_room_is_described_in_seconds_and_by_its_session(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    room = (await peer.ask(Room.GET_ROOM)).room

    live = house.live(meeting)
    assert live is not None
    assert live.session is not None
    assert (room.room_id, room.title, room.room_uuid) == (meeting.id, "Standup", live.session.id)
    assert room.created_at == int(house.store.clock.now().timestamp())


async def test_leaving_is_answered_and_the_others_are_told(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    await first.quiet()

    await second.ask(Room.LEAVE, pb.RoomLeaveRoomRequest())

    # Only room.4: a media event would make the client drop consumers without renegotiation.
    assert [(frame.event, frame.message.peer.peer_id) for frame in await first.news()] == [
        (Room.LEAVE, second.id)
    ]
    assert await second.pushed(Room.LEAVE) == []


@pytest.mark.parametrize("how", [Room.LEAVE, Media.LEAVE, 1000, 1001])
async def test_every_way_to_leave_is_told_once(house: House, meeting: Meeting, how: int) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    await first.quiet()

    if how < 1000 or how > 2000:
        await second.ask(how)
        await second.close()
    else:
        await second.close(how)

    assert (await first.next(Room.LEAVE)).peer.peer_id == second.id
    assert await first.news() == []
    assert len(await names(first)) == 1


async def test_somebody_who_left_cannot_act(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    await second.ask(Room.LEAVE)
    await first.quiet()

    for event in (Room.JOIN, Room.GET_PEERS, Room.BROADCAST, Media.JOIN_COMPLETE):
        with pytest.raises(Refused):
            await second.ask(event)
    assert await first.news() == []


async def test_a_peer_is_found_by_id_and_by_name(house: House, meeting: Meeting) -> None:
    first = await house.guest(meeting, name="Ada Lovelace")
    second = await house.guest(meeting, name="Grace Hopper")

    assert (
        await first.ask(Room.GET_PEER, pb.RoomGetPeerInfoRequest(peer_id=second.id))
    ).peer.display_name == ("Grace Hopper")
    with pytest.raises(Refused):
        await first.ask(Room.GET_PEER, pb.RoomGetPeerInfoRequest(peer_id="nobody"))
    found = await first.ask(Room.GET_PEERS, pb.RoomRoomPeersInfoRequest(seach_query="hopper"))
    assert [peer.peer_id for peer in found.peers] == [second.id]
    paged = await first.ask(Room.GET_PEERS, pb.RoomRoomPeersInfoRequest(limit=1, offset=1))
    assert [peer.peer_id for peer in paged.peers] == [second.id]


async def test_the_name_of_the_client_is_used_when_the_preset_lets_it(house: House, meeting: Meeting) -> None:
    _, free = await house.invite(meeting, name="Planned")
    _, bound = await house.invite(meeting, name="Planned", can_edit_display_name=False)

    one, two = await house.connect(free), await house.connect(bound)
    assert (await one.enter(name=" Chosen\n name\x00 ")).display_name == "Chosen name"
    assert (await two.enter(name="Chosen")).display_name == "Planned"


async def test_two_tabs_of_one_participant_are_two_peers(house: House, meeting: Meeting) -> None:
    _, token = await house.invite(meeting)
    first, second = await house.come(token), await house.come(token)
    listed = (await first.ask(Room.GET_PEERS)).peers
    assert {peer.peer_id for peer in listed} == {first.id, second.id}
    assert len({peer.user_id for peer in listed}) == 1


async def test_hidden_peers_are_never_shown(house: House, meeting: Meeting) -> None:
    first = await house.guest(meeting)
    hidden = await house.guest(meeting, hidden_participant=True, recorder_type="RECORDER")

    assert len(await names(first)) == 1
    with pytest.raises(Refused):
        await first.ask(Room.GET_PEER, pb.RoomGetPeerInfoRequest(peer_id=hidden.id))
    await hidden.ask(Room.LEAVE)
    assert await first.news() == []


async def test_who_may_not_see_the_list_sees_only_the_stage(house: House, meeting: Meeting) -> None:
    speaker = await house.guest(meeting, "webinar_presenter")
    viewer = await house.guest(meeting, "livestream_viewer")
    other = await house.guest(meeting, "webinar_viewer")

    listed = (await viewer.ask(Room.GET_PEERS)).peers
    assert {peer.peer_id for peer in listed} == {speaker.id, viewer.id}
    with pytest.raises(Refused):
        await viewer.ask(Room.GET_PEER, pb.RoomGetPeerInfoRequest(peer_id=other.id))
    await other.ask(Room.LEAVE)
    assert await viewer.news() == []


async def test_a_lost_connection_keeps_its_place_and_comes_back(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    await first.quiet()

    await second.vanish()
    live = house.live(meeting)
    assert live is not None
    lost = next(peer for peer in live.joined() if peer.id == second.id)
    await until(lambda: "the server has not noticed" if lost.link is not None else "")
    assert await first.news() == []
    back = await house.connect(second.token, peer_id=second.id)
    await back.enter(media=False)

    assert [push.peer.peer_id for push in await first.pushed(Room.JOIN)] == [second.id]
    assert len(await names(back)) == 2


async def test_a_client_that_comes_back_under_another_peer_id_is_there_once(
    house: House, meeting: Meeting
) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    await second.vanish()

    query = {"roomID": meeting.id, "authToken": second.token, "peerID": new_uuid(), "oldPeerID": second.id}
    back = await Peer.open(house.url, query, token=second.token, peer_id=query["peerID"])
    try:
        await back.enter(media=False)
        assert (await first.next(Room.LEAVE)).peer.peer_id == second.id
        assert {peer.peer_id for peer in (await first.ask(Room.GET_PEERS)).peers} == {first.id, back.id}
    finally:
        await back.close()


async def test_nobody_else_is_put_out_as_a_former_peer(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    query = {"roomID": meeting.id, "authToken": second.token, "peerID": second.id, "oldPeerID": first.id}
    again = await Peer.open(house.url, query, token=second.token, peer_id=second.id)
    try:
        assert {peer.peer_id for peer in (await again.ask(Room.GET_PEERS)).peers} == {first.id, second.id}
        assert first.is_open
    finally:
        await again.close()


async def test_a_lost_connection_that_stays_away_has_left(
    house: House, meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley.meetings.live.connections.GRACE_S", 0.05)
    first, second = await house.guest(meeting), await house.guest(meeting)
    await second.vanish()
    assert (await first.next(Room.LEAVE)).peer.peer_id == second.id
