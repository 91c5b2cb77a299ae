"""People meet: pictures and sound in every direction, and everything they tell each other."""

from __future__ import annotations

from tests.browser.conftest import Stage
from tests.browser.customer import HOST, PARTICIPANT
from tests.browser.person import everybody_receives


async def test_four_people_see_and_hear_each_other(stage: Stage) -> None:
    meeting = await stage.meeting("Four people")
    people = [await stage.join(meeting, "Alice", HOST)]
    people += await stage.join_all(meeting, PARTICIPANT, "Bob", "Carol", "Dan")
    await everybody_receives(*people)
    assert await people[3].do("names()") == ["Alice", "Bob", "Carol"]


async def test_two_major_versions_of_the_sdk_meet(stage: Stage) -> None:
    meeting = await stage.meeting("Versions")
    alice = await stage.join(meeting, "Alice", HOST, sdk=1)
    bob = await stage.join(meeting, "Bob", PARTICIPANT, sdk=2)
    await everybody_receives(alice, bob)
    await alice.do("meeting.chat.sendTextMessage('from 1.5.1')")
    await bob.until("texts().includes('from 1.5.1')")
    await bob.do("meeting.chat.sendTextMessage('from 2.0.2')")
    await alice.until("texts().includes('from 2.0.2')")
