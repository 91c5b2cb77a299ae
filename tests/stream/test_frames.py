"""The frame reader against the one of `websockets`, and against bytes that are no frames."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from parley.stream.frames import (
    BINARY,
    CLOSE,
    TEXT,
    FrameReader,
    Violation,
    decode_close,
    encode,
    encode_close,
)

LIMIT = 500


def cuts(data: bytes, sizes: list[int]) -> list[bytes]:
    """The data in pieces, as a network might deliver it."""
    pieces, position = [], 0
    for size in sizes:
        pieces.append(data[position : position + size])
        position += size
    return [*pieces, data[position:]]


def ours(pieces: list[bytes]) -> tuple[list[tuple[int, str | bytes]], int | None]:
    """Messages, and the close code of a violation."""
    reader = FrameReader(LIMIT)
    found: list[tuple[int, str | bytes]] = []
    try:
        for piece in pieces:
            found.extend(reader.feed(piece))
    except Violation as violation:
        # Messages before the violation in the same piece were yielded one by one, as `extend` keeps them.
        return found, violation.code
    return found, None


def theirs(data: bytes) -> tuple[list[tuple[int, str | bytes]], int | None]:
    """The same by `websockets`: its frame parser, and the assembly of its protocol written out."""
    stream = StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    found: list[tuple[int, str | bytes]] = []
    kind, parts = None, b""
    while True:
        try:
            parser = Frame.parse(stream.read_exact, mask=True, max_size=None)
            next(parser)
            raise AssertionError("the parser waits after the end")
        except StopIteration as done:
            frame: Frame = done.value
        except EOFError:
            return found, None
        except ProtocolError:
            return found, 1002
        except PayloadTooBig:
            return found, 1009
        payload = bytes(frame.data)
        if frame.opcode in (Opcode.CLOSE, Opcode.PING, Opcode.PONG):
            found.append((int(frame.opcode), payload))
            continue
        if (frame.opcode is Opcode.CONT) == (kind is None):
            return found, 1002
        kind = frame.opcode if frame.opcode is not Opcode.CONT else kind
        assert kind is not None
        parts += payload
        if len(parts) > LIMIT:
            return found, 1009
        if frame.fin:
            try:
                found.append((int(kind), parts.decode() if kind is Opcode.TEXT else parts))
            except UnicodeDecodeError:
                return found, 1007
            kind, parts = None, b""


VALID = st.builds(
    lambda opcode, payload, fin: Frame(opcode, payload, fin).serialize(mask=True),
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.CONT]),
    st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)),
    st.booleans(),
)
CONTROL = st.builds(
    lambda opcode, payload: Frame(opcode, payload).serialize(mask=True),
    st.sampled_from([Opcode.PING, Opcode.PONG, Opcode.CLOSE]),
    st.binary(max_size=125),
)
NOISE = st.binary(max_size=20)


@given(
    st.lists(st.one_of(VALID, VALID, CONTROL, NOISE), max_size=8).map(b"".join), st.lists(st.integers(0, 60))
)
@example(b"\x81\xfe\x00\x01\x00\x00\x00\x00x", [1, 1, 1])
def test_reader_agrees_with_websockets_however_the_bytes_arrive(data: bytes, sizes: list[int]) -> None:
    mine, verdict = ours(cuts(data, sizes))
    expected, expected_verdict = theirs(data)
    if verdict == expected_verdict:
        assert mine == expected
    else:
        # We judge a frame by its head, they when all of it is there: then we are earlier, and never milder.
        assert verdict in (1002, 1009)
        assert mine == expected[: len(mine)]


@given(st.binary(max_size=300), st.lists(st.integers(0, 10)))
def test_verdict_does_not_depend_on_how_the_bytes_arrive(data: bytes, sizes: list[int]) -> None:
    assert ours(cuts(data, sizes)) == ours([data])


@given(st.lists(st.one_of(VALID, CONTROL), max_size=8).map(b"".join))
def test_byte_by_byte_is_the_same(data: bytes) -> None:
    assert ours([data[n : n + 1] for n in range(len(data))]) == ours([data])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
def test_encoding_is_what_websockets_makes(size: int) -> None:
    payload = os.urandom(size)
    assert encode(BINARY, payload) == Frame(Opcode.BINARY, payload).serialize(mask=False)


def test_idle_reader_keeps_no_buffer() -> None:
    reader = FrameReader(LIMIT)
    assert list(reader.feed(Frame(Opcode.TEXT, b"x").serialize(mask=True))) == [(TEXT, "x")]
    assert reader._buffer is None


def test_endless_empty_fragments_cost_no_memory() -> None:
    reader = FrameReader(LIMIT)
    assert list(reader.feed(Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True))) == []
    empty = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True)
    for _ in range(100):
        assert list(reader.feed(empty * 10)) == []
    assert reader._fragments == bytearray()


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 1012, 3000, 4999])
def test_close_frame_round_trips(code: int) -> None:
    data = encode_close(code, "see you")
    assert data[0] == 0x80 | CLOSE
    assert decode_close(data[2:]) == (code, "see you")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535])
def test_reserved_close_codes_are_refused(code: int) -> None:
    with pytest.raises(Violation) as refused:
        decode_close(code.to_bytes(2, "big"))
    assert refused.value.code == 1002


def test_long_close_reason_is_cut_at_a_character() -> None:
    data = encode_close(1000, "ö" * 100)
    assert len(data) <= 127
    assert decode_close(data[2:]) == (1000, "ö" * 61)
