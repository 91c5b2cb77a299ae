"""Who speaks now, from the loudness that clients report.

A client with an open microphone reports an energy of 0 to 10 every 400 ms. The louder person becomes the
active speaker after two reports in a row, so that a cough or a short "yes" does not move everybody's screen.
"""

from __future__ import annotations

from dataclasses import dataclass

from parley.base.ids import PeerId

REPORTS_TO_TAKE_OVER = 2
FRESH_S = 1.2
"""A report older than this (three intervals) says nothing about now."""


@dataclass(slots=True)
class _Voice:
    energy: int
    heard_at: float
    ahead: int = 0
    """Reports in a row in which it was louder than the active speaker."""


class ActiveSpeakerDetector:
    """Turns loudness reports into changes of the active speaker."""

    def __init__(self) -> None:
        self.active: PeerId | None = None
        self._voices: dict[PeerId, _Voice] = {}

    def report(self, peer_id: PeerId, energy: int, is_silent: bool, at: float) -> bool:
        """Take a report; True when this peer is the new active speaker.

        Args:
            peer_id: who reports.
            energy: 0 to 10; anything else is cut to that.
            is_silent: the client's own judgement.
            at: monotonic seconds.
        """
        voice = self._voices.setdefault(peer_id, _Voice(0, at))
        voice.energy = 0 if is_silent else max(0, min(energy, 10))
        voice.heard_at = at
        if not voice.energy or self.active == peer_id:
            voice.ahead = 0
            return False
        current = self._voices.get(self.active) if self.active is not None else None
        holds = current is not None and current.energy >= voice.energy and at - current.heard_at < FRESH_S
        voice.ahead = 0 if holds else voice.ahead + 1
        if voice.ahead < REPORTS_TO_TAKE_OVER:
            return False
        voice.ahead = 0
        self.active = peer_id
        return True

    def forget(self, peer_id: PeerId) -> None:
        """The peer left, or its microphone is closed."""
        self._voices.pop(peer_id, None)
        if self.active == peer_id:
            self.active = None
