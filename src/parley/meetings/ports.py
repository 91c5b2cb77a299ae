"""What the REST side asks of running meetings (`live.routed.RoutedMeetings` answers)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from parley.accounts.scope import AppScope
from parley.base.ids import MeetingId

if TYPE_CHECKING:
    from parley.meetings.live.notices import PollView
    from parley.meetings.live.registry import Reached


class LiveMeetings(Protocol):
    """Acts on the running session of a meeting.

    Every method raises `NotFound` ("No active session found for meeting_id …") when there is none.
    """

    async def kick(
        self,
        scope: AppScope,
        meeting_id: MeetingId,
        participant_ids: Sequence[str],
        custom_participant_ids: Sequence[str],
    ) -> Sequence[Reached]:
        """Disconnect every peer of these participants; peer ids are taken among `participant_ids` too.

        Raises:
            NotFound: one of them is not in the session; then nobody is kicked.
        """
        ...

    async def kick_all(self, scope: AppScope, meeting_id: MeetingId) -> int:
        """End the session at once; returns how many peers were there."""
        ...

    async def create_poll(
        self,
        scope: AppScope,
        meeting_id: MeetingId,
        question: str,
        options: Sequence[str],
        *,
        anonymous: bool,
        hide_votes: bool,
        created_by: str,
    ) -> PollView:
        """Ask everybody in the session."""
        ...

    async def mute(
        self,
        scope: AppScope,
        meeting_id: MeetingId,
        participant_ids: Sequence[str],
        custom_participant_ids: Sequence[str],
    ) -> Sequence[Reached]:
        """Mute the microphones of these participants; ids as for `kick`."""
        ...

    async def mute_all(self, scope: AppScope, meeting_id: MeetingId, *, allow_unmute: bool) -> int:
        """Mute every microphone; returns how many participants are muted."""
        ...
