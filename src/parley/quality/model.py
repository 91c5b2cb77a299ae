"""What is known of a peer's call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from parley.base.ids import PeerId

Sample = dict[str, Any]
"""One measurement of one stream, with the names of `realtimekit.md` 8.9; counters count from its start."""


class Stream(StrEnum):
    """Kinds of streams, as reports name them."""

    AUDIO_PRODUCER = "audio_producer"
    AUDIO_CONSUMER = "audio_consumer"
    VIDEO_PRODUCER = "video_producer"
    VIDEO_CONSUMER = "video_consumer"
    SCREENSHARE_AUDIO_PRODUCER = "screenshare_audio_producer"
    SCREENSHARE_AUDIO_CONSUMER = "screenshare_audio_consumer"
    SCREENSHARE_VIDEO_PRODUCER = "screenshare_video_producer"
    SCREENSHARE_VIDEO_CONSUMER = "screenshare_video_consumer"
    UPLINK = "uplink"
    """What the media engine gets of the peer: sound and pictures as they arrive at the server."""
    DOWNLINK = "downlink"
    """What the media engine sends to the peer, as it arrives there by the client's receiver reports."""

    @property
    def is_producer(self) -> bool:
        """Whether the peer sends it."""
        return self.value.endswith("producer")

    @property
    def is_audio(self) -> bool:
        """Whether it is sound."""
        return "audio" in self.value

    @property
    def is_screen(self) -> bool:
        """Whether it is of a shared screen."""
        return self.value.startswith("screenshare")


OF_ENGINE = (Stream.UPLINK, Stream.DOWNLINK)
REPORTED = tuple(stream for stream in Stream if stream not in OF_ENGINE)


class Device(msgspec.Struct, frozen=True, omit_defaults=True):
    """A camera, microphone or speaker."""

    device_id: str
    kind: str = ""
    label: str = ""


class DeviceUpdate(msgspec.Struct, frozen=True):
    """Devices that came and went."""

    added: list[Device]
    removed: list[Device]
    timestamp: str


class SelectedDevice(msgspec.Struct, frozen=True):
    """A device that was chosen."""

    device: Device
    timestamp: str


class ClientEvent(msgspec.Struct, frozen=True):
    """Something that happened at the client."""

    name: str
    timestamp: str
    metadata: dict[str, str | float | bool | None] = {}


class Metadata(msgspec.Struct, omit_defaults=True):
    """What a client told of itself, in the form of a report; what it did not tell is empty."""

    audio_devices_updates: list[DeviceUpdate] = []
    video_devices_updates: list[DeviceUpdate] = []
    speaker_devices_updates: list[DeviceUpdate] = []
    selected_device_updates: list[SelectedDevice] = []
    browser_metadata: dict[str, Any] = {}
    candidate_pairs: dict[str, list[dict[str, Any]]] = {}
    device_info: dict[str, Any] = {}
    events: list[ClientEvent] = []
    ip_information: dict[str, Any] = {}
    pc_metadata: list[dict[str, Any]] = []
    precall: dict[str, float] = {}
    """Of the test before the call: rtt and backend_rtt, jitter, fractional_loss, throughput."""
    recent: list[str] = []
    """Marks of what was told last, to know it when it is told again."""
    consumers_at: int = 0
    """When samples of what others sent were kept last, in milliseconds."""
    kept_bytes: int = 0
    """Of samples, so far."""
    room_view_type: str = ""
    sdk_name: str = ""
    sdk_type: str = ""
    sdk_version: str = ""


class CallData(msgspec.Struct, frozen=True):
    """Everything that was measured of one peer."""

    peer_id: PeerId
    metadata: Metadata
    samples: Mapping[Stream, Sequence[Sample]]
    """By time, with `mos_quality`, and beginning with `_` what was derived of two of them."""
