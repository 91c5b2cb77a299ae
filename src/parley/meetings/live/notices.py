"""What peers of a running meeting are told; each dialect encodes them in its own way.

A notice is made once and handed to any number of links, so it must not be changed afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parley.base.ids import MeetingId, MessageId, ParticipantId, PeerId
from parley.channels.model import Message
from parley.meetings.model import StageState


@dataclass(frozen=True, slots=True)
class Notice:
    """Base of all notices."""


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A peer as others see it."""

    peer_id: PeerId
    participant_id: ParticipantId
    custom_participant_id: str
    name: str
    picture: str | None
    preset_id: str
    preset_name: str
    stage: StageState
    is_waiting: bool
    is_hidden: bool
    recorder_type: str


@dataclass(frozen=True, slots=True)
class PeerJoined(Notice):
    """Somebody joined, or came back after a lost connection."""

    peer: PeerInfo


@dataclass(frozen=True, slots=True)
class PeerLeft(Notice):
    """Somebody is gone."""

    peer: PeerInfo


@dataclass(frozen=True, slots=True)
class WaitingList(Notice):
    """Everybody who waits to be admitted, after a change."""

    waiting: Sequence[PeerInfo]


@dataclass(frozen=True, slots=True)
class Admitted(Notice):
    """To a waiting peer: join now."""


@dataclass(frozen=True, slots=True)
class Denied(Notice):
    """To a waiting peer: not admitted."""


@dataclass(frozen=True, slots=True)
class Kicked(Notice):
    """To a peer that was removed."""

    peer: PeerInfo


@dataclass(frozen=True, slots=True)
class RecordingChanged(Notice):
    """A recording began, paused, goes on, or has ended."""

    recording_id: str
    status: str
    """See `recordings.model.RecordingStatus`."""


@dataclass(frozen=True, slots=True)
class LivestreamChanged(Notice):
    """The live stream of the meeting was asked for, is on, has ended or failed."""

    livestream_id: str
    status: str
    name: str
    playback_url: str
    error: str
    is_ingested: bool
    session_id: str
    app_id: str


@dataclass(frozen=True, slots=True)
class ViewersCounted(Notice):
    """How many watch the live stream of the meeting now."""

    count: int


@dataclass(frozen=True, slots=True)
class SessionEnded(Notice):
    """The session was ended for everybody."""


@dataclass(frozen=True, slots=True)
class StageChanged(Notice):
    """Somebody's place on or off the stage."""

    peer_id: PeerId
    participant_id: ParticipantId
    stage: StageState


@dataclass(frozen=True, slots=True)
class StageRequests(Notice):
    """Everybody who asks for the stage, after a change."""

    requests: Sequence[PeerInfo]


@dataclass(frozen=True, slots=True)
class StageDecision(Notice):
    """To somebody who asked for the stage."""

    is_granted: bool


@dataclass(frozen=True, slots=True)
class Broadcast(Notice):
    """A message of a client to other clients."""

    type: str
    payload: bytes
    """JSON."""
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class MessageSent(Notice):
    """A chat message, to its audience and its sender."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageEdited(Notice):
    """A chat message has another content."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageDeleted(Notice):
    """A chat message is gone."""

    message_id: MessageId


@dataclass(frozen=True, slots=True)
class MessagePinned(Notice):
    """A chat message was pinned or unpinned."""

    message: Message


@dataclass(frozen=True, slots=True)
class Voter:
    """Somebody who chose an option."""

    participant_id: ParticipantId
    name: str


@dataclass(frozen=True, slots=True)
class PollOption:
    """One option and its result."""

    text: str
    count: int
    voters: Sequence[Voter]
    """Empty in an anonymous poll."""


@dataclass(frozen=True, slots=True)
class PollView:
    """A poll with its results."""

    id: str
    question: str
    options: Sequence[PollOption]
    is_anonymous: bool
    hides_votes: bool
    created_by: str
    created_by_id: str
    voted: Sequence[ParticipantId]


@dataclass(frozen=True, slots=True)
class PollChanged(Notice):
    """A poll was opened or got a vote."""

    poll: PollView
    is_new: bool


@dataclass(frozen=True, slots=True)
class SharedValue:
    """One entry of a shared store."""

    key: str
    value: bytes
    """JSON; empty when deleted."""
    peer_id: str
    updated_ms: int


@dataclass(frozen=True, slots=True)
class ValuesChanged(Notice):
    """Entries of a shared store were written or deleted."""

    store: str
    items: Sequence[SharedValue]
    is_deletion: bool


@dataclass(frozen=True, slots=True)
class PermissionsChanged(Notice):
    """Somebody's permissions were changed for this session."""

    changes: Mapping[ParticipantId, Mapping[str, Any]]
    """A patch over the permissions of the preset, by participant."""


@dataclass(frozen=True, slots=True)
class RoomView:
    """A main meeting or breakout room and who is in it."""

    meeting_id: MeetingId
    title: str
    participants: Sequence[PeerInfo]


@dataclass(frozen=True, slots=True)
class RoomsView(Notice):
    """The main meeting and its breakout rooms, after a change."""

    parent: RoomView
    rooms: Sequence[RoomView]


@dataclass(frozen=True, slots=True)
class RoomsCreated(Notice):
    """Breakout rooms were opened."""

    rooms: Sequence[tuple[MeetingId, str]]
    """Id and title."""


@dataclass(frozen=True, slots=True)
class RoomsDeleted(Notice):
    """Breakout rooms were closed."""

    rooms: Sequence[tuple[MeetingId, str]]


@dataclass(frozen=True, slots=True)
class Transfer(Notice):
    """To a peer that is moved to another room."""

    meeting_id: MeetingId
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProducerInfo:
    """One published stream as others see it."""

    id: str
    kind: str
    """`audio` or `video`."""
    is_paused: bool
    is_screen_share: bool
    app_data: str | None
    """The publisher's own text, echoed."""
    mime_type: str | None
    transport_id: str


@dataclass(frozen=True, slots=True)
class MediaJoined(Notice):
    """A peer takes part in media from now on."""

    peer: PeerInfo
    producers: Sequence[ProducerInfo]


@dataclass(frozen=True, slots=True)
class ProducerAdded(Notice):
    """Somebody publishes a stream."""

    peer_id: PeerId
    producer: ProducerInfo


@dataclass(frozen=True, slots=True)
class ProducerToggled(Notice):
    """A stream was paused or resumed, by its publisher or by a host."""

    peer_id: PeerId
    producer: ProducerInfo
    initiator: PeerId | None


@dataclass(frozen=True, slots=True)
class ProducerClosed(Notice):
    """A stream ended."""

    peer_id: PeerId
    producer: ProducerInfo


@dataclass(frozen=True, slots=True)
class Pinned(Notice):
    """A peer is pinned for everybody; None = nobody."""

    peer_id: PeerId | None


@dataclass(frozen=True, slots=True)
class ActiveSpeaker(Notice):
    """Who speaks now."""

    peer_id: PeerId
