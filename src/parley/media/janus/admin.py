"""Janus's admin interface, for the statistics of handles: a socket of its own, opened when first needed."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from parley.media.ports import MediaError, PathEnd, SectionStatistics, TransportGone, TransportStatistics

TIMEOUT_S = 5.0
MAX_MESSAGE_BYTES = 1 << 20
"""Of one handle's description; that of a publisher of camera, microphone and screen takes 10 kB."""
_END = r"(\S+):(\d+) \[(\w+),(\w+)\]"
_PAIR = re.compile(f"{_END} <-> {_END}", re.ASCII)
_LAYERS = ("main", "sim1", "sim2")
MOST_LOST = 1 << 23
"""From here on losses are negative (RFC 3550 section 6.4.1): more came than were sent, some of them twice."""
MOST_RTT_MS = 60_000
"""A round trip of less than nothing, by two clocks that differ a little, is told as 18 hours."""
_NO_SUCH = frozenset({458, 459})  # JANUS_ERROR_SESSION_NOT_FOUND, JANUS_ERROR_HANDLE_NOT_FOUND


class JanusAdmin:
    """Asks one question after the other; a lost connection is opened again with the next."""

    def __init__(self, socket_path: Path, secret: str) -> None:
        self._path = socket_path
        self._secret = secret
        self._numbers = itertools.count(1)
        self._turn = asyncio.Lock()
        self._socket: ClientConnection | None = None

    async def statistics(
        self, session_id: int, handle_id: int, *, to_browser: bool = False
    ) -> TransportStatistics:
        """What Janus knows of a handle's connection: of what it gets, or of what it sends.

        Raises:
            TransportGone: there is no such handle any more.
            MediaError: not answered.
        """
        fields = {"session_id": session_id, "handle_id": handle_id}
        answer = await self._ask("handle_info", fields)
        if answer.get("janus") != "success":
            error = _object(answer.get("error"))
            if error.get("code") in _NO_SUCH:
                raise TransportGone("This media transport is closed.")
            raise MediaError(
                f"The media engine tells no statistics: {error.get('reason', 'no reason given')}."
            )
        connection = _object(_object(answer.get("info")).get("webrtc"))
        media = _object(connection.get("media"))
        read = _sent if to_browser else _received
        sections = [found for each in media.values() if (found := read(_object(each))) is not None]
        return TransportStatistics(sections, _path(_object(connection.get("ice")).get("selected-pair")))

    async def close(self) -> None:
        """End the connection; may be called twice."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def _ask(self, verb: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._turn:
            transaction = str(next(self._numbers))
            message = {"janus": verb, "transaction": transaction, "admin_secret": self._secret, **fields}
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    if self._socket is None:
                        self._socket = await unix_connect(
                            str(self._path),
                            uri="ws://localhost/",
                            subprotocols=[Subprotocol("janus-admin-protocol")],
                            compression=None,
                            max_size=MAX_MESSAGE_BYTES,
                            ping_interval=None,
                            close_timeout=1,
                        )
                    await self._socket.send(msgspec.json.encode(message).decode())
                    while True:
                        answer = _object(msgspec.json.decode(await self._socket.recv()))
                        if answer.get("transaction") == transaction:
                            return answer
            except (OSError, TimeoutError, WebSocketException, msgspec.DecodeError) as error:
                await self.close()  # an answer that comes late is nobody's
                raise MediaError("The media engine tells no statistics right now.") from error


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _path(told: Any) -> tuple[PathEnd, PathEnd] | None:
    found = _PAIR.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        return None
    ours, theirs = (found.groups()[start : start + 4] for start in (0, 4))
    return (
        PathEnd(ours[0], int(ours[1]), ours[2], ours[3]),
        PathEnd(theirs[0], int(theirs[1]), theirs[2], theirs[3]),
    )


def _received(told: Mapping[str, Any]) -> SectionStatistics | None:
    """One section, with all its simulcast layers added up; None of one in which nothing has arrived."""
    rtcp, arrived = _object(told.get("rtcp")), _object(_object(told.get("stats")).get("in"))
    layers = [_object(rtcp.get(name)) for name in _LAYERS if name in rtcp]
    counted = [arrived, *(_object(arrived.get(f"video-simulcast-{number}")) for number in (1, 2))]
    packets = sum(int(each.get("packets", 0)) for each in counted)
    if not layers or not packets or told.get("type") not in ("audio", "video"):
        return None
    return SectionStatistics(
        mid=str(told.get("mid", "")),
        kind=str(told["type"]),
        packets=packets,
        bytes=sum(int(each.get("bytes", 0)) for each in counted),
        lost=sum(_lost(each.get("lost", 0)) for each in layers),
        jitter_s=max(int(each.get("jitter-local", 0)) for each in layers) / 1000,
    )


def _sent(told: Mapping[str, Any]) -> SectionStatistics | None:
    """One section; None of one that the browser has not reported on.

    Janus tells a round trip of 0 both for one below a millisecond and for none. Its estimate of the link
    comes with the first report, and falls to 0 again only when all is lost.
    """
    report, sent = (
        _object(_object(told.get("rtcp")).get("main")),
        _object(_object(told.get("stats")).get("out")),
    )
    packets, lost = int(sent.get("packets", 0)), _lost(report.get("lost-by-remote", 0))
    rtt_ms = int(report.get("rtt", 0))
    is_reported = lost or rtt_ms or report.get("out-link-quality")
    if not packets or not is_reported or told.get("type") not in ("audio", "video"):
        return None
    return SectionStatistics(
        mid=str(told.get("mid", "")),
        kind=str(told["type"]),
        packets=packets,
        bytes=int(sent.get("bytes", 0)),
        lost=lost,
        jitter_s=int(report.get("jitter-remote", 0)) / 1000,
        rtt_s=rtt_ms / 1000 if rtt_ms <= MOST_RTT_MS else 0.0,
    )


def _lost(told: Any) -> int:
    return told if isinstance(told, int) and 0 <= told < MOST_LOST else 0
