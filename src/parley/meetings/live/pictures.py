"""How large each camera picture is sent to one peer (simulcast, `rtk-client-protocol.md` 7).

The official client begins with the full layer and then knows two sizes only: it asks for the quarter when a
tile is smaller than the picture that arrives, and for the half when it is larger, however large it is. It
never asks for the full layer again. So a picture that alone is larger than a quarter (one person on the whole
screen, the others in a strip) comes full; when several are, they share the screen, and the half is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from parley.media.ports import Layer


@dataclass(slots=True)
class _Picture:
    producer_id: str
    asked: Layer = Layer.FULL
    sent: Layer = Layer.FULL


class Pictures:
    """The cameras on one receive transport, by media section (mid)."""

    def __init__(self) -> None:
        self._pictures: dict[str, _Picture] = {}

    def added(self, mid: str, producer_id: str) -> None:
        """A camera arrives there, full at first; nothing changes for one that did before."""
        known = self._pictures.get(mid)
        if known is None or known.producer_id != producer_id:
            self._pictures[mid] = _Picture(producer_id)

    def removed(self, mids: Iterable[str]) -> None:
        """Nothing arrives there any more."""
        for mid in mids:
            self._pictures.pop(mid, None)

    def ask(self, layers: Mapping[str, Layer]) -> None:
        """The peer wants these sizes."""
        for mid, layer in layers.items():
            if mid in self._pictures:
                self._pictures[mid].asked = layer

    def due(self) -> dict[str, Layer]:
        """What has to come in another size than it does."""
        larger = [mid for mid, picture in self._pictures.items() if picture.asked is not Layer.QUARTER]
        sizes = {
            mid: Layer.FULL if larger == [mid] else picture.asked for mid, picture in self._pictures.items()
        }
        return {mid: layer for mid, layer in sizes.items() if layer is not self._pictures[mid].sent}

    def sent(self, mid: str, layer: Layer) -> None:
        """It comes in this size now."""
        if mid in self._pictures:
            self._pictures[mid].sent = layer
