"""Breakout rooms: people are moved, join by themselves, and come back."""

from __future__ import annotations

from tests.browser.conftest import Stage
from tests.browser.customer import HOST, PARTICIPANT
from tests.browser.person import everybody_receives


async def test_people_are_moved_into_a_room_and_back(stage: Stage) -> None:
    meeting = await stage.meeting("Parent")
    alice = await stage.join(meeting, "Alice", HOST)
    bob = await stage.join(meeting, "Bob", PARTICIPANT)
    await everybody_receives(alice, bob)
    made = await alice.do("meeting.connectedMeetings.createMeetings([{title: 'Room 1'}, {title: 'Room 2'}])")
    assert [each["title"] for each in made] == ["Room 1", "Room 2"]
    room = made[0]["id"]
    await bob.until("meeting.connectedMeetings.meetings.length === 2")

    moved = await alice.do(
        f"meeting.connectedMeetings.moveParticipants('{meeting.id}', '{room}', [person('Bob').userId])"
    )
    assert moved["success"] is True
    await bob.until(f"meeting.meta.meetingId === '{room}' && meeting.self.roomState === 'joined'")
    await alice.until("names().length === 0")
    await alice.until(
        "meeting.connectedMeetings.meetings.find(each => each.title === 'Room 1').participants.length === 1"
    )

    await alice.do(
        f"meeting.connectedMeetings.moveParticipants('{meeting.id}', '{room}', [meeting.self.userId])"
    )
    await alice.until(f"meeting.meta.meetingId === '{room}' && meeting.self.roomState === 'joined'")
    await everybody_receives(alice, bob)

    back = f"meeting.connectedMeetings.moveParticipants('{room}', '{meeting.id}', [%s])"
    await bob.do(back % "meeting.self.userId")
    await bob.until(f"meeting.meta.meetingId === '{meeting.id}' && meeting.self.roomState === 'joined'")
    await alice.do(back % "meeting.self.userId")
    await alice.until(f"meeting.meta.meetingId === '{meeting.id}' && meeting.self.roomState === 'joined'")
    await everybody_receives(alice, bob)


async def test_rooms_are_deleted(stage: Stage) -> None:
    meeting = await stage.meeting("Rooms")
    alice = await stage.join(meeting, "Alice", HOST, video=False)
    made = await alice.do("meeting.connectedMeetings.createMeetings([{title: 'One'}, {title: 'Two'}])")
    titles = "meeting.connectedMeetings.meetings.map(each => each.title).sort().join()"
    await alice.until(f"{titles} === 'One,Two'")
    await alice.do(f"meeting.connectedMeetings.deleteMeetings(['{made[1]['id']}'])")
    await alice.until(f"{titles} === 'One'")
