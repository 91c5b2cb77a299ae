"""What the official clients post about their calls, into metadata and samples.

A client (web core 1.5.1 and 2.0.2) posts `{"peerId", "payload": {"entries": [{"event", "timestamp",
"metaData"}]}}` with at most 25 entries: some at once when it has joined, then a `ping_stat` every seven
seconds with WebRTC statistics of its transports, producers and consumers. None of it is trusted: names are
those below, numbers are finite, texts and lists are short, and the rest is dropped.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from parley.base.errors import Invalid
from parley.base.times import iso_ms, to_ms
from parley.quality.measuring import samples_of, thinned
from parley.quality.model import (
    ClientEvent,
    Device,
    DeviceUpdate,
    Metadata,
    Sample,
    SelectedDevice,
    Stream,
)
from parley.quality.streams import AT
from parley.quality.values import LONG_TEXT, mapping, mappings, number, numbers, snake, text

MAX_ENTRIES = 100
MAX_PAIRS = 4
MAX_EVENTS, MAX_UPDATES, MAX_DEVICES, MAX_DETAILS = 500, 20, 20, 8
MAX_BYTES = 24 << 20
"""Of samples of one peer in one session, about fourteen hours; what is measured later is dropped."""
RECENT = 64
"""Entries that are known when they come once more."""
CLOCK_SKEW = timedelta(hours=26)
"""Between a client's clock and ours; further off, ours counts."""
_DEVICES = {"audio_devices_updates", "video_devices_updates", "speaker_devices_updates"}
_SELECTED = {"selected_microphone_update", "selected_camera_update", "selected_speaker_update"}
_PAIR_NUMBERS = (
    "availableIncomingBitrate",
    "availableOutgoingBitrate",
    "bytesDiscardedOnSend",
    "bytesReceived",
    "bytesSent",
    "currentRoundTripTime",
    "totalRoundTripTime",
    "lastPacketReceivedTimestamp",
    "lastPacketSentTimestamp",
    "packetsDiscardedOnSend",
    "packetsReceived",
    "packetsSent",
    "localCandidatePort",
    "localCandidateRelatedPort",
    "remoteCandidatePort",
)
_PAIR_TEXTS = (
    "localCandidateAddress",
    "localCandidateId",
    "localCandidateNetworkType",
    "localCandidateProtocol",
    "localCandidateRelatedAddress",
    "localCandidateType",
    "localCandidateUrl",
    "remoteCandidateAddress",
    "remoteCandidateId",
    "remoteCandidateProtocol",
    "remoteCandidateType",
    "remoteCandidateUrl",
)


class Entry(msgspec.Struct, frozen=True):
    """Something that happened, or was measured."""

    event: Annotated[str, Meta(min_length=1, max_length=64)]
    timestamp: str = ""
    details: Any = msgspec.field(name="metaData", default=None)


class Payload(msgspec.Struct, frozen=True):
    """Several of them, oldest first."""

    entries: Annotated[list[Entry], Meta(max_length=MAX_ENTRIES)] = []


class Post(msgspec.Struct, frozen=True):
    """One request of a client."""

    peer_id: Annotated[str, Meta(min_length=1, max_length=64)] = msgspec.field(name="peerId")
    payload: Payload = Payload()


class Measured(NamedTuple):
    """The samples of one moment."""

    at: datetime
    samples: dict[Stream, list[Sample]]


_decoder = msgspec.json.Decoder(Post)


def read(body: bytes) -> Post:
    """A request's body.

    Raises:
        Invalid: not of that form.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("This is not what clients post about their calls.") from error


def take(post: Post, known: Metadata, now: datetime) -> list[Measured]:
    """Add what was told to the metadata; returns what was measured."""
    measured = []
    for entry in post.payload.entries:
        if _is_repeated(entry, known):
            continue
        details = entry.details if isinstance(entry.details, dict) else {}
        at = _instant(entry.timestamp, now)
        stamp = iso_ms(at)
        if entry.event == "ping_stat":
            _pairs(known, details)
            samples = samples_of(details, {"timestamp": stamp, AT: to_ms(now)})
            measured.append(Measured(now, thinned(samples, known, now)))
            continue
        if entry.event in _DEVICES:
            _devices(getattr(known, entry.event), details, stamp)
        elif entry.event in _SELECTED:
            device = _device(details.get("device"))
            if device is not None and len(known.selected_device_updates) < MAX_UPDATES:
                known.selected_device_updates.append(SelectedDevice(device, stamp))
        elif entry.event == "call_join":
            _introduction(known, mapping(details.get("peerMetaData")))
        elif entry.event == "precall_end":
            _network(known, mapping(details.get("connectionInfo")), stamp)
        if len(known.events) < MAX_EVENTS:
            known.events.append(ClientEvent(text(entry.event), stamp, _scalars(details)))
    return measured


def _scalars(details: Mapping[str, Any]) -> dict[str, str | float | bool | None]:
    found: dict[str, str | float | bool | None] = {}
    for key, value in list(details.items())[:MAX_DETAILS]:
        if isinstance(value, bool):
            found[text(key)] = value
        elif isinstance(value, str):
            found[text(key)] = text(value)
        elif number(value) is not None:
            found[text(key)] = number(value)
    return found


def _is_repeated(entry: Entry, known: Metadata) -> bool:
    """Clients post again what was not answered within three seconds, though it may have arrived."""
    if not entry.timestamp:
        return False
    mark = hashlib.blake2s(msgspec.json.encode(entry), digest_size=8).hexdigest()
    if mark in known.recent:
        return True
    known.recent = [*known.recent[1 - RECENT :], mark]
    return False


def _instant(text: str, now: datetime) -> datetime:
    try:
        told = datetime.fromisoformat(text[:40])
        return told if abs(told - now) < CLOCK_SKEW else now
    except (ValueError, TypeError, OverflowError):
        return now  # no date, or one without an offset


# --- what a client tells of itself ------------------------------------------------------------


def _device(value: Any) -> Device | None:
    told = mapping(value)
    device_id = text(told.get("deviceId"))
    return Device(device_id, text(told.get("kind")), text(told.get("label"))) if device_id else None


def _devices(updates: list[DeviceUpdate], details: Mapping[str, Any], stamp: str) -> None:
    """Clients tell all they have; a report tells what changed."""
    if len(updates) >= MAX_UPDATES:
        return
    had: dict[str, Device] = {}
    for update in updates:
        for gone in update.removed:
            had.pop(gone.device_id, None)
        had |= {device.device_id: device for device in update.added}
    has = {
        device.device_id: device
        for each in mappings(details.get("deviceList"), MAX_DEVICES)
        if (device := _device(each)) is not None
    }
    added = [device for key, device in has.items() if key not in had]
    removed = [device for key, device in had.items() if key not in has]
    if added or removed:
        updates.append(DeviceUpdate(added, removed, stamp))


def _introduction(known: Metadata, told: Mapping[str, Any]) -> None:
    info = mapping(told.get("deviceInfo"))
    texts = {"os": "osName", "os_version": "osVersionName"}
    known.device_info = {key: found for key, name in texts.items() if (found := text(info.get(name)))}
    known.device_info |= numbers(info, ("cpus", "memory"))
    if isinstance(info.get("isMobile"), bool):
        known.device_info["is_mobile"] = info["isMobile"]
    texts = {
        "browser": "browserName",
        "browser_version": "browserVersion",
        "engine": "engineName",
        "user_agent": "userAgent",
    }
    known.browser_metadata = {
        key: found for key, name in texts.items() if (found := text(info.get(name), LONG_TEXT))
    }
    if isinstance(info.get("webglSupport"), bool):
        known.browser_metadata["webgl_support"] = info["webglSupport"]
    known.room_view_type = text(told.get("roomViewType"))
    known.sdk_name = text(told.get("sdkName"))
    known.sdk_type = text(told.get("sdkType"))
    known.sdk_version = text(told.get("sdkVersion"))


def _network(known: Metadata, told: Mapping[str, Any], stamp: str) -> None:
    address = mapping(told.get("ipDetails"))
    names = ("city", "country", "org", "region", "timezone")
    known.ip_information |= {name: found for name in names if (found := text(address.get(name)))}
    with contextlib.suppress(ValueError):  # none, or one of IPv6, which a report has no place for
        known.ip_information["ipv4"] = str(ipaddress.IPv4Address(text(address.get("ip"))))
    tried = mapping(told.get("connectivity"))
    row: dict[str, Any] = {"timestamp": stamp}
    if effective := text(told.get("effectiveNetworkType")):
        row["effective_network_type"] = effective
    ways = {
        "turn_connectivity": told.get("turnConnectivity"),
        "reflexive_connectivity": tried.get("reflexive"),
        "relay_connectivity": tried.get("relay"),
    }
    row |= {key: value for key, value in ways.items() if isinstance(value, bool)}
    if len(known.pc_metadata) < MAX_UPDATES and len(row) > 1:
        known.pc_metadata.append(row)
    tested = {"rtt": "RTT", "backend_rtt": "backendRTT", "fractional_loss": "fractionalLoss"}
    tested |= {"jitter": "jitter", "throughput": "throughput"}
    known.precall |= {
        key: value for key, name in tested.items() if (value := number(told.get(name))) is not None
    }


def _pairs(known: Metadata, details: Mapping[str, Any]) -> None:
    for key, name in (
        ("producing_transport", "producingTransportStats"),
        ("consuming_transport", "consumingTransportStats"),
    ):
        stats = mapping(mapping(details.get(name)).get("stats"))
        pairs = [_pair(each) for each in mappings(stats.get("candidatePairs"), MAX_PAIRS)]
        if pairs:
            known.candidate_pairs[key] = pairs


def _pair(told: Mapping[str, Any]) -> dict[str, Any]:
    pair: dict[str, Any] = numbers(told, _PAIR_NUMBERS)
    pair |= {snake(name): found for name in _PAIR_TEXTS if (found := text(told.get(name)))}
    if isinstance(told.get("nominated"), bool):
        pair["nominated"] = told["nominated"]
    return pair
