"""What others ask of running meetings: REST (`live.routed.RoutedMeetings` answers), and who records them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from parley.accounts.scope import AppScope
from parley.base.ids import MeetingId, ParticipantId, PeerId
from parley.media.ports import ReceiveTransport, SendTransport
from parley.meetings.model import Session

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


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream that others can see or hear now: published, and muted by nobody."""

    id: str
    mid: str
    kind: str
    """"audio" or "video"."""
    is_screen_share: bool


@dataclass(frozen=True, slots=True)
class Publisher:
    """Somebody in a meeting, and what they publish now."""

    peer_id: PeerId
    participant_id: ParticipantId
    custom_participant_id: str
    name: str
    picture: str | None
    colours: Mapping[str, str]
    """What their preset wants of a picture: background, tile, text, brand, text_on_brand."""
    sender: SendTransport | None
    streams: Sequence[Stream]
    is_on_stage: bool = True
    """Viewers of webinars and live streams are not."""
    receiver: ReceiveTransport | None = None
    """What they get of others."""


class LivestreamState(Protocol):
    """How the live stream of a meeting stands."""

    @property
    def livestream_id(self) -> str:
        """Its id."""
        ...

    @property
    def status(self) -> str:
        """INVOKED, LIVE, OFFLINE, IDLE or ERRORED."""
        ...

    @property
    def name(self) -> str | None:
        """What it is called."""
        ...

    @property
    def is_ingested(self) -> bool:
        """Somebody pushes RTMP to it."""
        ...

    @property
    def playback_url(self) -> str:
        """Where viewers find it."""
        ...

    @property
    def error(self) -> str | None:
        """What went wrong."""
        ...


class OnAir(Protocol):
    """Tells the people in a meeting what is recorded and streamed of it."""

    def recording_changed(self, recording_id: str, status: str) -> None:
        """Tell everybody inside how a recording stands."""
        ...

    def livestream_changed(self, how: LivestreamState) -> None:
        """Tell everybody inside how the live stream of the meeting stands."""
        ...

    def viewers_counted(self, count: int) -> None:
        """Tell everybody inside, and who comes, how many watch the live stream; once for each number."""
        ...


class RunningMeeting(Protocol):
    """A meeting that runs in this process, for those who follow it."""

    @property
    def id(self) -> MeetingId:
        """The meeting's id."""
        ...

    @property
    def scope(self) -> AppScope:
        """The app it belongs to."""
        ...

    @property
    def session(self) -> Session | None:
        """The running session, if somebody has joined."""
        ...

    @property
    def pinned(self) -> PeerId | None:
        """Who is pinned for everybody."""
        ...

    def publishers(self) -> list[Publisher]:
        """Everybody inside whom others may see; no service peers."""
        ...

    @property
    def on_air(self) -> OnAir:
        """What people inside are told of recordings and live streams."""
        ...


class Observer(Protocol):
    """Follows the meetings that run in this process. Calls must return at once."""

    def changed(self, live: RunningMeeting) -> None:
        """Who is in a meeting, or what they publish, may have changed."""
        ...

    def broadcast(self, live: RunningMeeting, kind: str, payload: bytes) -> None:
        """A client sent all others a message."""
        ...
