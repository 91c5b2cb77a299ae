"""Running and past sessions, asked for by the official Python SDK; it checks every answer's types."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import cloudflare
import httpx
import pytest
import pytest_asyncio

from parley.base.ids import new_uuid
from parley.meetings.live.notices import Kicked, PollChanged
from parley.meetings.live.peer import LivePeer
from parley.meetings.model import LeaveReason
from tests.waiting import DEADLINE_S, until
from tests.wire.realtimekit.serving import Api


@dataclass(frozen=True, slots=True)
class Call:
    """A meeting with Ann and Bob in it since midnight and since a minute after."""

    api: Api
    meeting: str
    ann: str
    bob: str
    peers: dict[str, LivePeer]

    @property
    def active(self):
        return self.api.client.realtime_kit.active_session

    async def leave(self, who: str) -> None:
        live = await self.api.registry.open(self.api.scope, self.meeting)
        await live.leave(self.peers[who], LeaveReason.LEFT)


@pytest_asyncio.fixture
async def call(api: Api, clock) -> Call:
    meeting = await api.meeting(title="Weekly")
    ann = await api.participant(meeting, "c-ann", name="Ann", picture="https://x.example/a.png")
    bob = await api.participant(meeting, "c-bob", preset_name="group_call_participant")
    peers = {"ann": await api.join(meeting, ann)}
    clock.advance(60)
    peers["bob"] = await api.join(meeting, bob, name="Bob")
    return Call(api, meeting, ann, bob, peers)


async def session_of(call: Call):
    return (await call.active.get_active_session(call.meeting, **call.api.here)).data


async def test_the_running_session_is_counted_up_to_now(call: Call, clock):
    clock.advance(120)
    session = await session_of(call)
    assert (session.status, session.live_participants, session.max_concurrent_participants) == ("LIVE", 2, 2)
    assert session.minutes_consumed == 3 + 2
    assert session.associated_id == call.meeting
    assert session.organization_id == call.api.scope.app_id
    assert session.meeting_display_name == "Weekly"
    assert (session.type, session.ended_at) == ("meeting", None)


async def test_a_new_title_shows_in_the_running_session(call: Call):
    path = f"/meetings/{call.meeting}"
    await call.api.ask("PATCH", path, status=200, json={"title": "Renamed"})
    assert (await session_of(call)).meeting_display_name == "Renamed"


async def test_time_of_those_who_left_stays_counted(call: Call, clock):
    clock.advance(60)
    await call.leave("bob")
    clock.advance(60)
    session = await session_of(call)
    assert session.minutes_consumed == 3 + 1
    assert (session.live_participants, session.max_concurrent_participants) == (1, 2)


@pytest.mark.parametrize("named", ["participant", "peer", "custom"])
async def test_a_kicked_participant_is_disconnected(call: Call, named):
    ids = {"participant": call.bob, "peer": call.peers["bob"].id, "custom": "c-bob"}
    key = "custom_participant_ids" if named == "custom" else "participant_ids"
    kicked = await call.active.kick_participants(call.meeting, **call.api.here, **{key: [ids[named]]})
    assert [person.id for person in kicked.data.participants] == [call.bob]
    assert kicked.data.action == "kicked"
    await until(lambda: "still there" if call.peers["bob"].is_joined else "")
    assert not any(isinstance(notice, Kicked) for notice in call.peers["ann"].link.notices)


async def test_nobody_is_kicked_when_one_is_not_there(call: Call):
    stranger = new_uuid()
    with pytest.raises(cloudflare.NotFoundError, match=f"No user found with id {stranger}"):
        await call.active.kick_participants(
            call.meeting, **call.api.here, participant_ids=[call.ann, stranger]
        )
    assert (await session_of(call)).live_participants == 2


async def test_somebody_has_to_be_named_for_a_kick(call: Call):
    for body in ({}, {"participant_ids": [], "custom_participant_ids": []}):
        with pytest.raises(cloudflare.BadRequestError):
            await call.active.kick_participants(call.meeting, **call.api.here, **body)


async def test_kicking_all_ends_the_session(call: Call, clock):
    session = await session_of(call)
    clock.advance(60)
    answer = await call.active.kick_all_participants(call.meeting, **call.api.here)
    assert (answer.data.action, answer.data.kicked_participants_count) == ("kicked_all", 2)
    sessions = call.api.client.realtime_kit.sessions
    ended = (await sessions.get_session_details(session.id, **call.api.here)).data
    assert (ended.status, ended.live_participants, ended.minutes_consumed) == ("ENDED", 0, 3)
    assert ended.ended_at == "2026-01-01T00:02:00.000Z"
    with pytest.raises(cloudflare.NotFoundError, match="No active session found for meeting_id"):
        await session_of(call)


async def test_deleting_a_participant_disconnects_them(call: Call):
    await call.api.client.realtime_kit.meetings.delete_meeting_participant(
        call.bob, **call.api.here, meeting_id=call.meeting
    )
    await until(lambda: "still there" if call.peers["bob"].is_joined else "")
    async with asyncio.timeout(DEADLINE_S):
        while (await session_of(call)).live_participants != 1:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.005)


async def test_a_poll_is_asked_and_shown_at_once(call: Call):
    made = await call.active.create_poll(
        call.meeting, **call.api.here, question="Lunch?", options=["yes", "no"], anonymous=True
    )
    poll = made.data.poll
    assert (poll.question, poll.anonymous, poll.hide_votes, poll.created_by) == ("Lunch?", True, True, "Kit")
    assert [(option.text, option.count, option.votes) for option in poll.options] == [
        ("yes", 0, []),
        ("no", 0, []),
    ]
    assert poll.voted == []
    for peer in call.peers.values():
        assert [n.poll.id for n in peer.link.notices if isinstance(n, PollChanged)] == [poll.id]


async def test_microphones_are_muted(call: Call):
    path = f"/meetings/{call.meeting}/active-session"
    muted = await call.api.ask("POST", f"{path}/mute", status=200, json={"participant_ids": [call.bob]})
    assert [person["id"] for person in muted["data"]["participants"]] == [call.bob]
    everybody = await call.api.ask("POST", f"{path}/mute-all", status=200, json={"allow_unmute": False})
    assert everybody["data"] == {"action": "muted_all", "muted_participants_count": 2}


async def test_details_are_flat_and_under_session_for_older_clients(call: Call):
    session = await session_of(call)
    answer = await call.api.ask("GET", f"/sessions/{session.id}", status=200)
    assert answer["data"]["id"] == answer["data"]["session"]["id"] == session.id
    assert "breakout_rooms" not in answer["data"]
    sessions = call.api.client.realtime_kit.sessions
    detailed = await sessions.get_session_details(session.id, **call.api.here, include_breakout_rooms=True)
    assert detailed.data.breakout_rooms == []


async def test_peers_are_listed_as_connections(call: Call, clock):
    clock.advance(60)
    await call.leave("ann")
    clock.advance(60)
    again = await call.api.join(call.meeting, call.ann)
    clock.advance(60)
    session = await session_of(call)
    sessions = call.api.client.realtime_kit.sessions
    listed = await sessions.get_session_participants(session.id, **call.api.here)
    rows = listed.data.participants
    assert [row.id for row in rows] == [call.peers["ann"].id, call.peers["bob"].id, again.id]
    assert [row.duration for row in rows] == [2, 3, 1]
    assert [row.left_at for row in rows] == ["2026-01-01T00:02:00.000Z", None, None]
    assert [row.display_name for row in rows] == ["Ann", "Bob", "Ann"]
    assert [row.user_id for row in rows] == [call.ann, call.bob, call.ann]


async def test_a_consolidated_view_has_one_row_for_each_participant(call: Call, clock):
    clock.advance(60)
    await call.leave("ann")
    clock.advance(60)
    again = await call.api.join(call.meeting, call.ann)
    clock.advance(60)
    session = await session_of(call)
    sessions = call.api.client.realtime_kit.sessions
    listed = await sessions.get_session_participants(
        session.id, **call.api.here, view="consolidated", include_peer_events=True
    )
    ann, bob = listed.data.participants
    assert (ann.id, ann.user_id, ann.duration) == (again.id, call.ann, 3)
    assert (ann.joined_at, ann.left_at) == ("2026-01-01T00:00:00.000Z", None)
    assert (bob.duration, bob.left_at) == (3, None)
    leaving = [event for event in ann.peer_events if event.event_name == "PEER_LEAVING"]
    assert [(event.peer_id, event.minutes_consumed) for event in leaving] == [(call.peers["ann"].id, 2)]
    assert {event.peer_id for event in ann.peer_events} == {again.id, call.peers["ann"].id}


async def test_a_participant_who_left_for_good_has_the_time_of_the_last_leave(call: Call, clock):
    clock.advance(60)
    await call.leave("bob")
    session = await session_of(call)
    sessions = call.api.client.realtime_kit.sessions
    listed = await sessions.get_session_participants(
        session.id, **call.api.here, view="consolidated", search="c-bob"
    )
    (bob,) = listed.data.participants
    assert (bob.left_at, bob.duration) == ("2026-01-01T00:02:00.000Z", 1)


async def test_peers_are_searched_sorted_and_paged(call: Call, clock):
    clock.advance(60)
    session = await session_of(call)

    async def ids(**query) -> list[str]:
        found = await call.api.client.realtime_kit.sessions.get_session_participants(
            session.id, **call.api.here, **query
        )
        return [row.user_id for row in found.data.participants]

    assert await ids(search="BO") == [call.bob]
    assert await ids(search="c-") == [call.ann, call.bob]
    assert await ids(search=call.bob) == [call.bob]
    assert await ids(search=call.peers["ann"].id) == [call.ann]
    assert await ids(sort_by="duration") == [call.bob, call.ann]
    assert await ids(sort_order="DESC") == [call.bob, call.ann]
    assert await ids(per_page=1, page_no=2) == [call.bob]
    assert await ids(view="consolidated", search="ann", sort_by="duration") == [call.ann]


async def test_paging_of_peers_is_inside_and_outside_of_data(call: Call):
    session = await session_of(call)
    answer = await call.api.ask("GET", f"/sessions/{session.id}/participants?per_page=1", status=200)
    assert answer["paging"] == {"total_count": 2, "start_offset": 1, "end_offset": 1}
    assert answer["data"]["paging"] == answer["paging"]


@pytest.mark.parametrize("by", ["peer", "participant"])
async def test_one_peer_is_told_by_either_id(call: Call, by):
    session = await session_of(call)
    some_id = call.ann if by == "participant" else call.peers["ann"].id
    found = await call.api.client.realtime_kit.sessions.get_session_participant_details(
        some_id, **call.api.here, session_id=session.id, include_peer_events=True
    )
    person = found.data.participant
    assert (person.id, person.user_id, person.preset_name) == (
        call.peers["ann"].id,
        call.ann,
        "group_call_host",
    )
    assert [event.event_name for event in person.peer_events] == ["PEER_CREATED", "PEER_JOINING"]
    assert {event.preset_view_type for event in person.peer_events} == {"GROUP_CALL"}


async def test_a_peer_report_tells_what_is_known(call: Call):
    peer = call.peers["bob"].id
    sessions = call.api.client.realtime_kit.sessions
    report = (await sessions.get_participant_data_from_peer_id(peer, **call.api.here)).data.participant
    assert (report.id, report.role) == (peer, "group_call_participant")
    assert report.session_id == (await session_of(call)).id
    assert [event.name for event in report.peer_report.metadata.events] == ["PEER_CREATED", "PEER_JOINING"]
    assert report.peer_report.quality is not None
    assert report.peer_events is None
    events = await sessions.get_participant_data_from_peer_id(
        peer, **call.api.here, filters="events", include_peer_events=True
    )
    assert events.data.participant.peer_report.quality is None
    assert len(events.data.participant.peer_events) == 2


async def test_filters_of_older_clients_add_their_parts(call: Call):
    session = await session_of(call)
    path = f"/sessions/{session.id}/participants/{call.ann}"
    answer = await call.api.ask("GET", f"{path}?filters=events,quality_stats", status=200)
    stats = answer["data"]["participant"]["peer_stats"]
    assert [event["type"] for event in stats["events"]] == ["PEER_CREATED", "PEER_JOINING"]
    assert answer["data"]["participant"]["quality_stats"] == []
    plain = await call.api.ask("GET", path, status=200)
    assert "peer_stats" not in plain["data"]["participant"]


async def test_sessions_are_filtered_and_sorted(call: Call, clock):
    api = call.api
    first = (await session_of(call)).id
    clock.advance(60)
    second_meeting = await api.meeting(title="Other 50%")
    person = await api.participant(second_meeting, "c-cid")
    await api.join(second_meeting, person)
    second = (await api.ask("GET", f"/meetings/{second_meeting}/active-session", status=200))["data"]["id"]
    await call.active.kick_all_participants(call.meeting, **api.here)

    async def ids(**query) -> list[str]:
        found = await api.client.realtime_kit.sessions.get_sessions(api.scope.app_id, **api.account, **query)
        return [session.id for session in found.data.sessions]

    assert await ids() == [second, first]
    assert await ids(sort_by="minutesConsumed") == [first, second]
    assert await ids(sort_by="minutesConsumed", sort_order="ASC") == [second, first]
    assert await ids(status="LIVE") == [second]
    assert await ids(status="ENDED") == [first]
    assert await ids(associated_id=call.meeting) == [first]
    assert await ids(search="0%") == [second]
    assert await ids(search="WEEK") == [first]
    assert await ids(search=call.meeting) == [first]
    assert await ids(search=second) == [second]
    assert await ids(participants="2:") == [first]
    assert await ids(participants=":1") == [second]
    assert await ids(participants="1:2") == [second, first]
    assert await ids(participants=":") == [second, first]
    assert await ids(end_time=datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)) == [first]
    assert await ids(start_time=datetime(2026, 1, 1, 0, 1, tzinfo=UTC)) == [second]
    assert await ids(per_page=1, page_no=2) == [first]


async def test_sessions_of_breakout_rooms_belong_to_their_parent(call: Call, clock):
    live = await call.api.registry.open(call.api.scope, call.meeting)
    created = await live.breakout.create(call.peers["ann"], ["Room 1"])
    room = created.rooms[0][0]
    await call.leave("bob")
    clock.advance(60)
    inside = await call.api.join(room, call.bob)
    clock.advance(60)
    api, session = call.api, await session_of(call)
    sessions = api.client.realtime_kit.sessions
    listed = await sessions.get_sessions(api.scope.app_id, **api.account)
    assert [each.id for each in listed.data.sessions] == [session.id]
    detailed = await sessions.get_session_details(session.id, **api.here, include_breakout_rooms=True)
    assert [each["associated_id"] for each in detailed.data.breakout_rooms] == [room]
    people = await sessions.get_session_participants(
        session.id, **api.here, view="consolidated", search="c-bob"
    )
    assert [(row.id, row.duration) for row in people.data.participants] == [(inside.id, 1)]
    meetings = await api.client.realtime_kit.meetings.get(api.scope.app_id, **api.account)
    assert [each.id for each in meetings.data] == [call.meeting]


async def test_without_a_session_every_active_session_route_answers_404(api: Api):
    meeting = await api.meeting()
    path = f"/meetings/{meeting}/active-session"
    asked: list[httpx.Response] = [
        await api.http.get(path),
        await api.http.post(f"{path}/kick", json={"participant_ids": [new_uuid()]}),
        await api.http.post(f"{path}/kick-all"),
        await api.http.post(f"{path}/mute", json={"participant_ids": [new_uuid()]}),
        await api.http.post(f"{path}/mute-all", json={"allow_unmute": True}),
        await api.http.post(f"{path}/poll", json={"question": "?", "options": ["a", "b"]}),
    ]
    for answer in asked:
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"No active session found for meeting_id {meeting}"
