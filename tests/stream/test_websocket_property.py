"""Whatever bytes arrive, in whatever pieces, nothing is raised into the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from parley.stream.endpoint import Limits
from parley.stream.websocket import websocket_protocol
from tests.stream.serving import Recorder, echo, head

FRAMES = st.builds(
    lambda opcode, payload, fin, mask: (
        Frame(Opcode(opcode), payload, fin).serialize(mask=mask) if opcode < 8 or fin else payload
    ),
    st.sampled_from([0, 1, 2, 8, 9, 10]),
    st.one_of(st.binary(max_size=100), st.text(max_size=40).map(str.encode)),
    st.booleans(),
    st.sampled_from([True, True, True, False]),
)
DATA = st.lists(st.one_of(FRAMES, FRAMES, st.binary(max_size=30)), max_size=10).map(b"".join)


class Pipe(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.over = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.over = True

    def abort(self) -> None:
        self.over = True

    def is_closing(self) -> bool:
        return self.over

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


class State:
    def __init__(self) -> None:
        self.connections: set[Any] = set()
        self.tasks: set[asyncio.Task[None]] = set()


def server_frames(data: bytes) -> list[tuple[int, bytes]]:
    """What was sent must be whole, unmasked, unfragmented frames."""
    found, position = [], 0
    while position < len(data):
        first, length = data[position], data[position + 1]
        assert first & 0xF0 == 0x80
        assert length < 0x80
        position += 2
        if length == 126:
            length = int.from_bytes(data[position : position + 2], "big")
            position += 2
        payload = data[position : position + length]
        assert len(payload) == length
        found.append((first & 0x0F, payload))
        position += length
    return found


async def feed(data: bytes, sizes: list[int]) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    session, pipe, state = Recorder(echo), Pipe(), State()
    protocol = websocket_protocol({"/ws": session.route}, limits=Limits(message_bytes=150))(None, state, None)
    protocol.connection_made(pipe)
    protocol.data_received(head())
    await asyncio.gather(*state.tasks)
    answer_end = pipe.written.index(b"\r\n\r\n") + 4
    position = 0
    for size in [*sizes, len(data)]:
        if pipe.over:
            break
        protocol.data_received(data[position : position + size])
        position += size
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    frames = server_frames(bytes(pipe.written[answer_end:]))
    closes = [payload for opcode, payload in frames if opcode == 8]
    assert len(closes) <= 1
    if closes:
        assert frames[-1][0] == 8, "nothing may follow a close frame"
        assert not session.live.is_open
    else:
        assert session.live.is_open
        assert [payload for opcode, payload in frames if opcode < 8] == [
            message.encode() if isinstance(message, str) else message for message in session.messages
        ]
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    assert len(session.ends) == 1
    assert not state.connections
    assert failures == []


@settings(deadline=None)
@given(DATA, st.lists(st.integers(0, 50), max_size=10))
def test_any_bytes_end_in_one_close_frame_or_leave_a_working_socket(data: bytes, sizes: list[int]) -> None:
    asyncio.run(feed(data, sizes))


async def answer_to(data: bytes) -> bytes:
    session, pipe, state = Recorder(), Pipe(), State()
    protocol = websocket_protocol({"/ws": session.route})(None, state, None)
    protocol.connection_made(pipe)
    protocol.data_received(data)
    await asyncio.gather(*state.tasks)
    protocol.connection_lost(None)
    return bytes(pipe.written)


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200), st.binary(max_size=80).map(lambda noise: head()[:-2] + noise + b"\r\n\r\n")
    )
)
def test_any_request_head_gets_an_http_answer(data: bytes) -> None:
    assert asyncio.run(answer_to(data)).startswith(b"HTTP/1.1 ")
