"""Live stream buttons of official clients, and what everybody in the meeting is told."""

from __future__ import annotations

from typing import Any

import pytest

from parley.livestreams.events import LivestreamStatusChanged
from parley.livestreams.model import LivestreamId, StreamSettings
from parley.meetings.model import Meeting
from parley.wire.realtimekit.client.events import Room
from tests.wire.realtimekit.client.house import House, browser_of
from tests.wire.realtimekit.serving import streams_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HOST, VIEWER = "livestream_host", "livestream_viewer"


async def ask(
    house: House, method: str, path: str, token: str, body: dict[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        browser_of(house.url) as http,
        http.request(method, f"/v2/meetings/{path}", json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


def relay(house: House, meeting: Meeting) -> None:
    """Let the running meeting hear of its stream, as the server does."""

    def hear(item: Any) -> None:
        live = house.live(meeting)
        if isinstance(item.event, LivestreamStatusChanged) and live is not None:
            live.on_air.livestream_changed(item.event)

    house.store.outbox.listen(hear)


async def test_everybody_is_told_how_a_stream_stands(house: House, meeting: Meeting) -> None:
    relay(house, meeting)
    _, host_token = await house.invite(meeting, HOST)
    await house.come(host_token)
    viewer = await house.guest(meeting, VIEWER)
    streams = streams_of(house.store)

    status, made = await ask(house, "POST", f"{meeting.id}/livestreams", host_token, {"manual_ingest": False})
    assert (status, made["data"]["status"], made["data"]["playback_url"]) == (200, "INVOKED", "")
    stream_id = LivestreamId(made["data"]["id"])
    invoked = (await viewer.pushed(Room.LIVESTREAM_INVOKED))[-1]
    assert (invoked.livestream_id, invoked.meeting_id, invoked.manual_ingest) == (
        stream_id,
        meeting.id,
        False,
    )

    await streams.began(house.app, stream_id)
    begun = (await viewer.pushed(Room.LIVESTREAM_STARTED))[-1]
    assert begun.playback_url == f"http://parley.test/hls/{stream_id}/index.m3u8"
    status, active = await ask(house, "GET", f"{meeting.id}/active-livestream", host_token)
    assert (status, active["data"]["status"]) == (200, "LIVE")
    assert active["data"]["playback_url"] == begun.playback_url

    status, _ = await ask(house, "POST", f"{meeting.id}/active-livestream/stop", host_token)
    assert status == 200
    await viewer.pushed(Room.LIVESTREAM_STOPPED)
    status, _ = await ask(house, "GET", f"{meeting.id}/active-livestream", host_token)
    assert status == 404


async def test_everybody_is_told_how_many_watch_and_who_comes_is_too(house: House, meeting: Meeting) -> None:
    host, viewer = await house.guest(meeting, HOST), await house.guest(meeting, VIEWER)
    on_air = house.live(meeting).on_air
    for count in (3, 3, 0, 5):  # nobody is told twice
        on_air.viewers_counted(count)
    for peer in (host, viewer):
        assert [told.count for told in await peer.pushed(Room.VIEWERS)] == [3, 0, 5]
    late = await house.guest(meeting, VIEWER)
    assert [told.count for told in await late.pushed(Room.VIEWERS)] == [5]


async def test_a_stream_that_fails_is_told_with_its_reason(house: House, meeting: Meeting) -> None:
    relay(house, meeting)
    host = await house.guest(meeting, HOST)
    streams = streams_of(house.store)
    stream = await streams.start(house.app, meeting, StreamSettings())
    await streams.stop(house.app, stream.id, error="The live picture could not be made.")
    assert (await host.pushed(Room.LIVESTREAM_ERRORED))[
        -1
    ].err_message == "The live picture could not be made."


async def test_the_key_is_told_to_hosts_alone(house: House, meeting: Meeting) -> None:
    _, host_token = await house.invite(meeting, HOST)
    _, viewer_token = await house.invite(meeting, VIEWER)
    await house.come(host_token)
    await house.come(viewer_token)
    _, made = await ask(house, "POST", f"{meeting.id}/livestreams", host_token, {"manual_ingest": True})
    assert made["data"]["ingest_server"] == "rtmp://parley.test:1935/live/"
    key = made["data"]["stream_key"]
    _, to_host = await ask(house, "GET", f"{meeting.id}/active-livestream", host_token)
    assert to_host["data"]["stream_key"] == key
    _, to_viewer = await ask(house, "GET", f"{meeting.id}/active-livestream", viewer_token)
    assert key not in str(to_viewer)
    assert to_viewer["data"]["manual_ingest"] is True


@pytest.mark.parametrize("path", ["livestreams", "active-livestream/stop"])
async def test_only_who_may_stream_starts_and_stops(house: House, meeting: Meeting, path: str) -> None:
    _, viewer_token = await house.invite(meeting, VIEWER)
    await house.come(viewer_token)
    status, _ = await ask(house, "POST", f"{meeting.id}/{path}", viewer_token)
    assert status == 403
    _, outside = await house.invite(meeting, HOST)  # has not joined
    status, _ = await ask(house, "POST", f"{meeting.id}/{path}", outside)
    assert status == 403


async def test_a_token_is_good_for_its_own_meeting(house: House, meeting: Meeting) -> None:
    other = await house.meeting("Other")
    _, token = await house.invite(meeting, HOST)
    await house.come(token)
    status, _ = await ask(house, "POST", f"{other.id}/livestreams", token)
    assert status == 404


async def test_two_streams_at_once_are_a_conflict(house: House, meeting: Meeting) -> None:
    _, token = await house.invite(meeting, HOST)
    await house.come(token)
    assert (await ask(house, "POST", f"{meeting.id}/livestreams", token))[0] == 200
    assert (await ask(house, "POST", f"{meeting.id}/livestreams", token))[0] == 409
