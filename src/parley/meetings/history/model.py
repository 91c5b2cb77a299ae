"""Sessions and peers as reports show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from parley.base.ids import MeetingId, ParticipantId, PeerId, SessionId
from parley.base.paging import Order
from parley.meetings.model import Peer, Session, SessionStatus


class SessionReport(NamedTuple):
    """A session and how long people were in it."""

    session: Session
    minutes_consumed: float
    """Connected minutes over all peers, up to now; hidden service peers excluded."""


class SessionSort(StrEnum):
    """What a list of sessions is ordered by."""

    MINUTES_CONSUMED = "minutesConsumed"
    CREATED_AT = "createdAt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions are wanted, and in which order; None = any."""

    search: str | None = None
    """Part of the title in either case, or a whole session or meeting id."""
    meeting_id: MeetingId | None = None
    status: SessionStatus | None = None
    created_from: datetime | None = None
    """Inclusive, like `created_to`."""
    created_to: datetime | None = None
    min_peers: int | None = None
    """At their most, inclusive, like `max_peers`."""
    max_peers: int | None = None
    sort: SessionSort = SessionSort.CREATED_AT
    order: Order = Order.DESC


class PeerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One connection, or all connections of one participant, in a session."""

    id: PeerId
    """Of several connections the latest."""
    session_id: SessionId
    participant_id: ParticipantId
    custom_participant_id: str
    display_name: str
    preset_name: str
    view_type: str
    joined_at: datetime
    """The first join."""
    left_at: datetime | None
    """None while connected."""
    connected_ms: int
    """Up to now."""
    created_at: datetime
    updated_at: datetime

    @property
    def minutes(self) -> float:
        """Connected time in minutes."""
        return self.connected_ms / 60_000

    @classmethod
    def of(cls, peer: Peer, now: datetime) -> PeerReport:
        """A single connection."""
        connected = (peer.left_at or now) - peer.joined_at
        return cls(
            id=peer.id,
            session_id=peer.session_id,
            participant_id=peer.participant_id,
            custom_participant_id=peer.custom_participant_id,
            display_name=peer.display_name,
            preset_name=peer.preset_name,
            view_type=peer.view_type,
            joined_at=peer.joined_at,
            left_at=peer.left_at,
            connected_ms=max(0, round(connected.total_seconds() * 1000)),
            created_at=peer.created_at,
            updated_at=peer.updated_at,
        )


class PeerSort(StrEnum):
    """What a list of peers is ordered by."""

    JOINED_AT = "joinedAt"
    DURATION = "duration"


class PeerView(StrEnum):
    """What a row of a list of peers is."""

    RAW = "raw"
    """A connection in this session."""
    CONSOLIDATED = "consolidated"
    """A participant, over all their connections in this session and its breakout rooms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFilter:
    """Which peers are wanted, and in which order."""

    search: str | None = None
    """Part of the name or custom id in either case, or a whole participant or peer id."""
    view: PeerView = PeerView.RAW
    sort: PeerSort = PeerSort.JOINED_AT
    order: Order = Order.ASC
