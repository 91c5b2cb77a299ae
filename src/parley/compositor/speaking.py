"""Who is talking, from how loud everybody is."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from parley.compositor.audio import Samples

_AUDIBLE_DB = -45.0
"""Of full scale. Breath and fans are below, quiet speech is above."""
_RISE_MS, _FALL_MS = 80.0, 500.0
"""How fast a level is followed: words are begun quickly, and there are pauses between them."""
_LOUDER_DB = 6.0
"""By so much somebody has to be louder to be taken for the speaker while another is talking ..."""
_PATIENCE_MS = 1_500.0
"""... and not before the other one had the word that long."""
_SILENCE_DB = -100.0


def level_db(sound: Samples) -> float:
    """Of full scale, -100 for silence. Every fourth sample is enough: voices are low."""
    part = sound[::4, 0].astype(np.float32)
    power = float(part @ part) / max(len(part), 1) / 32768**2
    return max(10 * math.log10(power), _SILENCE_DB) if power else _SILENCE_DB


class SpeakerFinder:
    """Follows the levels and names one speaker."""

    def __init__(self) -> None:
        self._levels: dict[str, float] = {}
        self._since_ms = 0.0
        self._now_ms = 0.0
        self.active: str | None = None
        """Who spoke last; stays while nobody speaks."""

    @property
    def talking(self) -> str | None:
        """The active speaker while they can be heard."""
        if self.active is None or self._levels.get(self.active, _SILENCE_DB) < _AUDIBLE_DB:
            return None
        return self.active

    def hear(self, levels: Mapping[str, float], for_ms: float) -> None:
        """Everybody's level over the next stretch of time; who is not named is silent."""
        self._now_ms += for_ms
        for peer in [*self._levels, *levels]:
            level, before = levels.get(peer, _SILENCE_DB), self._levels.get(peer, _SILENCE_DB)
            pace = _RISE_MS if level > before else _FALL_MS
            self._levels[peer] = before + (level - before) * (1 - math.exp(-for_ms / pace))
        loudest = max(self._levels, key=self._levels.__getitem__, default=None)
        if loudest is None or loudest == self.active or self._levels[loudest] < _AUDIBLE_DB:
            return
        has_word = self.talking is not None and (
            self._now_ms - self._since_ms < _PATIENCE_MS
            or self._levels[loudest] < self._levels[self.active or loudest] + _LOUDER_DB
        )
        if not has_word:
            self.active, self._since_ms = loudest, self._now_ms
