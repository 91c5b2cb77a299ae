"""Every statement that running meetings write: sessions, peers, roles, polls and shared values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.ids import MeetingId, ParticipantId, PeerId, SessionId, new_uuid
from parley.base.times import to_ms
from parley.meetings.live.notices import SharedValue
from parley.meetings.model import (
    EndReason,
    LeaveReason,
    Meeting,
    Peer,
    PeerEvent,
    PeerEventName,
    Poll,
    PollVote,
    Session,
    SessionRole,
    SessionStatus,
)
from parley.store.ports import Database
from parley.store.query import Query, SystemQuery, in_list, insert_row, json_list, upsert
from parley.store.rows import RowMap
from parley.store.schema import tables as t

_sessions = RowMap(Session, t.sessions)
_peers = RowMap(Peer, t.peers)
_peer_events = RowMap(PeerEvent, t.peer_events)
_roles = RowMap(SessionRole, t.session_roles)
_polls = RowMap(Poll, t.polls)
_votes = RowMap(PollVote, t.poll_votes)
_meetings = RowMap(Meeting, t.meetings)
s, p, v = t.sessions.c, t.peers.c, t.shared_values.c
_this_session = (s.app_id == bindparam("app_id"), s.id == bindparam("session"))
_this_peer = (
    p.app_id == bindparam("app_id"),
    p.session_id == bindparam("session"),
    p.id == bindparam("peer"),
)

_INSERT_SESSION = insert_row(t.sessions)
_LIVE_SESSION = Query(
    select(*_sessions.columns).where(
        s.app_id == bindparam("app_id"), s.meeting_id == bindparam("meeting"), s.status == SessionStatus.LIVE
    )
)
_ALL_LIVE = SystemQuery(select(s.app_id, s.meeting_id).where(s.status == SessionStatus.LIVE))
_COUNT = Query(
    update(t.sessions)
    .where(*_this_session)
    .values(
        live_participants=bindparam("live"),
        max_concurrent_participants=bindparam("most"),
        connected_ms=s.connected_ms + bindparam("connected"),
        idle_since=bindparam("idle_since"),
        updated_at=bindparam("now"),
    )
)
_ALIVE = Query(
    update(t.sessions)
    .where(*_this_session, s.status == SessionStatus.LIVE)
    .values(updated_at=bindparam("now"))
)
_END = Query(
    update(t.sessions)
    .where(*_this_session, s.status == SessionStatus.LIVE)
    .values(
        status=SessionStatus.ENDED,
        ended_at=bindparam("now"),
        end_reason=bindparam("reason"),
        idle_since=None,
        live_participants=0,
        updated_at=bindparam("now"),
    )
)
_PUT_PEER = Query(
    upsert(
        t.peers,
        ["session_id", "id"],
        {
            "display_name": bindparam("display_name"),
            "preset_name": bindparam("preset_name"),
            "joined_at": bindparam("joined_at"),
            "left_at": None,
            "leave_reason": None,
            "updated_at": bindparam("updated_at"),
        },
    )
)
_RENAME_PEER = Query(
    update(t.peers).where(*_this_peer).values(display_name=bindparam("name"), updated_at=bindparam("now"))
)
_PEER_LEFT = Query(
    update(t.peers)
    .where(*_this_peer, p.left_at.is_(None))
    .values(left_at=bindparam("left"), leave_reason=bindparam("reason"), updated_at=bindparam("now"))
)
_OPEN_PEERS = Query(
    select(*_peers.columns).where(
        p.app_id == bindparam("app_id"), p.session_id == bindparam("session"), p.left_at.is_(None)
    )
)
_PEER_OWNER = Query(
    select(p.participant_id)
    .where(p.app_id == bindparam("app_id"), p.id == bindparam("peer"))
    .order_by(p.created_at.desc())
    .limit(1)
)
_PEER_KICKED = Query(
    select(p.session_id)
    .join(t.sessions, s.id == p.session_id)
    .where(
        p.app_id == bindparam("app_id"),
        p.id == bindparam("peer"),
        p.leave_reason == LeaveReason.KICKED,
        s.meeting_id == bindparam("meeting"),
    )
    .limit(1)
)
_INSERT_PEER_EVENT = insert_row(t.peer_events)
_ROLES = Query(
    select(*_roles.columns).where(
        t.session_roles.c.app_id == bindparam("app_id"), t.session_roles.c.session_id == bindparam("session")
    )
)
_PUT_ROLE = Query(
    upsert(
        t.session_roles,
        ["session_id", "participant_id"],
        {
            "is_admitted": bindparam("is_admitted"),
            "stage": bindparam("stage"),
            "permission_changes": bindparam("permission_changes"),
            "updated_at": bindparam("updated_at"),
        },
    )
)
_INSERT_POLL = insert_row(t.polls)
_POLLS = Query(
    select(*_polls.columns)
    .where(t.polls.c.app_id == bindparam("app_id"), t.polls.c.session_id == bindparam("session"))
    .order_by(t.polls.c.created_at, t.polls.c.id)
)
_VOTES = Query(
    select(*_votes.columns)
    .where(t.poll_votes.c.app_id == bindparam("app_id"), in_list(t.poll_votes.c.poll_id, "polls"))
    .order_by(t.poll_votes.c.created_at)
)
_VOTE = Query(upsert(t.poll_votes, ["poll_id", "participant_id"]))
_VALUES = Query(
    select(v.store_name, v.key, v.value, v.peer_id, v.updated_at).where(
        v.app_id == bindparam("app_id"), v.session_id == bindparam("session")
    )
)
_PUT_VALUE = Query(
    upsert(
        t.shared_values,
        ["session_id", "store_name", "key"],
        {
            "value": bindparam("value"),
            "peer_id": bindparam("peer_id"),
            "updated_at": bindparam("updated_at"),
        },
    )
)
_DROP_VALUES = Query(
    delete(t.shared_values).where(
        v.app_id == bindparam("app_id"),
        v.session_id == bindparam("session"),
        v.store_name == bindparam("store_name"),
        in_list(v.key, "keys"),
    )
)
_FAMILY = Query(
    select(*_meetings.columns)
    .where(
        t.meetings.c.app_id == bindparam("app_id"),
        or_(t.meetings.c.id == bindparam("root"), t.meetings.c.parent_id == bindparam("root")),
    )
    .order_by(t.meetings.c.created_at, t.meetings.c.id)
)
_INSERT_MEETING = insert_row(t.meetings)
_CLOSE_MEETING = Query(
    update(t.meetings)
    .where(
        t.meetings.c.app_id == bindparam("app_id"),
        t.meetings.c.id == bindparam("meeting"),
        t.meetings.c.parent_id.is_not(None),
    )
    .values(status="INACTIVE", updated_at=bindparam("now"))
)


async def all_live(database: Database) -> Sequence[tuple[str, MeetingId]]:
    """App and meeting of every session that has not been ended, for recovery at start."""
    return [(row[0], MeetingId(row[1])) for row in await database.all(_ALL_LIVE)]


async def live_session(scope: AppScope | Change, meeting_id: MeetingId) -> Session | None:
    """The meeting's session that has not been ended."""
    row = await scope.one(_LIVE_SESSION, meeting=meeting_id)
    return _sessions.read(row) if row else None


async def insert_session(change: Change, session: Session) -> None:
    """Add a session.

    Raises:
        AlreadyExists: the meeting has a live one.
    """
    await change.run(_INSERT_SESSION, **_sessions.write(session))


async def count_session(
    change: Change,
    session_id: SessionId,
    *,
    live: int,
    most: int,
    connected_ms: int,
    idle_since: datetime | None,
) -> None:
    """Store how many are there, how many there were at most, and time spent by those who left."""
    await change.run(
        _COUNT,
        session=session_id,
        live=live,
        most=most,
        connected=connected_ms,
        idle_since=None if idle_since is None else to_ms(idle_since),
        now=to_ms(change.now()),
    )


async def mark_alive(change: Change, session_id: SessionId) -> None:
    """Note that the session was running now; tells a restarted server when the old one went away."""
    await change.run(_ALIVE, session=session_id, now=to_ms(change.now()))


async def end_session(change: Change, session_id: SessionId, reason: EndReason) -> bool:
    """End it; False when it has been ended already."""
    return bool(await change.run(_END, session=session_id, reason=reason.value, now=to_ms(change.now())))


async def put_peer(change: Change, peer: Peer) -> None:
    """Add a peer, or open it again."""
    await change.run(_PUT_PEER, **_peers.write(peer))


async def rename_peer(change: Change, session_id: SessionId, peer_id: PeerId, name: str) -> None:
    """Store a changed display name."""
    await change.run(_RENAME_PEER, session=session_id, peer=peer_id, name=name, now=to_ms(change.now()))


async def close_peer(
    change: Change, session_id: SessionId, peer_id: PeerId, left_at: datetime, reason: LeaveReason
) -> bool:
    """Note that the peer left; False when that was known already."""
    done = await change.run(
        _PEER_LEFT,
        session=session_id,
        peer=peer_id,
        left=to_ms(left_at),
        reason=reason.value,
        now=to_ms(change.now()),
    )
    return bool(done)


async def open_peers(scope: AppScope | Change, session_id: SessionId) -> list[Peer]:
    """Peers that have not left."""
    return [_peers.read(row) for row in await scope.all(_OPEN_PEERS, session=session_id)]


async def peer_owner(scope: AppScope, peer_id: PeerId) -> ParticipantId | None:
    """The participant who used that peer id last, in any session of the app."""
    row = await scope.one(_PEER_OWNER, peer=peer_id)
    return ParticipantId(row[0]) if row else None


async def was_kicked(scope: AppScope, meeting_id: MeetingId, peer_id: PeerId) -> bool:
    """Whether that peer id was removed from the meeting, in any of its sessions."""
    return await scope.one(_PEER_KICKED, meeting=meeting_id, peer=peer_id) is not None


async def add_peer_event(
    change: Change, peer: Peer, name: PeerEventName, socket_session_id: str, at: datetime
) -> None:
    """Add one step of a peer's life."""
    step = PeerEvent(
        id=new_uuid(),
        app_id=peer.app_id,
        session_id=peer.session_id,
        peer_id=peer.id,
        participant_id=peer.participant_id,
        name=name,
        view_type=peer.view_type,
        socket_session_id=socket_session_id,
        created_at=at,
    )
    await change.run(_INSERT_PEER_EVENT, **_peer_events.write(step))


async def roles(scope: AppScope, session_id: SessionId) -> list[SessionRole]:
    """What participants were granted in the session."""
    return [_roles.read(row) for row in await scope.all(_ROLES, session=session_id)]


async def put_role(change: Change, role: SessionRole) -> None:
    """Store what a participant is granted."""
    await change.run(_PUT_ROLE, **_roles.write(role))


async def insert_poll(change: Change, poll: Poll) -> None:
    """Add a poll."""
    await change.run(_INSERT_POLL, **_polls.write(poll))


async def polls(scope: AppScope, session_id: SessionId) -> list[tuple[Poll, list[PollVote]]]:
    """The session's polls with their votes, oldest first."""
    found = [_polls.read(row) for row in await scope.all(_POLLS, session=session_id)]
    if not found:
        return []
    votes: dict[str, list[PollVote]] = {poll.id: [] for poll in found}
    for row in await scope.all(_VOTES, polls=json_list(votes)):
        vote = _votes.read(row)
        votes[vote.poll_id].append(vote)
    return [(poll, votes[poll.id]) for poll in found]


async def add_vote(change: Change, vote: PollVote) -> bool:
    """Add a vote; False when that participant has voted already."""
    return bool(await change.run(_VOTE, **_votes.write(vote)))


async def shared_values(scope: AppScope, session_id: SessionId) -> list[tuple[str, SharedValue]]:
    """Every entry of every shared store, with its store's name."""
    rows = await scope.all(_VALUES, session=session_id)
    return [(row[0], SharedValue(row[1], bytes(row[2]), row[3], row[4])) for row in rows]


async def put_values(change: Change, session_id: SessionId, store: str, items: Sequence[SharedValue]) -> None:
    """Write entries."""
    await change.run_many(
        _PUT_VALUE,
        [
            {
                "session_id": session_id,
                "store_name": store,
                "key": item.key,
                "value": item.value,
                "peer_id": item.peer_id,
                "updated_at": item.updated_ms,
            }
            for item in items
        ],
    )


async def drop_values(change: Change, session_id: SessionId, store: str, keys: Sequence[str]) -> None:
    """Delete entries."""
    await change.run(_DROP_VALUES, session=session_id, store_name=store, keys=json_list(keys))


async def family(scope: AppScope, root_id: MeetingId) -> list[Meeting]:
    """A main meeting and its breakout rooms, oldest first, closed ones included."""
    return [_meetings.read(row) for row in await scope.all(_FAMILY, root=root_id)]


async def insert_meeting(change: Change, meeting: Meeting) -> None:
    """Add a breakout room."""
    await change.run(_INSERT_MEETING, **_meetings.write(meeting))


async def close_meeting(change: Change, meeting_id: MeetingId) -> bool:
    """Close a breakout room for good."""
    return bool(await change.run(_CLOSE_MEETING, meeting=meeting_id, now=to_ms(change.now())))
