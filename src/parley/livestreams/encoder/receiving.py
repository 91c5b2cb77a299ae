"""Packets from the media engine, taken off the socket at once: its buffer holds two seconds only."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque

from parley.compositor.rtp import Packet, parse

_BUFFER_BYTES = 4 << 20
MOST_WAITING = 20_000
"""Packets; older ones are dropped when the encoder stands still."""
Arrival = tuple[float, Packet]
"""Wall clock in milliseconds, and the packet."""


class Receiver:
    """A UDP socket on 127.0.0.1 with a thread that empties it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.bind(("127.0.0.1", 0))
        self._arrived: deque[Arrival] = deque(maxlen=MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    def take(self) -> list[Arrival]:
        """Everything that has arrived since."""
        taken = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self._arrived.popleft())
        return taken

    def close(self) -> None:
        """Take no more."""
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                data = self._socket.recv(2048)
            except OSError:
                return
            packet = parse(data)
            if packet is not None:
                self._arrived.append((time.time() * 1000, packet))
