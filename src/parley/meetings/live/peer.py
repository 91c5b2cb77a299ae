"""One connection in a running meeting."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

import msgspec

from parley.base.errors import StateForbids
from parley.base.ids import PeerId
from parley.media.ports import ReceiveTransport, SendTransport
from parley.meetings.live.notices import Notice, PeerInfo, ProducerInfo
from parley.meetings.live.pictures import Pictures
from parley.meetings.live.returning import Return
from parley.meetings.model import Participant, StageState
from parley.meetings.presets import Permissions, Preset, require


class Link(Protocol):
    """A peer's connection, in whatever dialect. Calls return at once and never raise."""

    def notify(self, notice: Notice) -> None:
        """Tell the peer; nothing happens when the connection is gone."""

    def close(self, code: int, reason: str) -> None:
        """End the connection after what was told before has gone out."""


class PeerState(Enum):
    """Where a connection stands."""

    CONNECTED = "connected"
    """On the setup screen: sees nothing, is seen by nobody."""
    WAITING = "waiting"
    """In the waiting room."""
    JOINED = "joined"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Producer:
    """A published stream."""

    id: str
    kind: str
    mid: str
    transport_id: str
    is_screen_share: bool
    is_paused: bool
    app_data: str | None
    mime_type: str | None
    is_muted_by_host: bool = False

    @property
    def medium(self) -> str:
        """The permission it falls under: audio, video or screenshare."""
        return "screenshare" if self.is_screen_share else self.kind

    def info(self) -> ProducerInfo:
        """As others see it now."""
        return ProducerInfo(
            self.id,
            self.kind,
            self.is_paused,
            self.is_screen_share,
            self.app_data,
            self.mime_type,
            self.transport_id,
        )


@dataclass(slots=True, eq=False)
class PeerMedia:
    """A peer's transports and streams."""

    is_joined: bool = False
    """It said that it is ready for the streams of others."""
    sender: SendTransport | None = None
    receiver: ReceiveTransport | None = None
    pictures: Pictures = field(default_factory=Pictures)
    """Cameras on the receive transport."""
    producers: dict[str, Producer] = field(default_factory=dict)
    withdrawn: dict[str, Producer] = field(default_factory=dict)
    """Streams that it may not publish now; its client resumes them under the same ids when it may again."""
    unmute_forbidden: set[str] = field(default_factory=set)
    """Media that a host muted without letting the peer unmute: audio, video, screenshare."""
    send_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Replacing a transport and negotiating on it exclude each other."""
    returning: Return | None = None
    """Its transports were lost and it has not replaced them yet."""


@dataclass(slots=True, eq=False)
class LivePeer:
    """A connection of a participant, from its socket's opening to its end."""

    id: PeerId
    participant: Participant
    preset: Preset
    permissions: Permissions
    """Of the preset, with the changes of this session."""
    name: str
    link: Link | None
    socket_session_id: str
    state: PeerState = PeerState.CONNECTED
    stage: StageState = StageState.ON_STAGE
    joined_at: datetime | None = None
    is_recorded: bool = False
    """It has a row in the running session."""
    was_on_stage: bool = False
    """Those who see only the stage were told of it."""
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Moves on and off the stage exclude each other: what is told of one must not be told after the next."""
    media: PeerMedia = field(default_factory=PeerMedia)
    grace: asyncio.TimerHandle | None = None
    """Runs while its connection is lost and may come back."""

    @property
    def is_joined(self) -> bool:
        """It is in the meeting (also while its connection is lost for a moment)."""
        return self.state is PeerState.JOINED

    @property
    def is_waiting(self) -> bool:
        """It is in the waiting room."""
        return self.state is PeerState.WAITING

    @property
    def is_service(self) -> bool:
        """A hidden recorder or observer."""
        return self.permissions.is_service

    @property
    def is_privileged(self) -> bool:
        """May admit people from the waiting room."""
        return self.permissions.accept_waiting_requests

    def require_joined(self) -> None:
        """Refuse what only somebody inside the meeting may do."""
        if self.state is not PeerState.JOINED:
            raise StateForbids("Join the meeting first.")

    def require(self, allowed: bool, what: str) -> None:
        """Refuse unless joined and allowed."""
        self.require_joined()
        require(allowed, what)

    def notify(self, notice: Notice) -> None:
        """Tell this peer."""
        if self.link is not None:
            self.link.notify(notice)

    def stop_grace(self) -> None:
        """It is back, or not waited for any more."""
        if self.grace is not None:
            self.grace.cancel()
            self.grace = None

    def info(self) -> PeerInfo:
        """As others see it now."""
        return PeerInfo(
            self.id,
            self.participant.id,
            self.participant.custom_participant_id,
            self.name,
            self.participant.picture,
            self.preset.id,
            self.preset.name,
            self.stage,
            self.is_waiting,
            self.permissions.hidden_participant,
            self.permissions.recorder_type,
        )


def patched(permissions: Permissions, patch: dict[str, Any]) -> Permissions:
    """The permissions with a deep patch applied.

    Raises:
        msgspec.ValidationError: the patch puts a wrong value somewhere.
    """
    return msgspec.convert(merge(msgspec.to_builtins(permissions), patch), Permissions)


def merge(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A copy of `base` in which objects are merged and everything else is replaced."""
    merged = dict(base)
    for key, value in patch.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
