"""One open connection: frames in and out, flow control, closing; `websocket.py` opens it.

Nothing here waits: what cannot be written at once is kept (`backlog`), and a peer that reads too slowly is
told so, leaves its topics, and is cut off when it does not recover (`endpoint.Limits`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import Any, ClassVar, cast

from parley.stream import frames
from parley.stream.backlog import Answer, Backlog
from parley.stream.closing import Close
from parley.stream.endpoint import Endpoint
from parley.stream.sockets import SocketSession

log = logging.getLogger("parley.stream")

# States of a connection. Plain integers: they are compared for every delivery.
HANDSHAKE, OPEN, CLOSING, CLOSED = range(4)

LINGER_S = 1.0
_BEFORE_NEXT_VISIT = 0.95
"""Of a round: silence that will be complete by then is not left to the next visit."""
_PING = frames.encode(frames.PING, b"")


class Connection(asyncio.Protocol):
    """A connection from the handshake's answer to its end; `sockets.Socket` is what sessions may call."""

    __slots__ = (
        "_backlog",
        "_close_code",
        "_close_received",
        "_close_sent",
        "_heard_s",
        "_heartbeat",
        "_lagging",
        "_out",
        "_outbound",
        "_reader",
        "_session",
        "_state",
        "_timer",
        "_transport",
        "remote",
    )

    endpoint: ClassVar[Endpoint]

    def __init__(self) -> None:
        """Not connected yet."""
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._session: SocketSession | None = None
        self._reader: frames.FrameReader | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._out: list[bytes] | None = None
        self._backlog: Backlog | None = None
        self._state = HANDSHAKE
        self._lagging = False
        self._heard_s = 0.0
        self._heartbeat = self.endpoint.heartbeat
        self._outbound = self.endpoint.outbound
        self._close_code: int = Close.BROKEN
        self._close_sent = False
        self._close_received = False
        self.remote: tuple[str, int] | None = None

    # --- what sessions and the hub call
    # -----------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """See `Socket.is_open`."""
        return self._state == OPEN

    @property
    def is_lagging(self) -> bool:
        """See `Socket.is_lagging`."""
        return self._lagging

    def send_text(self, text: str | bytes) -> None:
        """See `Socket.send_text`."""
        self.send_frames(frames.encode_text(text))

    def send_binary(self, data: bytes) -> None:
        """See `Socket.send_binary`."""
        self.send_frames(frames.encode_binary(data))

    def send_texts(self, texts: Iterator[bytes]) -> None:
        """See `Socket.send_texts`."""
        if self._state != OPEN:
            return
        answer = Answer(texts)
        if self._backlog is None:
            begun = answer.begin()
            if answer.is_over:  # short: it leaves with what else this turn sends
                self.send_frames(begun)
                return
        self.flush()
        if self._backlog is None:
            self._backlog = Backlog()
        self._backlog.add_answer(answer)
        self._write_backlog()

    def send_frames(self, prepared: bytes) -> None:
        """See `Socket.send_frames`."""
        if self._state != OPEN:
            return
        if self._out is None:
            self._out = [prepared]
            self.endpoint.flush_soon(self)
        else:
            self._out.append(prepared)

    def write_now(self, prepared: bytes) -> bool:
        """See `Socket.write_now`."""
        if self._state != OPEN:
            return False
        if self._out is not None:
            self._out.append(prepared)  # behind what waits for the end of this turn
            return not self._lagging
        backlog = self._backlog
        if backlog is not None:
            return self._wait_behind(backlog, prepared)
        self._transport.write(prepared)
        backlog = self._backlog
        if backlog is not None:  # not everything could be written
            backlog.handed(prepared)
        return True

    def close(self, code: int = 1000, reason: str = "") -> None:
        """See `Socket.close`."""
        if self._state != OPEN:
            return
        self._say_goodbye(frames.encode_close(code, reason))
        self._close_code = code
        self._transport.resume_reading()  # the answer must be read, even by a session that had paused
        self._start_timer(self.endpoint.limits.close_s, self.abort)

    def abort(self) -> None:
        """See `Socket.abort`."""
        if self._state != CLOSED:
            self._out = None
            self._transport.abort()

    def pause_reading(self) -> None:
        """See `Socket.pause_reading`."""
        if self._state == OPEN:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `Socket.resume_reading`."""
        if self._state == OPEN:
            self._transport.resume_reading()

    # --- what the event loop and the endpoint call
    # ------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        self._heard_s = monotonic()
        if self._reader is None:
            if self._state == HANDSHAKE:
                self.head_received(data)
            return  # else: the peer broke the protocol, and nothing it says after that means anything
        try:
            for opcode, payload in self._reader.feed(data):
                self._frame_received(opcode, payload)
        except frames.Violation as violation:
            self._fail(violation)

    def head_received(self, head: bytes) -> None:
        """Bytes before the connection is open."""
        raise AssertionError("overridden by whoever opens connections")

    def eof_received(self) -> bool:
        """The peer will send no more: without a closing handshake, the connection is broken."""
        return False

    def pause_writing(self) -> None:
        """Something could not be written. Called from inside `write`, so nothing is done here but noting."""
        if self._state != OPEN:
            return
        if self._backlog is None:
            self._backlog = Backlog()
        self._backlog.is_paused = True
        if self._backlog.has_answer and not self._lagging:
            self._start_timer(self.endpoint.limits.lag_s, self._lagged_too_long)

    def resume_writing(self) -> None:
        """The peer has taken everything that was written."""
        if self._backlog is not None:
            if self._backlog.has_answer and not self._lagging:
                self._stop_timer()
            self._backlog.is_paused = False
            asyncio.get_running_loop().call_soon(self._write_backlog)

    def ended(self) -> None:
        """The connection is gone; tell the session, if there was one."""
        was_opened, self._state = self._session is not None, CLOSED
        self._stop_timer()
        self._out = self._backlog = None
        self._reader = None
        if not was_opened:
            return
        self.endpoint.wheel(self._heartbeat.ping_s).leave(self)
        self.endpoint.counters.open -= 1
        clean = self._close_sent and self._close_received
        session, self._session = self._session, None
        assert session is not None
        try:
            session.closed(self._close_code if self._close_received else Close.BROKEN, clean)
        except Exception:
            log.exception("a session failed while closing")

    def flush(self) -> None:
        """Write what was gathered in this turn."""
        out, self._out = self._out, None
        if out is None or self._state != OPEN:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        backlog = self._backlog
        if backlog is not None:
            self._wait_behind(backlog, data)
            return
        self._transport.write(data)
        backlog = self._backlog
        if backlog is not None:
            backlog.handed(data)

    def visited_by_wheel(self) -> None:
        """Once per round: check that the peer is alive, and ask again."""
        if self._state != OPEN or self._lagging or (self._backlog is not None and self._backlog.has_answer):
            return  # then another timer decides
        self._look_for_silence()
        self.write_now(_PING)

    # --- open
    # -------------------------------------------------------------------------------------------------

    def _frame_received(self, opcode: int, payload: str | bytes) -> None:
        if isinstance(payload, str) or opcode == frames.BINARY:
            if self._state == OPEN and self._session is not None:
                self.endpoint.counters.messages_in += 1
                try:
                    self._session.received(payload)
                except Exception as error:
                    self._session_failed(error)
        elif opcode == frames.PING:
            # A peer that sends pings and reads no pongs would fill the buffer; a lagging one gets none.
            if not self._lagging:
                self.send_frames(frames.encode(frames.PONG, payload))
        elif opcode == frames.CLOSE:
            self._close_frame_received(payload)

    def _close_frame_received(self, payload: bytes) -> None:
        code, _reason = frames.decode_close(payload)
        if self._close_received:
            return
        self._close_received = True
        self._close_code = code
        if self._state == OPEN:
            self._say_goodbye(frames.encode(frames.CLOSE, payload[:2]))
        self._state = CLOSING
        self._transport.close()  # the server closes first (RFC 6455 section 7.1.1)
        self._start_timer(self.endpoint.limits.close_s, self.abort)

    def _say_goodbye(self, close_frame: bytes) -> None:
        """Write what waits, unless the peer lags, and the close frame."""
        backlog, self._backlog = self._backlog, None
        out, self._out = self._out or [], None
        self._state = CLOSING
        self._close_sent = True
        waiting = backlog.before_answers() if backlog is not None and not self._lagging else []
        self._transport.writelines([*waiting, *out, close_frame])

    def _fail(self, violation: frames.Violation) -> None:
        """Fail the connection (RFC 6455 section 7.1.7): say why, listen to nothing more, and go."""
        self.endpoint.counters.violations += 1
        already_closing = self._state != OPEN
        self.close(violation.code, violation.reason)
        self._reader = None
        if already_closing:
            self.abort()
        elif self._transport.can_write_eof():
            # Closing at once would lose the close frame: unread bytes make the kernel reset the connection.
            with suppress(OSError, RuntimeError):
                self._transport.write_eof()
        else:  # TLS has no half close: leave the peer a moment to read
            self._start_timer(LINGER_S, self._transport.close)

    def _session_failed(self, error: Exception) -> None:
        log.error("a session failed", exc_info=error)
        self.close(Close.INTERNAL_ERROR, "internal error")

    def _look_for_silence(self) -> None:
        """End a silent connection, now or before the next visit of the wheel."""
        left_s = self._heard_s + self._heartbeat.silent_s - monotonic()
        if left_s <= 0:
            self.endpoint.counters.cut_silent += 1
            if self._heartbeat.code is None:
                self.abort()
            else:
                self.close(self._heartbeat.code, self._heartbeat.reason)
        elif self._timer is None and left_s < self._heartbeat.ping_s * _BEFORE_NEXT_VISIT:
            self._start_timer(left_s, self._silence_due)

    def _silence_due(self) -> None:
        self._timer = None
        self._look_for_silence()

    def _write_backlog(self) -> None:
        """Write what there is room for."""
        while (backlog := self._backlog) is not None and not backlog.is_paused:
            data = backlog.take()
            if data:
                self._transport.writelines(data)
            else:
                self._backlog = None
            if self._lagging:
                self._see_whether_caught_up(backlog)

    def _wait_behind(self, backlog: Backlog, data: bytes) -> bool:
        """Keep what cannot be written yet; False when the peer lags."""
        backlog.add(data, self.endpoint.count(data))
        most, in_transport = self._outbound, self._transport.get_write_buffer_size()
        unsent = backlog.unsent_bytes(in_transport)
        if self._lagging:
            if unsent > most.bytes + self.endpoint.limits.cut_bytes:
                self._lagged_too_long()
            return False
        if unsent <= most.bytes and (
            most.frames is None or not backlog.has_more_than(most.frames, in_transport)
        ):
            return True
        self._lagging = True
        self.endpoint.counters.lagged += 1
        self._start_timer(self.endpoint.limits.lag_s, self._lagged_too_long)
        # Told in the next turn: whoever is writing now may be walking a list that the session changes.
        asyncio.get_running_loop().call_soon(self._tell_lagging, True)
        return False

    def _see_whether_caught_up(self, backlog: Backlog) -> None:
        most, in_transport = self._outbound, self._transport.get_write_buffer_size()
        if backlog.unsent_bytes(in_transport) > most.bytes // 4 or (
            most.frames is not None and backlog.has_more_than(most.frames // 4, in_transport)
        ):
            return
        self._lagging = False
        self._stop_timer()
        asyncio.get_running_loop().call_soon(self._tell_lagging, False)

    def _tell_lagging(self, behind: bool) -> None:
        if self._state != OPEN or self._session is None:
            return
        try:
            self._session.lagging(behind)
        except Exception as error:
            self._session_failed(error)

    def _lagged_too_long(self) -> None:
        self.endpoint.counters.cut_lagging += 1
        self.abort()

    # --- one timer at a time: handshake, then silence or lag, then close
    # -------------------------------------------------

    def _start_timer(self, delay_s: float, callback: Any) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, callback)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
