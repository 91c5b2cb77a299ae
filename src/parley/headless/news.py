"""What a participant tells its owner."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """Why a participant is out."""

    LEFT = "left"
    KICKED = "kicked"
    SESSION_ENDED = "session_ended"
    MOVED = "moved"
    DENIED = "denied"
    REFUSED = "refused"
    LOST = "connection_lost"

    @property
    def sentence(self) -> str:
        """For people."""
        return _SENTENCES[self]


_SENTENCES = {
    Ending.LEFT: "Left the meeting.",
    Ending.KICKED: "Removed from the meeting by a host.",
    Ending.SESSION_ENDED: "The meeting was ended for everybody.",
    Ending.MOVED: "Moved to another meeting by a host.",
    Ending.DENIED: "Not admitted: a host declined.",
    Ending.REFUSED: "The server does not let us in again.",
    Ending.LOST: "The connection to the server was lost.",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """In the waiting room until a host decides."""


@dataclass(frozen=True, slots=True)
class Joined:
    """In the meeting."""

    others: tuple[str, ...]
    """Their names."""


@dataclass(frozen=True, slots=True)
class PersonJoined:
    """Somebody else came."""

    peer_id: str
    name: str


@dataclass(frozen=True, slots=True)
class PersonLeft:
    """Somebody else went."""

    peer_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ChatReceived:
    """A chat message, our own included."""

    peer_id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class CannotPublish:
    """A stream of ours was refused; the rest goes on."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class MutedByHost:
    """A host turned a stream of ours off."""

    kind: str


@dataclass(frozen=True, slots=True)
class MediaRestarted:
    """A media connection was lost and is being made again."""


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection was lost; we try to come back until `Reconnected` or `Ended`."""

    reason: str
    """One sentence."""


@dataclass(frozen=True, slots=True)
class Reconnected:
    """In the meeting again, with the same peer id; media was published anew."""

    after_s: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing follows."""

    ending: Ending
    reason: str
    """One sentence."""


News = (
    Waiting
    | Joined
    | PersonJoined
    | PersonLeft
    | ChatReceived
    | CannotPublish
    | MutedByHost
    | MediaRestarted
    | Reconnecting
    | Reconnected
    | Ended
)
