"""What an offer says of its tracks, and how many a participant can get."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from parley.base.errors import Invalid, NotAllowed
from parley.base.ids import AppId
from parley.base.times import from_ms
from parley.headless.descriptions import Direction, Section, write
from parley.media.ports import Source
from parley.rooms.model import Room, RoomSettings, RoomStatus
from parley.rooms.signals import Stream
from parley.rooms.tracks import ANSWER_BUDGET, MEDIUMS, affordable, check_tracks, kinds_of
from tests.hostile.descriptions import NEGOTIABLE, REFUSED
from tests.wire.realtimekit.client.studio import CREDENTIALS

SECTIONS = [
    Section("0", "audio", Direction.SENDONLY),
    Section("a", "video", Direction.SENDONLY),
    Section("2", "video", Direction.INACTIVE),
    Section("3", "audio", Direction.SENDONLY),
]
OFFER = write(CREDENTIALS, SECTIONS, setup="actpass", version=1)


def room(**settings: Any) -> Room:
    return Room(
        id="room_1",
        app_id=AppId("app"),
        name="Room",
        created_by=None,
        max_participants=10,
        recording_enabled=False,
        access="open",
        settings=msgspec.convert(settings, RoomSettings),
        status=RoomStatus.OPEN,
        created_at=from_ms(0),
    )


def test_sections_are_known_by_mid() -> None:
    assert kinds_of(OFFER) == {"0": "audio", "a": "video", "2": "video", "3": "audio"}


@pytest.mark.parametrize("what", [*REFUSED, *NEGOTIABLE])
def test_nothing_is_too_strange_to_be_looked_at(what: str) -> None:
    found = kinds_of({**REFUSED, **NEGOTIABLE}[what])
    assert set(found.values()) <= {"audio", "video"}


@pytest.mark.parametrize("tracks", [{}, {"0": "audio", "a": "video", "2": "screen", "3": "screen_audio"}])
def test_tracks_of_the_offer_are_accepted(tracks: dict[str, str]) -> None:
    check_tracks(room(), OFFER, tracks)


@pytest.mark.parametrize(
    "tracks",
    [{"0": "video"}, {"9": "audio"}, {"0": "smell"}, {"a": "video", "2": "video"}, {"\x00": "audio"}],
)
def test_other_tracks_are_refused(tracks: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        check_tracks(room(), OFFER, tracks)
    assert refused.value.field == "tracks"


@pytest.mark.parametrize(
    ("setting", "tracks"),
    [
        ("audio", {"0": "audio"}),
        ("video", {"a": "video"}),
        ("screen_sharing", {"2": "screen"}),
        ("screen_sharing", {"3": "screen_audio"}),
    ],
)
def test_what_the_room_does_not_have_is_not_sent(setting: str, tracks: dict[str, str]) -> None:
    with pytest.raises(NotAllowed):
        check_tracks(room(**{setting: {"enabled": False}}), OFFER, tracks)


def test_everybody_of_the_largest_room_is_heard_and_some_are_seen() -> None:
    wanted = {
        Source(f"t{n}", medium): Stream(f"p{n}", medium) for medium in ("audio", "video") for n in range(49)
    }
    chosen = affordable(wanted, ANSWER_BUDGET)
    kinds = [MEDIUMS[wanted[source].medium].kind for source in chosen]
    assert kinds.count("audio") == 49
    assert 20 < kinds.count("video") < 49
