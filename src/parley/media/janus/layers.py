"""Seeing a simulcast layer switch through.

Janus switches at the next key frame of the wanted layer and asks the publisher for one, once. A browser
that made a key frame a moment ago ignores that (libwebrtc: 300 ms), and then the viewer stays on the old
layer for good. So the request is repeated until Janus reports the layer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from parley.media.ports import Layer

REPEAT_AFTER_S = (0.4, 0.8, 1.6, 3.2, 6.4)
"""Between requests. A layer that is not there after all of them is one the publisher does not send now;
when it starts to, it starts with a key frame."""


@dataclass(slots=True)
class _Switch:
    wanted: Layer
    request_key_frame: Callable[[], None]
    repeats: int = 0
    timer: asyncio.TimerHandle | None = None


class LayerSwitches:
    """The switches under way on one receive transport, by section."""

    def __init__(self) -> None:
        self._switches: dict[str, _Switch] = {}
        self._reached: dict[str, int] = {}

    def begin(self, mid: str, layer: Layer, request_key_frame: Callable[[], None]) -> None:
        """Janus was told of the layer; replaces an earlier switch of that section."""
        self.cancel(mid)
        if self._reached.get(mid) != layer:
            self._switches[mid] = _Switch(layer, request_key_frame)
            self._schedule(mid)

    def reached(self, mid: str, layer: int) -> None:
        """Janus reports what it forwards now."""
        self._reached[mid] = layer
        switch = self._switches.get(mid)
        if switch is not None and switch.wanted == layer:
            self.cancel(mid)

    def cancel(self, mid: str) -> None:
        """Ask no more."""
        switch = self._switches.pop(mid, None)
        if switch is not None and switch.timer is not None:
            switch.timer.cancel()

    def forget(self, mid: str) -> None:
        """The section carries nothing any more."""
        self.cancel(mid)
        self._reached.pop(mid, None)

    def cancel_all(self) -> None:
        """The transport ended."""
        for mid in list(self._switches):
            self.cancel(mid)

    def _schedule(self, mid: str) -> None:
        switch = self._switches[mid]
        if switch.repeats == len(REPEAT_AFTER_S):
            del self._switches[mid]
            return
        delay_s = REPEAT_AFTER_S[switch.repeats]
        switch.timer = asyncio.get_running_loop().call_later(delay_s, self._repeat, mid)

    def _repeat(self, mid: str) -> None:
        switch = self._switches[mid]
        switch.repeats += 1
        switch.request_key_frame()
        self._schedule(mid)
