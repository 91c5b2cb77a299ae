"""Why a call was bad: a route of Parley's own beside those of `realtimekit.md` section 8."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from parley.accounts.scope import AppScope
from parley.base.ids import SessionId
from parley.base.times import iso_ms
from parley.meetings.history import service as history
from parley.meetings.history.model import PeerFilter, PeerReport, SessionReport
from parley.quality.verdict import Direction, Judged
from parley.wire.realtimekit.answers import Paging, Timestamp, Uuid
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.reading import PageQuery


class PeerQuality(msgspec.Struct, frozen=True, kw_only=True):
    """How the call of one connection was."""

    id: str
    """The peer's."""
    user_id: Uuid
    """The participant's."""
    custom_participant_id: str
    display_name: str
    joined_at: Timestamp
    left_at: Timestamp | None
    verdict: Literal["good", "fair", "poor", "unknown"]
    """`unknown` when nothing was measured."""
    reasons: Sequence[str]
    """In plain words, for people; empty for a good call."""
    sending: Direction
    receiving: Direction


class SessionQuality(msgspec.Struct, frozen=True):
    """How the calls of a session were."""

    session_id: Uuid
    participants: Sequence[PeerQuality]


class SessionQualityPage(msgspec.Struct, frozen=True):
    """A page of them."""

    data: SessionQuality
    paging: Paging
    success: bool = True


class QualityQuery(PageQuery, frozen=True, kw_only=True):
    """Whose calls."""

    search: str = ""
    """Part of a name or custom id, or a whole participant or peer id."""


async def _load(scope: AppScope, path: Mapping[str, str]) -> SessionReport:
    return await history.get_session(scope, SessionId(path["session_id"]))


routes = Routes("Sessions", loads={"session": _load})


def _shape(peer: PeerReport, judged: Judged) -> PeerQuality:
    return PeerQuality(
        id=peer.id,
        user_id=peer.participant_id,
        custom_participant_id=peer.custom_participant_id,
        display_name=peer.display_name,
        joined_at=iso_ms(peer.joined_at),
        left_at=None if peer.left_at is None else iso_ms(peer.left_at),
        verdict=judged.verdict.value,
        reasons=judged.reasons,
        sending=judged.sending,
        receiving=judged.receiving,
    )


@routes.get("{app}/sessions/{session_id}/quality")
async def get_session_quality(
    call: AppCall, session: SessionReport, query: QualityQuery
) -> SessionQualityPage:
    """Find out why a call was bad.

    For each connection of a session, in the order they joined: how it was, why in plain words, and figures of
    what was sent and received: lost packets (a fraction), round trip (seconds), mean opinion score (1 to 4.5)
    and freezes. Official clients measure them every seven seconds; a running session is told up to now.
    """
    wanted = PeerFilter(search=query.search or None)
    page = await history.list_peers(call.scope, session.session.id, wanted, query.page())
    judged = await call.context.quality.judge(call.scope, session.session.id, page.rows)
    rows = [_shape(peer, each) for peer, each in zip(page.rows, judged, strict=True)]
    return SessionQualityPage(SessionQuality(session.session.id, rows), Paging.of(page))
