"""The proxy for libraries lets https through to allowed addresses, and nothing else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from parley.outgoing.gate import Gate
from parley.outgoing.http import OutgoingPolicy
from parley.outgoing.ports import AddressRefused, OutgoingError
from parley.outgoing.sockets import open_socket

TIMEOUT_S = 30.0
PLENTY = 1 << 30
Asked = tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def _echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def _asked(gate: Gate, line: str, *, password: str | None = None) -> AsyncIterator[Asked]:
    """The status line of the answer, and the connection."""
    url = urlsplit(gate.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    given = base64.b64encode(f"gate:{url.password if password is None else password}".encode()).decode()
    writer.write(f"{line} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {given}\r\n\r\n".encode())
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0], reader, writer
    finally:
        writer.close()


async def test_bytes_go_both_ways_until_one_side_ends():
    async with _echo() as port, Gate(OutgoingPolicy(), most_received=PLENTY) as gate:
        async with _asked(gate, f"CONNECT 127.0.0.1:{port}") as (status, reader, writer):
            assert status == b"HTTP/1.1 200 Connected"
            sent = bytes(range(256)) * 4096
            writer.write(sent)
            assert await reader.readexactly(len(sent)) == sent
            writer.write_eof()
            assert await reader.read() == b""
        assert gate.failure is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"])
async def test_inner_addresses_are_refused(host):
    async with Gate(OutgoingPolicy(allow_private=False), most_received=PLENTY) as gate:
        async with _asked(gate, f"CONNECT {host}:443") as (status, _, _):
            assert status == b"HTTP/1.1 403 Not allowed"
        assert isinstance(gate.failure, AddressRefused)


async def test_metadata_services_are_refused_even_where_inner_addresses_are_allowed():
    async with (
        Gate(OutgoingPolicy(), most_received=PLENTY) as gate,
        _asked(gate, "CONNECT 169.254.169.254:80") as (status, _, _),
    ):
        assert status == b"HTTP/1.1 403 Not allowed"


async def test_a_server_that_is_away_is_told(unused_tcp_port):
    async with Gate(OutgoingPolicy(), most_received=PLENTY) as gate:
        async with _asked(gate, f"CONNECT 127.0.0.1:{unused_tcp_port}") as (status, _, _):
            assert status == b"HTTP/1.1 502 No connection"
        assert isinstance(gate.failure, OutgoingError)


async def test_nobody_without_the_password_is_let_through():
    async with Gate(OutgoingPolicy(), most_received=PLENTY) as gate:
        async with _asked(gate, "CONNECT 127.0.0.1:1", password="guess") as (status, _, _):
            assert status == b"HTTP/1.1 407 No password"
        assert gate.failure is None  # nobody was asked


@pytest.mark.parametrize("line", ["GET http://127.0.0.1/", "CONNECT nowhere", "CONNECT a b:1", "CONNECT :1"])
async def test_only_connect_is_known(line):
    async with Gate(OutgoingPolicy(), most_received=PLENTY) as gate, _asked(gate, line) as (status, _, _):
        assert status == b"HTTP/1.1 405 CONNECT only"


async def test_a_server_that_sends_too_much_is_cut_off():
    async with _echo() as port, Gate(OutgoingPolicy(), most_received=100) as gate:
        async with _asked(gate, f"CONNECT 127.0.0.1:{port}") as (_, reader, writer):
            gate.expect(200)
            writer.write(b"x" * 300)
            assert await reader.readexactly(300) == b"x" * 300
            assert gate.failure is None
            writer.write(b"x")
            assert await reader.read() == b""
        assert gate.failure is not None
        assert "more than was asked for" in gate.failure.message


async def test_the_end_of_the_block_ends_connections():
    async with _echo() as port:
        async with Gate(OutgoingPolicy(), most_received=PLENTY) as gate:
            url = urlsplit(gate.url)
            opened = _asked(gate, f"CONNECT 127.0.0.1:{port}")
            _, reader, _ = await opened.__aenter__()
        async with asyncio.timeout(TIMEOUT_S):
            assert await reader.read() == b""
        await opened.__aexit__(None, None, None)
        with pytest.raises(OSError):
            await asyncio.open_connection(url.hostname, url.port)


async def test_names_that_nobody_knows_are_told():
    with pytest.raises(OutgoingError, match="cannot be resolved"):
        await open_socket(OutgoingPolicy(), "nobody.invalid", 22, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("host", ["a" * 300, "a..b", "\udcff"])
async def test_what_is_no_name_is_told(host):
    with pytest.raises(OutgoingError, match="cannot be resolved"):
        await open_socket(OutgoingPolicy(), host, 22, timeout_s=TIMEOUT_S)
