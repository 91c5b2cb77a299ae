"""WebRTC statistics that a client posts, as samples of its streams."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from parley.base.times import to_ms
from parley.quality.model import Metadata, Sample, Stream
from parley.quality.values import mapping, mappings, number, numbers, text

MAX_PRODUCERS, MAX_CONSUMERS = 8, 100
EVERY = timedelta(seconds=7)
"""Between two measurements of a client."""
CONSUMERS_AT_ONCE = 10
"""Who receives more than these has all of them kept less often: one call takes no more than another."""
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


def samples_of(details: Mapping[str, Any], stamp: Sample) -> dict[Stream, list[Sample]]:
    """The samples of one moment; `stamp` has what all of them have."""
    found: dict[Stream, list[Sample]] = {}
    transport = mapping(mapping(details.get("producingTransportStats")).get("stats"))
    rtt = number(transport.get("roundTripTime"))
    for producer in mappings(details.get("producerStats"), MAX_PRODUCERS):
        for sound in mappings(producer.get("audioStats"), 1):
            sample = _sent(producer, sound, rtt, stamp)
            found.setdefault(_kind("audio_producer", producer), []).append(sample)
        layers = mappings(producer.get("videoStats"), 4)
        if layers:
            picture = max(layers, key=_size)
            sample = _sent(producer, picture, rtt, stamp) | numbers(picture, _ENCODED)
            sample |= _limitation(picture)
            found.setdefault(_kind("video_producer", producer), []).append(sample)
    for consumer in mappings(details.get("consumerStats"), MAX_CONSUMERS):
        for sound in mappings(consumer.get("audioStats"), 1):
            sample = _got(consumer, sound, stamp) | numbers(sound, _HEARD)
            found.setdefault(_kind("audio_consumer", consumer), []).append(sample)
        for picture in mappings(consumer.get("videoStats"), 1):
            sample = _got(consumer, picture, stamp) | numbers(picture, _DECODED)
            found.setdefault(_kind("video_consumer", consumer), []).append(sample)
    return found


def thinned(
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
    is_screen = mapping(of.get("appData")).get("screenShare") is True
    return Stream(f"screenshare_{name}" if is_screen else name)


def _size(layer: Mapping[str, Any]) -> tuple[bool, float]:
    """Of several layers the largest that is sent stands for the picture."""
    return layer.get("active") is not False, number(layer.get("frameWidth")) or 0


def _sent(producer: Mapping[str, Any], stats: Mapping[str, Any], rtt: float | None, stamp: Sample) -> Sample:
    far = mapping(stats.get("remoteData"))
    sample: Sample = {
        **stamp,
        **numbers(stats, _SENT),
        **numbers(far, ("jitter", "packetsLost")),
    }
    measured = number(far.get("roundTripTime"))
    if (best := rtt if measured is None else measured) is not None:
        sample["rtt"] = best
    return sample | _texts({"mid": stats.get("mid"), "producer_id": producer.get("producerId")})


def _got(consumer: Mapping[str, Any], stats: Mapping[str, Any], stamp: Sample) -> Sample:
    sample: Sample = {**stamp, **numbers(stats, _GOT)}
    ids = {"consumer_id": "consumerId", "producer_id": "producerId", "peer_id": "peerId"}
    return sample | _texts({key: consumer.get(name) for key, name in ids.items()} | {"mid": stats.get("mid")})


def _texts(values: Mapping[str, Any]) -> Sample:
    return {key: found for key, value in values.items() if (found := text(value)[:64])}


def _limitation(picture: Mapping[str, Any]) -> Sample:
    sample: Sample = {}
    if picture.get("qualityLimitationReason") in _LIMITS:
        sample["quality_limitation_reason"] = picture["qualityLimitationReason"]
    if durations := numbers(mapping(picture.get("qualityLimitationDurations")), _LIMITS):
        sample["quality_limitation_durations"] = durations
    return sample
