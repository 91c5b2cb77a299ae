"""What one peer gets of all others, by kind: counters that go on while sections come and go.

A peer of a large meeting gets a hundred sections. All of them take one way, so what is lost of them is told
together, as sound, pictures, and both of shared screens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from parley.media.ports import SectionStatistics, Source
from parley.quality.model import Sample
from parley.quality.streams import SCREEN


class Carried(NamedTuple):
    """What is published in one section of a send transport."""

    producer_id: str
    is_screen: bool


class _Counters(NamedTuple):
    packets: int
    bytes: int
    lost: int


@dataclass(slots=True)
class _Kind:
    """Everything of one kind."""

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    jitters: list[float] = field(default_factory=list)
    rtts: list[float] = field(default_factory=list)


class Downlink:
    """One peer's; counts from when it is made."""

    def __init__(self) -> None:
        self._last: dict[str, _Counters] = {}
        """By section; the engine uses sections again for other sources, and may count on in them."""
        self._totals: dict[tuple[str, bool], _Kind] = {}

    def samples(
        self, sections: Sequence[SectionStatistics], carried: Mapping[Source, Carried], stamp: Sample
    ) -> list[Sample]:
        """One sample for each kind of which anything is carried now; `stamp` has what all of them have."""
        for total in self._totals.values():
            total.jitters, total.rtts = [], []
        for section in sections:
            counters = _Counters(section.packets, section.bytes, section.lost)
            last = self._last.get(section.mid, _Counters(0, 0, 0))
            if counters.packets < last.packets:
                last = _Counters(0, 0, 0)  # the section began anew
            self._last[section.mid] = counters
            what = None if section.source is None else carried.get(section.source)
            if what is None:
                continue  # muted, or gone in this moment
            total = self._totals.setdefault((section.kind, what.is_screen), _Kind())
            total.packets += counters.packets - last.packets
            total.bytes += counters.bytes - last.bytes
            total.lost += max(0, counters.lost - last.lost)
            total.jitters.append(section.jitter_s)
            if section.rtt_s is not None:
                total.rtts.append(section.rtt_s)
        return [
            _sample(kind, is_screen, total, stamp)
            for (kind, is_screen), total in self._totals.items()
            if total.jitters
        ]


def _sample(kind: str, is_screen: bool, total: _Kind, stamp: Sample) -> Sample:
    sample: Sample = {
        **stamp,
        "kind": kind,
        "bytes_received": total.bytes,
        "packets_received": max(0, total.packets - total.lost),
        "packets_lost": total.lost,
        "jitter": max(total.jitters),
    }
    if total.rtts:
        sample["rtt"] = sum(total.rtts) / len(total.rtts)
    return sample | ({SCREEN: True} if is_screen else {})
