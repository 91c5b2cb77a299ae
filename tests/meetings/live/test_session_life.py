"""One session per meeting: when it starts, who counts, and that it ends once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from parley.base.errors import NotAllowed
from parley.base.ids import PeerId
from parley.meetings.events import MeetingEnded, MeetingStarted, ParticipantJoined, ParticipantLeft
from parley.meetings.live.meeting import LiveMeeting
from parley.meetings.model import EndReason, Meeting, Session
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Room
from tests.waiting import until
from tests.wire.realtimekit.client.house import House, house_on
from tests.wire.realtimekit.client.peer import Peer, Refused

SERVICE = {"hidden_participant": True, "recorder_type": "RECORDER"}


@pytest.fixture(autouse=True)
def quick_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.meetings.live.connections.FAREWELL_S", 0.05)


def running(house: House, meeting: Meeting) -> LiveMeeting:
    live = house.live(meeting)
    assert live is not None
    return live


def session_of(house: House, meeting: Meeting) -> Session:
    session = running(house, meeting).session
    assert session is not None
    return session


def end_soon(house: House, meeting: Meeting) -> None:
    """Let the keep-alive of the running session be short."""
    record = running(house, meeting).record
    assert record.session is not None
    settings = msgspec.structs.replace(record.session.settings, session_keep_alive_s=0)
    record.session = msgspec.structs.replace(record.session, settings=settings)


async def left(house: House, count: int) -> None:
    """Wait until so many have left, and the meeting in memory has taken it up too."""

    def missing() -> str:
        if any(live._lifecycle.locked() for live in house.registry.running()):
            return "somebody is leaving"
        return "" if len(house.events(ParticipantLeft)) == count else f"not {count} left yet"

    await until(missing)


async def test_the_first_join_starts_a_session_and_the_second_does_not(
    house: House, meeting: Meeting
) -> None:
    _, token = await house.invite(meeting)
    outside = await house.connect(token)
    assert house.events(MeetingStarted) == []

    await outside.enter()
    await house.guest(meeting)

    (started,) = house.events(MeetingStarted)
    assert started.session_id == session_of(house, meeting).id
    assert [event.peer_id for event in house.events(ParticipantJoined)][:1] == [outside.id]
    kinds = [type(event) for event in house.events(MeetingStarted, ParticipantJoined)]
    assert kinds == [MeetingStarted, ParticipantJoined, ParticipantJoined]


async def test_hidden_and_waiting_people_do_not_start_a_session(house: House, meeting: Meeting) -> None:
    hidden = await house.guest(meeting, **SERVICE)
    _, token = await house.invite(meeting, "group_call_guest")
    waiting = await house.connect(token)
    assert (await waiting.enter()).waitlisted
    assert running(house, meeting).session is None
    assert house.events(MeetingStarted, ParticipantJoined) == []

    await house.guest(meeting)
    await hidden.ask(Room.LEAVE)

    assert session_of(house, meeting).live_participants == 1
    assert len(house.events(ParticipantJoined)) == 1
    assert house.events(ParticipantLeft) == []


async def test_what_a_hidden_host_granted_before_the_session_lasts_in_it(
    house: House, meeting: Meeting
) -> None:
    """It was kept under no session, and the next grant to the same person failed in the database."""
    recorder = await house.guest(meeting, "group_call_host", **SERVICE)
    _, token = await house.invite(meeting, "group_call_guest")
    waiting = await house.connect(token)
    await waiting.enter()
    await recorder.tell(Room.ACCEPT_WAITING, pb.RoomAcceptWaitingRoomRequests(user_ids=[waiting.user_id]))
    await waiting.enter()

    await recorder.tell(Room.GRANT_STAGE, pb.LiveGrantStageAccessRequest(user_ids=[waiting.user_id]))
    await waiting.close()
    await left(house, 1)

    again = await house.connect(token)
    assert not (await again.enter()).waitlisted


async def test_hidden_people_do_not_keep_a_session(house: House, meeting: Meeting) -> None:
    await house.guest(meeting, **SERVICE)
    peer = await house.guest(meeting)
    end_soon(house, meeting)
    await peer.close()
    await until(lambda: "" if house.events(MeetingEnded) else "not ended")


async def test_people_and_their_minutes_are_counted(house: House, meeting: Meeting) -> None:
    first, second = await house.guest(meeting), await house.guest(meeting)
    house.store.clock.advance(90)  # type: ignore[attr-defined]
    await second.close()
    await left(house, 1)
    third = await house.guest(meeting)
    house.store.clock.advance(30)  # type: ignore[attr-defined]
    await first.close()
    await third.close()
    await left(house, 3)

    session = session_of(house, meeting)
    assert (session.live_participants, session.max_concurrent_participants) == (0, 2)
    assert session.connected_ms == (90 + 120 + 30) * 1000
    assert session.idle_since == house.store.clock.now()
    assert session.status == "LIVE"


async def test_an_idle_session_ends_once_after_its_keep_alive(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    end_soon(house, meeting)
    await peer.close()
    await until(lambda: "" if house.events(MeetingEnded) else "not ended")
    (ended,) = house.events(MeetingEnded)
    assert ended.reason is EndReason.ALL_PARTICIPANTS_LEFT
    await until(lambda: "" if house.live(meeting) is None else "still in memory")


async def test_somebody_who_comes_back_in_time_keeps_the_session(house: House, meeting: Meeting) -> None:
    peer = await house.guest(meeting)
    before = session_of(house, meeting)
    await peer.close()
    await left(house, 1)
    live = running(house, meeting)
    await until(
        lambda: "" if live.idling._ending is not None else "the session does not know that it is idle"
    )
    assert live.idling._ending is not None
    assert live.idling._ending.when() - asyncio.get_running_loop().time() == pytest.approx(60, abs=5)

    await house.guest(meeting)

    assert live.idling._ending is None
    assert session_of(house, meeting).id == before.id
    assert session_of(house, meeting).idle_since is None
    assert len(house.events(MeetingStarted)) == 1


async def test_two_hosts_end_it_at_the_same_time_once(house: House, meeting: Meeting) -> None:
    hosts = [await house.host(meeting) for _ in range(3)]
    guest = await house.guest(meeting)
    frame = pb.SocketMessage(event=Room.KICK_ALL, id="x").SerializeToString()

    await asyncio.gather(
        *(host.send_raw(frame) for host in hosts), house.registry.kick_all(house.app, meeting.id)
    )

    for peer in (*hosts, guest):
        await peer.next(Room.KICK_ALL)
        assert await peer.gone() == 4002
    (ended,) = house.events(MeetingEnded)
    assert ended.reason is EndReason.HOST_ENDED_MEETING
    assert len(house.events(ParticipantLeft)) == 4
    kinds = [type(event) for event in house.happened]
    assert kinds.index(MeetingEnded) > max(i for i, kind in enumerate(kinds) if kind is ParticipantLeft)


async def test_the_next_join_starts_another_session(house: House, meeting: Meeting) -> None:
    host = await house.host(meeting)
    first = session_of(house, meeting)
    await house.registry.kick_all(house.app, meeting.id)
    await host.gone()
    await house.guest(meeting)
    assert session_of(house, meeting).id != first.id
    assert len(house.events(MeetingStarted)) == 2


async def test_an_inactive_meeting_cannot_be_joined(house: House, meeting: Meeting) -> None:
    from parley.meetings import service
    from parley.meetings.model import MeetingStatus

    inside = await house.guest(meeting)
    await service.edit_meeting(house.app, meeting.id, service.MeetingEdit(status=MeetingStatus.INACTIVE))
    _, token = await house.invite(meeting)
    late = await house.connect(token)
    with pytest.raises(Refused, match="Meeting is inactive"):
        await late.enter()
    assert await inside.news() == []


async def restarted(house: House) -> None:
    """Sockets are gone and nothing was written: as after kill -9, for the database."""
    await house.registry.stop()


async def test_peers_that_come_back_after_a_restart_never_left(house: House, meeting: Meeting) -> None:
    one, two = await house.guest(meeting), await house.guest(meeting)
    before = session_of(house, meeting)
    await restarted(house)
    house.store.clock.advance(5)  # type: ignore[attr-defined]

    async with house_on(house.store, house.app) as again:
        back = await again.come(one.token, peer_id=one.id)
        assert session_of(again, meeting).id == before.id
        assert session_of(again, meeting).live_participants == 2
        assert again.events(MeetingStarted, ParticipantJoined, ParticipantLeft) == []

        end_soon(again, meeting)
        live = running(again, meeting)
        await live.idling._give_up()
        (gone,) = again.events(ParticipantLeft)
        assert gone.peer_id == two.id
        assert gone.left_at == before.started_at  # when the old server was last known to be alive
        await back.close()
        await until(lambda: "" if again.events(MeetingEnded) else "not ended")
        assert [e.peer_id for e in again.events(ParticipantLeft)] == [two.id, one.id]
        assert again.events(ParticipantLeft)[1].left_at - before.started_at == timedelta(seconds=5)


async def test_polls_stores_and_grants_survive_a_restart(house: House, meeting: Meeting) -> None:
    from tests.wire.realtimekit.client.test_shared import ask_poll, get, put, vote

    host = await house.host(meeting)
    _, token = await house.invite(meeting, "group_call_guest")
    guest = await house.connect(token)
    await guest.enter()
    await host.tell(Room.ACCEPT_WAITING, pb.RoomAcceptWaitingRoomRequests(user_ids=[guest.user_id]))
    await guest.enter()
    await vote(guest, await ask_poll(host, "a", "b"), 1)
    await put(host, "board", x=b"1")
    await restarted(house)

    async with house_on(house.store, house.app) as again:
        other_tab = await again.connect(guest.token)
        assert not (await other_tab.enter()).waitlisted
        assert await get(other_tab, "board") == {"x": b"1"}
        (poll,) = (await other_tab.ask(196609)).polls
        assert [option.count for option in poll.options] == [0, 1]


async def test_who_was_inside_before_a_restart_does_not_wait_again(house: House, meeting: Meeting) -> None:
    """Guests whose door opened for a host were sent back to the waiting room when they returned first."""
    await house.host(meeting)
    guest = await house.guest(meeting, waiting_room_type="ON_PRIVILEGED_USER_ENTRY")
    await restarted(house)
    async with house_on(house.store, house.app) as again:
        back = await again.connect(guest.token, peer_id=guest.id)
        assert not (await back.enter()).waitlisted


async def test_a_kicked_page_load_stays_out_and_a_new_one_may_come(house: House, meeting: Meeting) -> None:
    from tests.wire.realtimekit.client.peer import Rejected

    await house.host(meeting)
    victim = await house.guest(meeting)
    await house.registry.kick(house.app, meeting.id, [victim.user_id], [])
    await victim.next(Room.KICK)
    with pytest.raises(Rejected) as refused:
        await house.connect(victim.token, peer_id=victim.id)
    assert refused.value.status == 403
    again: Peer = await house.come(victim.token)
    assert again.is_open


async def test_a_kicked_page_load_stays_out_after_a_restart(house: House, meeting: Meeting) -> None:
    """Who had been kicked was known to the old process alone, and its page came back by itself."""
    from tests.wire.realtimekit.client.peer import Rejected

    elsewhere = await house.meeting("another meeting")
    await house.host(meeting)
    victim = await house.guest(meeting)
    left_by_itself = await house.guest(meeting)
    await house.registry.kick(house.app, meeting.id, [victim.user_id], [])
    await left_by_itself.close()
    await left(house, 2)
    await restarted(house)

    async with house_on(house.store, house.app) as again:
        with pytest.raises(Rejected) as refused:
            await again.connect(victim.token, peer_id=victim.id)
        assert refused.value.status == 403
        assert "removed from this meeting" in refused.value.body["error"]["message"]
        assert (await again.come(victim.token)).is_open
        assert (await again.come(left_by_itself.token, peer_id=left_by_itself.id)).is_open
        _, token = await again.invite(elsewhere)
        with pytest.raises(Rejected, match="another participant"):
            await again.connect(token, peer_id=victim.id)


async def test_somebody_kicked_during_a_handshake_is_not_let_in(house: House, meeting: Meeting) -> None:
    """The new connection was bound to the peer that was just leaving, and stayed open without one."""
    victim = await house.guest(meeting)
    live = running(house, meeting)
    peer = live.peers[PeerId(victim.id)]
    assert peer.link is not None
    live.remove(peer)
    with pytest.raises(NotAllowed, match="removed from this meeting"):
        live.connections.connect(peer.participant, peer.preset, peer.id, peer.link, "another socket")
    await left(house, 1)
