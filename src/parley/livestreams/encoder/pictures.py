"""Avatars, made small on a thread of their own: what people chose may be large, or no picture at all."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

from PIL import Image

from parley.compositor import tiles

_LONGEST = 512
"""Pixels of a side: an avatar is never larger on a canvas of 1920 by 1080."""


class Pictures:
    """What was made of them so far."""

    def __init__(self) -> None:
        self._asked: queue.Queue[Path] = queue.Queue()
        self._small: dict[Path, Path | None] = {}
        self.are_new = threading.Event()
        """Set when another one is ready; the owner clears it."""
        threading.Thread(target=self._run, name="pictures", daemon=True).start()

    def small(self, picture: Path | None) -> Path | None:
        """A picture that is quick to open; None while there is none, and for ever if it is none."""
        if picture is None:
            return None
        if picture not in self._small:
            self._small[picture] = None
            self._asked.put(picture)
        return self._small[picture]

    def _run(self) -> None:
        while True:
            picture = self._asked.get()
            image = tiles.load(picture)
            if image is None:
                continue
            image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
            small = picture.with_suffix(".small")
            try:
                image.save(small, "PNG")
            except OSError:
                continue  # the disk is full; initials are shown
            self._small[picture] = small
            self.are_new.set()
