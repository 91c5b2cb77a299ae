"""A bounded HTTP load: equal requests over keep-alive connections, each waiting for its answer.

Answers are split by hand (a status line, `content-length`, a body), so that the generator costs a fraction of
any server it measures.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from bench import processes

DRAIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Load:
    """What one measurement found."""

    requests: int
    wall_s: float
    server_cpu_s: float
    generator_cpu_s: float
    latencies_ms: list[float]

    @property
    def per_cpu_s(self) -> float:
        """Requests per CPU-second of the server."""
        return self.requests / self.server_cpu_s

    @property
    def p50_ms(self) -> float:
        """Median time from sending a request to the end of its answer."""
        return statistics.median(self.latencies_ms)

    @property
    def p99_ms(self) -> float:
        """The same, of the slowest hundredth."""
        return statistics.quantiles(self.latencies_ms, n=100)[98]


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join([*lines, "", ""])).encode() + body


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is complete."""

    def __init__(self, answered: Callable[[float, int], bool], payload: bytes) -> None:
        self._answered = answered
        self._payload = payload
        self._data = b""
        self._began = 0.0
        self._needed = 0
        self._status = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass

    def send(self) -> None:
        """Send a request."""
        self._began = time.perf_counter()
        self._transport.write(self._payload)

    def data_received(self, data: bytes) -> None:
        self._data = self._data + data if self._data else data
        if not self._needed:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._data[:end].lower()
            self._status = int(head[9:12])
            at = head.index(b"content-length:") + 15
            self._needed = end + 4 + int(head[at:].split(b"\r\n", 1)[0])
        if len(self._data) < self._needed:
            return
        self._data, self._needed = b"", 0
        if self._answered((time.perf_counter() - self._began) * 1000, self._status):
            self.send()
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


async def run(
    port: int, pid: int, payload: bytes, *, status: int, connections: int = 32, seconds: float = 3.0
) -> Load:
    """Ask for that long, and wait for the last answers.

    Raises:
        AssertionError: an answer had another status.
    """
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    until = float("inf")

    def answered(took_ms: float, got: int) -> bool:
        assert got == status, f"status {got} instead of {status}"
        latencies.append(took_ms)
        return time.perf_counter() < until

    opened: list[tuple[Any, Connection]] = [
        await loop.create_connection(lambda: Connection(answered, payload), "127.0.0.1", port)
        for _ in range(connections)
    ]
    try:
        began, server_cpu, own_cpu = time.perf_counter(), processes.cpu_s(pid), time.process_time()
        until = began + seconds
        for _, connection in opened:
            connection.send()
        await asyncio.wait_for(asyncio.gather(*(c.done for _, c in opened)), seconds + DRAIN_S)
        return Load(
            len(latencies),
            time.perf_counter() - began,
            processes.cpu_s(pid) - server_cpu,
            time.process_time() - own_cpu,
            latencies,
        )
    finally:
        for transport, connection in opened:
            connection.done.cancel()
            transport.close()
