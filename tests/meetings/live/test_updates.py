"""What a change of the meeting does to the session that runs in it."""

from __future__ import annotations

import pytest

from parley.meetings import service
from parley.meetings.live import store
from parley.meetings.model import Meeting, MeetingStatus
from parley.wire.realtimekit.client.events import Media, Room
from tests.waiting import until
from tests.wire.realtimekit.client.house import House
from tests.wire.realtimekit.client.peer import Peer, Refused


async def titles(house: House, peer: Peer) -> set[str]:
    """The title, wherever it is told or kept."""
    live = house.live(await service.get_meeting(house.app, peer.meeting_id))  # type: ignore[arg-type]
    assert live is not None
    assert live.session is not None
    stored = await store.live_session(house.app, live.id)
    assert stored is not None
    return {
        (await peer.ask(Room.GET_ROOM)).room.title,
        (await peer.ask(Media.JOIN_COMPLETE)).room_state.display_title,
        live.session.title,
        stored.title,
    }


async def heard(house: House, meeting: Meeting, title: str) -> None:
    """Wait until the running meeting has taken a title over."""

    def different() -> str:
        live = house.live(meeting)
        return "" if live is not None and live.meeting.title == title else f"not {title} yet"

    await until(different)


async def test_a_new_title_counts_at_once_for_those_inside(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    await service.edit_meeting(house.app, meeting.id, service.MeetingEdit(title="Retrospective"))
    await heard(house, meeting, "Retrospective")
    assert await titles(house, peer) == {"Retrospective"}
    late = await house.guest(meeting)
    assert await titles(house, late) == {"Retrospective"}
    assert await peer.pushed(Room.KICK_ALL) == []


async def test_an_inactive_meeting_goes_on_for_those_inside_and_opens_again(
    house: House, meeting: Meeting
) -> None:
    inside = await house.guest(meeting)
    _, token = await house.invite(meeting)
    await service.edit_meeting(house.app, meeting.id, service.MeetingEdit(status=MeetingStatus.INACTIVE))
    late = await house.connect(token)
    with pytest.raises(Refused, match="Meeting is inactive"):
        await late.enter()
    assert [each.peer_id for each in (await inside.ask(Room.GET_PEERS)).peers] == [inside.id]

    await service.edit_meeting(house.app, meeting.id, service.MeetingEdit(status=MeetingStatus.ACTIVE))
    assert not (await late.enter()).waitlisted
    assert len((await inside.ask(Room.GET_PEERS)).peers) == 2


async def test_a_change_of_another_meeting_changes_nothing_here(house: House, meeting: Meeting) -> None:
    peer, other = await house.guest(meeting), await house.meeting("Another one")
    somebody_there = await house.guest(other)
    await service.edit_meeting(house.app, other.id, service.MeetingEdit(title="Changed"))
    await heard(house, other, "Changed")
    assert await titles(house, somebody_there) == {"Changed"}
    assert await titles(house, peer) == {"Standup"}


async def test_settings_of_a_session_stay_as_they_were_when_it_began(house: House, meeting: Meeting) -> None:
    await house.guest(meeting)
    await service.edit_meeting(
        house.app, meeting.id, service.MeetingEdit(title="Later", session_keep_alive_s=600)
    )
    await heard(house, meeting, "Later")
    live = house.live(meeting)
    assert live is not None
    assert live.session is not None
    assert live.session.keep_alive.total_seconds() == meeting.session_keep_alive_s
