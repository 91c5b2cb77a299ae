"""Show a meeting live: `python -m parley.livestreams.encoder`, started by the server (`follow.process`).

Takes orders on its standard input, tells news on its standard output, and ends with its input.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
import time
import traceback

import msgspec

from parley.compositor.audio import RATE
from parley.compositor.painter import Painter
from parley.compositor.plan import Person
from parley.livestreams.encoder import orders as o
from parley.livestreams.encoder.output import Output
from parley.livestreams.encoder.pictures import Pictures
from parley.livestreams.encoder.receiving import Receiver
from parley.livestreams.encoder.sources import DELAY_MS
from parley.livestreams.encoder.stage import LiveStage

_LOOK_EVERY = 6
"""Pictures; whether there is something to play."""
_LATE_S = 0.1
"""A picture that is later is left out."""
_TOO_LATE_S = 5.0
"""After standing still for longer (a suspended machine) time is not caught up with."""


def _say(news: o.News) -> None:
    with contextlib.suppress(OSError):  # the server is gone; then the input ends
        sys.stdout.buffer.write(o.line(news))
        sys.stdout.buffer.flush()


class _Orders:
    """Read on a thread of their own."""

    def __init__(self) -> None:
        self._read: queue.Queue[o.Order] = queue.Queue()
        self.are_over = threading.Event()
        threading.Thread(target=self._run, name="orders", daemon=True).start()

    def first(self) -> o.Begin:
        """Wait for how to begin."""
        order = self._read.get(timeout=30)
        assert isinstance(order, o.Begin)
        return order

    def newest(self) -> o.Scene | None:
        """The last scene that was told since."""
        found = None
        with contextlib.suppress(queue.Empty):
            while True:
                order = self._read.get_nowait()
                found = order if isinstance(order, o.Scene) else found
        return found

    def _run(self) -> None:
        try:
            for line in sys.stdin.buffer:
                self._read.put(o.read_order(line))
        finally:
            self.are_over.set()


class _Show:
    """The meeting, from now until there are no more orders."""

    def __init__(self, begin: o.Begin, orders: _Orders, receiver: Receiver) -> None:
        self._canvas, self._orders, self._receiver = begin.canvas, orders, receiver
        self._stage = LiveStage(begin.canvas)
        self._output = Output(begin.folder, begin.canvas, begin.bitrate)
        if begin.copy_to is not None:
            self._output.copy_to(begin.copy_to)
        self._painter = Painter(begin.canvas)
        self._pictures = Pictures()
        self._scene = o.Scene(())

    def run(self) -> None:
        """Show it."""
        fps = self._canvas.fps
        began = time.monotonic()
        began_ms = time.time() * 1000 - DELAY_MS
        number = 0
        is_playable = False
        while not self._orders.are_over.is_set():
            late_s = time.monotonic() - (began + number / fps)
            if late_s < 0:
                time.sleep(-late_s)
            elif late_s > _TOO_LATE_S:
                skipped = int(late_s * fps)
                began, began_ms = began + skipped / fps, began_ms + skipped * 1000 / fps
            self._take()
            now_ms = began_ms + number * 1000 / fps
            first, last = number * RATE // fps, (number + 1) * RATE // fps
            self._output.audio(self._stage.sound(began_ms + first * 1000 / RATE, last - first))
            if late_s < _LATE_S or number % fps == 0:
                picture = self._painter.paint(self._stage.tiles(now_ms))
                self._output.video(picture, number)
            if number % fps == 0:
                for ssrc in self._stage.without_key_frame(now_ms):
                    _say(o.KeyFrame(ssrc))
            if not is_playable and number % _LOOK_EVERY == 0 and self._output.is_playable:
                is_playable = True
                _say(o.Playable())
            number += 1
        self._output.close()

    def _take(self) -> None:
        scene = self._orders.newest()
        if scene is not None:
            self._scene = scene
            self._stage.set(scene)
        if scene is not None or self._pictures.are_new.is_set():
            self._pictures.are_new.clear()
            self._painter.know([self._person(face) for face in self._scene.faces])
        for arrived_ms, packet in self._receiver.take():
            self._stage.push(arrived_ms, packet)

    def _person(self, face: o.Face) -> Person:
        picture = self._pictures.small(face.picture)
        return Person(peer_id=face.peer_id, name=face.name, picture=picture, present=())


def main() -> int:
    """Run; the status of the process."""
    logging.getLogger("libav").setLevel(logging.ERROR)
    orders = _Orders()
    receiver = Receiver()
    try:
        show = _Show(orders.first(), orders, receiver)
        _say(o.Ready(receiver.port))
        show.run()
    except (OSError, msgspec.DecodeError) as wrong:
        traceback.print_exc()
        _say(o.Fatal(f"The live picture cannot be written: {wrong}."))
        return 1
    finally:
        receiver.close()
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads that wait for packets or orders are of no more use
