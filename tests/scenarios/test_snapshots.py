"""What is pushed is enough: whoever was there all the time knows what somebody who joins now is told."""

from __future__ import annotations

import pytest

from parley.meetings.model import Meeting
from tests.scenarios.media_walk import MediaWalk
from tests.scenarios.snapshot import Picture
from tests.scenarios.walk import Walk
from tests.wire.realtimekit.client.fixtures import house, logged, media_house, meeting
from tests.wire.realtimekit.client.house import House

__all__ = ["house", "logged", "media_house", "meeting"]

ROUNDS, STEPS = 10, 20


async def compare(walk: Walk, picture: Picture) -> None:
    """Let a twin of somebody join and check that both know the same; then the twin leaves."""
    await walk.settle()
    twin = await walk.enter_with(picture.peer.token)
    await walk.settle()
    known, told = picture.view(), twin.view()
    for topic in told:
        assert known[topic] == told[topic], f"{topic} differ after {walk.steps}"
    walk.pictures.remove(twin)
    await twin.peer.close()


async def go(walk: Walk) -> None:
    """Let a walk run, and compare again and again."""
    watchers = [
        await walk.enter(preset)
        for preset in ("webinar_presenter", "webinar_viewer", "livestream_viewer", "group_call_participant")
    ]
    await walk.house.guest(walk.meeting, hidden_participant=True)
    for number in range(ROUNDS):
        for _ in range(STEPS):
            await walk.step()
        await compare(walk, watchers[number % len(watchers)])
    for watcher in watchers:
        await compare(walk, watcher)
    everything = {act.__name__ for act in walk.acts()}
    assert len(everything - set(walk.done)) <= 4, "many acts were refused each time"


@pytest.mark.parametrize("seed", [1, 2])
async def test_who_was_there_knows_what_a_newcomer_is_told(house: House, meeting: Meeting, seed: int) -> None:
    await go(Walk(house, meeting, seed))


@pytest.mark.media
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", [1, 2])
async def test_it_holds_for_published_streams_too(media_house: House, seed: int) -> None:
    await go(MediaWalk(media_house, await media_house.meeting(), seed))
