"""A peer of a session as REST shows it (`realtimekit.md` 8.4, 8.9)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from parley.base.times import iso_ms
from parley.meetings.history.model import PeerReport
from parley.meetings.model import PeerEvent, PeerEventName
from parley.quality.model import CallData
from parley.wire.realtimekit import call_shapes
from parley.wire.realtimekit.answers import Timestamp, Uuid

Filter = Literal["device_info", "ip_information", "precall_network_information", "events", "quality_stats"]


class PeerEventShape(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a peer's life."""

    id: Uuid
    peer_id: str
    participant_id: Uuid
    session_id: Uuid
    event_name: Literal["PEER_CREATED", "PEER_JOINING", "PEER_LEAVING"]
    preset_view_type: str
    socket_session_id: str
    minutes_consumed: float | UnsetType = UNSET
    """Since the peer joined; only when it leaves."""
    created_at: Timestamp
    updated_at: Timestamp


class PeerShape(msgspec.Struct, frozen=True, kw_only=True):
    """One connection of a participant, or all of them taken together."""

    id: str
    """The peer's; of several the latest."""
    user_id: Uuid
    """The participant's."""
    custom_participant_id: str
    display_name: str
    preset_name: str
    joined_at: Timestamp
    left_at: Timestamp | None
    duration: float
    """Minutes."""
    created_at: Timestamp
    updated_at: Timestamp
    peer_events: Sequence[PeerEventShape] | UnsetType = UNSET


class PeerParts(PeerShape, frozen=True, kw_only=True):
    """A peer with what older clients ask for by `filters`."""

    peer_stats: dict[str, Any] | UnsetType = UNSET
    quality_stats: list[Any] | UnsetType = UNSET


class PeerDetails(msgspec.Struct, frozen=True):
    """A peer."""

    participant: PeerParts


class CallReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a peer; parts that were not are absent."""

    metadata: dict[str, Any] | UnsetType = UNSET
    quality: dict[str, Any] | UnsetType = UNSET


class ReportedPeer(PeerParts, frozen=True, kw_only=True):
    """A peer with its report."""

    role: str
    session_id: Uuid
    peer_report: CallReport


class PeerReportShape(msgspec.Struct, frozen=True):
    """The report of a peer."""

    participant: ReportedPeer


def _events(events: Sequence[PeerEvent]) -> list[PeerEventShape]:
    joined: dict[str, datetime] = {}
    shapes = []
    for event in events:
        minutes: float | UnsetType = UNSET
        if event.name is PeerEventName.PEER_JOINING:
            joined[event.peer_id] = event.created_at
        elif event.name is PeerEventName.PEER_LEAVING and event.peer_id in joined:
            minutes = (event.created_at - joined.pop(event.peer_id)).total_seconds() / 60
        at = iso_ms(event.created_at)
        shapes.append(
            PeerEventShape(
                id=event.id,
                peer_id=event.peer_id,
                participant_id=event.participant_id,
                session_id=event.session_id,
                event_name=event.name.value,
                preset_view_type=event.view_type,
                socket_session_id=event.socket_session_id,
                minutes_consumed=minutes,
                created_at=at,
                updated_at=at,
            )
        )
    return shapes


def _fields(peer: PeerReport, events: Sequence[PeerEvent] | None) -> dict[str, Any]:
    return {
        "id": peer.id,
        "user_id": peer.participant_id,
        "custom_participant_id": peer.custom_participant_id,
        "display_name": peer.display_name,
        "preset_name": peer.preset_name,
        "joined_at": iso_ms(peer.joined_at),
        "left_at": None if peer.left_at is None else iso_ms(peer.left_at),
        "duration": peer.minutes,
        "created_at": iso_ms(peer.created_at),
        "updated_at": iso_ms(peer.updated_at),
        "peer_events": UNSET if events is None else _events(events),
    }


def peer_shape(peer: PeerReport, events: Sequence[PeerEvent] | None) -> PeerShape:
    """A row of a list; None = events were not asked for."""
    return PeerShape(**_fields(peer, events))


def peer_details(
    peer: PeerReport,
    events: Sequence[PeerEvent],
    call: CallData,
    filters: Collection[str],
    with_events: bool,
) -> PeerDetails:
    """One peer, with the parts that older clients ask for."""
    return PeerDetails(
        PeerParts(
            **_fields(peer, events if with_events else None),
            **call_shapes.legacy(call, events, filters, throughput="throughtput"),
        )
    )


def peer_report(
    peer: PeerReport,
    events: Sequence[PeerEvent],
    call: CallData,
    filters: Collection[str],
    with_events: bool,
) -> PeerReportShape:
    """One peer with its report; what was not measured is absent."""
    report: dict[str, Any] = {}
    if not filters or call_shapes.OF_METADATA & set(filters):
        report["metadata"] = call_shapes.metadata(call, events, filters)
    if not filters or "quality_stats" in filters:
        report["quality"] = call_shapes.quality(call)
    return PeerReportShape(
        ReportedPeer(
            **_fields(peer, events if with_events else None),
            **call_shapes.legacy(call, events, filters, throughput="throughput"),
            role=peer.preset_name,
            session_id=peer.session_id,
            peer_report=CallReport(**report),
        )
    )
