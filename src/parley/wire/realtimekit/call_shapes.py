"""What was measured of a peer's call, as REST shows it (`realtimekit.md` 8.9, and 8.4 for older clients)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from parley.base.times import iso_ms
from parley.meetings.model import PeerEvent
from parley.quality.cumulative import cumulative, distribution
from parley.quality.model import REPORTED, CallData, Metadata, Sample, Stream
from parley.quality.streams import LOSS, shown

OF_METADATA = {"device_info", "ip_information", "precall_network_information", "events"}
MAX_SAMPLES = 2_000
"""Of one stream in one report, the latest; what is cumulative counts all."""
_PARTS = {
    "device_info": ("device_info", "browser_metadata", "sdk_name", "sdk_type", "sdk_version"),
    "ip_information": ("ip_information",),
    "precall_network_information": ("pc_metadata",),
    "events": ("events",),
}
_INTERNAL = {"precall", "recent", "consumers_at", "kept_bytes"}
_REPORTED_DEVICE = {"cpus", "is_mobile", "os", "os_version"}


def metadata(call: CallData, events: Sequence[PeerEvent], filters: Collection[str]) -> dict[str, Any]:
    """`peer_report.metadata`, or the parts of it that are asked for."""
    told: dict[str, Any] = msgspec.to_builtins(call.metadata)
    device = {key: value for key, value in call.metadata.device_info.items() if key in _REPORTED_DEVICE}
    told["device_info"] = device
    told["events"] = _events(call.metadata, events)
    wanted = (
        {part for name in filters for part in _PARTS.get(name, ())} if filters else told.keys() - _INTERNAL
    )
    return {key: value for key, value in told.items() if key in wanted and (value or key == "events")}


def _events(known: Metadata, steps: Sequence[PeerEvent]) -> list[dict[str, Any]]:
    """What the server and the client saw, by time."""
    told: list[dict[str, Any]] = [
        {"name": step.name.value, "timestamp": iso_ms(step.created_at), "metadata": {}} for step in steps
    ] + [
        {"name": event.name, "timestamp": event.timestamp, "metadata": event.metadata}
        for event in known.events
    ]
    return sorted(told, key=lambda event: str(event["timestamp"]))


def quality(call: CallData) -> dict[str, Any]:
    """`peer_report.quality`: of each stream that was measured its samples, and all of them together."""
    told: dict[str, Any] = {}
    for stream in REPORTED:
        samples = call.samples.get(stream)
        if samples:
            told[stream.value] = shown(samples[-MAX_SAMPLES:])
            told[f"{stream.value}_cumulative"] = cumulative(stream, samples)
    return told


# --- older clients ----------------------------------------------------------------------------


def legacy(
    call: CallData, events: Sequence[PeerEvent], filters: Collection[str], *, throughput: str
) -> dict[str, Any]:
    """`peer_stats` and `quality_stats`, as far as they are asked for and known.

    Args:
        call: what was measured.
        events: steps of the peer's life.
        filters: what is asked for.
        throughput: how the route spells it.
    """
    known, parts = call.metadata, dict[str, Any]()
    if OF_METADATA & set(filters):
        parts["peer_stats"] = {}
    if "device_info" in filters:
        parts["peer_stats"]["device_info"] = {**known.device_info, **known.browser_metadata}
    if "ip_information" in filters:
        parts["peer_stats"]["ip_information"] = known.ip_information
    if "precall_network_information" in filters:
        parts["peer_stats"]["precall_network_information"] = _precall(known, throughput)
    if "events" in filters:
        parts["peer_stats"]["events"] = [_step(event, known) for event in _events(known, events)]
    if "quality_stats" in filters:
        parts["quality_stats"] = _quality_stats(call)
    return parts


def _precall(known: Metadata, throughput: str) -> dict[str, Any]:
    told: dict[str, Any] = dict(known.precall)
    if "throughput" in told:
        told[throughput] = told.pop("throughput")
    for row in known.pc_metadata[-1:]:
        told |= {key: value for key, value in row.items() if key.endswith("_connectivity")}
        if "effective_network_type" in row:
            told["effective_networktype"] = row["effective_network_type"]
    return told


def _step(event: dict[str, Any], known: Metadata) -> dict[str, Any]:
    step = {"type": event["name"], "timestamp": event["timestamp"]}
    if event["name"] == "precall_end":
        names = {"rtt": "r_t_t", "backend_rtt": "backend_r_t_t"}
        step["metadata"] = {
            "connection_info": {names.get(key, key): value for key, value in known.precall.items()}
            | {
                key: value
                for row in known.pc_metadata[-1:]
                for key, value in row.items()
                if key != "timestamp"
            }
        }
    elif event["metadata"]:
        step["metadata"] = event["metadata"]
    return step


def _quality_stats(call: CallData) -> list[dict[str, Any]]:
    """What the peer received, as one stretch of time."""
    sound = call.samples.get(Stream.AUDIO_CONSUMER, ())
    pictures = call.samples.get(Stream.VIDEO_CONSUMER, ())
    if not sound and not pictures:
        return []
    stamps = sorted(sample["timestamp"] for sample in (*sound, *pictures))
    scores = [sample["mos_quality"] for sample in (*sound, *pictures) if "mos_quality" in sample]
    told: dict[str, Any] = {
        "start": stamps[0],
        "end": stamps[-1],
        "peer_ids": sorted({sample["peer_id"] for sample in (*sound, *pictures) if "peer_id" in sample}),
        "average_quality": (distribution(scores) or {}).get("avg"),
    }
    for kind, samples in (("audio", sound), ("video", pictures)):
        if samples:
            told |= _received(kind, samples)
    return [told]


def _received(kind: str, samples: Sequence[Sample]) -> dict[str, Any]:
    last: dict[Any, Sample] = {}
    for sample in samples:
        last[sample.get("ssrc")] = sample
    losses = [sample[LOSS] for sample in samples if LOSS in sample]
    shown_names = ("concealment_events", "jitter", "frame_width", "frame_height", "frames_per_second")
    return {
        f"first_{kind}_packet_received": samples[0]["timestamp"],
        f"last_{kind}_packet_received": samples[-1]["timestamp"],
        f"total_{kind}_packets": sum(sample.get("packets_received", 0) for sample in last.values()),
        f"total_{kind}_packets_lost": sum(sample.get("packets_lost", 0) for sample in last.values()),
        f"{kind}_packet_loss": 100 * sum(losses) / len(losses) if losses else None,
        f"{kind}_stats": [
            {
                "timestamp": sample["timestamp"],
                "quality": sample.get("mos_quality"),
                "packet_loss": 100 * sample[LOSS] if LOSS in sample else None,
                **{name: sample[name] for name in shown_names if name in sample},
            }
            for sample in samples[-MAX_SAMPLES:]
        ],
    }
