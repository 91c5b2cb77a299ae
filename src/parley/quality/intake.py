"""What the official clients post about their calls, into metadata and samples.

A client (web core 1.5.1 and 2.0.2) posts `{"peerId", "payload": {"entries": [{"event", "timestamp",
"metaData"}]}}` with at most 25 entries: some at once when it has joined, then a `ping_stat` every seven
seconds with WebRTC statistics of its transports, producers and consumers. None of it is trusted: names are
those below, numbers are finite, texts and lists are short, and the rest is dropped.
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from parley.base.errors import Invalid
from parley.base.text import clean_line
from parley.base.times import iso_ms, to_ms
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

MAX_ENTRIES = 100
MAX_PRODUCERS, MAX_CONSUMERS, MAX_PAIRS = 8, 100, 4
MAX_EVENTS, MAX_UPDATES, MAX_DEVICES, MAX_DETAILS = 500, 20, 20, 8
TEXT, LONG_TEXT = 100, 300
EVERY = timedelta(seconds=7)
"""Between two measurements of a client."""
CONSUMERS_AT_ONCE = 10
"""Who receives more than these has all of them kept less often: one call takes no more than another."""
MAX_BYTES = 24 << 20
"""Of samples of one peer in one session, about fourteen hours; what is measured later is dropped."""
CLOCK_SKEW = timedelta(hours=26)
"""Between a client's clock and ours; further off, ours counts."""
_SNAKE = re.compile(r"(?<!^)(?=[A-Z])")
_DEVICES = {
    "audio_devices_updates": "audio_devices_updates",
    "video_devices_updates": "video_devices_updates",
    "speaker_devices_updates": "speaker_devices_updates",
}
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
_SENT = ("bytesSent", "packetsSent", "ssrc")
_GOT = (
    "bytesReceived",
    "jitter",
    "jitterBufferDelay",
    "jitterBufferEmittedCount",
    "packetsLost",
    "packetsReceived",
    "ssrc",
)
_ENCODED = (
    "firCount",
    "pliCount",
    "frameHeight",
    "frameWidth",
    "framesEncoded",
    "framesPerSecond",
    "keyFramesEncoded",
    "qualityLimitationResolutionChanges",
)
_DECODED = (
    "firCount",
    "frameHeight",
    "frameWidth",
    "framesDecoded",
    "framesDropped",
    "framesPerSecond",
    "freezeCount",
    "keyFramesDecoded",
    "totalFreezesDuration",
)
_HEARD = ("concealedSamples", "concealmentEvents", "totalSamplesReceived")
_LIMITS = ("bandwidth", "cpu", "none", "other")


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
        details = entry.details if isinstance(entry.details, dict) else {}
        at = _instant(entry.timestamp, now)
        stamp = iso_ms(at)
        if entry.event == "ping_stat":
            _pairs(known, details)
            samples = _samples(details, {"timestamp": stamp, AT: to_ms(now)})
            measured.append(Measured(now, _thinned(samples, known, now)))
            continue
        if entry.event in _DEVICES:
            _devices(getattr(known, _DEVICES[entry.event]), details, stamp)
        elif entry.event in _SELECTED:
            device = _device(details.get("device"))
            if device is not None and len(known.selected_device_updates) < MAX_UPDATES:
                known.selected_device_updates.append(SelectedDevice(device, stamp))
        elif entry.event == "call_join":
            _introduction(known, _object(details.get("peerMetaData")))
        elif entry.event == "precall_end":
            _network(known, _object(details.get("connectionInfo")), stamp)
        if len(known.events) < MAX_EVENTS:
            known.events.append(ClientEvent(_text(entry.event), stamp, _scalars(details)))
    return measured


# --- values -----------------------------------------------------------------------------------


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) and abs(value) < 2**53 else None


def _text(value: Any, limit: int = TEXT) -> str:
    return clean_line(value[: 4 * limit], limit=limit) if isinstance(value, str) else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any, most: int) -> list[Mapping[str, Any]]:
    return [each for each in value[:most] if isinstance(each, dict)] if isinstance(value, list) else []


def _scalars(details: Mapping[str, Any]) -> dict[str, str | float | bool | None]:
    found: dict[str, str | float | bool | None] = {}
    for key, value in list(details.items())[:MAX_DETAILS]:
        if isinstance(value, bool):
            found[_text(key)] = value
        elif isinstance(value, str):
            found[_text(key)] = _text(value)
        elif _number(value) is not None:
            found[_text(key)] = _number(value)
    return found


def _instant(text: str, now: datetime) -> datetime:
    try:
        told = datetime.fromisoformat(text[:40])
        return told if abs(told - now) < CLOCK_SKEW else now
    except (ValueError, TypeError, OverflowError):
        return now  # no date, or one without an offset


def _numbers(source: Mapping[str, Any], names: Iterable[str]) -> Sample:
    return {
        _SNAKE.sub("_", name).lower(): value
        for name in names
        if (value := _number(source.get(name))) is not None
    }


# --- what a client tells of itself ------------------------------------------------------------


def _device(value: Any) -> Device | None:
    told = _object(value)
    device_id = _text(told.get("deviceId"))
    return Device(device_id, _text(told.get("kind")), _text(told.get("label"))) if device_id else None


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
        for each in _objects(details.get("deviceList"), MAX_DEVICES)
        if (device := _device(each)) is not None
    }
    added = [device for key, device in has.items() if key not in had]
    removed = [device for key, device in had.items() if key not in has]
    if added or removed:
        updates.append(DeviceUpdate(added, removed, stamp))


def _introduction(known: Metadata, told: Mapping[str, Any]) -> None:
    info = _object(told.get("deviceInfo"))
    texts = {"os": "osName", "os_version": "osVersionName"}
    known.device_info = {key: found for key, name in texts.items() if (found := _text(info.get(name)))}
    known.device_info |= _numbers(info, ("cpus", "memory"))
    if isinstance(info.get("isMobile"), bool):
        known.device_info["is_mobile"] = info["isMobile"]
    texts = {
        "browser": "browserName",
        "browser_version": "browserVersion",
        "engine": "engineName",
        "user_agent": "userAgent",
    }
    known.browser_metadata = {
        key: found for key, name in texts.items() if (found := _text(info.get(name), LONG_TEXT))
    }
    if isinstance(info.get("webglSupport"), bool):
        known.browser_metadata["webgl_support"] = info["webglSupport"]
    known.room_view_type = _text(told.get("roomViewType"))
    known.sdk_name = _text(told.get("sdkName"))
    known.sdk_type = _text(told.get("sdkType"))
    known.sdk_version = _text(told.get("sdkVersion"))


def _network(known: Metadata, told: Mapping[str, Any], stamp: str) -> None:
    address = _object(told.get("ipDetails"))
    names = ("city", "country", "org", "region", "timezone")
    known.ip_information |= {name: found for name in names if (found := _text(address.get(name)))}
    with contextlib.suppress(ValueError):  # none, or one of IPv6, which a report has no place for
        known.ip_information["ipv4"] = str(ipaddress.IPv4Address(_text(address.get("ip"))))
    tried = _object(told.get("connectivity"))
    row: dict[str, Any] = {"timestamp": stamp}
    if effective := _text(told.get("effectiveNetworkType")):
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
        key: value for key, name in tested.items() if (value := _number(told.get(name))) is not None
    }


def _pairs(known: Metadata, details: Mapping[str, Any]) -> None:
    for key, name in (
        ("producing_transport", "producingTransportStats"),
        ("consuming_transport", "consumingTransportStats"),
    ):
        stats = _object(_object(details.get(name)).get("stats"))
        pairs = [_pair(each) for each in _objects(stats.get("candidatePairs"), MAX_PAIRS)]
        if pairs:
            known.candidate_pairs[key] = pairs


def _pair(told: Mapping[str, Any]) -> dict[str, Any]:
    pair: dict[str, Any] = _numbers(told, _PAIR_NUMBERS)
    pair |= {_SNAKE.sub("_", name).lower(): found for name in _PAIR_TEXTS if (found := _text(told.get(name)))}
    if isinstance(told.get("nominated"), bool):
        pair["nominated"] = told["nominated"]
    return pair


# --- what it measures -------------------------------------------------------------------------


def _samples(details: Mapping[str, Any], stamp: Sample) -> dict[Stream, list[Sample]]:
    found: dict[Stream, list[Sample]] = {}
    transport = _object(_object(details.get("producingTransportStats")).get("stats"))
    rtt = _number(transport.get("roundTripTime"))
    for producer in _objects(details.get("producerStats"), MAX_PRODUCERS):
        for sound in _objects(producer.get("audioStats"), 1):
            sample = _sent(producer, sound, rtt, stamp)
            found.setdefault(_kind("audio_producer", producer), []).append(sample)
        layers = _objects(producer.get("videoStats"), 4)
        if layers:
            picture = max(layers, key=_size)
            sample = _sent(producer, picture, rtt, stamp) | _numbers(picture, _ENCODED)
            sample |= _limitation(picture)
            found.setdefault(_kind("video_producer", producer), []).append(sample)
    for consumer in _objects(details.get("consumerStats"), MAX_CONSUMERS):
        for sound in _objects(consumer.get("audioStats"), 1):
            sample = _got(consumer, sound, stamp) | _numbers(sound, _HEARD)
            found.setdefault(_kind("audio_consumer", consumer), []).append(sample)
        for picture in _objects(consumer.get("videoStats"), 1):
            sample = _got(consumer, picture, stamp) | _numbers(picture, _DECODED)
            found.setdefault(_kind("video_consumer", consumer), []).append(sample)
    return found


def _thinned(
    samples: dict[Stream, list[Sample]], known: Metadata, now: datetime
) -> dict[Stream, list[Sample]]:
    """Without what others sent, if there is much of it and not long ago it was kept."""
    count = sum(len(each) for stream, each in samples.items() if not stream.is_producer)
    since = to_ms(now) - known.consumers_at
    if count > CONSUMERS_AT_ONCE and 0 <= since < EVERY.total_seconds() * 1000 * (
        count / CONSUMERS_AT_ONCE - 0.5
    ):
        return {stream: each for stream, each in samples.items() if stream.is_producer}
    known.consumers_at = to_ms(now)
    return samples


def _kind(name: str, of: Mapping[str, Any]) -> Stream:
    is_screen = _object(of.get("appData")).get("screenShare") is True
    return Stream(f"screenshare_{name}" if is_screen else name)


def _size(layer: Mapping[str, Any]) -> tuple[bool, float]:
    """Of several layers the largest that is sent stands for the picture."""
    return layer.get("active") is not False, _number(layer.get("frameWidth")) or 0


def _sent(producer: Mapping[str, Any], stats: Mapping[str, Any], rtt: float | None, stamp: Sample) -> Sample:
    far = _object(stats.get("remoteData"))
    sample: Sample = {
        **stamp,
        **_numbers(stats, _SENT),
        **_numbers(far, ("jitter", "packetsLost")),
    }
    measured = _number(far.get("roundTripTime"))
    if (best := rtt if measured is None else measured) is not None:
        sample["rtt"] = best
    return sample | _texts({"mid": stats.get("mid"), "producer_id": producer.get("producerId")})


def _got(consumer: Mapping[str, Any], stats: Mapping[str, Any], stamp: Sample) -> Sample:
    sample: Sample = {**stamp, **_numbers(stats, _GOT)}
    ids = {"consumer_id": "consumerId", "producer_id": "producerId", "peer_id": "peerId"}
    return sample | _texts({key: consumer.get(name) for key, name in ids.items()} | {"mid": stats.get("mid")})


def _texts(values: Mapping[str, Any]) -> Sample:
    return {key: found for key, value in values.items() if (found := _text(value)[:64])}


def _limitation(picture: Mapping[str, Any]) -> Sample:
    sample: Sample = {}
    if picture.get("qualityLimitationReason") in _LIMITS:
        sample["quality_limitation_reason"] = picture["qualityLimitationReason"]
    if durations := _numbers(_object(picture.get("qualityLimitationDurations")), _LIMITS):
        sample["quality_limitation_durations"] = durations
    return sample
