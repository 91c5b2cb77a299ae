"""Tracks: what they are, what an offer says of them, and how many a participant can get."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import NamedTuple

from parley.base.errors import Invalid, NotAllowed
from parley.base.ids import ParticipantId, PeerId
from parley.media.ports import SendTransport, Source
from parley.meetings import ports as recorded
from parley.rooms.live import allows
from parley.rooms.model import Participant, Room
from parley.rooms.signals import Stream

ANSWER_BUDGET = 56_000
"""Characters of a participant's answer, which must fit into one frame; so the streams it gets are limited."""
SECTION_COST: Mapping[str, int] = {"audio": 600, "video": 1_000}
"""Characters of one section in Chromium's answer as JSON, generously."""
CLUTTER_LIMIT = ANSWER_BUDGET // 3
"""Of sections whose streams have ended; beyond it the receiving connection is replaced."""
_MID = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,16}")
_SECTION = re.compile(r"^m=(audio|video) ", re.MULTILINE)
_SECTION_MID = re.compile(r"^a=mid:(\S+)", re.MULTILINE)


class Medium(NamedTuple):
    """What a track is."""

    kind: str
    """In the session description."""
    switch: str
    """The member of `webrtc.media` that switches it."""


MEDIUMS: Mapping[str, Medium] = {
    "audio": Medium("audio", "audio"),
    "video": Medium("video", "video"),
    "screen": Medium("video", "screen"),
    "screen_audio": Medium("audio", "screen"),
}
"""A participant sends one track of each at most; see `RANK`."""
RANK = {"audio": 0, "screen_audio": 1, "screen": 2, "video": 3}
"""What is forwarded first where not everything can be."""


def check_tracks(room: Room, sdp: str, tracks: Mapping[str, str]) -> None:
    """Refuse tracks that the offer, or the room, does not have.

    Raises:
        Invalid: they are not those of the offer.
        NotAllowed: the room does not have that medium.
    """
    kinds = kinds_of(sdp)
    if len(set(tracks.values())) != len(tracks):
        raise Invalid("There is one track of each medium at most.", field="tracks")
    for mid, name in tracks.items():
        medium = MEDIUMS.get(name)
        if medium is None or not _MID.fullmatch(mid):
            raise Invalid(f"Tracks are {', '.join(MEDIUMS)}, by mid.", field="tracks")
        if kinds.get(mid) != medium.kind:
            raise Invalid(f"Section {mid} of the offer is not {medium.kind}.", field="tracks")
        if not allows(room, medium.switch):
            raise NotAllowed(f"This room has no {medium.switch}.")


def cost(stream: Stream) -> int:
    """Of its section; see `SECTION_COST`."""
    return SECTION_COST[MEDIUMS[stream.medium].kind]


def affordable(wanted: Mapping[Source, Stream], budget: int) -> list[Source]:
    """The first streams whose sections fit into that many characters."""
    chosen: list[Source] = []
    for source, stream in wanted.items():
        budget -= cost(stream)
        if budget < 0:
            break
        chosen.append(source)
    return chosen


def publisher(
    who: Participant, sender: SendTransport | None, tracks: Mapping[str, str], muted: Container[str]
) -> recorded.Publisher:
    """What a participant sends, in the words of whoever records it."""
    return recorded.Publisher(
        peer_id=PeerId(who.id),
        participant_id=ParticipantId(who.id),
        custom_participant_id=who.user_id,
        name=who.name,
        picture=None,
        colours={},
        sender=sender,
        streams=[
            recorded.Stream(
                id=f"{mid}/{name}",
                mid=mid,
                kind=MEDIUMS[name].kind,
                is_screen_share=MEDIUMS[name].switch == "screen",
            )
            for mid, name in tracks.items()
            if mid not in muted
        ],
    )


def kinds_of(sdp: str) -> dict[str, str]:
    """Audio or video, by mid; what is wrong with the rest the engine says."""
    starts = list(_SECTION.finditer(sdp))
    kinds: dict[str, str] = {}
    for number, start in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(sdp)
        mid = _SECTION_MID.search(sdp, start.end(), end)
        if mid is not None:
            kinds[mid[1]] = start[1]
    return kinds
